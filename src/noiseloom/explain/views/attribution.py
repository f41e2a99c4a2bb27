"""What in an item speaks for the answer: by gradients, checked by hiding each part.

Integrated gradients (`integrated_gradients`) say what every number adds; the sum is compared with
what it must be. Occlusion (`occlusion`) hides each word, patch or stretch of time. The two ask the
model in different ways: where their ranks agree, what they say can be relied on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.forms import Form, ImageForm, TextForm
from noiseloom.evaluate.correlation import spearman
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.followed import Baseline, Followed, Others, can_follow, follow
from noiseloom.explain.occlusion import occlude, sum_parts
from noiseloom.explain.read_items import given_items, held_out_items
from noiseloom.explain.scored import Scored, scored
from noiseloom.explain.subject import Subject
from noiseloom.explain.tables import table
from noiseloom.tasks import Estimates, Finds, Predicts, Task

LIKE_IT = 100  # held-out items whose mean may be the baseline
NOTHING = {
    "hidden": "a text with every word hidden",
    "mean": "what held-out items are on average",
    "black": "a black image",
    "left out": "the text without the word",
}


@dataclass(frozen=True)
class Found:
    """What was found of one item: how the model answers, and what each of its parts adds.

    `values` are of the followed numbers' shape, `gradients` their sums over parts; both None where
    no gradient leads back. `falls` is what hiding each part takes away.
    """

    title: str
    followed: Followed
    scored: Scored
    falls: np.ndarray
    values: Tensor | None
    gradients: np.ndarray | None
    record: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Config:
    """What in an item speaks for the answer."""

    about: ClassVar[str] = "which words, pixels or moments speak for an answer, checked by hiding"

    num: Annotated[int, Ge(1)] = option(
        6, "held-out items, half of them wrong, where none is given"
    )
    of: str | None = option(None, "the class that is explained; null: the one that is read")
    baseline: Baseline = option(
        "auto", "what stands for nothing: a hidden word, the mean, or black; auto: what is usual"
    )
    side: Annotated[int, Ge(1)] | None = option(
        None, "pixels, or steps in time, that are hidden together; null: a seventh of an image"
    )
    within: Annotated[float, Gt(0), Lt(1)] = option(
        0.01, "completeness error to reach, as a share of what must be added up"
    )
    most_steps: Annotated[int, Ge(1)] = option(1024, "steps of the integral at most")

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if not isinstance(task, Predicts | Estimates | Finds):
            return "it reads no class, no number and no answer in items"
        return None if can_follow(task) else "its items are no texts, images or series"

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: inputs are image files, texts or tables, as `predict` takes them."""
        task = subject.task
        if subject.inputs:
            chosen = given_items(subject)
        else:
            chosen = held_out_items(task, subject.dataset.reference, self.num, subject.seed)
        items = chosen.items

        def others() -> np.ndarray:
            held_out = subject.dataset.reference
            return np.asarray(held_out.items[held_out.evenly(LIKE_IT)])

        found = [
            self.found(task, item, title, others)
            for item, title in zip(items, chosen.titles, strict=True)
        ]
        form = task.form
        drawn = [
            _text(one, form) if isinstance(form, TextForm) else _image(one, form, item)
            for one, item in zip(found, items, strict=True)
        ]
        sections = [
            Section("What adds up", _summary(found, self.within)),
            *(
                Section(f"{number}. {one.title}", html)
                for number, (one, html) in enumerate(zip(found, drawn, strict=True), start=1)
            ),
        ]
        return Explanation(
            title="What speaks for an answer",
            lead=_lead(found, self.within) + (f" {chosen.note}" if chosen.note else ""),
            sections=sections,
            protocol={
                "baseline": found[0].followed.baseline_name,
                "within": self.within,
                "most_steps": self.most_steps,
                **({"of": self.of} if self.of else {}),
            },
            figures={"items": [one.record for one in found]},
            data=_data(found, form),
        )

    def found(self, task: Task, item: np.ndarray, title: str, others: Others) -> Found:
        """What speaks for the answer on an item, as stored."""
        followed = follow(task, item, others, baseline=self.baseline, side=self.side)
        with torch.no_grad():
            outputs = followed.answer(followed.given)[0]
        explained = scored(task, item, outputs, self.of)

        def score(rows: Tensor) -> Tensor:
            return explained.score(followed.answer(rows))

        given, baseline = followed.given, followed.baseline
        falls = occlude(score, given, baseline, followed.part_of, followed.parts)
        record: dict[str, Any] = {"item": title, "explained": explained.name}
        values = gradients = None
        if followed.is_smooth:
            from noiseloom.explain.integrated_gradients import integrate  # it needs captum

            whole = integrate(
                score, given, baseline, within=self.within, most_steps=self.most_steps
            )
            values = whole.values
            gradients = sum_parts(values, followed.part_of, followed.parts)
            record |= {
                "difference": whole.difference,
                "error": whole.error,
                "share": whole.share if np.isfinite(whole.share) else None,
                "steps": whole.steps,
                "reached": whole.share <= self.within,
                "rank_correlation": spearman(gradients, falls),
            }
        if followed.words:
            record["words"] = [word.text for word in followed.words]
            record["gradients"] = None if gradients is None else gradients.tolist()
            record["occlusion"] = falls.tolist()
        return Found(title, followed, explained, falls, values, gradients, record)


def _lead(found: Sequence[Found], within: float) -> str:
    if found[0].gradients is None:
        return (
            "This network reads more off words than gradients lead back to: each word was hidden "
            "in turn instead."
        )
    reached = sum(one.record["reached"] for one in found)
    mean = float(np.mean([one.record["rank_correlation"] for one in found]))
    return (
        f"Integrated gradients add up to within {within:.1%} for {reached} of {len(found)} items; "
        f"their ranks and those of hiding each part correlate by {mean:.2f} on average."
    )


def _summary(found: Sequence[Found], within: float) -> str:
    nothing = NOTHING[found[0].followed.baseline_name]
    words = parts.text(
        "Blue speaks for what is explained, orange against it, as much as the colour is full. "
        f"All is counted from {nothing}. Where a model is very sure, or two parts say the same, "
        "hiding one of them takes little away, and the two ways disagree."
    )
    if found[0].gradients is None:
        return words
    heads = ("item", "explained", "must add up to", "is off by", "share", "steps", "rank corr.")
    rows: list[Sequence[str | float]] = []
    for number, one in enumerate(found, start=1):
        record = one.record
        share = _share(record) + ("" if record["reached"] else f" (not {within:.1%})")
        rows.append(
            (
                f"{number}. {one.title}",
                one.scored.name,
                float(record["difference"]),
                float(record["error"]),
                share,
                int(record["steps"]),
                f"{record['rank_correlation']:.2f}",
            )
        )
    return words + table(heads, rows, "Completeness, and agreement with hiding each part")


def _sums(one: Found) -> str:
    record = one.record
    if one.gradients is None:
        return parts.text(f"What hiding takes off the {one.scored.name}, {one.scored.unit}.")
    return parts.text(
        f"Explained is the {one.scored.name}, {one.scored.unit}: "
        f"{record['difference']:+.3f} from nothing to the item. Gradients add up to that but for "
        f"{record['error']:.2g} ({_share(record)}), in {record['steps']} steps. Rank "
        f"correlation with hiding: {record['rank_correlation']:.2f}.",
        "note",
    )


def _share(record: dict[str, Any]) -> str:
    return "of nothing" if record["share"] is None else f"{record['share']:.2%}"


def _text(one: Found, form: TextForm) -> str:
    """A text twice: coloured by gradients, and by hiding."""
    named = (("By integrated gradients", one.gradients), ("By hiding each word", one.falls))
    lines = []
    for name, weights in named:
        if weights is None:
            continue
        limit = float(np.abs(weights).max())
        lines.append(parts.text(name, "note"))
        for text in range(len(form.columns)):
            rows = [n for n, word in enumerate(one.followed.words) if word.column == text]
            words = [one.followed.words[n].text for n in rows]
            if len(form.columns) > 1:
                lines.append(parts.text(form.columns[text], "note"))
            lines.append(parts.marked(words, [float(weights[n]) for n in rows], limit))
    return "".join(lines) + _sums(one)


def _image(one: Found, form: Form, item: np.ndarray) -> str:
    """An image, or a series, beside maps of what adds to the answer."""
    seen = item if isinstance(form, ImageForm) else np.asarray(form.picture(item[None], columns=1))
    shown = [parts.shown(parts.enlarged(seen), f"the item: {one.title}", "the item")]
    exact = None if one.values is None else _map(one.values[0], form)
    maps = (
        ("each number, by gradients", exact),
        ("parts, by gradients", None if one.gradients is None else _parts(one.gradients, one)),
        ("parts, by hiding", _parts(one.falls, one)),
    )
    for name, values in maps:
        if values is None:
            continue
        limit = float(np.abs(values).max())
        high = np.unravel_index(int(np.abs(values).argmax()), values.shape)
        alt = (
            f"map of {values.shape[0]} x {values.shape[1]}, {name}: most at row {high[0] + 1}, "
            f"column {high[1] + 1}, where it is {values[high]:+.3g}"
        )
        shown.append(parts.shown(parts.enlarged(parts.signed(values, limit)), alt, name))
    return parts.row(shown) + _sums(one)


def _map(values: Tensor, form: Form) -> np.ndarray:
    """Of an image (C, H, W) the sum of its channels; of a series its channels as rows."""
    numbers = values.cpu().numpy()
    return numbers.sum(axis=0) if isinstance(form, ImageForm) else numbers.T


def _parts(values: np.ndarray, one: Found) -> np.ndarray:
    lying = values.reshape(one.followed.shape)
    return lying if one.followed.given.ndim == 4 else lying.T


def _data(found: Sequence[Found], form: Form) -> dict[str, tuple[str, np.ndarray]]:
    """What was found of images and series; that of texts is among the figures."""
    if found[0].followed.words:
        return {}
    values = [one.values.cpu().numpy()[0] for one in found if one.values is not None]
    falls = [one.falls.reshape(one.followed.shape) for one in found]
    lying = "row, column" if isinstance(form, ImageForm) else "stretch, channel"
    each = "channel, height, width" if isinstance(form, ImageForm) else "step, channel"
    return {
        "gradients": (f"item, {each}: what each number adds", np.stack(values)),
        "occlusion": (f"item, {lying}: what hiding each part takes away", np.stack(falls)),
    }
