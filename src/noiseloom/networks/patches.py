"""Images cut into patches, and put together from them.

Shapes: B batch, C channels, T frames, (I, J) the grid of a frame's patches, L = T·I·J of them.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


class Patches:
    """Cuts images (B, C, height, width) into patches that reach `border` into their neighbours.

    A patch is a row of C x side x side numbers, side = patch + 2 border; beyond the image it is 0.
    Clips (B, C, T, height, width) are cut frame by frame.
    """

    def __init__(self, patch: int, border: int) -> None:
        self.patch, self.border = patch, border
        self.side = patch + 2 * border

    def grid(self, image: Sequence[int]) -> list[int]:
        """How many patches lie on each axis of an image of these sides, (I, J)."""
        return [length // self.patch for length in image]

    def apart(self, x: Tensor) -> Tensor:
        """(B, L, C x side x side), frame by frame, patches in row-major order."""
        frames, around = _frames(x), self.border
        padded = F.pad(frames, (around, around, around, around)) if around else frames
        # views and one copy: F.unfold goes image by image on a GPU
        cut = padded.unfold(2, self.side, self.patch).unfold(3, self.side, self.patch)
        return cut.permute(0, 2, 3, 1, 4, 5).reshape(len(x), -1, frames.shape[1] * self.side**2)

    def together(self, patches: Tensor, axes: Sequence[int]) -> Tensor:
        """The sum of the patches where they lie, (B, C, *axes).

        `axes` is (height, width), or (T, height, width).
        """
        *frames, height, width = axes
        rows, columns = self.grid((height, width))
        lying = patches.unflatten(1, (-1, rows * columns)).flatten(0, 1)
        if self.border:
            lying = lying.transpose(1, 2)
            image = F.fold(
                lying, (height, width), self.side, padding=self.border, stride=self.patch
            )
        else:
            apart = lying.unflatten(2, (-1, self.side, self.side)).unflatten(1, (rows, columns))
            image = apart.permute(0, 3, 1, 4, 2, 5).reshape(len(lying), -1, height, width)
        return image.unflatten(0, (len(patches), *frames)).transpose(1, 2) if frames else image

    def cover(self, image: Sequence[int]) -> Tensor:
        """How many patches lie on each pixel of an image of these sides, (1, 1, height, width)."""
        rows, columns = self.grid(image)
        return self.together(torch.ones(1, rows * columns, self.side**2), image)

    def middles(self, x: Tensor) -> Tensor:
        """The mean over each patch without its border, (B, L), of one channel."""
        return F.avg_pool2d(_frames(x), self.patch).reshape(len(x), -1)


def _frames(x: Tensor) -> Tensor:
    """The frames of clips (B, C, T, height, width) as images, (B x T, C, height, width)."""
    return x if x.ndim == 4 else x.transpose(1, 2).flatten(0, 1)
