"""States exchanged between two texts have the effect that is known beforehand."""

import pytest
import torch
from torch import Tensor

from noiseloom.explain.interventions import blocks_of
from noiseloom.explain.state_swap import Answer, traced
from noiseloom.networks.language_model import Config, LanguageModel
from tests.explain.stirring import stirred

FIRST, SECOND = torch.tensor([[3, 1, 4, 1, 5]]), torch.tensor([[3, 1, 6, 1, 5]])


def model() -> LanguageModel:
    return stirred(Config(width=16, depth=3, heads=2).build(11, 8))


def asked(network: LanguageModel, tokens: Tensor) -> Answer:
    return lambda times: network(tokens.expand(times, -1))[:, -1]


def test_the_last_state_is_all_of_it_and_what_was_the_same_is_nothing() -> None:
    network = model()
    found = traced(blocks_of(network), asked(network, FIRST), asked(network, SECOND), range(5))
    effect = found.effect
    assert effect.shape == (3, 5)
    assert float(effect[2, 4]) == pytest.approx(1.0, abs=1e-4)  # all that the head reads
    assert effect[2, :4].abs().max() < 1e-4  # of other places nobody reads the last state
    assert effect[:, :2].abs().max() < 1e-4  # before the texts differ their states do not
    assert effect[0, 2].abs() > 1e-3
    terms = found.other.exp() * (found.other - found.base)
    assert found.told == int(terms.argmax()) and found.other[found.told] > found.base[found.told]


def test_of_a_planted_model_the_place_and_the_block_that_carry_it_are_found() -> None:
    """Attention of the second block alone moves anything: before it the third token carries it."""
    network = model()
    with torch.no_grad():
        for number in (0, 2):
            network.blocks[number].attention.out.weight.zero_()  # type: ignore[union-attr, operator]
    effect = traced(
        blocks_of(network), asked(network, FIRST), asked(network, SECOND), range(5)
    ).effect
    assert float(effect[0, 2]) == pytest.approx(1.0, abs=1e-4)
    assert float(effect[1, 4]) == pytest.approx(1.0, abs=1e-4)
    assert float(effect[2, 4]) == pytest.approx(1.0, abs=1e-4)
    effect[0, 2] = effect[1, 4] = effect[2, 4] = 0
    assert effect.abs().max() < 1e-4


def test_texts_that_are_answered_the_same_cannot_be_traced() -> None:
    network = model()
    with pytest.raises(ValueError, match="answered the same"):
        traced(blocks_of(network), asked(network, FIRST), asked(network, FIRST), range(5))
