"""How a network that reads or writes text looks at its tokens.

A text is read as its task reads it, watched: a language model what stands before each token, a
reader all of its text or texts, a translator the source, and what it has written of it beside the
source. Shapes: H heads, L queries, K keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.forms import TextForm
from noiseloom.data.rows import tokens_of
from noiseloom.data.tokenizer import PAD, START, Tokenizer
from noiseloom.errors import InputError
from noiseloom.explain.head_figures import HeadFigures
from noiseloom.explain.read_texts import piece
from noiseloom.explain.rollout import through, unmixed
from noiseloom.explain.watching import Looks, attention_layers, watching
from noiseloom.runs.asked_texts import read_rows
from noiseloom.seeds import Random
from noiseloom.tasks import Estimates, Finds, Predicts, Scores, Task, Translates
from noiseloom.transformer.positions import grid


@dataclass(frozen=True)
class TextLayer:
    """What one layer looked at: `weights` (H, L, K) of `queries` at `keys`, and its figures.

    `name` says where it stands; `figures` are (figures, H) in the order of `head_figures.NAMES`.
    """

    name: str
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    weights: np.ndarray
    figures: np.ndarray


@dataclass(frozen=True)
class TextAttention:
    """Of one text, all layers; `rollout` (L, R) is of the last one's queries over `sources`.

    `note` is what is to be said of the text, if anything.
    """

    layers: list[TextLayer]
    rollout: np.ndarray
    sources: tuple[str, ...]
    note: str = ""

    @property
    def queries(self) -> tuple[str, ...]:
        """The tokens at the end of all layers."""
        return self.layers[-1].queries


def why_not(task: Task) -> str | None:
    """Why no text of a task's can be looked at, if so: the end of a sentence."""
    if not isinstance(task.form, TextForm):
        return "it neither draws by diffusion with a transformer nor reads or writes text"
    if not attention_layers(task.model):
        return "its network has no attention"
    if isinstance(task, Translates):
        return None
    if task.form.columns:
        if not isinstance(task, Predicts | Estimates | Finds):
            return "it answers nothing that its texts are looked at for"
        config = getattr(getattr(task.model, "encoder", task.model), "config", None)
        if len(task.form.columns) > 1 and getattr(config, "apart", False):
            return "it reads its texts apart from one another"
        return None
    if isinstance(task, Scores) and not task.is_bound:
        return None
    return "what it looks at changes with what is hidden from it"


def text_attention(task: Task, texts: Sequence[str], random: Random) -> TextAttention:
    """What a task looks at in a text, or in the texts of one item; `why_not` has seen to it.

    Raises InputError for texts that it cannot read, and for none.
    """
    form = task.form
    assert isinstance(form, TextForm)
    if isinstance(task, Translates):
        return _of_translation(task, form, texts, random)
    if form.columns:
        return _of_rows(task, form, texts)
    return _of_window(task, form, texts)


def _of_window(task: Task, form: TextForm, texts: Sequence[str]) -> TextAttention:
    """A language model's reading of a text up to its context."""
    if len(texts) != 1:
        raise InputError(f"{len(texts)} texts are given; a language model reads one: quote it")
    tokens = form.tokenizer.encode(texts[0])
    if not 2 <= len(tokens) <= form.context:
        raise InputError(
            f"{texts[0][:40]!r} has a length of {len(tokens):,} in tokens; looking back takes one "
            f"of 2 to {form.context:,}, as many as this run reads at once. Give another text"
        )
    assert isinstance(task, Scores)
    window = np.append(tokens, tokens[-1])[None]  # the last is asked for, and read by nobody
    seen = _Seen(task, {"": spelled(form.tokenizer, tokens)})
    with watching(task.model, seen.on_looks):
        task.score(window, Random(0, range(1)))
    return seen.found()


def _of_rows(task: Task, form: TextForm, texts: Sequence[str]) -> TextAttention:
    """A reader's reading of the texts of one item."""
    if len(texts) != len(form.columns):
        raise InputError(
            f"The texts given are {len(texts)}; this run reads {' and '.join(form.columns)}: quote "
            "each"
        )
    items, note = read_rows(form, [texts[0] if len(texts) == 1 else tuple(texts)])
    pad = form.tokenizer.special(PAD)
    names = [name for row in items[0] for name in spelled(form.tokenizer, row[row != pad])]
    seen = _Seen(task, {"": tuple(names)})
    with watching(task.model, seen.on_looks):
        if isinstance(task, Predicts):
            task.predict(items)
        elif isinstance(task, Estimates):
            task.estimate(items)
        else:
            assert isinstance(task, Finds)
            task.find(items)
    return replace(seen.found(), note=note)


def _of_translation(
    task: Translates, form: TextForm, texts: Sequence[str], random: Random
) -> TextAttention:
    """A translator's reading of a source, and of what it makes of it."""
    if len(texts) != 1:
        raise InputError(f"{len(texts)} texts are given; a translator reads one: quote it")
    *_, draft = task.write(texts, task.usual, random)
    items = tokens_of(
        form.tokenizer, [(texts[0], draft.texts[0])], form.context, spaced=form.spaced
    )
    pad = form.tokenizer.special(PAD)
    source, target = (spelled(form.tokenizer, row[row != pad]) for row in items[0])
    read = (START, *target) if len(target) < form.context else (START, *target[:-1])
    seen = _Seen(task, {"encoder": source, "decoder": read})
    with watching(task.model, seen.on_looks):
        task.score_pairs(items)
    return seen.found()


class _Seen:
    """What is kept of one reading, told part by part; `tokens` by the side that holds them."""

    def __init__(self, task: Task, tokens: dict[str, tuple[str, ...]]) -> None:
        self.tokens = tokens
        self.sources = next(iter(tokens.values()))
        self.places = {side: grid([len(names)]) for side, names in tokens.items()}
        self.layers: list[TextLayer] = []
        self.parts: list[Tensor] = []
        self.figures = HeadFigures()
        self.rollouts: dict[str, Tensor] = {}

    def on_looks(self, looks: Looks) -> None:
        side = next((one for one in self.tokens if looks.layer.name.startswith(one)), "")
        is_cross = looks.layer.kind == "cross"
        queries = self.tokens[side]
        keys = self.sources if is_cross else queries
        self.parts.append(looks.weights[:, :, :, : len(keys)])
        places = None if is_cross else self.places[side].to(looks.weights.device)
        self.figures.add(looks, places)
        if not looks.is_last:
            return
        weights = torch.cat(self.parts, dim=2)[:, :, : len(queries)]
        number = sum(layer.name.startswith(side) for layer in self.layers)
        block = number if side != "decoder" else number // 2
        name = f"{side} layer {block + 1}".strip() + (", at the source" if is_cross else "")
        self.layers.append(
            TextLayer(name, queries, keys, weights[0].cpu().numpy(), self.figures.means().numpy())
        )
        self._roll(side, weights.mean(dim=1), len(keys) if is_cross else 0)
        self.parts, self.figures = [], HeadFigures()

    def _roll(self, side: str, weights: Tensor, remembered: int) -> None:
        if side not in self.rollouts:
            outside = len(self.sources) if side == "decoder" else 0
            own = unmixed(1, len(self.tokens[side]), outside, weights.device)
            self.rollouts[side] = own
        self.rollouts[side] = through(weights, self.rollouts[side], remembered)

    def found(self) -> TextAttention:
        side, rollout = list(self.rollouts.items())[-1]
        sources = self.tokens[side]
        if side == "decoder":  # what is remembered has itself come through the encoder
            length = len(self.sources)
            of_source = rollout[..., :length] @ self.rollouts["encoder"]
            rollout = torch.cat([of_source, rollout[..., length:]], dim=2)
            sources = (*self.sources, *sources)
        return TextAttention(self.layers, rollout[0].cpu().numpy(), sources)


def spelled(tokenizer: Tokenizer, tokens: Sequence[int] | np.ndarray) -> tuple[str, ...]:
    """Each token as it is shown."""
    return tuple(piece(tokenizer, int(token)) for token in tokens)
