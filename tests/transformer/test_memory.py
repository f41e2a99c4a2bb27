"""Looking at something outside: cross-attention and joint attention by their definition."""

import math

import pytest
import torch
from torch import Tensor

from noiseloom.transformer.attention import (
    Attention,
    CrossAttention,
    Memory,
    Remember,
    Sight,
    attend,
    attend_capped,
)
from noiseloom.transformer.blocks import Block, Looks, Parts
from noiseloom.transformer.cache import LayerCache
from noiseloom.transformer.positions import grid, rotary

WIDTH, HEADS, OUTSIDE = 12, 3, 10
SIZE = WIDTH // HEADS


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normalised(head: Tensor) -> Tensor:
    centred = head - head.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()


def readable(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(QKᵀ/√D) V, head by head; all (tokens, W)."""
    heads = []
    for head in range(HEADS):
        own = slice(head * SIZE, (head + 1) * SIZE)
        logits = normalised(queries[:, own]) @ normalised(keys[:, own]).T / math.sqrt(SIZE)
        heads.append(logits.softmax(dim=-1) @ values[:, own])
    return torch.cat(heads, dim=-1)


def remembered(remember: Remember, outside: Tensor) -> tuple[Tensor, Tensor]:
    keys, values = (outside @ remember.kv.weight.T).split(WIDTH, dim=-1)
    return keys, values


IS_REAL = torch.tensor([[True, True, True, True], [False, True, True, False]])


@torch.no_grad()
def test_cross_attention_is_the_readable_one_on_what_is_real() -> None:
    torch.manual_seed(0)
    cross = CrossAttention(WIDTH, heads=HEADS, memory_width=OUTSIDE).double()
    torch.nn.init.normal_(cross.out.weight)
    x, outside = normal(2, 5, WIDTH), normal(2, 4, OUTSIDE, seed=1)
    got = cross(x, cross.remember(outside, IS_REAL))
    for item in range(2):
        keys, values = remembered(cross.remember, outside[item, IS_REAL[item]])
        wanted = readable(x[item] @ cross.q.weight.T, keys, values) @ cross.out.weight.T
        torch.testing.assert_close(got[item], wanted)


@torch.no_grad()
@pytest.mark.parametrize("causal", [False, True])
def test_joint_attention_is_one_softmax_over_both(causal: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(WIDTH, heads=HEADS, memory_width=OUTSIDE).double()
    torch.nn.init.normal_(attention.out.weight)
    x, outside = normal(2, 5, WIDTH), normal(2, 4, OUTSIDE, seed=1)
    mask = torch.ones(5, 5, dtype=torch.bool).tril() if causal else None
    assert attention.remember is not None
    got = attention(x, Sight(mask=mask), memory=attention.remember(outside, IS_REAL))
    for item in range(2):
        seen_keys, seen_values = remembered(attention.remember, outside[item, IS_REAL[item]])
        queries, keys, values = (x[item] @ attention.qkv.weight.T).split(WIDTH, dim=-1)
        for token in range(5):
            own = token + 1 if causal else 5
            wanted = readable(
                queries[token : token + 1],
                torch.cat([seen_keys, keys[:own]]),
                torch.cat([seen_values, values[:own]]),
            )
            torch.testing.assert_close(got[item, token], wanted[0] @ attention.out.weight.T)


def block(looks: Looks) -> Block:
    torch.manual_seed(0)
    made = Block(
        Parts(
            width=16, heads=4, kv_heads=2, hidden=32, norm="rms", looks=looks, memory_width=OUTSIDE
        )
    ).double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


BOTH = pytest.mark.parametrize("looks", ["across", "jointly"])


@torch.no_grad()
@BOTH
def test_a_block_that_looks_reads_token_by_token_what_it_reads_as_a_whole(looks: Looks) -> None:
    made, x, outside = block(looks), normal(2, 6, 16), normal(2, 4, OUTSIDE, seed=1)
    rotation = rotary(grid([6]), 4).double()
    memory = made.remember(outside, IS_REAL)
    causal = torch.ones(6, 6, dtype=torch.bool).tril()
    whole = made(x, Sight(rotation, causal), memory=memory)
    cache, parts = LayerCache(6), []
    for place in range(6):
        sight = Sight(rotation[:, place : place + 1])
        parts.append(made(x[:, place : place + 1], sight, memory=memory, cache=cache))
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)


@torch.no_grad()
@BOTH
def test_padding_in_the_memory_changes_nothing_and_beams_take_theirs_along(looks: Looks) -> None:
    made, x, outside = block(looks), normal(2, 6, 16), normal(2, 4, OUTSIDE, seed=1)
    longer = torch.cat([torch.full((2, 3, OUTSIDE), 1e3).double(), outside], dim=1)
    real = torch.cat([torch.zeros(2, 3, dtype=torch.bool), IS_REAL], dim=1)
    wanted = made(x, memory=made.remember(outside, IS_REAL))
    torch.testing.assert_close(made(x, memory=made.remember(longer, real)), wanted)
    rows = torch.tensor([1, 1, 0])
    chosen = made.remember(outside, IS_REAL).select(rows)
    torch.testing.assert_close(made(x[rows], memory=chosen), wanted[rows])


@BOTH
def test_every_weight_learns_from_what_is_looked_at(looks: Looks) -> None:
    made, outside = block(looks), normal(2, 4, OUTSIDE, seed=1).requires_grad_()
    made(normal(2, 6, 16), memory=made.remember(outside, IS_REAL)).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None and parameter.grad.count_nonzero() > 0, name
    assert outside.grad is not None
    assert outside.grad[~IS_REAL].count_nonzero() == 0


def test_capped_attention_is_its_formula_and_uncapped_where_the_cap_is_far() -> None:
    q, k, v = (normal(2, 3, 5, 4, seed=seed) for seed in range(3))
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    logits = 2 * torch.tanh(q @ k.mT / 2 / 2)
    wanted = logits.masked_fill(~mask, -torch.inf).softmax(dim=-1) @ v
    torch.testing.assert_close(attend_capped(q, k, v, mask, cap=2.0), wanted)
    torch.testing.assert_close(attend_capped(q, k, v, causal=True, cap=2.0), wanted)
    far = attend_capped(q, k, v, mask, cap=1e6)
    torch.testing.assert_close(far, attend(q, k, v, mask))


def test_capped_attention_is_computed_in_float32_under_autocast() -> None:
    q, k, v = (normal(2, 2, 5, 8, seed=seed).float() for seed in range(3))
    exact = attend_capped(q.double(), k.double(), v.double(), cap=3.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = attend_capped(q, k, v, cap=3.0)
    torch.testing.assert_close(got.double(), exact, atol=1e-6, rtol=1e-5)


def test_a_query_that_may_see_nothing_has_a_gradient_with_a_cap_too() -> None:
    q, k, v = (normal(1, 1, 3, 4, seed=seed).requires_grad_() for seed in range(3))
    mask = torch.tensor([[True, True, False], [False] * 3, [True] * 3])
    out = attend_capped(q, k, v, mask, cap=2.0)
    assert out[0, 0, 1].tolist() == [0] * 4
    out.square().sum().backward()
    for one in (q, k, v):
        assert one.grad is not None and bool(one.grad.isfinite().all())
    assert q.grad is not None and q.grad[0, 0, 1].count_nonzero() == 0


@torch.no_grad()
def test_cross_attention_is_capped_as_the_parts_say() -> None:
    x, outside = normal(2, 6, 16), normal(2, 4, OUTSIDE, seed=1)
    answers = []
    for cap in (None, 1e6, 0.1):
        torch.manual_seed(0)
        parts = Parts(
            width=16, heads=2, hidden=8, looks="across", memory_width=OUTSIDE, softcap=cap
        )
        made = Block(parts).double()
        assert made.cross_attention is not None
        torch.nn.init.normal_(made.cross_attention.out.weight)
        answers.append(made(x, memory=made.remember(outside)))
    torch.testing.assert_close(answers[0], answers[1])
    assert not torch.allclose(answers[0], answers[2])


def test_a_memory_without_padding_needs_no_mask() -> None:
    k, v = normal(2, 2, 4, 4), normal(2, 2, 4, 4, seed=1)
    made = block("jointly")
    everything = torch.ones(2, 4, dtype=torch.bool)
    x = normal(2, 6, 16)
    torch.testing.assert_close(
        made(x, memory=Memory(k, v)), made(x, memory=Memory(k, v, everything))
    )
