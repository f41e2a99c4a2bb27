"""Attention: where each head of each layer looks, and what looks add up to through all layers.

Of models that draw by diffusion with a transformer at every step of drawing; of models that read or
write text, in a text. What is computed is in `item_attention` and `text_attention`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le

from noiseloom.config import option
from noiseloom.data.forms import TextForm
from noiseloom.errors import InputError
from noiseloom.explain import attention_pictures, text_pages
from noiseloom.explain.explanation import Explanation
from noiseloom.explain.head_figures import NAMES
from noiseloom.explain.item_attention import (
    ItemAttention,
    Tokens,
    attention_at,
    item_layers,
    tokens_of,
    transformer_of,
)
from noiseloom.explain.item_pictures import lying
from noiseloom.explain.options import refuse
from noiseloom.explain.subject import MOST_SAMPLES, Subject
from noiseloom.explain.text_attention import text_attention, why_not
from noiseloom.explain.way import way_of
from noiseloom.seeds import Random
from noiseloom.tasks import Task, Translates
from noiseloom.tasks.generating import ImageGeneration

DRAWN = 2
MOST = 2**26  # weights that are kept in all: 256 MiB


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where each head of each layer looks."""

    about: ClassVar[str] = "where each head of each layer looks, at patches or at words"

    num: Annotated[int, Ge(1), Le(MOST_SAMPLES)] | None = option(
        None, f"samples, where the run draws; inputs take turns; null: one an input, or {DRAWN}"
    )
    layer: Annotated[int, Ge(1)] | None = option(None, "one layer, from 1; null: all")
    head: Annotated[int, Ge(1)] | None = option(None, "one head, from 1; null: all")
    step: Annotated[int, Ge(1)] | None = option(
        None, "one step of drawing, from 1; null: all, and the last where one is shown"
    )
    token: Annotated[int, Ge(1)] | None = option(
        None, "the patch or the word that looks, counted from 1 as read; null: the middle, the last"
    )
    steps: Annotated[int, Ge(1)] | None = option(None, "moves from noise to data; null: the run's")
    guidance: float | None = option(None, "how strongly samples are guided; null: as the run's")

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if isinstance(task, ImageGeneration):
            if transformer_of(task) is not None:
                return None
            return "its network is no transformer, whose patches look at one another"
        return why_not(task)

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: inputs are prompts or classes, or a text (the texts of an item)."""
        if isinstance(subject.task, ImageGeneration):
            return self._of_items(subject, subject.task)
        return self._of_text(subject)

    def _of_items(self, subject: Subject, task: ImageGeneration) -> Explanation:
        layers, tokens = item_layers(task), tokens_of(task)
        heads = layers[0].layer.heads
        self._check(len(layers), heads, tokens.number)
        wanted = subject.wanted(self.num, DRAWN, steps=self.steps, guidance=self.guidance)
        request, names = wanted.request, wanted.names
        way = way_of(task, request, wanted.random)
        steps = self._steps(len(way.states))
        _check_size(len(steps) * wanted.num * tokens.number * tokens.number)
        token = _middle(tokens) if self.token is None else self.token - 1
        states = [way.states[step] for step in steps]
        attention = attention_at(task, states, request.labels, token=token)
        expected = np.stack([lying(way.expected[step]) for step in steps])  # (S, N, H, W, C)
        times = [state.t for state in states]
        told = [f"step {step + 1}, t = {t:.3f}" for step, t in zip(steps, times, strict=True)]
        show, name = attention_pictures, names[0]
        chosen = _one_or_all(self.layer), _one_or_all(self.head)
        sections = [
            show.gaze(attention, expected, names, told, token=token, tokens=tokens, chosen=chosen),
            show.all_heads(
                attention, expected, told, layers, token=token, tokens=tokens, name=name
            ),
            show.all_patches(
                attention, expected[-1, 0], tokens=tokens, step=-1, label=told[-1], name=name
            ),
            show.heads_told(attention, layers, times, tokens),
        ]
        return Explanation(
            title="Where patches look",
            lead=(
                f"{len(layers)} layers of {heads} heads over {tokens.number} patches, at "
                f"{len(steps)} steps. {_spread(attention)}"
            ),
            sections=sections,
            protocol={
                **task.describe(request),
                "asked": [name for name in names if name],
                "prediction_watched": "for what is asked, unguided, at each state of drawing",
            },
            figures={
                "layers": [f"{one.layer.name}: {one.reach}" for one in layers],
                "times": [round(t, 4) for t in times],
                "token": token + 1,
                **{name: attention.figure(name).mean(axis=0).round(5).tolist() for name in NAMES},
            },
            data={
                **_item_data(attention),
                "t": ("step: where the prediction was watched", np.array(times)),
            },
        )

    def _of_text(self, subject: Subject) -> Explanation:
        task = subject.task
        drawn = {"num": self.num, "step": self.step, "steps": self.steps}
        refuse({**drawn, "guidance": self.guidance}, "a text is looked at as it stands, not drawn")
        texts = list(subject.inputs) or _held_out(subject)
        attention = text_attention(task, texts, Random(subject.seed, range(1)))
        layers = attention.layers
        self._check(len(layers), len(layers[0].weights), len(attention.queries))
        token = len(attention.queries) - 1 if self.token is None else self.token - 1
        chosen = range(len(layers)) if self.layer is None else [self.layer - 1]
        head = None if self.head is None else self.head - 1
        sections = [
            text_pages.rollout_told(attention, token),
            text_pages.layers_told(attention, chosen, head, token),
            text_pages.matrices(attention, chosen, head),
            text_pages.heads_told(attention),
        ]
        figures = {
            name: [layer.figures[row].round(5).tolist() for layer in layers]
            for row, name in enumerate(NAMES)
        }
        return Explanation(
            title="Where words look",
            lead=(
                f"{len(layers)} layers of {len(layers[0].weights)} heads over "
                f"{len(attention.sources)} tokens."
                + (f" {attention.note}" if attention.note else "")
            ),
            sections=sections,
            protocol={"texts": texts},
            figures={
                "layers": [layer.name for layer in layers],
                "tokens": list(attention.queries),
                "sources": list(attention.sources),
                "token": token + 1,
                **figures,
            },
            data={
                **{
                    f"layer_{number}": (
                        f"{layer.name}: head, token that looks, token looked at",
                        layer.weights,
                    )
                    for number, layer in enumerate(layers)
                },
                "rollout": ("token after all layers, token before them", attention.rollout),
            },
        )

    def _check(self, layers: int, heads: int, tokens: int) -> None:
        """InputError for what there is not."""
        given = (
            ("layer", self.layer, layers),
            ("head", self.head, heads),
            ("token", self.token, tokens),
        )
        for name, number, there_are in given:
            if number is not None and number > there_are:
                raise InputError(
                    f"{name}={number} is given; this run has {there_are} {name}s, 1 to {there_are}"
                )

    def _steps(self, number: int) -> list[int]:
        """The steps that are looked at."""
        if self.step is None:
            return list(range(number))
        if self.step > number:
            raise InputError(
                f"step={self.step} is given; samples are drawn in {number} steps, 1 to {number}"
            )
        return [self.step - 1]


def _check_size(weights: int) -> None:
    if weights > MOST:
        raise InputError(
            f"{weights:,} weights would be kept, of all patches at all steps; allowed are "
            f"{MOST:,}. Give num=1, or one step, such as step=1"
        )


def _middle(tokens: Tokens) -> int:
    """The patch in the middle of the first frame."""
    return (tokens.rows // 2) * tokens.columns + tokens.columns // 2


def _one_or_all(number: int | None) -> slice:
    return slice(None) if number is None else slice(number - 1, number)


def _spread(attention: ItemAttention) -> str:
    entropy = attention.figure("entropy").mean(axis=(0, 2))
    return f"The mean entropy of a layer is {entropy.min():.2f} to {entropy.max():.2f} nats."


def _held_out(subject: Subject) -> list[str]:
    """The first held-out text of a run's data, or the texts of its first item."""
    form = subject.task.form
    assert isinstance(form, TextForm)
    item = subject.dataset.reference.items[0]
    if not form.columns:
        return [form.tokenizer.decode(item[:-1])]
    texts = [form.tokenizer.decode(row).strip() for row in item]
    return texts[:1] if isinstance(subject.task, Translates) else texts


def _item_data(attention: ItemAttention) -> dict[str, tuple[str, np.ndarray]]:
    first = attention.remembered
    keys = f"key (the first {first} are of the caption, the others patches in reading order)"
    figures = "step, layer, head: mean over samples and patches"
    return {
        "maps": (
            f"step, layer, sample, head, {keys}: weights of the one patch",
            attention.maps,
        ),
        "rollout": (
            f"step, sample, patch, {keys}: what each patch is made of after all layers",
            attention.rollout,
        ),
        **{name: (figures, attention.figure(name)) for name in NAMES},
    }
