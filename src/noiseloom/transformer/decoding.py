"""Which token comes next: from logits to a choice, in pure functions.

What narrows the choice puts the logits of all others at -inf, so that they combine in any order;
`choose` takes them as they are listed. Shapes: B batch, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from noiseloom.seeds import Random

CHOICES_AT_ONCE = 128  # random numbers drawn together for so many tokens of a text


def repel(logits_BV: Tensor, seen_BV: Tensor, penalty: float) -> Tensor:
    """Logits of tokens that were `seen` made smaller: divided by `penalty`, below 0 multiplied.

    Keskar et al. 2019 (CTRL), arXiv:1909.05858, section 4.1; multiplied since else a negative logit
    would grow.
    """
    repelled = torch.where(logits_BV > 0, logits_BV / penalty, logits_BV * penalty)
    return torch.where(seen_BV, repelled, logits_BV)


def keep_top_k(logits_BV: Tensor, k: int) -> Tensor:
    """The k largest, and what equals the last of them (Fan et al. 2018, arXiv:1805.04833)."""
    if k >= logits_BV.shape[-1]:
        return logits_BV
    least = logits_BV.topk(k, dim=-1).values[..., -1:]
    return logits_BV.masked_fill(logits_BV < least, -torch.inf)


def keep_top_p(logits_BV: Tensor, p: float) -> Tensor:
    """The fewest whose probabilities sum to p or more (Holtzman et al. 2019, arXiv:1904.09751)."""
    ordered, places = logits_BV.sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.double().softmax(dim=-1)
    is_enough = probabilities.cumsum(dim=-1) - probabilities >= p  # without it there were enough
    is_left_out = torch.zeros_like(is_enough).scatter(-1, places, is_enough)
    return logits_BV.masked_fill(is_left_out, -torch.inf)


def keep_min_p(logits_BV: Tensor, p: float) -> Tensor:
    """Those at least p times as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082)."""
    least = logits_BV.amax(dim=-1, keepdim=True) + math.log(p)
    return logits_BV.masked_fill(logits_BV < least, -torch.inf)


def choose(
    logits_BV: Tensor,
    uniform_B: Tensor | None,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
) -> Tensor:
    """A token for each row, (B,): the likeliest at temperature 0, else one drawn.

    Drawn is by the inverse of the cumulative distribution, float64, at `uniform_B` in [0, 1): a
    row's token depends on its own logits and number alone.
    """
    if temperature == 0 or uniform_B is None:
        return logits_BV.argmax(dim=-1)
    cumulative = distribution(
        logits_BV, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p
    ).cumsum(dim=-1)
    asked = uniform_B.to(cumulative)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, asked, right=True)[:, 0]


def distribution(
    logits_BV: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
) -> Tensor:
    """The probabilities (B, V) that `choose` draws from, float64."""
    logits_BV = logits_BV.double()
    if temperature != 1:
        logits_BV = logits_BV / temperature
    if top_k is not None:
        logits_BV = keep_top_k(logits_BV, top_k)
    if top_p is not None and top_p < 1:
        logits_BV = keep_top_p(logits_BV, top_p)
    if min_p:
        logits_BV = keep_min_p(logits_BV, min_p)
    return logits_BV.softmax(dim=-1)


def uniforms(random: Random, purpose: str = "token") -> Iterator[Tensor]:
    """A number in [0, 1) for each of `random`'s items, (items,) float64, again for every token.

    Of 48 bits: with the 24 of one draw, tokens rarer than one in 16 million would never come.
    Number n of an item is the same however many are asked for.
    """
    block = 0
    while True:
        high, low = random.at(block).uniform(purpose, (2, CHOICES_AT_ONCE)).double().unbind(dim=1)
        yield from (high + low * 2.0**-24).unbind(dim=1)
        block += 1
