import math

import pytest
import torch

from noiseloom.seeds import Random
from noiseloom.transformer.attention import Attention, Sight, attend
from noiseloom.transformer.blocks import Block, Parts, drop
from noiseloom.transformer.feed_forward import FeedForward, SquaredReLU
from noiseloom.transformer.modulation import Modulation
from noiseloom.transformer.positions import frequencies, grid, rotary, rotate, waves


def readable(attention: Attention, x: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
    """softmax(QKᵀ/√D) V, token by token and head by head."""
    _, tokens, width = x.shape
    size = width // attention.heads
    q, k, v = (x @ attention.qkv.weight.T).split(width, dim=-1)
    out = torch.zeros_like(x)
    for b in range(len(x)):
        for h in range(attention.heads):
            part = slice(h * size, (h + 1) * size)
            rows = []
            for item in (q, k):
                head = item[b, :, part]
                centred = head - head.mean(-1, keepdim=True)
                head = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
                turned = torch.zeros_like(head)
                for t in range(tokens):
                    for p in range(size // 2):
                        c, s = rotation[0, t, p], rotation[1, t, p + size // 2]
                        a, z = head[t, p], head[t, p + size // 2]
                        turned[t, p], turned[t, p + size // 2] = a * c - z * s, a * s + z * c
                rows.append(turned)
            weights = torch.softmax(rows[0] @ rows[1].T / math.sqrt(size), dim=-1)
            out[b, :, part] = weights @ v[b, :, part]
    return out @ attention.out.weight.T


@torch.no_grad()
def test_fused_attention_is_the_readable_one() -> None:
    torch.manual_seed(0)
    attention = Attention(16, heads=2).double()
    torch.nn.init.normal_(attention.out.weight)
    x = torch.randn(2, 6, 16, dtype=torch.float64)
    rotation = rotary(grid((2, 3)), 8).double()
    torch.testing.assert_close(attention(x, Sight(rotation)), readable(attention, x, rotation))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_under_autocast_is_computed_in_float32(dtype: torch.dtype) -> None:
    q, k, v = torch.randn(3, 2, 2, 5, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    exact = torch.softmax(q.double() @ k.double().mT / math.sqrt(8), dim=-1) @ v.double()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(attend(q, k, v).double(), exact, atol=1e-6, rtol=1e-5)


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    positions = torch.tensor([[0.0, 0], [2, 1], [5, 3], [7, 4]])
    rotation = rotary(positions, 12)
    q, k = torch.randn(2, 1, 1, 12, generator=torch.Generator().manual_seed(0)).expand(2, 1, 4, 12)
    scores = (rotate(q, rotation) @ rotate(k, rotation).mT)[0]
    torch.testing.assert_close(scores[0, 1], scores[2, 3])  # both are (2, 1) apart
    assert not torch.isclose(scores[0, 1], scores[1, 0])


def test_rotation_keeps_lengths() -> None:
    x = torch.randn(2, 9, 3, 8, generator=torch.Generator().manual_seed(0))
    turned = rotate(x, rotary(grid((3, 3)), 8))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turned[:, 0], x[:, 0])  # position 0 is not turned


def test_rotary_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="allowed is an even width of at least 6"):
        rotary(torch.zeros(4, 3), 4)


def test_waves_tell_noise_levels_apart() -> None:
    features = waves(torch.linspace(-1.75, 1.75, 101), frequencies(0.5, 60.0, 32))
    distances = torch.cdist(features, features) + 9 * torch.eye(101)
    assert features.shape == (101, 64)
    assert float(distances.min()) > 0.5


@torch.no_grad()
def test_attention_without_positions_is_blind_to_order() -> None:
    torch.manual_seed(0)
    attention, x = Attention(8, heads=2), torch.randn(1, 5, 8)
    torch.nn.init.normal_(attention.out.weight)
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(attention(x)[:, order], attention(x[:, order]))


def modulated() -> Block:
    return Block(Parts(width=16, heads=2, hidden=32, modulated=True))


def test_a_block_starts_as_the_identity() -> None:
    x, modulation = torch.randn(2, 5, 16), torch.randn(2, 1, 6, 16)
    assert modulated()(x, modulation=modulation).equal(x)


def test_modulation_starts_neutral() -> None:
    torch.manual_seed(0)
    modulation = Modulation(16, condition_width=8, branches=2)(torch.randn(3, 1, 8))
    assert modulation.shape == (3, 1, 6, 16)
    rows = (modulation + modulated().table)[0, 0, :, 0]
    assert rows.tolist() == [1, 0, 1, 1, 0, 1]  # scale, shift, gate of each branch


def test_one_condition_for_all_tokens_equals_one_for_each() -> None:
    torch.manual_seed(0)
    block = modulated()
    for layer in (block.attention.out, block.feed_forward.down):
        torch.nn.init.normal_(layer.weight)
    x, modulation = torch.randn(2, 5, 16), torch.randn(2, 1, 6, 16)
    torch.testing.assert_close(
        block(x, modulation=modulation), block(x, modulation=modulation.expand(2, 5, 6, 16))
    )


def test_squared_relu() -> None:
    feed = FeedForward(2, hidden=2, activation="relu2")
    with torch.no_grad():
        feed.up.weight.copy_(torch.eye(2))
        feed.down.weight.copy_(torch.eye(2))
    assert feed(torch.tensor([[-3.0, 3.0]])).tolist() == [[0.0, 9.0]]
    x = torch.randn(7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(SquaredReLU.apply, (x,))


def test_dropout_is_repeated_by_its_random_and_keeps_the_mean() -> None:
    x, random = torch.ones(50, 400), Random(0, range(50))
    dropped = drop(x, 0.25, random, "a")
    assert dropped.equal(drop(x, 0.25, random, "a"))
    assert not dropped.equal(drop(x, 0.25, random.at(1), "a"))
    assert dropped.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert float(dropped.mean()) == pytest.approx(1, abs=0.02)
    assert drop(x, 0.25, None, "a") is x


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="not divisible by 3 heads"):
        Attention(16, heads=3)
