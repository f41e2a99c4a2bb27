"""The learned score of points in the plane beside the exact one, and how far it is off, at each t.

The score is the gradient of log p_t: an arrow points to where data of that noise is likelier. What
counts is how far a score is off where points of that noise are; far from these no sampler comes by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from PIL import Image

from noiseloom.config import option
from noiseloom.data.forms import PointForm
from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.schedules import Schedule
from noiseloom.errors import InputError
from noiseloom.evaluate.charts import Line
from noiseloom.evaluate.loss_by_time import even_times
from noiseloom.explain import parts
from noiseloom.explain.exact_score import (
    Exact,
    ScoreError,
    both_scores,
    exact_of,
    score_error,
)
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.field_picture import field_picture
from noiseloom.explain.subject import Subject
from noiseloom.explain.tables import table
from noiseloom.runs.drawing import class_number
from noiseloom.tasks import Denoises, Task, Walks

GRID, ARROWS = 96, 16  # places along each side: where the fields are asked, where arrows stand
SELDOM = -8.0  # nats of density under the highest, below which hardly a point comes by
SPREADS = 3.0  # deviations of the noise that are seen round the data
USUAL = 0.9  # share of the exact arrows that are drawn no longer than they are


@dataclass(frozen=True, eq=False)
class Fields:
    """At one t: both scores (G, G, 2) and the exact log density (G, G), from -reach to reach."""

    t: float
    reach: float
    learned: np.ndarray
    exact: np.ndarray
    log_density: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Config:
    """The learned score beside the exact one."""

    about: ClassVar[str] = "the learned score of 2-D points beside the exact one, and its error"

    times: Annotated[int, Ge(2)] = option(12, "times at which the scores are compared")
    num: Annotated[int, Ge(100)] = option(4096, "points that each relative error is taken over")

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if not isinstance(task.form, PointForm):
            return "its data are no points in the plane, whose score is known"
        if not isinstance(task, Denoises):
            return "it has learned no score of points at every noise level"
        return None

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: the input is a class, if any."""
        task, label = subject.task, _asked(subject)
        assert isinstance(task, Denoises) and isinstance(task.form, PointForm)
        schedule = task.judged(None).schedule
        exact = exact_of(subject.run.recipe.data, subject.dataset, schedule, label)
        denoise = denoiser_of(task, label, subject.device)
        times = even_times(schedule, self.times).tolist()
        errors = [score_error(denoise, exact, t, num=self.num, seed=subject.seed) for t in times]
        fields = [fields_at(denoise, exact, t, task.form.limit) for t in times]
        relative = np.array([error.relative for error in errors])
        best, worst = int(relative.argmin()), int(relative.argmax())
        name = "all points" if label is None else f"class {task.form.class_names[label]}"
        rows = _rows(errors, schedule, subject.seed)
        return Explanation(
            title="The score it has learned",
            lead=(
                f"Of {name}, beside the exact score of {exact.words}. Its relative error is "
                f"{relative.min():.2g} at best, at t = {times[best]:.2f}, and {relative.max():.2g} "
                f"at worst, at t = {times[worst]:.2f}."
            ),
            sections=[
                Section("Both fields, and the error", _films(fields)),
                Section("Relative error at each t", _figures(rows, exact)),
            ],
            protocol={
                "points": name,
                "exact_score_of": exact.words,
                "points_at_each_t": self.num,
            },
            figures={
                "relative_error": rows,
                "exact_is_the_density": exact.is_density,
                "mean_relative_error": round(float(relative.mean()), 6),
            },
            data={"t": ("time", np.array(times)), **_data(fields)},
        )


def denoiser_of(task: Denoises, label: int | None, device: torch.device) -> Denoise:
    """The denoiser of points of a class, or of all."""

    def denoise(xt: torch.Tensor, t: torch.Tensor) -> Prediction:
        labels = None if label is None else torch.full((len(xt),), label, device=device)
        return task.judged(labels).denoise(xt.to(device), t.to(device))

    return denoise


def fields_at(denoise: Denoise, exact: Exact, t: float, limit: float) -> Fields:
    """Both scores on an even grid that holds the points of time t; `limit` holds the data."""
    at = exact.data.schedule.at(torch.tensor(t, dtype=torch.float64))
    reach = float(at.alpha) * limit + SPREADS * float(at.sigma)
    places = torch.linspace(-reach, reach, GRID, dtype=torch.float64)
    up, right = torch.meshgrid(places, places, indexing="ij")
    xt = torch.stack([right.flatten(), up.flatten()], dim=1).float()
    learned, truth = both_scores(denoise, exact, xt, t)
    times = torch.full((len(xt),), t, dtype=torch.float64)
    density = exact.data.log_density(xt.double(), times).reshape(GRID, GRID).numpy()
    shape = (GRID, GRID, 2)
    return Fields(t, reach, learned.reshape(shape).numpy(), truth.reshape(shape).numpy(), density)


def _data(fields: Sequence[Fields]) -> dict[str, tuple[str, np.ndarray]]:
    """All fields, as they are saved."""
    grid = "time, row (up), column (right)"
    axes = {
        "reach": "time: rows and columns go from -reach to reach",
        "learned": f"{grid}, axis: the learned score",
        "exact": f"{grid}, axis: the exact score",
        "log_density": f"{grid}: nats, of the exact density",
    }
    return {
        name: (words, np.stack([getattr(one, name) for one in fields]))
        for name, words in axes.items()
    }


def _asked(subject: Subject) -> int | None:
    """The class whose score is asked for, None for all points together."""
    task, names = subject.task, subject.task.form.class_names
    if len(subject.inputs) > 1:
        raise InputError(
            f"{len(subject.inputs)} inputs are given; this view looks at one class, or without an "
            "input at all points together"
        )
    if subject.inputs and not names:
        raise InputError(
            f"{subject.inputs[0]!r} is given, and this run was trained without classes; leave it "
            "out"
        )
    if subject.inputs:
        return class_number(names, subject.inputs[0])
    return None if not isinstance(task, Walks) or task.learned_unlabelled else 0


def _rows(errors: Sequence[ScoreError], schedule: Schedule, seed: int) -> list[dict[str, Any]]:
    """A row for each t, as JSON holds it."""
    log_snr = schedule.log_snr(torch.tensor([error.t for error in errors], dtype=torch.float64))
    return [
        {
            "t": round(error.t, 5),
            "log_snr": round(at, 4),
            "relative_error": error.relative,
            "interval": list(error.interval(seed)),
        }
        for error, at in zip(errors, log_snr.tolist(), strict=True)
    ]


def _films(fields: Sequence[Fields]) -> str:
    labels = [f"t = {one.t:.3f}" for one in fields]
    pictures: list[list[Image.Image]] = [[], [], []]
    for one in fields:
        size = np.linalg.norm(one.exact, axis=-1)
        density = one.log_density - one.log_density.max()
        is_usual = density > SELDOM
        unit = float(np.quantile(size[is_usual], USUAL)) or 1.0
        chosen = ((np.arange(ARROWS) + 0.5) * GRID / ARROWS).astype(int)
        for place, score in enumerate((one.learned, one.exact)):
            arrows = score[np.ix_(chosen, chosen)] / unit
            drawn = field_picture(density, one.reach, arrows, low=SELDOM, high=0.0)
            pictures[place].append(drawn)
        off = np.linalg.norm(one.learned - one.exact, axis=-1)
        typical = float(np.sqrt((size[is_usual] ** 2).mean())) or 1.0
        share = np.where(is_usual, off / typical, 0.0)
        pictures[2].append(field_picture(share, one.reach, low=0.0, high=1.0))
    names = ("The learned score", "The exact score", "The error")
    ways = (
        "arrows of the score that the network has learned",
        "arrows of the exact score",
        "the error's size over the exact score's typical size: white is as much",
    )
    films = [
        parts.turned(film, labels, f"{name}, {way}", name)
        for film, name, way in zip(pictures, names, ways, strict=True)
    ]
    words = (
        "Arrows point to where points of that noise are likelier; the ground is light where such "
        "points are, by the exact density. In the error, white is as much as the exact score "
        "itself is there on the average, black nothing; where hardly a point comes by it is not "
        "shown. The numbers below are where the picture ends."
    )
    return parts.text(words) + parts.row(films, together=True)


def _figures(rows: Sequence[dict[str, Any]], exact: Exact) -> str:
    points, cells = [], []
    for row in rows:
        t, error = row["t"], row["relative_error"]
        low, high = row["interval"]
        points.append((t, error))
        cells.append([f"{t:.3f}", row["log_snr"], error, f"{low:.3g} to {high:.3g}"])
    chart = parts.chart(
        "Relative error of the score", [Line("error", points)], across="t", log=True
    )
    whose = (
        "The exact score is that of the density itself."
        if exact.is_density
        else "This data's density is known in no closed form: the exact score is that of the "
        "training points with noise, which a network should differ from where there is little "
        "noise, or it has learned them by heart."
    )
    words = (
        "Mean square of the difference over the mean square of the exact score, both over points "
        f"of that noise: 0 is exact, 1 is what no arrows at all would score. {whose}"
    )
    told = table(
        ("t", "log-SNR", "relative error", "interval (95 %)"), cells, "Relative error of the score"
    )
    return parts.text(words) + chart + told
