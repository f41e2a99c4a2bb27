"""When refining pays: a base's samples, refined, beside the base given the same time.

    python benchmarks/refine.py --data FOLDER --base RUN --refiner RUN [--refiner RUN] \\
        [--scorer RUN] --out DIR

FOLDER holds MNIST's IDX files; RUN is a run of recipe mnist, runs of refine-mnist made for it, and
a run of mnist-pixels.
At 1, 2, 4, 8 and 50 base steps three rows are compared: the base, the base refined, and the base
with as many steps as take no longer than the refined way (equal wall clock). Of an expert in little
noise a fourth says what its moves alone are worth: the base itself, walking at the same times. DIR
gets `table.md` and `table.json`, and keeps the samples of each row, so that a stopped benchmark
goes on.

Protocol. Times are of this processor: each way draws `--timed` samples once unmeasured, and then
three times, all ways in turn; the median counts, without opening the runs. The base's time at steps
that were not timed is read off the straight line through those that were. Figures are those of
`judge.py`, for `--num` samples of seed 0: Fréchet distance, how many are read as asked for, recall;
and the seam energy: the mean squared step of brightness across the borders of the base's patches,
divided by that across the lines beside them, where no border is (real digits: about 1). Where a
refiner writes pixels in a few levels, as many real digits in these levels are judged, too: what is
lost by the levels alone. With a scorer, which knows of neither base nor refiner, the samples' bits
per dimension under it, each asked for by its class; those of real digits that the scorer never saw
stand beside them. Fewer bits are no better: what all look alike in costs least.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import judge
import numpy as np
import torch

from noiseloom.data.forms import Form
from noiseloom.errors import InputError
from noiseloom.runs import Run
from noiseloom.runs.drawing import draw, usually_asked
from noiseloom.runs.refining import refined_by
from noiseloom.tasks import Draws, HasExactLikelihood, Request, Task
from noiseloom.tasks.low_noise import LowNoiseRefinement

STEPS = (1, 2, 4, 8, 50)
REPEATS = 3
GAP = (4, 50)  # the steps between which a refiner is to close the gap
GOAL = (0.30, 0.25)  # the least share of the gap, at the most share of its extra time
TOGETHER = 100  # images that are scored at once
CONTROL = "the base itself, at the moves of "  # and the refiner's name

Way = Callable[[int, int], np.ndarray]
"""(base steps, number of samples) -> samples."""


@dataclass(frozen=True)
class Row:
    """A way to draw: by the base (`refiner` ""), or refined; seconds are of 1,000 samples."""

    refiner: str
    steps: int
    seconds: float
    frechet_distance: float
    label_agreement: float
    recall: float
    seam_energy: float
    equal_time: bool = False
    bits_per_dim: float | None = None


@dataclass(frozen=True)
class Line:
    """Seconds of 1,000 samples as a line over base steps, through measured ones."""

    start: float
    slope: float

    @classmethod
    def through(cls, seconds: dict[int, float]) -> Line:
        """The line with the least squared relative error."""
        steps, times = (np.array(list(part), float) for part in (seconds, seconds.values()))
        matrix = np.stack([np.ones_like(steps), steps], axis=1) / times[:, None]
        start, slope = np.linalg.lstsq(matrix, np.ones_like(times))[0]
        return cls(float(start), float(slope))

    def at(self, steps: int) -> float:
        """Seconds of so many steps."""
        return self.start + self.slope * steps

    def most(self, seconds: float) -> int:
        """The most steps that take no longer, at least one."""
        return max(1, int((seconds - self.start) / self.slope + 1e-9))


def main() -> None:
    parser = argparse.ArgumentParser(description="A base's samples, refined, at equal wall clock.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the four IDX files")
    parser.add_argument("--base", type=Path, required=True, help="the base's run")
    parser.add_argument("--refiner", type=Path, action="append", default=[], help="its refiners")
    parser.add_argument("--scorer", type=Path, help="a run that says how likely an image is")
    parser.add_argument("--out", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--num", type=int, default=1000, help="samples that are judged")
    parser.add_argument("--timed", type=int, default=250, help="samples drawn for each timing")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS, help="base steps")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    base = Run.open(given.base)
    tasks = _tasks(base, given.refiner)
    ways = {name: partial(_draw, task) for name, task in tasks.items()}
    seconds = _timed(given.out / "seconds.json", ways, given.steps, given.timed)
    scorer = None
    if given.scorer is not None:
        scoring, _ = Run.open(given.scorer).trained_task()
        scorer = Scorer.of(scoring, given.scorer, tasks[""].form)
    verdict, in_levels = _judge(given.data, given.num, base.recipe.network.patch, scorer)
    rows, real = _rows(ways, seconds, given, verdict)
    kinds = [Run.open(run).recipe.task.kind for run in given.refiner]
    levels = {kind.levels for kind in kinds if hasattr(kind, "levels")}
    coarse = {each: in_levels(each) for each in sorted(levels)}
    document = {
        "base": str(given.base),
        "num": given.num,
        "threads": torch.get_num_threads(),
        "scorer": None if scorer is None else {"run": str(given.scorer), "levels": scorer.levels},
        "real": real,
        "real_in_levels": coarse,
        "closed": {name: closed(rows, name) for name in ways if name},
        "rows": [asdict(row) for row in rows],
    }
    (given.out / "table.json").write_text(json.dumps(document, indent=1))
    shown = table(rows, real, coarse)
    (given.out / "table.md").write_text(shown)
    print(shown)
    for name in ways:
        if name:
            print(said(name, closed(rows, name)))


def _tasks(base: Run, refiners: Sequence[Path]) -> dict[str, Draws]:
    """What draws, by the name of its way: the base, each refiner, and what it is compared with."""
    task, _ = base.trained_task()
    assert isinstance(task, Draws)
    tasks = {"": task}
    for run in refiners:
        tasks[run.name] = refined = refined_by(run, base, task)
        if isinstance(refined, LowNoiseRefinement):
            tasks[CONTROL + run.name] = refined.without_expert()
    return tasks


def _draw(task: Draws, steps: int, num: int) -> np.ndarray:
    labels = usually_asked(task, num)
    return draw(task, Request(steps=steps), labels, num=num, seed=0).items


# Times -------------------------------------------------------------------------------------------


def _time(ways: dict[str, Way], steps: Sequence[int], num: int) -> dict[str, dict[str, float]]:
    """Seconds of 1,000 samples, by way and by steps (as JSON has them): medians, taken in turn."""
    taken: dict[tuple[str, int], list[float]] = {}
    for repeat in range(REPEATS + 1):
        for name, way in ways.items():
            for each in steps:
                began = time.perf_counter()
                way(each, num if repeat else 8)
                if repeat:
                    took = (time.perf_counter() - began) * 1000 / num
                    taken.setdefault((name, each), []).append(took)
    return {
        name: {str(each): statistics.median(taken[name, each]) for each in steps} for name in ways
    }


def _timed(
    path: Path, ways: dict[str, Way], steps: Sequence[int], num: int
) -> dict[str, dict[str, float]]:
    """The times kept at `path`; where they are not of all these ways, measured anew."""
    kept = json.loads(path.read_text()) if path.is_file() else {}
    wanted = {(name, str(each)) for name in ways for each in steps}
    if not wanted <= {(name, each) for name, times in kept.items() for each in times}:
        kept = _time(ways, steps, num)
        path.write_text(json.dumps(kept, indent=1))
    return dict(kept)


@dataclass(frozen=True)
class Scorer:
    """What says how likely an image is, for bits per dimension (in so many `levels`)."""

    task: HasExactLikelihood

    @classmethod
    def of(cls, task: Task, folder: Path, form: Form) -> Scorer:
        """The task of the run at `folder`; InputError where it cannot score images of `form`."""
        if not isinstance(task, HasExactLikelihood):
            raise InputError(
                f"--scorer is {folder}, which does not say exactly how likely an image is. Train "
                "one that does with: noiseloom train mnist-pixels"
            )
        own = (task.form.item_shape, task.form.class_names)
        if own != (form.item_shape, form.class_names):
            raise InputError(
                f"--scorer is {folder}, which knows images of shape {own[0]} with classes "
                f"{own[1]}; those of the base are {form.item_shape} with {form.class_names}. Train "
                "the scorer on the base's data"
            )
        return cls(task)

    @property
    def levels(self) -> int:
        """The levels of brightness that it sees."""
        return self.task.levels

    def bits(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Bits per dimension of images (N, H, W, C) uint8 of these classes, on average."""
        nats = [
            self.task.nats(images[first : first + TOGETHER], labels[first : first + TOGETHER])
            for first in range(0, len(images), TOGETHER)
        ]
        return float(torch.cat(nats).mean()) / (images[0].size * math.log(2))


# Figures -----------------------------------------------------------------------------------------


def seam_energy(images: np.ndarray, patch: int) -> float:
    """How much more brightness changes across the borders of patches than beside them; 1: alike.

    `images` is (N, H, W, 1) uint8. Of every border the two lines next to it are what it is
    compared with, so that it does not matter where in a picture a border lies.
    """
    x = images[..., 0].astype(np.float64)
    at, beside = [], []
    for axis in (1, 2):
        energy = np.square(np.diff(x, axis=axis)).mean(axis=(0, 3 - axis))
        borders = np.arange(patch, x.shape[axis], patch) - 1
        at.append(energy[borders])
        beside.append((energy[borders - 1] + energy[borders + 1]) / 2)
    return float(np.concatenate(at).sum() / np.concatenate(beside).sum())


def coarse_levels(images: np.ndarray, levels: int) -> np.ndarray:
    """The images, uint8, with each pixel at the nearest of so many levels from 0 to 255."""
    step = 255 / (levels - 1)
    return np.rint(np.rint(images / step) * step).astype(np.uint8)


def _judge(
    data: Path, num: int, patch: int, scorer: Scorer | None
) -> tuple[Callable[[np.ndarray], dict[str, Any]], Callable[[int], float]]:
    """The figures of samples, and the distance of real digits in so many levels."""
    train, test = judge.read_digits(data, "train"), judge.read_digits(data, "t10k")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    judging = judge.prepare(train, home / "noiseloom" / "judge")
    real: dict[str, float] = {"seam_energy": seam_energy(_stored(test.images), patch)}
    if scorer is not None:
        some = np.linspace(0, len(test.images) - 1, num).round().astype(int)  # files come by class
        real["bits_per_dim"] = scorer.bits(_stored(test.images[some]), test.labels[some].numpy())

    def verdict(images: np.ndarray) -> dict[str, Any]:
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        labels = torch.arange(len(images)) % 10
        found = judge.verdict(judging, judge.Digits(pixels, labels), train, test)
        found["seam_energy"] = seam_energy(images, patch)
        if scorer is not None:
            found["bits_per_dim"] = scorer.bits(images, labels.numpy())
        found["real"].update(real)
        return found

    def in_levels(levels: int) -> float:
        images = coarse_levels(_stored(train.images[:num]), levels)
        return float(verdict(images)["frechet_distance"])

    return verdict, in_levels


def _stored(images: torch.Tensor) -> np.ndarray:
    return (255 * images.permute(0, 2, 3, 1)).round().byte().numpy()


def _rows(
    ways: dict[str, Way],
    seconds: dict[str, dict[str, float]],
    given: argparse.Namespace,
    verdict: Callable[[np.ndarray], dict[str, Any]],
) -> tuple[list[Row], dict[str, float]]:
    line = Line.through({int(steps): taken for steps, taken in seconds[""].items()})
    real: dict[str, float] = {}

    def row(name: str, steps: int, taken: float, equal_time: bool = False) -> Row:
        path = given.out / f"{(name or 'base').replace(' ', '-')}-{steps}.npy"
        if not path.is_file():
            np.save(path, ways[name](steps, given.num))
        found = verdict(np.load(path))
        real.update(found["real"])
        figures = ("frechet_distance", "label_agreement", "recall", "seam_energy")
        values = (found[each] for each in figures)
        return Row(name, steps, taken, *values, equal_time, found.get("bits_per_dim"))

    rows = []
    for steps in given.steps:
        rows.append(row("", steps, seconds[""][str(steps)]))
        for name in ways:
            if name:
                taken = seconds[name][str(steps)]
                more = line.most(taken)
                rows.append(row(name, steps, taken))
                if not name.startswith(CONTROL):
                    rows.append(row("", more, line.at(more), equal_time=True))
    return rows, real


# The verdict -------------------------------------------------------------------------------------


def closed(rows: Sequence[Row], refiner: str) -> dict[str, float] | None:
    """The share of the gap in Fréchet distance that `refiner` closes, of its time that it takes.

    The gap is the base's between `GAP` steps; None where the rows do not hold it, or there is none.
    """
    found = {(row.refiner, row.steps): row for row in rows if not row.equal_time}
    few, many = (found.get(("", steps)) for steps in GAP)
    refined = found.get((refiner, GAP[0]))
    if few is None or many is None or refined is None:
        return None
    gap = few.frechet_distance - many.frechet_distance
    if gap <= 0:
        return None
    return {
        "gap": (few.frechet_distance - refined.frechet_distance) / gap,
        "time": (refined.seconds - few.seconds) / (many.seconds - few.seconds),
    }


def said(refiner: str, shares: dict[str, float] | None) -> str:
    """The verdict in a sentence."""
    few, many = GAP
    if shares is None:
        return f"{refiner}: between {few} and {many} base steps there is no gap to be closed."
    reached = shares["gap"] >= GOAL[0] and shares["time"] <= GOAL[1]
    return (
        f"{refiner}: closes {shares['gap']:.0%} of the gap between {few} and {many} base steps in "
        f"{shares['time']:.0%} of its extra time; the goal, {GOAL[0]:.0%} in {GOAL[1]:.0%}, is "
        f"{'reached' if reached else 'not reached'}."
    )


def table(rows: Sequence[Row], real: dict[str, float], coarse: dict[int, float]) -> str:
    """The rows as Markdown; last real digits, and their distance in a few levels of brightness."""
    is_scored = "bits_per_dim" in real
    lines = [
        "| base steps | refined by | seconds of 1,000 | Fréchet distance | read as asked | recall "
        f"| seam energy |{' bits per dimension |' if is_scored else ''}",
        f"|---|---|---|---|---|---|---|{'---|' if is_scored else ''}",
    ]
    for row in rows:
        name = row.refiner or ("no one, in the same time" if row.equal_time else "no one")
        lines.append(
            f"| {row.steps} | {name} | {row.seconds:.1f} | {row.frechet_distance:.1f} | "
            f"{row.label_agreement:.1%} | {row.recall:.2f} | {row.seam_energy:.2f} |"
            f"{_bits(row.bits_per_dim)}"
        )
    lines.append(
        f"| real digits | | | {real['frechet_distance']:.1f} | {real['label_agreement']:.1%} | "
        f"{real['recall']:.2f} | {real['seam_energy']:.2f} |{_bits(real.get('bits_per_dim'))}"
    )
    lines += [
        f"| real digits in {levels} levels | | | {distance:.1f} | | | |{' |' if is_scored else ''}"
        for levels, distance in coarse.items()
    ]
    return "\n".join(lines) + "\n"


def _bits(value: float | None) -> str:
    return "" if value is None else f" {value:.3f} |"


if __name__ == "__main__":
    main()
