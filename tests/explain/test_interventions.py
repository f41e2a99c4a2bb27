"""What is changed from outside is what it says, exactly, and nothing of it stays."""

import copy

import pytest
import torch
from torch import Tensor, nn

from noiseloom.explain.depth_lens import at_each_stage, decoded
from noiseloom.explain.interventions import (
    blocks_of,
    exchanged,
    heads_of,
    skipped,
    switched_off,
)
from noiseloom.explain.states import watched
from noiseloom.networks import dit, language_model, mlp, text_encoder
from noiseloom.transformer.blocks import Block, Parts
from tests.explain.stirring import hooks_of, stirred

TOKENS = torch.tensor([[3, 1, 4, 1, 5]])


def written(**settings: object) -> language_model.LanguageModel:
    config = language_model.Config(width=16, depth=3, heads=2, **settings)  # type: ignore[arg-type]
    return stirred(config.build(11, 8))


def drawing(shape: tuple[int, ...], **settings: object) -> dit.DiT:
    config = dit.Config(width=16, depth=2, heads=2, patch=4, **settings)  # type: ignore[arg-type]
    return stirred(config.build(shape, 3))


def drawn(network: nn.Module, shape: tuple[int, ...]) -> Tensor:
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))
    answer: Tensor = network(x, torch.tensor([0.1, -0.2]), torch.tensor([0, 2]))
    return answer


@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, {"value_embeddings": 1, "ngrams": (2,), "kv_heads": 1}])
def test_the_last_stage_is_the_answer_and_the_others_are_the_head_on_states(
    settings: dict[str, object],
) -> None:
    network = written(**settings)
    layers = blocks_of(network)
    stages = at_each_stage(layers, lambda: network(TOKENS))
    with watched([layer[-1] for layer in layers]) as states:
        answer = network(TOKENS)
    assert len(stages) == 4 and torch.equal(stages[-1], answer)
    for stage, state in zip(stages[1:], states, strict=True):
        assert torch.equal(stage, network.leave(state))
    assert (
        len({round(float(stage.sum()), 3) for stage in stages}) == 4
    )  # every block does something


@torch.no_grad()
@pytest.mark.parametrize("space_time", ["joint", "factorised"])
def test_the_last_stage_of_a_network_that_draws_is_its_answer(space_time: str) -> None:
    shape = (1, 3, 8, 8)
    network = drawing(shape, space_time=space_time)
    layers = blocks_of(network)
    assert [len(layer) for layer in layers] == [1 + (space_time == "factorised")] * 2
    stages = at_each_stage(layers, lambda: drawn(network, shape))
    assert torch.equal(stages[-1], drawn(network, shape))
    with skipped(layers):  # without any block a patch knows nothing of another
        x = torch.zeros(2, *shape)
        level, labels = torch.tensor([0.1, -0.2]), torch.tensor([0, 2])
        before = network(x, level, labels)
        x[..., 0] = 5.0
        after = network(x, level, labels)
    assert torch.equal(before[..., 4:], after[..., 4:]) and not torch.equal(before, after)


@torch.no_grad()
def test_the_last_stage_of_a_classifier_of_texts_is_its_answer() -> None:
    config = text_encoder.Config(width=16, depth=2, heads=2)
    network = stirred(config.build(9, 8, 1, 3))
    tokens = torch.tensor([[[1, 2, 3, 8]], [[4, 8, 8, 8]]])
    stages = at_each_stage(blocks_of(network), lambda: network(tokens, tokens != 8))
    assert torch.equal(stages[-1], network(tokens, tokens != 8))


def test_only_blocks_that_hand_on_a_state_are_layers() -> None:
    network = mlp.Config(width=16, depth=2).build((2,), 0)
    assert blocks_of(network) == [] and heads_of(network) == []


@torch.no_grad()
def test_a_head_that_is_off_is_a_head_without_its_columns_of_out() -> None:
    network = written(kv_heads=1, bias=True)
    (_, middle, _) = heads_of(network)
    assert middle.name == "block 2" and middle.count == 2
    with switched_off(middle.attention, [1]):
        silent = network(TOKENS)
    other = copy.deepcopy(network)
    out = other.blocks[1].attention.out  # type: ignore[union-attr]
    out.weight[:, 8:] = 0  # type: ignore[union-attr, index, operator]
    assert torch.equal(silent, other(TOKENS))
    assert not torch.allclose(silent, network(TOKENS))


@torch.no_grad()
def test_a_block_whose_heads_are_all_off_is_one_without_attention() -> None:
    parts = Parts(width=16, heads=4, hidden=24, learned_norm=True)
    block, x = stirred(Block(parts)), torch.randn(2, 5, 16)
    with switched_off(block.attention, range(4)):
        silent = block(x)
    assert torch.equal(silent, x + block.feed_forward(block.norms[1](x)))


@torch.no_grad()
def test_heads_that_say_their_mean_say_the_mean_of_what_attention_says() -> None:
    block, x = stirred(Block(Parts(width=16, heads=4, hidden=24))), torch.randn(2, 5, 16)
    plain = block.attention(x)
    with switched_off(block.attention, range(4), "mean"):
        mean = block.attention(x)
    assert torch.allclose(mean, plain.mean(dim=(0, 1)).expand_as(mean), atol=1e-6)
    with switched_off(block.attention, [0], "mean"):  # of the others nothing changes
        one = block.attention(x)
    with switched_off(block.attention, [1, 2, 3]), switched_off(block.attention, [0], "mean"):
        alone = block.attention(x)
    with switched_off(block.attention, [0]):
        others = block.attention(x)
    assert torch.allclose(one, alone + others, atol=1e-6)


@torch.no_grad()
def test_an_exchanged_state_is_what_comes_after() -> None:
    network = written()
    layers = blocks_of(network)
    other = torch.tensor([[2, 7, 1, 8, 2]])
    with watched([layer[-1] for layer in layers]) as states:
        answer = network(other)
    with exchanged(layers[1], lambda said: states[1]):
        assert torch.equal(network(TOKENS), answer)


def test_nothing_stays_registered_even_where_it_fails() -> None:
    network = written()
    layers, heads = blocks_of(network), heads_of(network)
    assert hooks_of(network) == 0
    for change in (
        skipped(layers),
        watched(network.blocks),
        exchanged(layers[0], lambda said: said),
        switched_off(heads[0].attention, [0]),
    ):
        with pytest.raises(RuntimeError), change:
            assert hooks_of(network) > 0
            raise RuntimeError
        assert hooks_of(network) == 0


def test_heads_are_called_by_their_block() -> None:
    names = [layer.name for layer in heads_of(drawing((1, 3, 8, 8), space_time="factorised"))]
    assert names == ["block 1", "block 2", "block 1 through time", "block 2 through time"]


def test_what_is_decoded_says_rank_and_from_where_the_answer_stands() -> None:
    logits = torch.log(
        torch.tensor(
            [
                [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]],
                [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]],
                [[0.1, 0.2, 0.7], [0.1, 0.1, 0.8]],
            ]
        )
    )
    found = decoded(logits)
    assert found.best.tolist() == [[0, 2], [1, 0], [2, 2]]
    assert found.rank.tolist() == [[2, 0], [1, 2], [0, 0]]
    assert found.settled.tolist() == [2, 2]  # the second was there, and left again
    assert found.final[:, 0].tolist() == pytest.approx([0.2, 0.3, 0.7])
    assert found.confidence[1].tolist() == pytest.approx([0.5, 0.6])
