"""Making tokens likelier: those that fit the rest least are hidden again and predicted anew.

A look scores each token given all that stand, the least likely share becomes masks, a second look
draws what is behind them; then again. Mask-predict (Ghazvininejad et al. 2019, arXiv:1904.09324)
begun from a draft, with a denoiser that has learned to doubt tokens that stand (as the token-critic
of Lezama et al. 2022, arXiv:2209.04439, in one network). Shapes as in `unmasking`.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from noiseloom.diffusion.discrete import Denoise
from noiseloom.diffusion.unmasking import Reveal, draw
from noiseloom.seeds import Random


def remask(
    denoise: Denoise,
    x_BL: Tensor,
    mask: int,
    random: Random,
    *,
    share: float,
    rounds: int,
    temperature: float = 1.0,
) -> Iterator[Reveal]:
    """A `Reveal` after each of `rounds`, whose `is_hidden` says which tokens it drew anew.

    `share` of a row's tokens are, at least one. A round calls the denoiser twice.
    """
    x, number = x_BL.clone(), max(1, round(share * x_BL.shape[1]))
    for index in range(rounds):
        is_hidden = least_likely(denoise, x, mask, number)
        with torch.no_grad():
            logits = denoise(x.masked_fill(is_hidden, mask))[..., :mask]
        drawn, _ = draw(logits, temperature, random.at(index))
        x = torch.where(is_hidden, drawn, x)
        yield Reveal(index, x, is_hidden)


@torch.no_grad()
def least_likely(denoise: Denoise, x_BL: Tensor, mask: int, number: int) -> Tensor:
    """Where the `number` tokens of each row stand that the denoiser believes in least, (B, L)."""
    log_p_BLV = denoise(x_BL)[..., :mask].double().log_softmax(dim=-1)
    log_p_BL = log_p_BLV.gather(-1, x_BL[..., None])[..., 0]
    chosen = log_p_BL.topk(number, dim=1, largest=False).indices
    return torch.zeros_like(x_BL, dtype=torch.bool).scatter(1, chosen, True)
