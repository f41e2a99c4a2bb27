"""One token in NumPy is one token in torch, whatever the network is made of."""

import pytest
import torch
from torch import nn

from noiseloom.networks.language_model import Config, LanguageModel
from noiseloom.networks.language_model_step import LanguageModelStep
from noiseloom.transformer.cache import Cache
from noiseloom.transformer.stepping import can_step

CONTEXT, VOCABULARY = 14, 11
SMALL = {"width": 16, "depth": 2, "heads": 4}
NETWORKS = {
    "plain": Config(**SMALL),
    "GPT-2": Config(
        **SMALL,
        activation="gelu-tanh",
        norm="layer",
        learned_norm=True,
        bias=True,
        qk_norm=False,
        positions="learned",
        tied=True,
    ),
    "Llama": Config(**SMALL, activation="swiglu", learned_norm=True, qk_norm=False, kv_heads=2),
    "waves": Config(**SMALL, activation="gelu", positions="sinusoidal", softcap=5.0),
    "window": Config(**SMALL, window=3, kv_heads=1, attention_softcap=4.0),
    "tables": Config(**SMALL, value_embeddings=1, ngrams=(90, 40), positions="none"),
}


def build(name: str) -> LanguageModel:
    model = NETWORKS[name].build(VOCABULARY, CONTEXT)
    torch.manual_seed(1)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    return model


def begin(model: LanguageModel, tokens: torch.Tensor, is_real: torch.Tensor | None) -> Cache:
    cache = model.new_cache()
    model(tokens, cache=cache, is_real=is_real)
    return cache


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("padding", [[0, 0, 0], [0, 3, 1]])
@torch.no_grad()
def test_a_step_is_a_forward_of_one_token(name: str, padding: list[int]) -> None:
    model = build(name)
    step = LanguageModelStep(model)
    tokens = torch.randint(0, VOCABULARY, (3, CONTEXT), generator=torch.Generator().manual_seed(0))
    is_real = torch.arange(CONTEXT) >= torch.tensor(padding)[:, None] if any(padding) else None
    ours, theirs = (
        begin(model, tokens[:, :4], None if is_real is None else is_real[:, :4]) for _ in range(2)
    )
    for place in range(4, CONTEXT):
        seen = None if is_real is None else is_real[:, : place + 1]
        found = step(tokens[:, place].tolist(), ours, seen)
        expected = model(tokens[:, place : place + 1], cache=theirs, is_real=seen)[:, 0]
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
        if place == 8:  # one text ends, another is doubled
            rows = torch.tensor([2, 0, 2])
            tokens = tokens[rows]
            is_real = None if is_real is None else is_real[rows]
            ours.select(rows)
            theirs.select(rows)
    assert ours.length == theirs.length == CONTEXT
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        torch.testing.assert_close(one.buffer, other.buffer, atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_it_sees_weights_that_change_in_place() -> None:
    model = build("Llama")
    step = LanguageModelStep(model)
    for parameter in model.parameters():
        parameter *= 0.5
    tokens = torch.tensor([[1, 2, 3]])
    found = step([4], begin(model, tokens, None), None)
    expected = model(torch.tensor([[4]]), cache=begin(model, tokens, None))[:, 0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_full_context_is_said() -> None:
    model = build("plain")
    cache = begin(model, torch.zeros(1, CONTEXT, dtype=torch.long), None)
    with pytest.raises(ValueError, match="14 tokens is full"):
        LanguageModelStep(model)([1], cache, None)


def test_only_plain_weights_of_a_processor_are_stepped() -> None:
    model = build("plain")
    assert can_step(model)
    assert not can_step(model.bfloat16())
