"""What features are learned from: images moved a little, and some of them damaged a little.

Moving (shift, turn, scale, shear) makes few epochs do, and makes the features fit unseen images as
well as seen ones: that gap would widen the floor. Damage (coarser detail, grain) comes with its
strengths, which the features must tell: what they are never asked about they may not register.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

KINDS = 2  # coarseness and grain
DAMAGED, EACH = 0.5, 0.6  # share of images that may be damaged; of those, by each kind
COARSEST = 0.07  # of the side: a block that keeps only its mean, at strength 1
GRAIN = 0.3  # of the range from black to white, at strength 1


def moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image (B, C, H, W) shifted by up to 7.5 % of its side, turned by up to 0.25 rad, scaled
    and sheared by up to 15 %."""

    def spread(most: float) -> Tensor:
        return (torch.rand(len(images), generator=generator) * 2 - 1) * most

    scale, angle, shear = 1 + spread(0.15), spread(0.25), spread(0.15)
    across = torch.stack([angle.cos() * scale, shear - angle.sin() * scale, spread(0.15)], dim=1)
    down = torch.stack([angle.sin() * scale, angle.cos() * scale, spread(0.15)], dim=1)
    grid = F.affine_grid(
        torch.stack([across, down], dim=1), list(images.shape), align_corners=False
    )
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def draw_strengths(count: int, generator: torch.Generator) -> Tensor:
    """How much each image is damaged in each way, (B, KINDS) in [0, 1]; half of them not at all."""
    strengths = torch.rand(count, KINDS, generator=generator)
    chosen = torch.rand(count, KINDS, generator=generator) < EACH
    return strengths * chosen * (torch.rand(count, 1, generator=generator) < DAMAGED)


def damaged(images: Tensor, strengths: Tensor, generator: torch.Generator) -> Tensor:
    """Images (B, C, H, W) with detail lost and grain added, by `strengths` (B, KINDS)."""
    block = max(2, round(COARSEST * max(images.shape[2:])))
    coarse = F.avg_pool2d(images, block, ceil_mode=True)
    coarse = F.interpolate(coarse, list(images.shape[2:]), mode="bilinear")
    coarseness, grain = strengths[:, :, None, None, None].unbind(dim=1)
    noise = torch.rand(images.shape, generator=generator) * 2 - 1
    return (torch.lerp(images, coarse, coarseness) + 2 * GRAIN * grain * noise).clamp(-1, 1)
