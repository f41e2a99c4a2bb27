"""The encoder-decoder: what it sees, and that decoding with a cache is reading at once."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseloom.networks.seq2seq import Config, Seq2seq
from noiseloom.seeds import Random, fixed
from noiseloom.training.optimizers import is_hidden_matrix

VOCABULARY, CONTEXT, PAD = 17, 12, 16


def build(**changes: object) -> Seq2seq:
    """One that has moved away from where it starts, since its branches start at 0."""
    with fixed(0, "weights"):
        network = Config(width=16, encoder_depth=2, decoder_depth=2, heads=2, **changes).build(
            VOCABULARY, CONTEXT
        )
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            nudge = Random(index, [0]).normal("nudge", parameter.shape)[0]
            parameter.add_(nudge, alpha=0.2)
    return network


def tokens(*texts: Sequence[int]) -> torch.Tensor:
    longest = max(map(len, texts))
    return torch.tensor([[*text, *[PAD] * (longest - len(text))] for text in texts])


SOURCE, TARGET = tokens([1, 2, 3, 4, 5]), tokens([6, 7, 8, 9])


def test_a_target_token_sees_nothing_of_what_follows_it() -> None:
    network = build()
    before = network(SOURCE, TARGET)
    for place in range(TARGET.shape[1]):
        changed = TARGET.clone()
        changed[0, place] = 10
        after = network(SOURCE, changed)
        assert after[:, :place].equal(before[:, :place])
        assert not after[:, place:].isclose(before[:, place:]).all(-1).any()


def test_every_target_token_sees_every_source_token() -> None:
    network = build()
    before = network(SOURCE, TARGET)
    for place in range(SOURCE.shape[1]):
        changed = SOURCE.clone()
        changed[0, place] = 10
        assert not network(changed, TARGET).isclose(before).all(-1).any()


def test_padding_of_source_and_target_changes_nothing() -> None:
    network = build()
    sources, targets = tokens([1, 2, 3, 4, 5], [1, 2, 3]), tokens([6, 7], [6, 7, 8, 9])
    together = network(sources, targets, is_real=sources != PAD)
    for row, (source, target) in enumerate([([1, 2, 3, 4, 5], [6, 7]), ([1, 2, 3], [6, 7, 8, 9])]):
        alone = network(tokens(source), tokens(target))
        torch.testing.assert_close(together[row, : len(target)], alone[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [[1, 1, 1, 1], [2, 2], [1, 3], [3, 1]])
def test_with_the_cache_it_answers_as_without(steps: list[int]) -> None:
    network = build()
    whole = network(SOURCE, TARGET)
    memories, cache = network.remember(SOURCE), network.new_cache()
    parts, start = [], 0
    for step in steps:
        parts.append(network.decode(TARGET[:, start : start + step], memories, cache=cache))
        start += step
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-5, atol=1e-6)


def test_cached_rows_can_be_chosen_again() -> None:
    network = build()
    sources, targets = tokens([1, 2, 3], [4, 5]), tokens([6, 7], [8, 9])
    memories = network.remember(sources, sources != PAD)
    cache = network.new_cache()
    network.decode(targets, memories, cache=cache)
    rows = torch.tensor([1, 1, 0])
    cache.select(rows)
    chosen = [memory.select(rows) for memory in memories]
    found = network.decode(tokens([10], [11], [12]), chosen, cache=cache)
    for row, (source, target) in enumerate(
        [([4, 5], [8, 9, 10]), ([4, 5], [8, 9, 11]), ([1, 2, 3], [6, 7, 12])]
    ):
        alone = network(tokens(source), tokens(target))[:, -1]
        torch.testing.assert_close(found[row], alone, rtol=1e-5, atol=1e-6)


def test_words_have_one_table() -> None:
    network = build()
    tables = [name for name, value in network.named_parameters() if VOCABULARY in value.shape]
    assert tables == ["embed.weight"]
    hidden = torch.eye(16)
    assert network.leave(hidden).T.equal(network.embed.weight)


def test_a_text_beyond_the_context_is_refused() -> None:
    network, long = build(), torch.zeros(1, CONTEXT + 1, dtype=torch.long)
    with pytest.raises(ValueError, match="a source of 13 tokens is given; this network reads up t"):
        network(long, TARGET)
    with pytest.raises(ValueError, match="a target of 13 tokens is given; this network reads up t"):
        network(SOURCE, long)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"encoder_depth": 0}, "encoder_depth 0"),
        ({"width": 30, "heads": 4}, "width 30 is not divisible by 4 heads"),
        ({"width": 12, "heads": 4}, "a head of width 3"),
        ({"dropout": 1.0}, "dropout is 1.0; allowed is 0 to below 1"),
    ],
)
def test_what_cannot_be_built_is_refused(given: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Config(**given)


def test_every_parameter_learns_and_is_moved_by_muon_where_hidden() -> None:
    network = build()
    network.leave(network(SOURCE, TARGET)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        assert is_hidden_matrix(name, parameter) == (name != "embed.weight")


def test_it_saves_and_loads(tmp_path: Path) -> None:
    first, second = (
        build(),
        Config(width=16, encoder_depth=2, decoder_depth=2, heads=2).build(VOCABULARY, CONTEXT),
    )
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    second.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert first(SOURCE, TARGET).equal(second(SOURCE, TARGET))
