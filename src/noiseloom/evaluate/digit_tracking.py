"""Where a digit is in each frame of a clip, to a small part of a pixel, and how many there are.

A digit whose image is known is found by least squares: at every position the image is drawn as
`data/bouncing.py` draws it, times the brightness that fits best; what is left is least where the
digit is. One that is not known is where its ink has its centre. Frames are uint8 (N, T, H, W, 1),
positions (N, T, 2) as in `data/bouncing.py`, NaN where nothing is found.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from noiseloom.data.bouncing import CELLS, FRAME, SIDE, read_cells

STEP = 0.5  # pixels between the positions that are tried; between them a parabola is laid
BEYOND = 5  # pixels that a digit's square may reach out of the frame
FAINTEST = 0.25  # of its brightness: below, the digit is not there
INK = 64  # of 255: darker is paper
LEAST_INK = 6  # pixels: less is no digit
FRAMES_AT_ONCE = 128


def track(clips: np.ndarray, glyphs: np.ndarray) -> np.ndarray:
    """The positions in each frame of the digits of images `glyphs` (N, 8, 8)."""
    num, length = clips.shape[:2]
    frames = clips[..., 0].reshape(num * length, FRAME, FRAME).astype(np.float32)
    owners = np.repeat(np.arange(num), length)
    found = [
        _found(
            frames[first : first + FRAMES_AT_ONCE], glyphs, owners[first : first + FRAMES_AT_ONCE]
        )
        for first in range(0, len(frames), FRAMES_AT_ONCE)
    ]
    return np.concatenate(found).reshape(num, length, 2)


def _found(frames: np.ndarray, glyphs: np.ndarray, owners: np.ndarray) -> np.ndarray:
    tried = np.arange(-BEYOND, FRAME - SIDE + BEYOND + STEP, STEP)
    read = read_cells(tried)  # (P, 32, 8): alike along both axes
    g = glyphs[owners].astype(np.float32)
    num, places = len(frames), len(tried)
    along = frames @ read.transpose(1, 0, 2).reshape(FRAME, -1)  # (F, 32, P x 8): pixels to cells
    drawn = along.reshape(num, FRAME * places, CELLS) @ g.transpose(0, 2, 1)
    drawn = drawn.reshape(num, FRAME, places, CELLS).swapaxes(2, 3).reshape(num, -1, places)
    match = read.reshape(places, -1) @ drawn  # (F, P, P): <frame, image drawn at (y, x)>
    overlap = read.swapaxes(1, 2) @ read
    spread = g[:, None] @ overlap @ g.swapaxes(1, 2)[:, None]  # (F, P, 8, 8)
    square = (spread.reshape(num, places, -1) @ overlap.reshape(places, -1).T).swapaxes(1, 2)
    square = np.maximum(square, 1e-6 * square.max(axis=(1, 2), keepdims=True))
    explained = match.clip(min=0) ** 2 / square
    best = explained.reshape(len(frames), -1).argmax(axis=1)
    p, q = np.unravel_index(best, explained.shape[1:])
    index = np.arange(len(frames))
    x = tried[q] + STEP * _peak(explained, index, p, q, axis=1)
    y = tried[p] + STEP * _peak(explained, index, p, q, axis=0)
    is_there = match[index, p, q] > FAINTEST * square[index, p, q]
    return np.where(is_there[:, None], np.stack([x, y], axis=1), np.nan)


def _peak(
    values: np.ndarray, index: np.ndarray, p: np.ndarray, q: np.ndarray, axis: int
) -> np.ndarray:
    """How far from the best place, in steps, a parabola through its neighbours is highest."""
    last = values.shape[1 + axis] - 1
    middle = (p if axis == 0 else q).clip(1, last - 1)
    low, here, high = (
        values[index, middle + by, q] if axis == 0 else values[index, p, middle + by]
        for by in (-1, 0, 1)
    )
    bend = low - 2 * here + high
    shift = np.where(bend < 0, 0.5 * (low - high) / np.where(bend < 0, bend, 1), 0)
    is_inside = (p if axis == 0 else q) == middle
    return np.where(is_inside, shift.clip(-1, 1), 0)


def centres(clips: np.ndarray) -> np.ndarray:
    """The centre (x, y) of the ink of each frame, in pixels from the frame's corner."""
    ink = clips[..., 0].astype(np.float64)
    ink = np.where(ink >= INK, ink, 0)
    total = ink.sum(axis=(2, 3))
    middles = np.arange(ink.shape[-1]) + 0.5
    x, y = (ink * middles).sum(axis=(2, 3)), (ink * middles[:, None]).sum(axis=(2, 3))
    is_there = (ink > 0).sum(axis=(2, 3)) >= LEAST_INK
    safe = np.where(is_there, total, 1)
    return np.where(is_there[..., None], np.stack([x / safe, y / safe], axis=-1), np.nan)


def counts(clips: np.ndarray) -> np.ndarray:
    """How many digits each frame shows, (N, T): parts of ink further apart than three pixels."""
    near = np.zeros((3, 3, 3, 3), bool)
    near[1, 1] = True  # frames touch no other frame
    ink = clips[..., 0] >= INK
    grown = ndimage.binary_dilation(ink, near)
    parts, _ = ndimage.label(grown, near)
    found = np.zeros(clips.shape[:2], int)
    for clip, frame in np.ndindex(found.shape):
        sizes = np.bincount(parts[clip, frame][ink[clip, frame]])
        found[clip, frame] = (sizes[1:] >= LEAST_INK).sum()
    return found


def cells_of(clips: np.ndarray, at: np.ndarray) -> np.ndarray:
    """What stands in the cells of a digit's square whose middle is `at` (N, T, 2): (N, T, 8, 8).

    Read bilinearly, 0 to 1; black where there is nothing to read.
    """
    places = (np.arange(CELLS) + 0.5) * (SIDE / CELLS) - SIDE / 2
    corner = np.nan_to_num(at, nan=FRAME / 2)[..., None] + places - 0.5  # (N, T, 2, 8)
    pixels = np.arange(clips.shape[3])
    weights = (1 - np.abs(corner[..., None] - pixels)).clip(min=0)
    ink = clips[..., 0].astype(np.float64) / 255
    return np.einsum("ntiy,ntyx,ntjx->ntij", weights[:, :, 1], ink, weights[:, :, 0], optimize=True)
