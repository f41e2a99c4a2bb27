"""Sections of a page on how a model looks at the patches of what it draws.

The frames of a clip lie in a row; each patch is as large as it is in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from noiseloom.evaluate.charts import Line
from noiseloom.explain import parts
from noiseloom.explain.explanation import Section
from noiseloom.explain.item_attention import ItemAttention, ItemLayer, Tokens
from noiseloom.explain.item_pictures import called
from noiseloom.explain.tables import table

SCALE = 6  # screen pixels of a picture's pixel, at most
WIDE = 480  # screen pixels of the widest picture, about
FRAME = np.array([255, 140, 0], dtype=np.uint8)  # round the patch that looks
MOST_PATCHES = 64  # that are turned through


def laid(values_L: np.ndarray, tokens: Tokens) -> np.ndarray:
    """A number for each token as a picture of patches, (rows, frames x columns)."""
    frames = values_L.reshape(tokens.frames, tokens.rows, tokens.columns)
    return frames.transpose(1, 0, 2).reshape(tokens.rows, -1)


def over(picture: np.ndarray, values_L: np.ndarray, tokens: Tokens) -> np.ndarray:
    """A picture (H, W, C) under what is looked at in it."""
    small = laid(values_L, tokens)
    patch = (picture.shape[0] // small.shape[0], picture.shape[1] // small.shape[1])
    return parts.overlay(picture, np.kron(small, np.ones(patch)))


def marked(picture: np.ndarray, token: int | None, tokens: Tokens, scale: int) -> np.ndarray:
    """A picture enlarged, in colours, with a frame round the patch of a token, if any."""
    large = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    large = np.repeat(large, 3, axis=2) if large.shape[2] == 1 else large.copy()
    if token is None:
        return large
    frame, place = divmod(token, tokens.each)
    row, column = divmod(place, tokens.columns)
    height = large.shape[0] // tokens.rows
    width = large.shape[1] // (tokens.frames * tokens.columns)
    top, left = row * height, (frame * tokens.columns + column) * width
    inside = np.zeros(large.shape[:2], dtype=bool)
    inside[top : top + height, left : left + width] = True
    inside[top + 2 : top + height - 2, left + 2 : left + width - 2] = False
    large[inside] = FRAME
    return large


def token_name(token: int, tokens: Tokens) -> str:
    """A patch in words, counted from 1."""
    frame, place = divmod(token, tokens.each)
    row, column = divmod(place, tokens.columns)
    where = f"row {row + 1}, column {column + 1}"
    return where if tokens.frames == 1 else f"frame {frame + 1}, {where}"


def gaze(
    attention: ItemAttention,
    expected: np.ndarray,
    names: Sequence[str],
    labels: Sequence[str],
    *,
    token: int,
    tokens: Tokens,
    chosen: tuple[slice, slice],
) -> Section:
    """Where one patch looks, step by step; `expected` (S, N, H, W, C), `chosen` layers and heads.

    Beside it the rollout of the same patch, and what all patches together are made of.
    """
    layers, heads = chosen
    looks = attention.maps[:, layers, :, heads].mean(axis=(1, 3))[..., attention.remembered :]
    of_tokens = attention.rollout[..., attention.remembered :]
    scale = scale_of(expected.shape[3] * 3)
    films = []
    for sample, name in enumerate(names):
        pictures = []
        for step in range(len(labels)):
            picture = expected[step, sample]
            beside = [
                marked(picture, token, tokens, scale),
                marked(over(picture, looks[step, sample], tokens), token, tokens, scale),
                marked(over(picture, of_tokens[step, sample, token], tokens), token, tokens, scale),
                marked(
                    over(picture, of_tokens[step, sample].mean(axis=0), tokens), None, tokens, scale
                ),
            ]
            pictures.append(_sheet([[one] for one in beside] if tokens.frames > 1 else [beside]))
        title = called(sample, name)
        alt = f"{title}: what is expected, and where the patch in {token_name(token, tokens)} looks"
        films.append(parts.turned(pictures, labels, alt, title))
    side = "Below one another" if tokens.frames > 1 else "From the left"
    words = (
        f"{side}: what the model expects, with a frame round the patch in "
        f"{token_name(token, tokens)}; where that patch looks (the mean of the chosen layers and "
        "heads); its rollout, which is what it is made of after all layers; and the rollout of "
        "all patches together, where what counts for the whole picture is light."
    )
    return Section(
        "Where a patch looks", parts.text(words) + parts.row(films, wide=True, together=True)
    )


def all_heads(
    attention: ItemAttention,
    expected: np.ndarray,
    labels: Sequence[str],
    layers: Sequence[ItemLayer],
    *,
    token: int,
    tokens: Tokens,
    name: str,
) -> Section:
    """The looks of one patch of the first sample in every head of every layer, step by step."""
    heads = attention.maps.shape[3]
    scale = max(1, scale_of(expected.shape[3] * heads))
    sheets = []
    for step in range(len(labels)):
        maps = attention.maps[step, :, 0, :, attention.remembered :]
        cells = [
            [marked(over(expected[step, 0], one, tokens), token, tokens, scale) for one in row]
            for row in maps
        ]
        sheets.append(_sheet(cells))
    reaches = {one.reach for one in layers}
    turns = " A layer within frames and one through time take turns." if len(reaches) > 1 else ""
    words = (
        f"The same patch of {called(0, name)}: a row for each of {len(layers)} layers, "
        f"from the first, and a column for each of {heads} heads, each on its own scale.{turns}"
    )
    alt = f"where one patch looks in {len(layers)} layers (rows) and {heads} heads (columns)"
    return Section("Every head", parts.text(words) + parts.turned(sheets, labels, alt))


def all_patches(
    attention: ItemAttention,
    last: np.ndarray,
    *,
    tokens: Tokens,
    step: int,
    label: str,
    name: str,
) -> Section:
    """The rollout of every patch of the first sample, turned through; `last` (H, W, C)."""
    number = min(tokens.number, MOST_PATCHES)
    patches = np.unique(np.linspace(0, tokens.number - 1, number).round().astype(int)).tolist()
    scale = scale_of(last.shape[1])
    rollout = attention.rollout[step, 0, :, attention.remembered :]
    pictures = [
        Image.fromarray(marked(over(last, rollout[patch], tokens), patch, tokens, scale))
        for patch in patches
    ]
    names = [token_name(patch, tokens) for patch in patches]
    title = called(0, name)
    words = f"The rollout at {label} of each patch of {title}: the patch has a frame."
    alt = f"what each patch of {title} is made of"
    return Section("Patch by patch", parts.text(words) + parts.turned(pictures, names, alt))


def heads_told(
    attention: ItemAttention, layers: Sequence[ItemLayer], times: Sequence[float], tokens: Tokens
) -> Section:
    """The figures of every head, means over steps, and the entropy of layers step by step."""
    figures = {name: attention.figure(name).mean(axis=0) for name in ("entropy", "distance")}
    own, remembered = (attention.figure(name).mean(axis=0) for name in ("own", "remembered"))
    rows: list[list[str | float]] = []
    for number, one in enumerate(layers):
        for head in range(attention.maps.shape[3]):
            cells: list[str | float] = [f"layer {number + 1}, head {head + 1}"]
            if len({layer.reach for layer in layers}) > 1:
                cells.append(one.reach)
            cells += [float(figures[name][number, head]) for name in figures]
            cells.append(f"{own[number, head]:.1%}")
            if attention.remembered:
                cells.append(f"{remembered[number, head]:.1%}")
            rows.append(cells)
    heads = ["head"] + ["looks"] * (len(rows[0]) - 4 - bool(attention.remembered))
    heads += ["entropy, nats", "distance, patches", "at itself"]
    heads += ["at the caption"] * bool(attention.remembered)
    by_layer = attention.figure("entropy").mean(axis=2)
    lines = [
        Line(name, list(zip(times, by_layer[:, layer].tolist(), strict=True)), kind)
        for name, layer, kind in (("first layer", 0, "other"), ("last layer", -1, "smooth"))
    ]
    even = np.log(attention.remembered + tokens.number)
    words = (
        f"Means over samples, patches and steps. Entropy is 0 where a patch looks at one thing, "
        f"and {even:.2f} where it looks at all alike; distance is that of the patches looked at."
    )
    chart = parts.chart("Entropy in nats", lines, across="t")
    return Section(
        "Head by head",
        parts.text(words) + table(heads, rows, "what each head looks at, on average") + chart,
    )


def scale_of(width: int) -> int:
    """Screen pixels of a pixel, of pictures so wide together."""
    return max(1, min(SCALE, WIDE // width))


def _sheet(rows: Sequence[Sequence[np.ndarray]]) -> Image.Image:
    """Pictures in rows, each as large as it is."""
    return parts.tiled(rows, len(rows[0]) * rows[0][0].shape[1])
