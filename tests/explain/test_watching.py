"""Watched attention: what it answers, what it tells, and that nothing of a watch is left."""

import math

import pytest
import torch
from torch import Tensor, nn

from noiseloom.explain.watching import Looks, attention_layers, watching
from noiseloom.networks.caption_reader import Words
from noiseloom.networks.dit import Config as DiTConfig
from noiseloom.networks.language_model import Config as LanguageConfig
from noiseloom.networks.seq2seq import Config as Seq2seqConfig
from noiseloom.networks.text_encoder import Config as EncoderConfig
from noiseloom.transformer.attention import (
    EVERYTHING,
    Attention,
    CrossAttention,
    Memory,
    Sight,
    attend,
    attend_capped,
    attention_weights,
)

DIT = DiTConfig(patch=2, width=16, depth=2, heads=2, text_depth=1)
LANGUAGE = LanguageConfig(width=16, depth=2, heads=4, kv_heads=2)


def told(looks: Looks) -> None:
    assert torch.isfinite(looks.weights).all()


def random_weights(model: nn.Module) -> nn.Module:
    """A model whose branches say something: they start at 0."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(0.0, 0.2, generator=generator)
    return model.eval()


def tokens(*shape: int) -> Tensor:
    return torch.randint(0, 9, shape, generator=torch.Generator().manual_seed(1))


def dit(item_shape: tuple[int, ...], **changed: object) -> nn.Module:
    return random_weights(DiTConfig(**{**vars(DIT), **changed}).build(item_shape, 3))  # type: ignore[arg-type]


CALLS = {
    "images by class": lambda: (
        dit((1, 4, 6)),
        (torch.randn(2, 1, 4, 6), torch.zeros(2), torch.tensor([0, 2])),
        {},
    ),
    "images by caption": lambda: (
        random_weights(DIT.build((1, 4, 6), 0, words=Words(9, 6, 9))),
        (torch.randn(2, 1, 4, 6), torch.zeros(2), torch.tensor([[1, 2, 3], [4, 9, 9]])),
        {},
    ),
    "clips, joint": lambda: (
        dit((1, 3, 4, 4), space_time="joint"),
        (torch.randn(2, 1, 3, 4, 4), torch.zeros(2)),
        {},
    ),
    "clips, factorised": lambda: (
        dit((1, 3, 4, 4), space_time="factorised"),
        (torch.randn(2, 1, 3, 4, 4), torch.zeros(2)),
        {},
    ),
    "a language model": lambda: (
        random_weights(LANGUAGE.build(9, 8)),
        (tokens(2, 7),),
        {},
    ),
    "capped, in windows, of documents": lambda: (
        random_weights(
            LanguageConfig(width=16, depth=2, heads=4, window=3, attention_softcap=2.0).build(9, 8)
        ),
        (tokens(2, 7),),
        {"documents": torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 2, 2]])},
    ),
    "an encoder with padding": lambda: (
        random_weights(EncoderConfig(width=16, depth=2, heads=2).build(9, 8, 2, 3)),
        (tokens(2, 2, 5), torch.arange(5) < torch.tensor([[[5], [2]], [[3], [1]]])),
        {},
    ),
    "a sequence to sequence": lambda: (
        random_weights(
            Seq2seqConfig(width=16, encoder_depth=1, decoder_depth=2, heads=2).build(9, 8)
        ),
        (tokens(2, 5), tokens(2, 4)),
        {"is_real": torch.tensor([[True] * 5, [True] * 3 + [False] * 2])},
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("queries", [3, 128])
@torch.no_grad()
def test_a_watched_network_answers_what_it_answers_unwatched(name: str, queries: int) -> None:
    torch.manual_seed(0)
    model, given, named = CALLS[name]()
    plain = model(*given, **named)
    seen: list[Looks] = []
    with watching(model, seen.append, queries=queries):
        watched = model(*given, **named)
    torch.testing.assert_close(watched, plain, atol=1e-5, rtol=0)
    assert plain.abs().max() > 0.05  # there is something to be equal to
    assert {looks.layer.number for looks in seen} == set(range(len(attention_layers(model))))
    assert all(looks.weights.shape[2] <= queries for looks in seen)
    for looks in seen:  # a query that sees anything shares out a whole
        sums = looks.weights.sum(dim=-1)
        assert bool(((sums - 1).abs().min(sums.abs()) < 1e-5).all())
    again = model(*given, **named)
    assert torch.equal(again, plain)


@pytest.mark.parametrize("cap", [None, 1.5])
@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_recomputed_weights_make_what_the_fused_kernel_makes(
    cap: float | None, causal: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 3, 11, 8, generator=generator)
    mask = torch.rand(2, 1, 11, 11, generator=generator) < 0.7
    mask[0, 0, 4] = False  # one query sees nothing
    if causal and cap is None:  # the fused kernel takes one of the two
        mask = None
    if cap is None:
        fused = attend(q, k, v, mask, causal=causal)
    else:
        fused = attend_capped(q, k, v, mask, causal=causal, cap=cap)
    parts = [
        attention_weights(
            q[:, :, first : first + 4],
            k,
            None if mask is None else mask[:, :, first : first + 4],
            causal=causal,
            cap=cap,
            first=first,
        )
        for first in range(0, 11, 4)
    ]
    torch.testing.assert_close(torch.cat(parts, dim=2) @ v, fused, atol=1e-5, rtol=0)


class Planted(nn.Module):
    """Queries and keys as they are given: tokens are (query, key, value) side by side."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.attention = Attention(size, heads=1, qk_norm=False)
        self.attention.qkv.weight.data = torch.eye(size).repeat(3, 1)

    def forward(self, x: Tensor, sight: Sight = EVERYTHING) -> Tensor:
        return self.attention(x, sight)


@torch.no_grad()
def test_planted_weights_are_read_exactly() -> None:
    """Keys are one-hot and token i asks for its own: softmax([0, …, s, …, 0]) in closed form."""
    size, scale = 4, 3.0
    seen: list[Looks] = []
    model = Planted(size)
    with watching(model, seen.append):
        model(scale * torch.eye(size)[None])
        model(scale * torch.eye(size)[None], Sight(causal=True))
    logit = math.exp(scale**2 / math.sqrt(size))
    expected = (torch.ones(size, size) + (logit - 1) * torch.eye(size)) / (size - 1 + logit)
    torch.testing.assert_close(seen[0].weights[0, 0], expected, atol=1e-6, rtol=0)
    before = torch.tril(torch.ones(size, size) + (logit - 1) * torch.eye(size))
    expected = before / before.sum(dim=1, keepdim=True)
    torch.testing.assert_close(seen[1].weights[0, 0], expected, atol=1e-6, rtol=0)
    assert [looks.call for looks in seen] == [0, 1] and seen[0].remembered == 0


@torch.no_grad()
def test_equal_queries_look_evenly_and_memory_is_told_apart() -> None:
    seen: list[Looks] = []
    joint = Attention(4, heads=2, memory_width=4)
    torch.nn.init.zeros_(joint.qkv.weight)
    memory = Memory(torch.zeros(1, 2, 3, 2), torch.zeros(1, 2, 3, 2), torch.tensor([[1, 1, 0]]) > 0)
    with watching(joint, seen.append):
        joint(torch.ones(1, 5, 4), memory=memory)
    expected = torch.tensor([1.0, 1, 0, 1, 1, 1, 1, 1]) / 7
    torch.testing.assert_close(seen[0].weights, expected.expand(1, 2, 5, 8))
    assert seen[0].remembered == 3 and seen[0].layer.kind == "joint"
    cross = CrossAttention(4, heads=2, memory_width=4)
    with watching(cross, seen.append):
        cross(torch.ones(1, 5, 4), memory)
    assert seen[1].remembered == 3 and seen[1].layer.kind == "cross"
    torch.testing.assert_close(seen[1].weights, (torch.tensor([1.0, 1, 0]) / 2).expand(1, 2, 5, 3))


def test_nothing_is_left_behind_and_no_hook_is_registered() -> None:
    model, given, named = CALLS["images by caption"]()
    before = {name: module.attend for name, module in model.named_modules() if _attends(module)}
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

    def left() -> None:
        for name, module in model.named_modules():
            assert not any(getattr(module, kind) for kind in hooks), name
            assert not _attends(module) or module.attend is before[name]

    left()
    with watching(model, told):
        assert not any(getattr(module, kind) for module in model.modules() for kind in hooks)
        with pytest.raises(ValueError, match="watched already"), watching(model, told):
            pass
        model(*given, **named)
    left()
    with pytest.raises(ZeroDivisionError), watching(model, lambda looks: 1 / 0):  # type: ignore[arg-type,return-value]
        model(*given, **named)
    left()
    model(*given, **named).square().mean().backward()  # a step of training, after all that
    left()


def test_a_model_without_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="no attention"), watching(nn.Linear(2, 2), told):
        pass


def _attends(module: nn.Module) -> bool:
    return isinstance(module, Attention | CrossAttention)
