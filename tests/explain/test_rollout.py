"""Rollout and the figures of heads, where they are known in closed form."""

import math

import pytest
import torch

from noiseloom.explain.head_figures import HeadFigures
from noiseloom.explain.rollout import through, unmixed
from noiseloom.explain.watching import AttentionLayer, Looks
from noiseloom.transformer.positions import grid

LAYER = AttentionLayer(0, "planted", "self", 1)


def looks(weights: torch.Tensor, first: int = 0, queries: int = 4, remembered: int = 0) -> Looks:
    return Looks(LAYER, 0, first, queries, weights, remembered)


def test_even_looks_roll_out_to_a_half_a_layer() -> None:
    """A = (J / L + I) / 2 has A^n = I / 2^n + (1 - 1 / 2^n) J / L."""
    rollout = unmixed(1, 4, 0, torch.device("cpu"))
    for _ in range(3):
        rollout = through(torch.full((1, 4, 4), 0.25), rollout, 0)
    expected = torch.eye(4) / 8 + (1 - 1 / 8) / 4
    torch.testing.assert_close(rollout[0], expected)


def test_a_chain_of_looks_is_the_product_of_its_layers_and_memory_stays() -> None:
    torch.manual_seed(0)
    weights = torch.rand(3, 2, 4, 6).softmax(dim=-1)  # layers, rows, tokens, memory + tokens
    rollout = unmixed(2, 4, 2, torch.device("cpu"))
    whole = torch.eye(6).expand(2, -1, -1)
    for layer in weights:
        rollout = through(layer, rollout, 2)
        own = torch.cat([torch.zeros(2, 2, 6), layer], dim=1)  # what is remembered looks nowhere
        own[:, :2, :2] = torch.eye(2)
        whole = (own + torch.eye(6)) / 2 @ whole
    torch.testing.assert_close(rollout, whole[:, 2:])
    torch.testing.assert_close(rollout.sum(dim=-1), torch.ones(2, 4))


def test_looks_across_alone_read_the_memory() -> None:
    rollout = through(
        torch.tensor([[[1.0, 0], [0.5, 0.5]]]), unmixed(1, 2, 2, torch.device("cpu")), 2
    )
    expected = torch.tensor([[[0.5, 0, 0.5, 0], [0.25, 0.25, 0, 0.5]]])
    torch.testing.assert_close(rollout, expected)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_figures_of_planted_looks_are_exact_however_they_are_told(parts: int) -> None:
    """Four tokens in a row; each looks at the last, but the first, which looks evenly."""
    weights = torch.zeros(1, 1, 4, 4)
    weights[..., 3] = 1
    weights[0, 0, 0] = 0.25
    figures = HeadFigures()
    for first in range(0, 4, 4 // parts):
        chunk = weights[:, :, first : first + 4 // parts]
        figures.add(looks(chunk, first), grid([4]))
    entropy, distance, own, remembered = figures.means()[:, 0].tolist()
    assert entropy == pytest.approx(math.log(4) / 4)
    assert distance == pytest.approx((1.5 + 2 + 1 + 0) / 4)
    assert own == pytest.approx((0.25 + 0 + 0 + 1) / 4)
    assert remembered == 0


def test_what_is_remembered_counts_for_entropy_and_not_for_distance() -> None:
    weights = torch.tensor(
        [[[[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]]]]
    )  # one key of a memory, two tokens
    figures = HeadFigures()
    figures.add(looks(weights, 0, 2, remembered=1), grid([2]))
    entropy, distance, own, remembered = figures.means()[:, 0].tolist()
    assert (entropy, distance, own, remembered) == pytest.approx((math.log(2), 0.0, 0.5, 0.5))
