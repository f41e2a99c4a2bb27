"""Samplers of masked diffusion: from masks to tokens, some more in each look at all of them.

A sampler is a generator of `Reveal`s. How many it uncovers in which look, a plan says; which of
them, is what samplers differ in. A token that is uncovered stays as it is, and none becomes the
mask. Whatever is a mask at the start is filled in, wherever it stands.

Tokens are drawn by adding Gumbel noise to their log-probabilities, in float64: noise of float32 has
no large values, and so draws likely tokens too often (Zheng et al. 2024, arXiv:2409.02908, sec. 4).

Shapes: B batch, L tokens, V words.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.diffusion.discrete import Denoise, Masking
from noiseloom.seeds import Random

ROUNDING = 1e-9  # by which a whole number of tokens may come out too small


@dataclass(frozen=True)
class Reveal:
    """What stands after a look: tokens (B, L), and where some are still hidden."""

    index: int
    tokens: Tensor
    is_hidden: Tensor


Unmasking = Callable[[Denoise, Tensor, int, Tensor, Random, float], Iterator[Reveal]]
"""(denoise, tokens, mask, plan, random, temperature)."""


def plan_of(masking: Masking, hidden_B: Tensor, steps: int | None) -> Tensor:
    """How many are still hidden after each of `steps` looks, (steps, B) int64; the last is 0.

    None: one token a look. `masking` says how fast they become fewer; `hidden_B` is how many are
    hidden at the start. Raises ValueError for fewer than one step.
    """
    hidden = hidden_B.cpu()
    if steps is None:
        return (hidden - torch.arange(1, int(hidden.max()) + 1)[:, None]).clamp(min=0)
    if steps < 1:
        raise ValueError(f"{steps} steps are given; masks are filled in by 1 step or more")
    t = torch.linspace(1, 0, steps + 1, dtype=torch.float64)[1:, None]
    left = ((1 - masking.alpha(t)) * hidden + ROUNDING).floor().long()
    left[-1] = 0
    return left


def random_unmasking(
    denoise: Denoise,
    x_BL: Tensor,
    mask: int,
    plan: Tensor,
    random: Random,
    temperature: float = 1.0,
) -> Iterator[Reveal]:
    """In random order: the reverse process itself, given how many each of its steps uncovers.

    One token a look with a denoiser that is right draws the data exactly.
    """
    order = random.uniform("order", x_BL.shape[1:]).double()

    def first(log_p_BL: Tensor, share_B1: Tensor, look: Random) -> Tensor:
        return order

    yield from _unmask(denoise, x_BL, mask, plan, random, temperature, first)


def confidence_unmasking(
    denoise: Denoise,
    x_BL: Tensor,
    mask: int,
    plan: Tensor,
    random: Random,
    temperature: float = 1.0,
) -> Iterator[Reveal]:
    """The surest first (Chang et al. 2022, arXiv:2202.04200, "MaskGIT", section 3.2).

    Sureness is the log-probability of what was drawn for a token, plus Gumbel noise times the
    temperature and the share that is still hidden, so that the first are not always the same.
    """

    def first(log_p_BL: Tensor, share_B1: Tensor, look: Random) -> Tensor:
        noise = gumbel(look.under("order/"), log_p_BL.shape[1:])
        return log_p_BL + temperature * share_B1 * noise

    yield from _unmask(denoise, x_BL, mask, plan, random, temperature, first)


UNMASKINGS: dict[str, Unmasking] = {
    "confidence": confidence_unmasking,
    "random": random_unmasking,
}


def gumbel(random: Random, shape: Sequence[int]) -> Tensor:
    """Standard Gumbel noise (items, *shape) in float64 from 48 random bits, on the CPU."""
    high, low = random.uniform("gumbel", (2, *shape)).double().unbind(dim=1)
    uniform = high + 2.0**-24 * low + 2.0**-49  # inside (0, 1)
    return -(-uniform.log()).log()


def draw(logits_BLV: Tensor, temperature: float, random: Random) -> tuple[Tensor, Tensor]:
    """A token of each distribution, and its log-probability in float64; at 0 the likeliest."""
    log_p = logits_BLV.double().log_softmax(dim=-1)
    noisy = log_p
    if temperature > 0:
        noisy = log_p / temperature + gumbel(random, log_p.shape[1:]).to(log_p.device)
    tokens = noisy.argmax(dim=-1)
    return tokens, log_p.gather(-1, tokens[..., None])[..., 0]


def _unmask(
    denoise: Denoise,
    x_BL: Tensor,
    mask: int,
    plan: Tensor,
    random: Random,
    temperature: float,
    first: Callable[[Tensor, Tensor, Random], Tensor],
) -> Iterator[Reveal]:
    """Uncover as `plan` says, those first for which `first` is highest."""
    x, is_hidden = x_BL.clone(), x_BL == mask
    at_start_B1 = is_hidden.sum(dim=1, keepdim=True).clamp(min=1)
    for index, left_B in enumerate(plan):
        look = random.at(index)
        left = left_B.to(x.device)[:, None]
        if (is_hidden.sum(dim=1, keepdim=True) > left).any():
            with torch.no_grad():
                logits = denoise(x).clone()
            logits[..., mask:] = -torch.inf  # where a network writes the mask, nobody reads it
            drawn, log_p = draw(logits, temperature, look)
            share_B1 = (left / at_start_B1).double().cpu()
            rank = first(log_p.cpu(), share_B1, look).to(x.device)
            rank = rank.masked_fill(~is_hidden, -torch.inf)
            # the last `left` of those that are hidden stay so
            place = rank.argsort(dim=1, descending=True).argsort(dim=1)
            stays = is_hidden & (place >= is_hidden.sum(dim=1, keepdim=True) - left)
            x = torch.where(is_hidden & ~stays, drawn, x)
            is_hidden = stays
        yield Reveal(index, x, is_hidden)
