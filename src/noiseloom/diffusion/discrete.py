"""Masked diffusion of tokens: noise is a mask over some of them, and the bound of what is behind.

At time t each token is still there with probability alpha(t), which falls from 1 to 0; else it is
the mask. A denoiser answers logits of what is behind each mask; it need not be told t, which the
masks say (Sahoo et al. 2024, arXiv:2406.07524, "MDLM"; Shi et al. 2024, arXiv:2406.04329, "MD4").
Its negative log-likelihood is at most

    ∫ -alpha'(t) / (1 - alpha(t)) · E[ Σ over masked tokens of -log p(token | what is left) ] dt

(MDLM eq. 10), which depends on alpha not at all: with m = 1 - alpha it is ∫ dm / m. Integrated over
m, the masks that hide k of n tokens weigh 1 / (k · (n choose k)) each, so that it is also

    Σ over k from 1 to n of (1 / k) · E over the masks that hide k [ the same sum ].

That is what is estimated here: how many are hidden is drawn, once in each of several equal parts,
instead of whether each is, which leaves less to chance.

Shapes: B batch, L tokens, V words. Tokens are int64, masks boolean, true where hidden.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from noiseloom.seeds import Random

Denoise = Callable[[Tensor], Tensor]
"""Tokens (B, L), the mask's number where they are hidden, to logits (B, L, V) of each."""


class Masking(ABC):
    """How the share of hidden tokens, 1 - alpha, grows over t from 0 to 1; in float64."""

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """The share that is still there."""

    @abstractmethod
    def d_alpha(self, t: Tensor) -> Tensor:
        """Its derivative."""

    @abstractmethod
    def time(self, hidden: Tensor) -> Tensor:
        """When that share is hidden: the inverse of 1 - alpha."""

    def weight(self, t: Tensor) -> Tensor:
        """-alpha' / (1 - alpha): what the sum over masked tokens counts for in the bound."""
        return -self.d_alpha(t) / (1 - self.alpha(t))


@dataclass(frozen=True, kw_only=True)
class Linear(Masking):
    """As much at any time: alpha = 1 - t."""

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - t.double()

    def d_alpha(self, t: Tensor) -> Tensor:
        return -torch.ones_like(t, dtype=torch.float64)

    def time(self, hidden: Tensor) -> Tensor:
        return hidden.double()


@dataclass(frozen=True, kw_only=True)
class Cosine(Masking):
    """Slowly where most is hidden: alpha = 1 - cos((1 - t) π/2) (MD4, table 1; MaskGIT's)."""

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - torch.cos((1 - t.double()) * math.pi / 2)

    def d_alpha(self, t: Tensor) -> Tensor:
        return -math.pi / 2 * torch.sin((1 - t.double()) * math.pi / 2)

    def time(self, hidden: Tensor) -> Tensor:
        return 1 - 2 / math.pi * torch.arccos(hidden.double())


MASKINGS: dict[str, type[Masking]] = {"linear": Linear, "cosine": Cosine}


def hide(x_BL: Tensor, t_B: Tensor, masking: Masking, random: Random) -> Tensor:
    """Which tokens the forward process has hidden at t: each by its own chance, (B, L)."""
    chance = (1 - masking.alpha(t_B))[:, None]
    return random.uniform("hide", x_BL.shape[1:]).to(x_BL.device).double() < chance.to(x_BL.device)


def hide_some(can_hide_BL: Tensor, number_B: Tensor, random: Random) -> Tensor:
    """Which tokens are hidden where so many of those that may be are, all sets alike, (B, L)."""
    order = random.uniform("hide", can_hide_BL.shape[1:]).to(can_hide_BL.device)
    places = order.masked_fill(~can_hide_BL, 2.0).argsort(dim=1).argsort(dim=1)
    return places < number_B.to(can_hide_BL.device)[:, None]


def draw_numbers(masking: Masking, can_hide_B: Tensor, u_B: Tensor) -> tuple[Tensor, Tensor]:
    """How many of so many tokens to hide, from uniform `u_B`, and what their sum then counts for.

    That is (int64, float64), both (B,). A number k of n is drawn as often as `masking` passes from
    (k - 1) / n to k / n, and counts for 1 / k over that: the mean is the bound, whatever `masking`.
    """
    n = can_hide_B.cpu().double()
    hidden = 1 - masking.alpha(u_B.cpu())
    number = (hidden * n).ceil().clamp(min=torch.ones_like(n).minimum(n)).minimum(n)
    often = masking.time(number / n) - masking.time((number - 1).clamp(min=0) / n)
    weight = torch.where(n > 0, 1 / (number * often), 0.0)
    return number.long(), weight


def nats_behind(denoise: Denoise, x0_BL: Tensor, is_hidden_BL: Tensor, mask: int) -> Tensor:
    """-log p of each hidden token given those that are left, 0 elsewhere, (B, L) float32."""
    logits = denoise(x0_BL.masked_fill(is_hidden_BL, mask)).float()
    nats = F.cross_entropy(logits.flatten(0, 1), x0_BL.flatten(), reduction="none")
    return nats.view(x0_BL.shape) * is_hidden_BL


def continuous_bound(
    denoise: Denoise,
    x0_BL: Tensor,
    mask: int,
    random: Random,
    *,
    looks: int,
    given_BL: Tensor | None = None,
) -> Tensor:
    """An estimate of the bound in nats from `looks` masks an item, (B, L) float32.

    Its sum over an item is without bias, what a single token gets means nothing. Tokens that are
    `given` are never hidden, nor counted. Each look hides a number of its own, in another of
    `looks` equal parts of all numbers.
    """
    can_hide = torch.ones_like(x0_BL, dtype=torch.bool) if given_BL is None else ~given_BL
    number = can_hide.sum(dim=1)
    total = torch.zeros(x0_BL.shape, device=x0_BL.device)
    places = random.uniform("numbers", (looks,)).double()
    for look in range(looks):
        hidden, weight = draw_numbers(Linear(), number, (look + places[:, look]) / looks)
        is_hidden = hide_some(can_hide, hidden, random.under(f"look{look}"))
        nats = nats_behind(denoise, x0_BL, is_hidden, mask)
        total += nats * (weight.to(nats)[:, None] / looks)
    return total


def chain_bound(
    denoise: Denoise, x0_BL: Tensor, mask: int, random: Random, *, masking: Masking, steps: int
) -> Tensor:
    """An estimate of the bound of a chain of `steps` steps, nats an item, (B,) float64.

    Its steps uncover, of what is hidden at t, the share (alpha(s) - alpha(t)) / (1 - alpha(t)) by
    the time s before it (MDLM eq. 9). It is above the continuous one, and reaches it as steps grow.
    """
    total = torch.zeros(len(x0_BL), dtype=torch.float64, device=x0_BL.device)
    for step in range(1, steps + 1):
        s, t = torch.tensor([step - 1, step], dtype=torch.float64) / steps
        uncovered = float((masking.alpha(s) - masking.alpha(t)) / (1 - masking.alpha(t)))
        is_hidden = hide(x0_BL, t.expand(len(x0_BL)), masking, random.at(step))
        total += uncovered * nats_behind(denoise, x0_BL, is_hidden, mask).double().sum(dim=1)
    return total
