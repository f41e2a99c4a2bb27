"""Attention masks and blocks without a condition: padding changes nothing and learns nothing."""

import math

import pytest
import torch

from noiseloom.transformer import masks
from noiseloom.transformer.attention import Attention, Sight, attend
from noiseloom.transformer.blocks import Block, Parts
from noiseloom.transformer.positions import grid, rotary

WIDTH, HEADS = 16, 2
PARTS = Parts(width=WIDTH, heads=HEADS, hidden=32, activation="gelu", learned_norm=True, bias=True)


def explicit(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """softmax(QKᵀ/√D) V over the keys that may be seen, query by query; 0 where there is none."""
    batch, heads, tokens, size = q.shape
    mask = mask.expand(batch, heads, tokens, tokens)
    out = torch.zeros_like(q)
    for b in range(batch):
        for h in range(heads):
            for i in range(tokens):
                seen = [j for j in range(tokens) if mask[b, h, i, j]]
                weights = [math.exp(float(q[b, h, i] @ k[b, h, j]) / math.sqrt(size)) for j in seen]
                for j, weight in zip(seen, weights, strict=True):
                    out[b, h, i] += weight / sum(weights) * v[b, h, j]
    return out


@pytest.mark.parametrize(
    "shape", [(3, 1, 1, 5), (3, 1, 5, 5), (3, 2, 5, 5), (1, 1, 5, 5), (5, 5)], ids=str
)
def test_a_mask_is_a_softmax_over_the_keys_it_shows(shape: tuple[int, ...]) -> None:
    random = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 3, 2, 5, 4, generator=random, dtype=torch.float64)
    mask = torch.rand(shape, generator=random) < 0.6
    mask[..., 0, :] = False  # a query that may see nothing, or an item of padding alone
    torch.testing.assert_close(attend(q, k, v, mask), explicit(q, k, v, mask))


def test_a_mask_that_hides_nothing_changes_nothing() -> None:
    q, k, v = torch.randn(3, 2, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    everything = torch.ones(1, 1, 1, 5, dtype=torch.bool)
    torch.testing.assert_close(attend(q, k, v, everything), attend(q, k, v))


def stack() -> list[Block]:
    """Two blocks that are not the identity, whose norms have been trained."""
    torch.manual_seed(0)
    blocks = [Block(PARTS) for _ in range(2)]
    for block in blocks:
        for weight in (
            block.attention.out.weight,
            block.feed_forward.down.weight,
            *block.norms.parameters(),
        ):
            torch.nn.init.normal_(weight, std=0.5)
    return blocks


def run(x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    rotation = rotary(grid((x.shape[1],)), WIDTH // HEADS)
    for block in stack():
        x = block(x, Sight(rotation, seen[:, None, None, :]))
    return x


@torch.no_grad()
@pytest.mark.parametrize(("left", "right"), [(0, 1), (0, 7), (1, 0), (7, 0), (3, 4)])
def test_real_tokens_do_not_notice_padding(left: int, right: int) -> None:
    x = torch.randn(2, 6, WIDTH, generator=torch.Generator().manual_seed(1))
    seen = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    padded = torch.full((2, left + 6 + right, WIDTH), 1e3)  # whatever stands there
    padded[:, left : left + 6] = x
    wider = torch.nn.functional.pad(seen, (left, right))
    got = run(padded, wider)[:, left : left + 6]
    # rotary positions count distances, so that padding on the left is not noticed either
    torch.testing.assert_close(got[seen], run(x, seen)[seen], atol=1e-6, rtol=1e-6)


def test_padding_gets_no_gradient_and_gives_none() -> None:
    x = torch.randn(2, 6, WIDTH, generator=torch.Generator().manual_seed(1), requires_grad=True)
    seen = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    run(x, seen)[seen].square().sum().backward()
    assert x.grad is not None
    assert x.grad[~seen].count_nonzero() == 0
    assert bool((x.grad[seen] != 0).all())


def test_an_item_of_padding_alone_stays_finite() -> None:
    x = torch.randn(2, 4, WIDTH, generator=torch.Generator().manual_seed(1), requires_grad=True)
    seen = torch.tensor([[True] * 4, [False] * 4])
    out = run(x, seen)
    out.sum().backward()
    assert x.grad is not None
    assert bool(out.isfinite().all()) and bool(x.grad.isfinite().all())


def test_attention_takes_the_mask() -> None:
    torch.manual_seed(0)
    attention, x = Attention(WIDTH, heads=HEADS), torch.randn(1, 5, WIDTH)
    torch.nn.init.normal_(attention.out.weight)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    changed = x.clone()
    changed[:, 3] += 1
    before, after = (attention(one, Sight(mask=causal)) for one in (x, changed))
    assert before[:, :3].equal(after[:, :3])
    assert not torch.isclose(before[:, 3:], after[:, 3:]).all()


def shown(mask: torch.Tensor) -> list[str]:
    """Who sees whom: a line for each query, x where it sees the key."""
    return ["".join(".x"[int(seen)] for seen in query) for query in mask[0, 0]]


def test_masks_show_what_they_say() -> None:
    assert shown(masks.causal(3)) == ["x..", "xx.", "xxx"]
    assert shown(masks.causal(2, 4)) == ["xxx.", "xxxx"]  # the last query is the last key
    assert shown(masks.window(4, 2)) == ["xx..", "xxx.", ".xxx", "..xx"]
    assert shown(masks.window(1, 2, 4)) == ["..xx"]
    assert shown(masks.causal(4) & masks.window(4, 2)) == ["x...", "xx..", ".xx.", "..xx"]
    assert shown(masks.blocks(5, 2)) == ["xx...", "xx...", "xxxx.", "xxxx.", "xxxxx"]
    documents = torch.tensor([[7, 7, 2, 7]])
    assert shown(masks.documents(documents)) == ["xx.x", "xx.x", "..x.", "xx.x"]
    assert shown(masks.real(torch.tensor([[False, True, True]]))) == [".xx"]


@torch.no_grad()
@pytest.mark.parametrize(
    ("mask", "first_to_see"),
    [
        (masks.causal(12), 7),
        (masks.causal(12) & masks.window(12, 3), 7),
        (masks.causal(12) & masks.documents(torch.arange(12)[None] // 5), 7),
        (masks.causal(12) & masks.real(torch.arange(12)[None] > 2), 7),
        (masks.blocks(12, 4), 4),  # a token and all of its block
        (masks.blocks(12, 1), 7),
    ],
    ids=["causal", "window", "documents", "padding", "blocks", "blocks of one"],
)
def test_no_bit_before_a_token_depends_on_it(mask: torch.Tensor, first_to_see: int) -> None:
    x = torch.randn(2, 12, WIDTH, generator=torch.Generator().manual_seed(1))
    changed = x.clone()
    changed[:, 7] += 1
    before, after = x, changed
    for block in stack():
        before, after = (block(one, Sight(mask=mask)) for one in (before, after))
    assert before[:, :first_to_see].equal(after[:, :first_to_see])
    assert (before[:, first_to_see:8] != after[:, first_to_see:8]).any(dim=-1).all()


def test_every_weight_of_a_block_without_modulation_learns() -> None:
    block = stack()[0]
    x = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(1))
    block(x).square().sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None and parameter.grad.count_nonzero() > 0, name
