"""The language model: what a token may not know it does not know, however it is asked."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from noiseloom.networks.grams import tables
from noiseloom.networks.language_model import Config, LanguageModel
from noiseloom.seeds import Random, fixed
from noiseloom.training.optimizers import AdamW

VOCABULARY, CONTEXT = 11, 24
SMALL = {"width": 16, "depth": 2, "heads": 4}
KINDS: dict[str, dict[str, object]] = {
    "rotary": {},
    "learned": {"positions": "learned", "norm": "layer", "learned_norm": True, "bias": True},
    "sinusoidal": {"positions": "sinusoidal", "tied": True, "activation": "gelu"},
    "no positions": {"positions": "none", "activation": "swiglu"},
    "window": {"window": 3},
    "grouped": {"kv_heads": 2, "value_embeddings": 2, "softcap": 15.0},
    "capped": {"attention_softcap": 2.0, "qk_norm": False},
    "n-grams": {"ngrams": (150, 50)},
    "all": {
        "window": 5,
        "kv_heads": 1,
        "value_embeddings": 1,
        "ngrams": (40, 60, 70),
        "attention_softcap": 5.0,
    },
}
EVERY = pytest.mark.parametrize("kind", KINDS)


def build(kind: str, *, causal: bool = True, **changes: object) -> LanguageModel:
    """A small model of this kind that has moved away from where it starts."""
    with fixed(0, "weights"):
        model = Config(**SMALL, **KINDS[kind], **changes).build(  # type: ignore[arg-type]
            VOCABULARY, CONTEXT, causal=causal
        )
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            parameter.add_(Random(index, [0]).normal("nudge", parameter.shape)[0], alpha=0.3)
    return model


def tokens_of(batch: int, length: int, seed: int = 0) -> Tensor:
    return torch.randint(VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))


def close(got: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(got, wanted, atol=2e-5, rtol=1e-4)


DOCUMENTS = torch.tensor([[0] * 5 + [1] * 4 + [2] * 7, [3] * 1 + [4] * 15])
PADDED = torch.tensor([[True] * 16, [False] * 3 + [True] * 13])
ASKED: dict[str, Callable[[LanguageModel, Tensor], Tensor]] = {
    "whole": lambda model, tokens: model(tokens),
    "documents": lambda model, tokens: model(tokens, documents=DOCUMENTS),
    "padded": lambda model, tokens: model(tokens, is_real=PADDED),
    "both": lambda model, tokens: model(tokens, documents=DOCUMENTS, is_real=PADDED),
    "token by token": lambda model, tokens: cached(model, tokens, [1] * 16),
    "in chunks": lambda model, tokens: cached(model, tokens, [4, 7, 1, 4]),
}


def cached(
    model: LanguageModel, tokens: Tensor, lengths: list[int], is_real: Tensor | None = None
) -> Tensor:
    """Logits of all tokens, read in parts of these lengths."""
    cache, parts, start = model.new_cache(), [], 0
    for length in lengths:
        end = start + length
        real = None if is_real is None else is_real[:, :end]
        parts.append(model(tokens[:, start:end], is_real=real, cache=cache))
        start = end
    return torch.cat(parts, dim=1)


@torch.no_grad()
@EVERY
@pytest.mark.parametrize("asked", ASKED)
def test_no_bit_before_a_token_depends_on_it(kind: str, asked: str) -> None:
    model, tokens = build(kind), tokens_of(2, 16)
    before = ASKED[asked](model, tokens)
    for place in (3, 8, 15):
        changed = tokens.clone()
        changed[:, place] = (changed[:, place] + 1) % VOCABULARY
        after = ASKED[asked](model, changed)
        assert after[:, :place].equal(before[:, :place])
        assert not after[:, place].equal(before[:, place])


@torch.no_grad()
@EVERY
@pytest.mark.parametrize("lengths", [[1] * 24, [9, 1, 1, 13], [24], [2, 5, 5, 12]], ids=str)
def test_what_is_read_in_parts_is_read_as_a_whole(kind: str, lengths: list[int]) -> None:
    model, tokens = build(kind), tokens_of(3, CONTEXT)
    close(cached(model, tokens, lengths), model(tokens))


@torch.no_grad()
@EVERY
def test_padding_on_the_left_changes_nothing_with_a_cache_and_without(kind: str) -> None:
    model, tokens = build(kind), tokens_of(2, 12)
    padded = torch.cat([torch.zeros(2, 7, dtype=torch.long), tokens], dim=1)
    padded[1, 7:12] = 5  # the second is shorter: seven of its tokens are left
    is_real = torch.arange(19) >= torch.tensor([[7], [12]])
    alone = model(tokens), model(tokens[1:, 5:])
    for read in (
        model(padded, is_real=is_real),
        cached(model, padded, [8, 6, 1, 1, 1, 2], is_real),
        cached(model, padded, [1] * 19, is_real),
    ):
        close(read[0, 7:], alone[0][0])
        close(read[1, 12:], alone[1][0])


@torch.no_grad()
@EVERY
@pytest.mark.parametrize("causal", [True, False])
def test_padding_on_the_right_changes_nothing(kind: str, causal: bool) -> None:
    model, tokens = build(kind, causal=causal), tokens_of(2, 20)
    is_real = (torch.arange(20) < 13).expand(2, 20)
    read = model(tokens, is_real=is_real)
    close(read[:, :13], model(tokens[:, :13]))
    tokens[:, 13:] = 0
    assert model(tokens, is_real=is_real)[:, :13].equal(read[:, :13])


@torch.no_grad()
@EVERY
@pytest.mark.parametrize("causal", [True, False])
def test_packed_documents_are_separate_ones(kind: str, causal: bool) -> None:
    model, tokens = build(kind, causal=causal), tokens_of(2, 16)
    packed = model(tokens, documents=DOCUMENTS)
    for row, documents in enumerate(DOCUMENTS):
        for number in documents.unique():
            own = documents == number
            close(packed[row, own], model(tokens[row : row + 1, own])[0])


@torch.no_grad()
def test_a_token_sees_as_far_back_as_windows_reach_through_the_blocks() -> None:
    model, tokens = build("window"), tokens_of(1, 16)
    before = model(tokens)
    changed = tokens.clone()
    changed[:, 2] = (changed[:, 2] + 1) % VOCABULARY
    differs = (model(changed) != before).any(dim=-1)[0]
    assert differs.nonzero().flatten().tolist() == [
        2,
        3,
        4,
        5,
        6,
    ]  # two blocks of 3 tokens: 1 + 2x2


@torch.no_grad()
@EVERY
def test_a_cache_goes_on_with_the_rows_that_are_selected(kind: str) -> None:
    model, tokens, rest = build(kind), tokens_of(3, 10), tokens_of(4, 6, seed=1)
    rows = torch.tensor([2, 0, 0, 1])
    whole = model(torch.cat([tokens[rows], rest], dim=1))
    cache = model.new_cache()
    model(tokens, cache=cache)
    cache.select(rows)
    close(model(rest[:, :2], cache=cache), whole[:, 10:12])
    close(model(rest[:, 2:], cache=cache), whole[:, 12:])


def test_a_cache_holds_what_it_was_made_for() -> None:
    for kind in ("rotary", "window"):
        model = build(kind)
        cache = model.new_cache(2)
        model(tokens_of(1, 2), cache=cache)
        with pytest.raises(ValueError, match="make it with a larger capacity"):
            model(tokens_of(1, 1), cache=cache)


@torch.no_grad()
def test_grouped_heads_are_repeated_heads() -> None:
    grouped, full = build("rotary", kv_heads=2), build("rotary")
    weights = grouped.state_dict()
    for name, weight in full.state_dict().items():
        if name.endswith("qkv.weight"):
            q, k, v = weights[name].split([16, 8, 8])
            k, v = (one.view(2, 4, 16).repeat_interleave(2, dim=0).flatten(0, 1) for one in (k, v))
            weights[name] = torch.cat([q, k, v])
        assert weights[name].shape == weight.shape
    full.load_state_dict(weights)
    close(grouped(tokens_of(2, 9)), full(tokens_of(2, 9)))


@torch.no_grad()
def test_logits_are_capped() -> None:
    capped, plain = build("rotary", softcap=0.5), build("rotary")
    close(capped(tokens_of(2, 9)), 0.5 * torch.tanh(plain(tokens_of(2, 9)) / 0.5))


@torch.no_grad()
def test_a_value_embedding_is_added_to_the_values_of_the_last_blocks() -> None:
    """It is then what the bias of the values of that block is, where all tokens are one."""
    model, plain = build("rotary", value_embeddings=1), build("rotary", bias=True)
    tokens = torch.full((1, 6), 4)
    state = {**plain.state_dict(), **model.state_dict()}
    for name in plain.state_dict():
        if name.endswith("bias"):
            state[name] = torch.zeros_like(state[name])
    state["blocks.1.attention.qkv.bias"][32:] = state.pop("values.0.weight")[4]
    plain.load_state_dict(state)
    close(model(tokens), plain(tokens))


def test_tied_words_are_one_tensor_everywhere(tmp_path: Path) -> None:
    model = build("rotary", tied=True)
    free = build("rotary")
    assert set(free.state_dict()) - set(model.state_dict()) == {"head.weight"}
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    kept = load_file(tmp_path / "model.safetensors")
    assert [name for name, one in kept.items() if VOCABULARY in one.shape] == ["embed.weight"]
    optimizer = AdamW().build(model)
    before = model.embed.weight.detach().clone()
    tokens = tokens_of(2, 9)
    read = model(tokens)  # a word is moved both as it is read and as it is written
    torch.nn.functional.cross_entropy(read.flatten(0, 1), tokens.flatten()).backward()
    optimizer.step(1.0)
    moved = [name for name in optimizer.tensors() if name.startswith("embed")]
    assert moved and not any("head" in name for name in optimizer.tensors())
    assert (model.embed.weight != before).any(dim=1).all()  # even those that were not read


def test_drop_out_is_repeated_by_its_random() -> None:
    model, tokens = build("rotary", dropout=0.3), tokens_of(2, 9)
    random = Random(0, range(2))
    dropped = model(tokens, random=random)
    assert dropped.equal(model(tokens, random=random))
    assert not dropped.equal(model(tokens, random=random.at(1)))
    close(dropped[1:], model(tokens[1:], random=Random(0, [1])))  # an item's own, in any batch
    assert model(tokens).equal(build("rotary")(tokens))  # none outside training


def test_what_may_be_read_and_never_written() -> None:
    model = Config(**SMALL).build(VOCABULARY, CONTEXT, causal=False, read_only=1)  # type: ignore[arg-type]
    assert model(torch.full((1, 4), VOCABULARY)).shape == (1, 4, VOCABULARY)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"heads": 3}, "not divisible by 3 heads"),
        ({"kv_heads": 3}, "allowed is a divisor of 4"),
        ({"width": 12, "heads": 4}, "rotary positions allow an even number"),
        (
            {"width": 15, "heads": 3, "positions": "sinusoidal"},
            "sinusoidal positions allow an even",
        ),
        ({"value_embeddings": 3, "depth": 2}, "allowed is 0 to depth 2"),
        ({"window": 0}, "allowed is 1 or more, or null"),
        ({"rotary_longest": 0.5}, "rotary_longest is 0.5; allowed is 1 or more"),
        ({"dropout": 1.0}, "allowed is 0 to below 1"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Config(**{**SMALL, **given})  # type: ignore[arg-type]


def test_what_is_asked_in_vain_is_refused() -> None:
    model = build("rotary")
    with pytest.raises(ValueError, match="25 tokens are given; this network reads up to 24"):
        model(tokens_of(1, 25))
    with pytest.raises(ValueError, match="give either"):
        model(tokens_of(1, 4), documents=torch.zeros(1, 4), cache=model.new_cache())


@torch.no_grad()
def test_drop_out_of_tables_leaves_out_whole_places_and_keeps_the_mean() -> None:
    table = tables((50,), 4, 8, 10, dropout=0.25)[0]
    torch.nn.init.ones_(table.table.weight)
    torch.nn.init.ones_(table.spread.weight)
    rows, random = torch.arange(60 * 41).view(60, 41) % 10, Random(0, range(60))
    said = table(rows, 40, random=random)
    assert said.equal(table(rows, 40, random=random))
    assert said.unique().tolist() == pytest.approx([0.0, 4 / 0.75])
    assert (said == said[..., :1]).all()  # a place is left out as a whole
    assert float(said.mean()) == pytest.approx(4, abs=0.1)
    assert table(rows, 40).unique().tolist() == [4.0]
