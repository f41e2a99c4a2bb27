"""Which part of a picture each word of its prompt drew, by two readings of the same model.

`attended`: how much of each image token's softmax lies on the keys of the word (as Tang et al. 2022
read it off Stable Diffusion, arXiv:2210.04885), a number for each patch. `left_out`: how far the x0
prediction of each pixel moves when the word is left out of the caption and nothing else changes, at
every state that the samples passed through. The first says where the model looked the word up, the
second what the word did there.

Shapes: N samples, W words (each of one sample), S steps, M keys of a caption, L image tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from noiseloom.explain.caption_words import CaptionWord
from noiseloom.explain.item_attention import tokens_of
from noiseloom.explain.watching import Looks, attention_layers, watching
from noiseloom.explain.way import Way
from noiseloom.tasks.generating import ImageGeneration

ROWS = 64  # asked of the model at once
SMOOTH = 0.09  # the spread, as a share of a picture's width, of what a change stands for: an edge
# that moves stands for the object that it bounds
ALIKE = 0.3  # how far apart colours may be, of a channel's range, that are alike
TAPS = 13  # pixels of a row that are looked at on the way to their average
START = 1  # the keys of a caption begin with that of its start

By = Literal["leaving-out", "attention"]


@dataclass(frozen=True)
class WordOf:
    """A word, and the number of the sample whose prompt it stands in."""

    sample: int
    word: CaptionWord


@torch.no_grad()
def attended(
    task: ImageGeneration, way: Way, tokens_NL: Tensor, words: Sequence[WordOf]
) -> np.ndarray:
    """The share of each token's attention on each word, (S, layers, heads, W, L) float32.

    Of the prediction for the prompts `tokens_NL`, unguided, at the states of `way`.
    """
    joint = [layer for layer in attention_layers(task.model) if layer.kind == "joint"]
    number = {layer.number: place for place, layer in enumerate(joint)}
    shares: list[list[list[Tensor]]] = []

    def on_looks(looks: Looks) -> None:
        if looks.layer.number not in number:
            return
        parts = [
            looks.weights[one.sample][..., [START + place for place in one.word.places]].sum(-1)
            for one in words
        ]
        shares[-1][number[looks.layer.number]].append(torch.stack(parts, dim=1))  # (heads, W, Q)

    denoise = task.judged(tokens_NL.to(way.states[0].x.device)).denoise
    for state in way.states:
        shares.append([[] for _ in joint])
        with watching(task.model, on_looks):
            denoise(state.x, state.times)
    stacked = [torch.stack([torch.cat(parts, dim=2) for parts in layers]) for layers in shares]
    return torch.stack(stacked).float().cpu().numpy()


@torch.no_grad()
def left_out(
    task: ImageGeneration, way: Way, tokens_NL: Tensor, words: Sequence[WordOf]
) -> np.ndarray:
    """How far x0 moves in each pixel without each word, (S, W, [T,] height, width) float32.

    The length of the change over channels, in units of the model's data, smoothed within each
    frame by a Gaussian of `SMOOTH`. The word's tokens become padding where they stand, so that all
    others keep their places.
    """
    assert task.prompts is not None  # it draws by captions
    owners = torch.tensor([one.sample for one in words])
    rows = tokens_NL[owners].clone()
    for row, one in zip(rows, words, strict=True):
        row[list(one.word.places)] = task.prompts.padding
    moved = [_moved(task, state.x, state.t, tokens_NL, rows, owners) for state in way.states]
    return smoothed(np.stack(moved))


def smoothed(maps: np.ndarray) -> np.ndarray:
    """Maps (…, height, width) smoothed as far as `SMOOTH` says."""
    spread = SMOOTH * maps.shape[-1]
    found: np.ndarray = ndimage.gaussian_filter(maps, (*[0] * (maps.ndim - 2), spread, spread))
    return found


def _moved(
    task: ImageGeneration, x: Tensor, t: float, tokens: Tensor, rows: Tensor, owners: Tensor
) -> np.ndarray:
    """The same at one state."""
    device = x.device

    def expected(states: Tensor, asked: Tensor) -> Tensor:
        parts = [
            task.judged(some.to(device)).denoise(part, torch.full((len(part),), t, device=device))
            for part, some in zip(states.split(ROWS), asked.split(ROWS), strict=True)
        ]
        return torch.cat([part.x0 for part in parts])

    whole = expected(x, tokens)
    without = expected(x[owners.to(device)], rows)
    change = without - whole[owners.to(device)]
    return change.float().square().sum(dim=1).sqrt().cpu().numpy()


def attended_pixels(
    task: ImageGeneration, way: Way, tokens_NL: Tensor, words: Sequence[WordOf]
) -> np.ndarray:
    """`attended`, the mean of all heads and layers, as pixels (S, W, [T,] height, width)."""
    shares_SWL = attended(task, way, tokens_NL, words).mean(axis=(1, 2))
    tokens = tokens_of(task)
    *frames, height, width = task.form.item_shape[1:]
    cells = torch.from_numpy(shares_SWL).reshape(-1, 1, tokens.rows, tokens.columns)
    pixels = F.interpolate(cells, size=(height, width), mode="bilinear", align_corners=False)
    return pixels.reshape(*shares_SWL.shape[:2], *frames, height, width).numpy()


def over_steps(maps: np.ndarray) -> np.ndarray:
    """Maps (S, W, …) as one a word, whose highest value is 1, (W, …)."""
    total = maps.mean(axis=0)
    highest = total.reshape(len(total), -1).max(axis=1).reshape(-1, *[1] * (total.ndim - 1))
    scaled: np.ndarray = total / np.maximum(highest, np.finfo(np.float32).tiny)
    return scaled


def shared(maps: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Maps (W, height, width) averaged over near pixels that look alike in `pictures` (W, …, C).

    A joint bilateral filter (Petschnigg et al. 2004, eq. 2) of the drawn pictures, uint8 of the
    maps' size: what a word moved about an object ends at the object's edge. The highest value is 1.
    """
    width = maps.shape[-1]
    spread = SMOOTH * width
    offsets = np.unique(np.linspace(-2 * spread, 2 * spread, TAPS).round().astype(int)).tolist()
    reach = max(offsets)
    colours = pictures.astype(np.float32) / 255
    around = ((0, 0), (reach, reach), (reach, reach))
    more_maps = np.pad(maps, around, mode="edge")
    more_colours = np.pad(colours, (*around, (0, 0)), mode="edge")
    summed, weights = np.zeros_like(maps), np.zeros_like(maps)
    for down in offsets:
        for right in offsets:
            rows = slice(reach + down, reach + down + maps.shape[1])
            columns = slice(reach + right, reach + right + width)
            apart = ((more_colours[:, rows, columns] - colours) ** 2).sum(axis=-1)
            far = (down**2 + right**2) / (2 * spread**2)
            weight = np.exp(-apart / (2 * ALIKE**2) - far)
            summed += weight * more_maps[:, rows, columns]
            weights += weight
    return over_steps((summed / weights)[None])


READINGS: Mapping[By, Callable[..., np.ndarray]] = {
    "leaving-out": left_out,
    "attention": attended_pixels,
}
"""What each reading is called: (task, way, tokens, words) -> maps (S, W, …)."""
