"""Non-leaky augmentation: images are changed, and the network is told how.

(Karras et al. 2022, arXiv:2206.00364, appendix F.2.) A sampler tells the network "not at all", so
that small sets are learned less by heart and nothing of the changes reaches a sample. In the order
in which they are made, with the paper's symbols and strengths:

    change    amount                                   told
    mirrored  left-right, upside down                  a0, a1: 1 or 0
    scaled    by 2^(a2 / 5), a2 normal                 a2
    turned    clockwise by a3, any angle               cos a3 - 1, sin a3
    stretched by 2^(a5 / 5) along the direction a4,    a5 cos 2 a4, a5 sin 2 a4
              squeezed as much across it, a5 normal
    shifted   by a6 / 8 widths and a7 / 8 heights,     a6, a7
              a6 and a7 normal

What is told is 0 where nothing is done, and says all that is done. For that a4 is doubled: the
paper's a5 cos a4 and a5 sin a4 stay the same for -a5 and a4 + π, which is another picture. Half of
the turns are by quarters and half of the shifts by whole pixels, which copy pixels as they are.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from noiseloom.seeds import Random

HELP = (
    "probability of each change (mirror, scale, turn, stretch, shift) to a training image; the "
    "network is told of it, so samples stay as the data; 0: off"
)
TOLD = 9  # numbers an image
LOG_STRENGTH = 0.2 * math.log(2)  # of scaling and stretching
SHIFT = 1 / 8  # of a side


def check_probability(probability: float) -> None:
    """Raise ValueError where the recipe's `augment` is no probability."""
    if not 0 <= probability <= 1:
        raise ValueError(
            f"augment is {probability}; allowed is 0 (off) to 1, such as 0.12: the probability of "
            "each kind of change"
        )


def draw(probability: float, sides: tuple[int, int], random: Random) -> Tensor:
    """What is to be done to images of `sides` (height, width), (B, TOLD), float32 on the CPU.

    Each of the six changes is made with `probability`, whichever others are.
    """
    random = random.under("augment")
    mirror_x, mirror_y, scale, turn, stretch, shift = random.chance(
        "which", probability, (6,)
    ).T.double()
    in_quarters, in_pixels = random.chance("exactly", 0.5, (2,)).T
    a2, a5, a6, a7 = random.normal("amounts", (4,)).T.double()
    around, direction = random.uniform("angles", (2,)).T.double()
    quarters = (1 + (3 * around).floor()) / 4
    a3 = 2 * math.pi * turn * torch.where(in_quarters, quarters, around)
    a4 = math.pi * direction
    height, width = sides
    a6 = torch.where(in_pixels, _whole(a6, SHIFT * width), a6)
    a7 = torch.where(in_pixels, _whole(a7, SHIFT * height), a7)
    told = [
        mirror_x,
        mirror_y,
        scale * a2,
        a3.cos() - 1,
        a3.sin(),
        stretch * a5 * (2 * a4).cos(),
        stretch * a5 * (2 * a4).sin(),
        shift * a6,
        shift * a7,
    ]
    return torch.stack(told, dim=1).float()


def changed(x0: Tensor, told: Tensor) -> Tensor:
    """Images (B, C, H, W) with done to them what `told` says; those it is 0 for as given.

    `told` is (B, TOLD), on the CPU. Bilinear; beyond its edges an image goes on as its own
    reflection.
    """
    which = torch.nonzero((told != 0).any(dim=1)).flatten()
    if not len(which):
        return x0
    height, width = x0.shape[-2:]
    told = told[which].double()
    xx, xy, yx, yy = _back(told).flatten(1)[:, :, None, None].unbind(dim=1)
    shift = SHIFT * told[:, 7:, None, None]
    x = _middles(width) - shift[:, 0] * width
    y = _middles(height)[:, None] - shift[:, 1] * height
    grid = torch.stack([2 / width * (xx * x + xy * y), 2 / height * (yx * x + yy * y)], dim=-1)
    which = which.to(x0.device)
    made = F.grid_sample(  # in float64, or pixels that are only moved would lose their last digit
        x0[which].double(),
        grid.to(x0.device),
        padding_mode="reflection",
        align_corners=False,
    )
    return x0.index_copy(0, which, made.to(x0.dtype))


def _middles(pixels: int) -> Tensor:
    """Where the middles of a row of pixels lie, from the middle of the row."""
    return torch.arange(pixels, dtype=torch.float64) - (pixels - 1) / 2


def _whole(amount: Tensor, pixels: float) -> Tensor:
    """`amount` times `pixels` brought to a whole number of them."""
    return (amount * pixels).round() / pixels


def _back(told: Tensor) -> Tensor:
    """From where a pixel comes to lie to where it is taken from, shift aside: (B, 2, 2).

    Pixels are (x, y) from the image's middle, y downwards.
    """
    mirror_x, mirror_y, a2, cos_less_1, sin, stretch_c, stretch_s, _, _ = told.unbind(dim=1)
    cos = 1 + cos_less_1
    turned_back = _matrix(cos, sin, -sin, cos)
    # the exponential of -LOG_STRENGTH a5 [[cos 2 a4, sin 2 a4], [sin 2 a4, -cos 2 a4]]
    size = LOG_STRENGTH * torch.hypot(stretch_c, stretch_s).clamp(min=1e-12)
    growth = -LOG_STRENGTH * size.sinh() / size
    along, across = growth * stretch_c, growth * stretch_s
    unstretched = _matrix(size.cosh() + along, across, across, size.cosh() - along)
    unscaled = (-LOG_STRENGTH * a2).exp()
    mirrored = torch.stack([1 - 2 * mirror_x, 1 - 2 * mirror_y], dim=1) * unscaled[:, None]
    return mirrored[:, :, None] * (turned_back @ unstretched)


def _matrix(xx: Tensor, xy: Tensor, yx: Tensor, yy: Tensor) -> Tensor:
    return torch.stack([xx, xy, yx, yy], dim=1).unflatten(1, (2, 2))
