"""A transformer that reads an image pixel by pixel: how likely each level is, given all before it.

Two transformers, one within the other (Yu et al. 2023, arXiv:2305.07185): a token of the outer is a
strip of pixels side by side, and the inner tells the numbers of a strip one after the other. So
images of 784 pixels cost 112 tokens of the outer, and nothing is lost: each number is still
predicted from all before it. The order is that of reading: rows from above, pixels from the left,
the channels of a pixel together.
Shapes: B batch, S strips, K numbers of a strip (pixels x channels), V levels, E numbers for a
level, W width of the outer, U of the inner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.networks.stack import Stack
from noiseloom.seeds import Random
from noiseloom.transformer.attention import Sight
from noiseloom.transformer.blocks import Parts
from noiseloom.transformer.cache import Cache
from noiseloom.transformer.feed_forward import Activation
from noiseloom.transformer.positions import frequencies, waves

LEVEL_NUMBERS = 16  # E: what a level is read as
SLOWEST, FASTEST = 0.5, 60.0  # radians from black to grey, of the waves these begin as


@dataclass(frozen=True, kw_only=True)
class Config:
    """A transformer over the pixels of an image in the order of reading."""

    answers: ClassVar[Answer] = "items"
    in_order: ClassVar[bool] = True

    patch: int = option(7, "pixels side by side that a token of the outer transformer stands for")
    width: int = option(128, "numbers per token of the outer transformer")
    depth: int = option(4, "its blocks")
    heads: int = option(4, "its attention heads; width / heads must be even")
    inner_width: int = option(64, "numbers per pixel and channel in the inner transformer")
    inner_depth: int = option(1, "its blocks")
    inner_heads: int = option(2, "its attention heads; inner_width / inner_heads must be even")
    feed_forward: float = option(4.0, "hidden width of the feed-forward, times width")
    activation: Activation = option("relu2", "between the two maps of the feed-forward")
    dropout: float = option(0.0, "share of each branch's output dropped in training")

    def __post_init__(self) -> None:
        if self.patch < 1:
            raise ValueError(f"patch is {self.patch}; allowed is 1 or more")
        _check("", self.width, self.depth, self.heads)
        _check("inner_", self.inner_width, self.inner_depth, self.inner_heads)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; allowed is 0 to below 1")

    def build(
        self, levels: int, item_shape: Sequence[int], num_classes: int = 0
    ) -> PixelTransformer:
        """The network for images of `item_shape`, (C, H, W), in `levels` levels of brightness.

        With `num_classes` each image has a class, of which all its pixels know. Raises ValueError
        where the patch does not divide the width, and for items that are no images.
        """
        return PixelTransformer(self, levels, item_shape, num_classes)


class PixelTransformer(nn.Module):
    """Levels of pixels to logits of each, given those before; all levels begin equally likely."""

    called_beside_forward: ClassVar[tuple[str, ...]] = ("told", "say")

    def __init__(
        self, config: Config, levels: int, item_shape: Sequence[int], num_classes: int
    ) -> None:
        super().__init__()
        if len(item_shape) != 3:
            seen = " x ".join(map(str, item_shape))
            raise ValueError(
                f"network pixel-transformer reads images, and items are {seen}. Use data such as "
                "images or digits"
            )
        channels, height, width = item_shape
        if width % config.patch:
            fits = [side for side in range(1, width + 1) if width % side == 0]
            raise ValueError(
                f"patch {config.patch} does not divide images {width} pixels wide; allowed is "
                f"{', '.join(map(str, fits))}"
            )
        self.columns = width // config.patch
        self.strips, self.numbers = height * self.columns, config.patch * channels
        self.levels, self.num_classes = levels, num_classes
        outer, inner = config.width, config.inner_width
        self.value = nn.Embedding(levels, LEVEL_NUMBERS)
        with torch.no_grad():  # levels that are close begin alike
            table = frequencies(SLOWEST, FASTEST, LEVEL_NUMBERS // 2)
            self.value.weight.copy_(waves(torch.linspace(-1, 1, levels), table))
        self.read = nn.Linear(2 * self.numbers * LEVEL_NUMBERS, outer, bias=False)
        self.place = nn.Embedding(self.strips, outer)
        self.label = nn.Embedding(num_classes, outer) if num_classes else None
        self.outer = Stack(_parts(config, outer, config.heads), config.depth, self.strips)
        self.hand = nn.Linear(outer, self.numbers * inner, bias=False)
        self.before = nn.Linear(LEVEL_NUMBERS, inner, bias=False)
        self.spot = nn.Embedding(self.numbers, inner)
        own = _parts(config, inner, config.inner_heads)
        self.inner = Stack(own, config.inner_depth, self.numbers)
        self.leave = nn.Linear(inner, levels, bias=False)
        nn.init.zeros_(self.leave.weight)

    def forward(
        self, levels_BSK: Tensor, labels: Tensor | None, random: Random | None = None
    ) -> Tensor:
        """Logits (B, S, K, V) of each number, given those before it and the label (B,), if any.

        With `random`, drop-out is on.
        """
        batch, strips, numbers = levels_BSK.shape
        value_BSKE = self.value(levels_BSK)
        flat_BSF = value_BSKE.flatten(2)
        seen = torch.cat([_after(flat_BSF, 1), _after(flat_BSF, self.columns)], dim=-1)
        sight = Sight(self.outer.rotation, causal=True)
        x_BSW = self.outer(
            self._enter(seen, slice(None), labels), sight, random=random and random.under("outer")
        )
        told = self.hand(x_BSW).view(batch * strips, numbers, -1)
        before = _after(self.before(value_BSKE).flatten(0, 1), 1)
        sight = Sight(self.inner.rotation, causal=True)
        y = self.inner(
            told + before + self.spot.weight,
            sight,
            random=random and random.split(strips).under("inner"),
        )
        logits: Tensor = self.leave(y.view(batch, strips, numbers, -1))
        return logits

    def walk(self, levels_BSK: Tensor, labels: Tensor | None) -> Iterator[tuple[int, int, Tensor]]:
        """Strip, number and logits (B, V) of each number in turn, as `forward` has them.

        Before the next is asked for, the number's level has to stand in `levels_BSK`. Every token
        is read once.
        """
        outer = Cache(len(self.outer.blocks), capacity=self.strips)
        for strip in range(self.strips):
            told_BKU = self.told(levels_BSK, strip, labels, outer)
            inner = Cache(len(self.inner.blocks), capacity=self.numbers)
            for number in range(self.numbers):
                before_B = levels_BSK[:, strip, number - 1] if number else None
                yield strip, number, self.say(told_BKU[:, number], number, before_B, inner)

    @torch.no_grad()
    def told(self, levels_BSK: Tensor, strip: int, labels: Tensor | None, cache: Cache) -> Tensor:
        """What the outer transformer tells of a strip's numbers, (B, K, U)."""
        seen = []
        for back in (1, self.columns):
            if strip >= back:
                seen.append(self.value(levels_BSK[:, strip - back]).flatten(1))
            else:
                like = self.value.weight
                seen.append(like.new_zeros(len(levels_BSK), self.numbers * LEVEL_NUMBERS))
        here = slice(strip, strip + 1)
        x_B1W = self._enter(torch.cat(seen, dim=-1)[:, None], here, labels)
        x_B1W = self.outer(x_B1W, Sight(self.outer.rotation[:, here]), cache=cache)
        told: Tensor = self.hand(x_B1W[:, 0])
        return told.view(len(levels_BSK), self.numbers, -1)

    @torch.no_grad()
    def say(self, told_BU: Tensor, number: int, before_B: Tensor | None, cache: Cache) -> Tensor:
        """Logits (B, V) of a number of a strip, from the level before it; None: it is the first."""
        x_BU = told_BU + self.spot.weight[number]
        if before_B is not None:
            x_BU = x_BU + self.before(self.value(before_B))
        sight = Sight(self.inner.rotation[:, number : number + 1])
        logits: Tensor = self.leave(self.inner(x_BU[:, None], sight, cache=cache)[:, 0])
        return logits

    def _enter(self, seen_BSF: Tensor, places: slice, labels: Tensor | None) -> Tensor:
        """Tokens at `places`, of the strips to their left and above, and the label."""
        x_BSW: Tensor = self.read(seen_BSF) + self.place.weight[places]
        if self.label is None:
            return x_BSW
        if labels is None:
            raise ValueError(
                f"no labels are given; this network tells pixels of {self.num_classes} classes, "
                "and must know which one an image is of"
            )
        return x_BSW + self.label(labels)[:, None]


def _after(x_BL_: Tensor, places: int) -> Tensor:
    """What stood so many places before, 0 where nothing did; (B, L, …)."""
    length = x_BL_.shape[1]
    return F.pad(x_BL_, (0, 0, places, 0))[:, :length]


def _parts(config: Config, width: int, heads: int) -> Parts:
    return Parts(
        width=width,
        heads=heads,
        hidden=round(config.feed_forward * width),
        activation=config.activation,
        norm="rms",
        dropout=config.dropout,
    )


def _check(which: str, width: int, depth: int, heads: int) -> None:
    if min(width, depth, heads) < 1 or width % heads or (width // heads) % 2:
        raise ValueError(
            f"{which}width {width}, {which}depth {depth} and {which}heads {heads} are given; each "
            "must be at least 1, and a head of width / heads an even whole number"
        )
