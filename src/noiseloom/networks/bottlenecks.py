"""What stands between an encoder and a decoder, so that latents can be learned and drawn from.

`kl`: a Gaussian about each latent, held near the standard normal (Kingma & Welling 2013,
arXiv:1312.6114, appendix B), by as little as in Rombach et al. 2022 (arXiv:2112.10752, appendix G).
`vq`: the nearest of a book of learned vectors (van den Oord et al. 2017, arXiv:1711.00937, eq. 3).
Shapes: B batch, E channels from the encoder, C of a latent, (H, W) the latents' sides, K codes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.errors import InputError
from noiseloom.seeds import Random

LOG_VARIANCE = (-30.0, 20.0)  # of a Gaussian: beyond it exp means nothing in float32
TWIN_SPREAD = 0.01  # how far a moved code lies from the used one it is put beside, of its length


class Code(NamedTuple):
    """An item in latents (B, C, H, W), and what the decoder is to be given for it (same shape).

    `penalty` (B,) joins the loss. `nats` (B,) is what an item's latents tell, `kl` only; `indices`
    (B, H, W) the code at each place, `vq` only.
    """

    latents: Tensor
    passed: Tensor
    penalty: Tensor
    nats: Tensor | None
    indices: Tensor | None


@dataclass(frozen=True, kw_only=True)
class Kl:
    """A Gaussian about each latent: smooth, and any number may be decoded."""

    weight: float = option(
        1e-6, "nats of a latent number, in units of the mean squared error of a pixel (-1 to 1)"
    )

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise ValueError(f"weight is {self.weight}; allowed is 0 or more")

    def build(self, channels: int) -> "Gaussian":
        """The bottleneck of latents of `channels`."""
        return Gaussian(self.weight, channels)


@dataclass(frozen=True, kw_only=True)
class Vq:
    """A book of codes: each place of the latents is one of them."""

    codes: int = option(256, "vectors in the book")
    commitment: float = option(0.25, "how strongly the encoder is drawn to its codes (beta)")
    patience: int = option(
        50, "steps in which no item used a code before it is moved beside a used one; 0: never"
    )

    def __post_init__(self) -> None:
        if self.codes < 2 or self.commitment < 0 or self.patience < 0:
            raise ValueError(
                f"codes {self.codes}, commitment {self.commitment} and patience {self.patience} "
                "are given; allowed is at least 2 codes and neither of the others below 0"
            )

    def build(self, channels: int) -> "Codebook":
        """The bottleneck of latents of `channels`."""
        return Codebook(self, channels)


Bottleneck = Kl | Vq
BOTTLENECKS: dict[str, type[Bottleneck]] = {"kl": Kl, "vq": Vq}


class Gaussian(nn.Module):
    """N(mean, std²) for each number; the latents are the means."""

    num_codes: int | None = None

    def __init__(self, weight: float, channels: int) -> None:
        super().__init__()
        self.weight = weight
        self.encoded = 2 * channels

    def forward(self, encoded: Tensor, random: Random | None) -> Code:
        """`encoded` (B, E, H, W) is means, then log-variances; drawn from only with `random`."""
        mean, log_variance = encoded.float().chunk(2, dim=1)
        log_variance = log_variance.clamp(*LOG_VARIANCE)
        nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
        passed = mean
        if random is not None:
            passed = mean + (0.5 * log_variance).exp() * random.normal_like("latents", mean)
        penalty = self.weight * nats.flatten(1).mean(1)
        return Code(mean, passed, penalty, nats.flatten(1).sum(1), None)

    def settle(self, latents: Tensor) -> Tensor:
        """What the decoder is given for any latents: they themselves."""
        return latents

    def tend(self, random: Random) -> None:
        """Nothing is to be seen to."""


class Codebook(nn.Module):
    """K vectors, learned by the loss; those that fall out of use are moved to where items are."""

    idle: Tensor

    def __init__(self, config: Vq, channels: int) -> None:
        super().__init__()
        self.config = config
        self.encoded = channels
        self.num_codes: int | None = config.codes
        self.vectors = nn.Parameter(torch.empty(config.codes, channels).normal_())
        self.register_buffer("idle", torch.zeros(config.codes, dtype=torch.int64))

    def forward(self, encoded: Tensor, random: Random | None) -> Code:
        """The decoder is given codes; its gradient goes to `encoded` as if it had been given that.

        Latents are `encoded` itself (Rombach et al., section 3.1): the decoder's side quantises.
        """
        latents = encoded.float()
        indices = self.nearest(latents)
        codes = self.at(indices)
        to_code = (codes - latents.detach()).square().flatten(1).mean(1)
        to_latent = (codes.detach() - latents).square().flatten(1).mean(1)
        penalty = to_code + self.config.commitment * to_latent
        passed = latents + (codes - latents).detach()
        return Code(latents, passed, penalty, None, indices)

    def nearest(self, latents: Tensor) -> Tensor:
        """The index of the code nearest to each place of `latents` (B, C, H, W): (B, H, W)."""
        places = latents.movedim(1, -1)
        # in bfloat16 one place in thirty would be given another code than when it is encoded
        with torch.autocast(latents.device.type, enabled=False):
            # |z - e|² without |z|², which is the same for every code
            far = self.vectors.square().sum(1) - 2 * places.float() @ self.vectors.T
        return far.argmin(-1)

    def at(self, indices: Tensor) -> Tensor:
        """The codes of `indices` (B, H, W), as latents (B, C, H, W)."""
        return F.embedding(indices, self.vectors).movedim(-1, 1)

    def settle(self, latents: Tensor) -> Tensor:
        """What the decoder is given for any latents: the nearest codes."""
        return self.at(self.nearest(latents.float()))

    @torch.no_grad()
    def tend(self, random: Random) -> None:
        """Move codes that no item of the last `patience` steps used beside used ones, at random.

        To be called between the backward and the update of a step. A code that no item used has a
        gradient of exactly 0, so several processes, whose gradients are one, see the same. A moved
        code halves the cell of the one it is put beside (Linde, Buzo & Gray 1980). Raises
        InputError where each process holds a part of the codebook only.
        """
        gradient = self.vectors.grad
        if gradient is None or not self.config.patience:
            return
        if hasattr(gradient, "to_local"):  # a part of it only
            raise InputError(
                "network.bottleneck vq moves unused codes, which needs the whole codebook in every "
                "process; set training.sharding=none or network.bottleneck.patience=0"
            )
        is_used = gradient.abs().amax(1) > 0
        self.idle.copy_(torch.where(is_used, 0, self.idle + 1))
        dead = (self.idle >= self.config.patience).nonzero()[:, 0]
        used = is_used.nonzero()[:, 0]
        if not len(dead) or not len(used):
            return
        chosen = random.uniform("twins", (len(dead),))[0].to(used.device)
        beside = self.vectors[used[(chosen * len(used)).long()]]
        apart = random.normal("twins apart", beside.shape)[0].to(beside.device)
        reach = TWIN_SPREAD * beside.square().mean(1, keepdim=True).sqrt()
        self.vectors[dead] = beside + reach * apart
        self.idle[dead] = 0
