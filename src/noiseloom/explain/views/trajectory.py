"""How samples came out of noise: what was expected at each step, and when it was decided.

A denoiser says at every step what clean data it expects, x0; the sampler's own state, xt, is that
with the noise that is still in it. A pixel is decided at the first step from which what is expected
of it stays within `settled` of what it ends as; one that was so from the first step was never open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from PIL import Image

from noiseloom.config import option
from noiseloom.data.forms import Form, PointForm, TextForm
from noiseloom.errors import InputError
from noiseloom.evaluate.charts import Line
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.item_pictures import called, lying, middle, sheet
from noiseloom.explain.options import refuse
from noiseloom.explain.subject import MOST_SAMPLES, Subject, Wanted
from noiseloom.explain.trajectory_of_texts import explain_texts
from noiseloom.explain.unfolding import unfolded
from noiseloom.runs.writing import usual
from noiseloom.seeds import Random
from noiseloom.tasks import Draws, Task, WritesAnywhere

SETTLED, TOKENS = 0.1, 60
FEW, MANY = 4, 1000  # samples that are followed: pictures or texts, and points
PAIR, WIDE = 320, 640  # pixels of the width of two pictures, and of the frames of a clip, about
STEPS = "step, sample"  # axes of what is kept of each step
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

    num: Annotated[int, Ge(1), Le(MANY)] | None = option(
        None,
        "samples that are followed, inputs take turns; null: one an input, or "
        f"{FEW}; of points {MANY}",
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
        task = subject.task
        if isinstance(task, WritesAnywhere):
            return self._of_texts(subject, task)
        assert isinstance(task, Draws)
        refuse({"tokens": self.tokens}, "this run writes no text")
        is_of_points = isinstance(task.form, PointForm)
        if not is_of_points:
            self._check_num()
        num = (self.num or MANY) if is_of_points else self.num
        wanted = subject.wanted(num, FEW, steps=self.steps, guidance=self.guidance)
        path, names = path_of(task, wanted), wanted.names
        protocol = {**task.describe(wanted.request), "asked": [name for name in names if name]}
        if is_of_points:
            refuse({"settled": self.settled}, "the places of points are not decided one by one")
            return _of_points(task.form, path, protocol)
        times = [round(t, 4) for t in path.t]
        x0, xt = (np.stack([lying(items) for items in stages]) for stages in (path.x0, path.xt))
        change = np.abs(np.diff(x0.astype(np.float32), axis=0)).mean(axis=(2, 3, 4)) / 255
        decided = self.decided(x0, path.t)
        was_open = max(1, int((~np.isnan(decided)).sum()))
        by = [float((decided >= t).sum() / was_open) for t in path.t]
        half = next((t for t, share in zip(path.t, by, strict=True) if share >= 0.5), path.t[-1])
        sections = [
            Section("From noise to picture", _films(xt, x0, path.t, names)),
            Section("All steps at once", _strip(path, names)),
            Section("What changed at each step", _changes(change, path.t, names)),
            Section(
                "When each part was decided",
                _decisions(x0[-1], decided, path.t, by, names),
            ),
        ]
        return Explanation(
            title="From noise to picture",
            lead=(
                f"{len(x0)} steps from noise (t = 1) to data (t = 0). Of the pixels that were open "
                f"after the first, half were decided by t = {half:.2f}."
            ),
            sections=sections,
            protocol={**protocol, "settled": self.settled or SETTLED},
            figures={
                "times": times,
                "mean_change_by_step": [None, *change.mean(axis=1).round(5).tolist()],
                "share_decided_by_step": [round(share, 4) for share in by],
                "half_decided_at_t": half,
            },
            data={
                "x0": (f"{STEPS}, height, width, channel: what was expected after each step", x0),
                "xt": (f"{STEPS}, height, width, channel: where the sampler stood", xt),
                "decided_at": (
                    "sample, height, width: t at which it was decided; NaN: never open",
                    decided,
                ),
                "t": ("step: the time it led to", np.array(path.t)),
            },
        )

    def _check_num(self) -> None:
        if self.num is not None and self.num > MOST_SAMPLES:
            raise InputError(
                f"num={self.num} is given; of samples that are no points up to {MOST_SAMPLES} are "
                "followed"
            )

    def decided(self, x0: np.ndarray, times: Sequence[float]) -> np.ndarray:
        """The t (samples, height, width) from which a pixel stays near its end, of `x0` uint8.

        NaN for one that was there from the first step.
        """
        off = np.abs(x0.astype(np.int16) - x0[-1].astype(np.int16)).max(axis=-1)
        is_near = off <= (self.settled or SETTLED) * 255
        stays = np.flip(np.logical_and.accumulate(np.flip(is_near, 0), axis=0), 0)
        first = stays.argmax(axis=0)
        return np.where(first > 0, np.array(times)[first], np.nan)

    def _of_texts(self, subject: Subject, task: WritesAnywhere) -> Explanation:
        form = task.form
        assert isinstance(form, TextForm)
        refuse({"guidance": self.guidance}, "texts that come out of masks are not guided")
        refuse({"settled": self.settled}, "a token that has appeared does not change any more")
        tokens = self.tokens or TOKENS
        self._check_num()
        given = list(subject.inputs) or [""]
        num = max(self.num or len(subject.inputs) or FEW, len(subject.inputs))
        prompts = [given[number % len(given)] for number in range(num)]
        writing = replace(usual(task), max_tokens=tokens, steps=self.steps)
        random = Random(subject.seed, range(len(prompts)))
        texts = unfolded(task, prompts, writing, random, form.tokenizer.vocabulary)
        found = explain_texts(texts, form.tokenizer)
        protocol = {
            "prompts": prompts,
            "tokens": tokens,
            "looks": found.figures["looks"],
            "unmasking": writing.unmasking,
            "temperature": writing.temperature,
        }
        return replace(found, protocol=protocol)


def path_of(task: Draws, wanted: Wanted) -> Path:
    """The way of each sample; InputError where it is of one step."""
    path = Path()
    for step in task.sample(wanted.request, wanted.random):
        path.t.append(step.t)
        path.x0.append(task.form.to_items(step.x0.cpu()))
        path.xt.append(task.form.to_items(step.x.cpu()))
    if len(path.t) == 1:
        raise InputError(
            "Samples come in 1 step, and what changes on the way takes two or more; give "
            "steps=2 or more"
        )
    return path


def _of_points(form: Form, path: Path, protocol: dict[str, Any]) -> Explanation:
    labels = [_said(t) for t in path.t]
    films = []
    for name, states in (("where they stand", path.xt), ("where they are expected", path.x0)):
        pictures = [sheet(form, [points]) for points in states]
        alt = f"{len(states[0]):,} points, {name}"
        films.append(parts.turned(pictures, labels, alt, name))
    words = (
        "Each dot is a sample: on the left where it stands after a step, on the right where the "
        "network expects it to end. The numbers are where the frame ends. The slider, by arrow "
        "keys too, and the button turn both."
    )
    return Explanation(
        title="From noise to data",
        lead=(
            f"{len(path.x0[0]):,} points, {len(path.t)} steps from noise (t = 1) to data (t = 0)."
        ),
        sections=[
            Section("On the way", parts.text(words) + parts.row(films, wide=True, together=True))
        ],
        protocol=protocol,
        figures={"times": [round(t, 4) for t in path.t]},
        data={
            "x0": (f"{STEPS}, axis: what was expected after each step", np.stack(path.x0)),
            "xt": (f"{STEPS}, axis: where the sampler stood", np.stack(path.xt)),
            "t": ("step: the time it led to", np.array(path.t)),
        },
    )


def _films(
    xt: np.ndarray,
    x0: np.ndarray,
    times: Sequence[float],
    names: Sequence[str],
) -> str:
    labels = [_said(t) for t in times]
    films = []
    for number, name in enumerate(names):
        both = [_both(a[number], b[number]) for a, b in zip(xt, x0, strict=True)]
        title = called(number, name)
        alt = f"{title}, where the sampler stands and what it expects"
        films.append(parts.turned(both, labels, alt, title))
    words = (
        "The first picture of two is where the sampler stands, the second what it expects to end "
        "with. The slider, by arrow keys too, and the button turn all samples together."
    )
    return parts.text(words) + parts.row(films, wide=True, together=True)


def _strip(path: Path, names: Sequence[str]) -> str:
    chosen = np.unique(np.linspace(0, len(path.t) - 1, COLUMNS).round().astype(int))
    shown = [middle(path.x0[number]) for number in chosen]
    picture = parts.tiled([[one[sample] for one in shown] for sample in range(len(names))], 880)
    told = ", ".join(f"{path.t[number]:.2f}" for number in chosen)
    what = " of the frame in the middle" if path.x0[0].ndim == 5 else ""
    alt = f"what is expected of {len(names)} samples, a row each, after steps from noise to data"
    return parts.shown(picture, alt, f"What is expected{what} after the steps to t = {told}.")


def _changes(change: np.ndarray, times: Sequence[float], names: Sequence[str]) -> str:
    mean = change.mean(axis=1)
    line = Line("mean of all samples", list(zip(times[1:], mean.tolist(), strict=True)))
    largest = int(mean.argmax())
    chart = parts.chart("Mean change of what is expected", [line], across="t")
    words = (
        f"The largest change came with the step to t = {times[largest + 1]:.2f}: "
        f"{mean[largest]:.1%} of the range of values, on average over all pixels."
    )
    return parts.text(words) + chart


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
        heat = parts.heat(decided[number], low, high)
        title = called(number, name)
        alt = f"{title}, and when each of its pixels was decided"
        maps.append(parts.shown(_both(last[number], heat), alt, title))
    line = Line("decided", list(zip(times, by, strict=True)))
    chart = parts.chart("Share of the pixels once open that are decided", [line], across="t")
    words = (
        "Light is what was decided early, while there was much noise; dark is what stayed open to "
        "the end; black was never open, the ground for the most part."
    )
    return parts.text(words) + parts.row(maps, wide=True) + chart


def _both(one: np.ndarray, other: np.ndarray) -> Image.Image:
    """Two pictures beside one another; wide ones, as the frames of a clip, below one another."""
    is_wide = one.shape[1] > 2 * one.shape[0]
    return parts.tiled([[one], [other]] if is_wide else [[one, other]], WIDE if is_wide else PAIR)


def _said(t: float) -> str:
    return f"t = {t:.3f}"
