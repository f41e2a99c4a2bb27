"""How samples came out of noise: what was expected at each step, and when it was decided.

A denoiser says at every step what clean data it expects, x0; the sampler's own state, xt, is that
with the noise that is still in it. A pixel is decided at the first step from which what is expected
of it stays within `settled` of what it ends as; one that was so from the first step was never open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge, Gt, Le, Lt

from noiseloom.config import option
from noiseloom.data.forms import TextForm
from noiseloom.errors import InputError
from noiseloom.evaluate.charts import Line, line_chart
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.options import refuse
from noiseloom.explain.samples import MOST_SAMPLES, lying, names_of
from noiseloom.explain.subject import Subject
from noiseloom.explain.trajectory_of_texts import found_of_texts
from noiseloom.explain.unfolding import unfolded
from noiseloom.runs.writing import usual
from noiseloom.seeds import Random
from noiseloom.tasks import Draws, Request, Task, WritesAnywhere

FOLLOWED, SETTLED, TOKENS = 4, 0.1, 60
COLUMNS = 12  # steps in the strip that is seen at once


@dataclass(frozen=True)
class Path:
    """Samples on their way: `x0` and `xt`, as items, after each step to a time of `t`."""

    t: list[float] = field(default_factory=list)
    x0: list[np.ndarray] = field(default_factory=list)
    xt: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Config:
    """How samples came out of noise, or texts out of masks."""

    about: ClassVar[str] = "how samples came out of noise, or texts out of masks, and in what order"

    num: Annotated[int, Ge(1), Le(MOST_SAMPLES)] | None = option(
        None, f"samples that are followed, inputs take turns; null: one an input, or {FOLLOWED}"
    )
    steps: Annotated[int, Ge(1)] | None = option(None, "moves from noise to data; null: the run's")
    guidance: float | None = option(None, "how strongly samples are guided; null: as the run's")
    settled: Annotated[float, Gt(0), Lt(1)] | None = option(
        None,
        "how near to its end what is expected of a pixel must stay, of the range of values; "
        f"null: {SETTLED}",
    )
    tokens: Annotated[int, Ge(1)] | None = option(
        None, f"length of texts, in tokens; null: {TOKENS}"
    )

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if isinstance(task, Draws | WritesAnywhere):
            return None
        return "its answers do not come step by step out of noise or masks"

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: inputs are prompts, or classes."""
        if isinstance(subject.task, WritesAnywhere):
            return self._of_texts(subject, subject.task)
        refuse({"tokens": self.tokens}, "this run writes no text")
        path, names = self.followed(subject)
        times = [round(t, 4) for t in path.t]
        if path.x0[0].dtype != np.uint8:
            refuse({"settled": self.settled}, "the places of points are not decided one by one")
            return self._of_points(subject, path)
        x0, xt = (np.stack([lying(items) for items in stages]) for stages in (path.x0, path.xt))
        change = np.abs(np.diff(x0.astype(np.float32), axis=0)).mean(axis=(2, 3, 4)) / 255
        decided = self.decided(x0, path.t)
        was_open = max(1, int((~np.isnan(decided)).sum()))
        by = [float((decided >= t).sum() / was_open) for t in path.t]
        half = next((t for t, share in zip(path.t, by, strict=True) if share >= 0.5), path.t[-1])
        sections = [
            Section("From noise to picture", _films(xt, x0, path.t, names)),
            Section("All steps at once", _strip(x0, path.t, names)),
            Section("What changed at each step", _changes(change, path.t, names)),
            Section("When each part was decided", _decisions(x0[-1], decided, path.t, by, names)),
        ]
        return Explanation(
            title="From noise to picture",
            lead=(
                f"{len(x0)} steps from noise (t = 1) to data (t = 0). Of the pixels that were open "
                f"after the first, half were decided by t = {half:.2f}."
            ),
            sections=sections,
            protocol={
                **self._protocol(subject, names),
                "settled": self.settled or SETTLED,
            },
            figures={
                "times": times,
                "mean_change_by_step": [None, *change.mean(axis=1).round(5).tolist()],
                "share_decided_by_step": [round(share, 4) for share in by],
                "half_decided_at_t": half,
            },
            arrays={"x0": x0, "xt": xt, "decided_at": decided, "t": np.array(path.t)},
            axes={
                "x0": "step, sample, height, width, channel: what was expected after each step",
                "xt": "step, sample, height, width, channel: where the sampler stood",
                "decided_at": "sample, height, width: t at which it was decided; NaN: never open",
                "t": "step: the time it led to",
            },
        )

    def followed(self, subject: Subject) -> tuple[Path, list[str]]:
        """The way of each sample, and what it was asked to be ("" for nothing)."""
        task = subject.task
        assert isinstance(task, Draws)
        num = max(self.num or (len(subject.inputs) or FOLLOWED), len(subject.inputs))
        labels = subject.asked(num)
        request = Request(
            labels=None if labels is None else torch.from_numpy(labels),
            steps=self.steps,
            guidance=self.guidance,
        )
        path = Path()
        for step in task.sample(request, Random(subject.seed, range(num))):
            path.t.append(step.t)
            path.x0.append(task.form.to_items(step.x0.cpu()))
            path.xt.append(task.form.to_items(step.x.cpu()))
        if len(path.t) == 1:
            raise InputError(
                "Samples come in 1 step, and what changes on the way takes two or more; give "
                "steps=2 or more"
            )
        return path, names_of(task, labels, num)

    def decided(self, x0: np.ndarray, times: Sequence[float]) -> np.ndarray:
        """The t (samples, height, width) from which a pixel stays near its end, of `x0` uint8.

        NaN for one that was there from the first step.
        """
        off = np.abs(x0.astype(np.int16) - x0[-1].astype(np.int16)).max(axis=-1)
        is_near = off <= (self.settled or SETTLED) * 255
        stays = np.flip(np.logical_and.accumulate(np.flip(is_near, 0), axis=0), 0)
        first = stays.argmax(axis=0)
        return np.where(first > 0, np.array(times)[first], np.nan)

    def _of_points(self, subject: Subject, path: Path) -> Explanation:
        form = subject.task.form
        pictures = [form.picture(points) for points in path.xt]
        expected = [form.picture(points) for points in path.x0]
        labels = [_said(t) for t in path.t]
        return Explanation(
            title="From noise to data",
            lead=f"{len(path.t)} steps from noise (t = 1) to data (t = 0).",
            sections=[
                Section(
                    "On the way",
                    parts.row(
                        [
                            parts.turned(pictures, labels, "points", "where they stand"),
                            parts.turned(expected, labels, "points", "where they are expected"),
                        ],
                        wide=True,
                    ),
                )
            ],
            protocol=self._protocol(subject, []),
            figures={"times": [round(t, 4) for t in path.t]},
            arrays={"x0": np.stack(path.x0), "xt": np.stack(path.xt), "t": np.array(path.t)},
            axes={"x0": "step, sample, axis", "xt": "step, sample, axis", "t": "step"},
        )

    def _of_texts(self, subject: Subject, task: WritesAnywhere) -> Explanation:
        form = task.form
        assert isinstance(form, TextForm)
        refuse({"guidance": self.guidance}, "texts that come out of masks are not guided")
        refuse({"settled": self.settled}, "a token that has appeared does not change any more")
        tokens = self.tokens or TOKENS
        given = list(subject.inputs) or [""]
        num = max(self.num or len(subject.inputs) or FOLLOWED, len(subject.inputs))
        prompts = [given[number % len(given)] for number in range(num)]
        writing = replace(usual(task), max_tokens=tokens, steps=self.steps)
        random = Random(subject.seed, range(len(prompts)))
        texts = unfolded(task, prompts, writing, random, form.tokenizer.vocabulary)
        found = found_of_texts(texts, form.tokenizer)
        return Explanation(
            title="From masks to text",
            lead=found.lead,
            sections=found.sections,
            protocol={
                **subject.protocol,
                "prompts": prompts,
                "tokens": tokens,
                "looks": found.figures["looks"],
                "unmasking": writing.unmasking,
                "temperature": writing.temperature,
            },
            figures=found.figures,
            arrays=found.arrays,
            axes=found.axes,
        )

    def _protocol(self, subject: Subject, names: Sequence[str]) -> dict[str, object]:
        task = subject.task
        assert isinstance(task, Draws)
        how = task.describe(Request(steps=self.steps, guidance=self.guidance))
        asked = {"asked": list(names)} if any(names) else {}
        return {**subject.protocol, **how, **asked}


def _films(xt: np.ndarray, x0: np.ndarray, times: Sequence[float], names: Sequence[str]) -> str:
    labels = [_said(t) for t in times]
    side = 160 if x0.shape[3] <= 2 * x0.shape[2] else 640
    films = []
    for number, name in enumerate(names):
        both = [
            parts.enlarged(np.concatenate([a[number], b[number]], axis=1), 2 * side)
            for a, b in zip(xt, x0, strict=True)
        ]
        title = name or f"sample {number + 1}"
        films.append(parts.turned(both, labels, title, title))
    words = "On the left where the sampler stands, on the right what it expects to end with."
    return parts.text(words) + parts.row(films, wide=True)


def _strip(x0: np.ndarray, times: Sequence[float], names: Sequence[str]) -> str:
    chosen = np.unique(np.linspace(0, len(times) - 1, COLUMNS).round().astype(int))
    lines = [np.concatenate(list(x0[chosen, number]), axis=1) for number in range(len(names))]
    sheet = parts.enlarged(np.concatenate(lines, axis=0), 880)
    told = ", ".join(f"{times[number]:.2f}" for number in chosen)
    alt = f"what is expected of {len(names)} samples, a row each, after steps from noise to data"
    return parts.shown(sheet, alt, f"What is expected after the steps to t = {told}.")


def _changes(change: np.ndarray, times: Sequence[float], names: Sequence[str]) -> str:
    mean = change.mean(axis=1)
    line = Line("mean of all samples", list(zip(times[1:], mean.tolist(), strict=True)))
    largest = int(mean.argmax())
    chart = line_chart("change of what is expected", [line], log=False, across="t")
    words = (
        f"The largest change came with the step to t = {times[largest + 1]:.2f}: "
        f"{mean[largest]:.1%} of the range of values, on average over all pixels."
    )
    return parts.text(words) + f'<figure class="square">{chart}</figure>'


def _decisions(
    last: np.ndarray,
    decided: np.ndarray,
    times: Sequence[float],
    by: Sequence[float],
    names: Sequence[str],
) -> str:
    low, high = min(times), max(times)
    maps = []
    for number, name in enumerate(names):
        beside = [parts.heat(decided[number], low, high)]
        picture = last[number]
        beside.insert(0, np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture)
        title = name or f"sample {number + 1}"
        maps.append(
            parts.shown(
                parts.enlarged(np.concatenate(beside, axis=1), 320),
                f"{title}, and when each of its pixels was decided",
                title,
            )
        )
    line = Line("decided", list(zip(times, by, strict=True)))
    chart = line_chart("share of open pixels that are decided", [line], log=False, across="t")
    words = (
        "Light is what was decided early, while there was much noise; dark is what stayed open to "
        "the end; black was never open, the ground for the most part."
    )
    return parts.text(words) + parts.row(maps) + f'<figure class="square">{chart}</figure>'


def _said(t: float) -> str:
    return f"t = {t:.3f}"
