"""How a diffusion transformer looks at the patches of what it draws, at every step of drawing it.

The samples are drawn first; then, at each state that they passed through, the model is asked for
its unguided prediction of what they are asked to be, and watched. Shapes: N samples, S steps,
L tokens of an item (row by row, frame by frame), M keys of a caption, R = M + L.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from noiseloom.explain.head_figures import NAMES, HeadFigures
from noiseloom.explain.rollout import through, unmixed
from noiseloom.explain.watching import AttentionLayer, Looks, attention_layers, watching
from noiseloom.explain.way import State
from noiseloom.networks.dit import DiT
from noiseloom.networks.space_time import Factorised
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.transformer.positions import grid

Reach = Literal["everywhere", "within frames", "through time"]


@dataclass(frozen=True)
class ItemLayer:
    """A layer of attention over an item's tokens, and which of them a token sees."""

    layer: AttentionLayer
    reach: Reach


@dataclass(frozen=True)
class Tokens:
    """Where an item's tokens lie: `frames` grids of `rows` x `columns` patches."""

    frames: int
    rows: int
    columns: int

    @property
    def each(self) -> int:
        """Tokens of a frame."""
        return self.rows * self.columns

    @property
    def number(self) -> int:
        """Tokens of an item."""
        return self.frames * self.each

    def places(self, reach: Reach) -> Tensor:
        """Of what a layer of this reach looks at together, where it stands, (K, axes)."""
        space, time = [self.rows, self.columns], [self.frames]
        if reach == "through time":
            return grid(time)
        return grid(space if self.frames == 1 or reach == "within frames" else time + space)


@dataclass(frozen=True)
class ItemAttention:
    """What was seen, as float32 arrays.

    `maps` (S, layers, N, heads, R) are the weights of one token, 0 at what a layer does not reach;
    `rollout` (S, N, L, R) is that of all layers; `figures` (S, layers, figures, heads) are means
    over samples and tokens, in the order of `head_figures.NAMES`. Of R the first `remembered` are
    of the caption.
    """

    maps: np.ndarray
    rollout: np.ndarray
    figures: np.ndarray
    remembered: int

    def figure(self, name: str) -> np.ndarray:
        """One of the figures, (S, layers, heads)."""
        chosen: np.ndarray = self.figures[:, :, NAMES.index(name)]
        return chosen


def transformer_of(task: ImageGeneration) -> DiT | None:
    """The transformer that a task draws with; None: it draws with another network."""
    return task.model.network if isinstance(task.model.network, DiT) else None


def tokens_of(task: ImageGeneration) -> Tokens:
    """Where the tokens of a task's items lie, which a transformer draws."""
    network = transformer_of(task)
    assert network is not None  # who asks has seen to it
    _, *axes = task.form.item_shape
    rows, columns = network.enter_patches.grid(axes[-2:])
    return Tokens(axes[0] if len(axes) == 3 else 1, rows, columns)


def item_layers(task: ImageGeneration) -> list[ItemLayer]:
    """The layers that look at an item's tokens, in the order in which they do."""
    network = transformer_of(task)
    assert network is not None  # who asks has seen to it
    by_name = {layer.name: layer for layer in attention_layers(task.model)}
    in_turns = isinstance(network.space_time, Factorised)
    found: list[ItemLayer] = []
    for number in range(len(network.blocks)):
        layer = by_name[f"network.blocks.{number}.attention"]
        found.append(ItemLayer(layer, "within frames" if in_turns else "everywhere"))
        if in_turns:
            layer = by_name[f"network.space_time.blocks.{number}.attention"]
            found.append(ItemLayer(layer, "through time"))
    return found


@torch.no_grad()
def attention_at(
    task: ImageGeneration, states: Sequence[State], asked: Tensor | None, *, token: int
) -> ItemAttention:
    """What all layers look at in each state, and what `token` does, asked for `asked`."""
    device = states[0].x.device
    denoise = task.judged(None if asked is None else asked.to(device)).denoise
    layers, tokens = item_layers(task), tokens_of(task)
    seen = []
    for state in states:
        one = _Seen(layers, tokens, token)
        with watching(task.model, one.on_looks):
            denoise(state.x, state.times)
        seen.append(one)
    return ItemAttention(
        maps=torch.stack([torch.stack(one.maps) for one in seen]).cpu().numpy(),
        rollout=torch.stack([one.rolled for one in seen]).cpu().numpy(),
        figures=np.stack(
            [np.stack([each.means().numpy() for each in one.figures]) for one in seen]
        ).astype(np.float32),
        remembered=seen[0].remembered,
    )


class _Seen:
    """What is kept of one call of a model, told part by part."""

    def __init__(self, layers: Sequence[ItemLayer], tokens: Tokens, token: int) -> None:
        self.by_number = {one.layer.number: place for place, one in enumerate(layers)}
        self.reaches = [one.reach for one in layers]
        self.tokens = tokens
        self.frame, self.place = divmod(token, tokens.each)
        self.figures = [HeadFigures() for _ in layers]
        self.maps: list[Tensor] = []
        self.parts: list[Tensor] = []
        self.remembered = 0
        self.rollout: Tensor | None = None

    @property
    def rolled(self) -> Tensor:
        """The rollout of all layers, (N, L, R)."""
        assert self.rollout is not None  # every network has a block
        return self.rollout

    def on_looks(self, looks: Looks) -> None:
        number = self.by_number.get(looks.layer.number)
        if number is None:  # a layer that reads the caption
            return
        reach = self.reaches[number]
        if number == 0:  # the first layer looks at the caption wherever there is one
            self.remembered = looks.remembered
        places = self.tokens.places(reach).to(looks.weights.device)
        self.figures[number].add(looks, places)
        self._map(looks, reach)
        self.parts.append(looks.weights.mean(dim=1))
        if looks.is_last:
            self._roll(torch.cat(self.parts, dim=1), reach, looks.remembered)
            self.parts = []

    def _map(self, looks: Looks, reach: Reach) -> None:
        """The weights of the one token, where these are among them."""
        frames, each = self.tokens.frames, self.tokens.each
        mine, query, reached = {
            "everywhere": (slice(None), self.frame * each + self.place, slice(None)),
            "within frames": (
                slice(self.frame, None, frames),
                self.place,
                slice(self.frame * each, (self.frame + 1) * each),
            ),
            "through time": (
                slice(self.place, None, each),
                self.frame,
                slice(self.place, None, each),
            ),
        }[reach]
        if not looks.first <= query < looks.first + looks.weights.shape[2]:
            return
        own_NHK = looks.weights[mine, :, query - looks.first]
        own = own_NHK.new_zeros(*own_NHK.shape[:2], self.remembered + self.tokens.number)
        own[..., : looks.remembered] = own_NHK[..., : looks.remembered]
        own[..., self.remembered :][..., reached] = own_NHK[..., looks.remembered :]
        self.maps.append(own)

    def _roll(self, weights: Tensor, reach: Reach, remembered: int) -> None:
        """One layer more; tokens that see one another stand together in a row of the batch."""
        frames, each, number = self.tokens.frames, self.tokens.each, self.tokens.number
        if self.rollout is None:
            samples = weights.shape[0] * weights.shape[1] // number
            self.rollout = unmixed(samples, number, remembered, weights.device)
        before = self.rollout
        if reach == "everywhere":
            self.rollout = through(weights, before, remembered)
        elif reach == "within frames":
            framed = before.reshape(-1, each, before.shape[2])
            self.rollout = through(weights, framed, remembered).reshape(before.shape)
        else:
            placed = before.unflatten(1, (frames, each)).transpose(1, 2)
            mixed = through(weights, placed.flatten(0, 1), remembered)
            self.rollout = mixed.unflatten(0, placed.shape[:2]).transpose(1, 2).flatten(1, 2)
