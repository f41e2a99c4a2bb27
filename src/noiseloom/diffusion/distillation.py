"""Losses that teach a student to do in one to four network calls what its teacher does in many.

The student is a denoiser that starts as the teacher. What it answers as clean data at (xt, t),
written f(xt, t), becomes a sample instead of a mean: the end of the probability-flow path through
xt. The teacher is frozen and guided, and what it is guided by is learned with it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from noiseloom.config import option
from noiseloom.diffusion.denoiser import Denoise
from noiseloom.diffusion.objectives import VelocityLoss
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.schedules import Schedule, expand
from noiseloom.diffusion.times import TIMES, LogitNormal, Times
from noiseloom.seeds import Random

LEAST_WEIGHED = 0.05  # the share of t's range below which an error is not weighed more


@dataclass(frozen=True)
class Passed:
    """Where each item's path passes: `points` (B, L, …) at `times` (L,), falling from t_max."""

    points: Tensor
    times: Tensor


@dataclass(frozen=True)
class Lesson:
    """A batch to learn from, and who is asked about it.

    `x0` is data, or the ends of the teacher's paths, which then are `passed`. `student` and
    `teacher`, which is guided, hold the items' condition. `push` is what guidance adds to the clean
    data that the teacher expects.
    """

    x0: Tensor
    schedule: Schedule
    random: Random
    student: Denoise
    teacher: Denoise
    push: Callable[[Tensor, Tensor], Tensor]
    passed: Passed | None = None


@dataclass(frozen=True, kw_only=True)
class PathPlan:
    """How many paths of the teacher are walked, once, and how finely."""

    num: int = option(12_000, "paths that the teacher walks, once, from noise to a sample each")
    steps: int = option(12, "steps of a path, a network call each (two within guidance's interval)")

    def __post_init__(self) -> None:
        if self.num < 1 or self.steps < 1:
            raise ValueError(
                f"num {self.num} and steps {self.steps} are given; allowed is at least 1 each"
            )


class Method(ABC):
    """A way to teach: the loss of each item, (B,).

    `sampler` (of `few_steps`) is the one that its students are made for, `pace` the share of the
    teacher's learning rates that suits it. A method with `paths` is taught by the teacher's paths,
    others by data.
    """

    sampler: ClassVar[str]
    pace: ClassVar[float] = 0.5
    paths: PathPlan | None = None

    @abstractmethod
    def losses(self, lesson: Lesson) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Consistency(Method):
    """f at two points of one path must agree: consistency models (Song et al. 2023).

    (arXiv:2303.01469.) With `slope: data` the second point has the data's own noise, less of it, as
    in easy consistency tuning (Geng et al. 2024, arXiv:2406.14548), and the data can correct the
    teacher; what guidance adds is the teacher's. With `slope: teacher` it is a step of the guided
    teacher (Song et al., algorithm 2). The gap between the two begins wide and is halved again and
    again, down to a last one (as Geng et al. do in stages, between which it glides here).
    """

    sampler: ClassVar[str] = "renoise"
    pace: ClassVar[float] = 0.1  # its targets are its own answers, which longer steps throw about

    slope: Literal["data", "teacher"] = option(
        "data", "where a path goes: data, as in consistency tuning, or as the teacher says"
    )
    times: Times = option(
        help="how often each t is trained on",
        choices=TIMES,
        default_factory=lambda: LogitNormal(mean=0.3, std=1.4, uniform=0.05),
    )
    first_gap: float = option(0.25, "gap between the two times at the start, as a share of t")
    last_gap: float = option(1 / 16, "gap that is halved no further, as a share of t")
    halve_every: int = option(500, "steps in which the gap is halved")
    huber: float = option(
        0.03, "pseudo-Huber c, times the root of an item's numbers: larger squares more errors"
    )

    def __post_init__(self) -> None:
        if not 0 < self.last_gap <= self.first_gap <= 1:
            raise ValueError(
                f"first_gap {self.first_gap} and last_gap {self.last_gap} are given; allowed is "
                "0 < last_gap <= first_gap <= 1"
            )
        if self.halve_every < 1 or not self.huber > 0:
            raise ValueError(
                f"halve_every {self.halve_every} and huber {self.huber} are given; allowed is at "
                "least 1, and above 0"
            )

    def losses(self, lesson: Lesson) -> Tensor:
        schedule, random, x0 = lesson.schedule, lesson.random, lesson.x0
        t = self.times.sample(schedule, random).to(x0.device)
        xt = add_noise(schedule, x0, random.normal_like("noise", x0), t)
        gap = self.gap(random.step)
        r = schedule.t_min + (t - schedule.t_min) * (1 - gap)
        with torch.no_grad():
            xr = self._along(lesson, xt, t, r)
            target = kept_at_least_noise(lesson.student, xr, r, schedule)
        error = kept_at_least_noise(lesson.student, xt, t, schedule) - target
        span = schedule.t_max - schedule.t_min
        share = ((t - schedule.t_min) / span).clamp(min=LEAST_WEIGHED)
        return pseudo_huber(error, self.huber) / (share * gap)

    def gap(self, step: int) -> float:
        """(t - r) / t at a step of training."""
        return max(self.last_gap, self.first_gap * 0.5 ** (step / self.halve_every))

    def _along(self, lesson: Lesson, xt: Tensor, t: Tensor, r: Tensor) -> Tensor:
        """The point at time `r` of the path through `xt`."""
        if self.slope == "data":
            towards = lesson.x0 + lesson.push(xt, t)
        else:
            towards = lesson.teacher(xt, t).x0
        at, to = lesson.schedule.at(t, like=xt), lesson.schedule.at(r, like=xt)
        return to.alpha * towards + to.sigma * (xt - at.alpha * towards) / at.sigma


@dataclass(frozen=True, kw_only=True)
class Endpoints(Method):
    """f(xt, t) is the end of the teacher's path through xt: regression, with nothing to drift from.

    At t_max alone this is knowledge distillation (Luhman & Luhman 2021, arXiv:2101.02388).
    Here it is learned at every time at which a student is called; `starts` of the items, beyond
    their share, at t_max, where the way is longest. The points are on the paths themselves, or with
    `along: line` on straight lines from start to end, which is where a student's own steps lead.
    """

    sampler: ClassVar[str] = "ddim"  # fresh noise measures worse

    paths: PathPlan = option(help="the teacher's paths", default_factory=PathPlan)
    along: Literal["path", "line"] = option(
        "path", "where the points lie: on the teacher's paths, or straight between their two ends"
    )
    starts: float = option(0.2, "share of the items that are always trained at pure noise")
    huber: float = option(
        0.03, "pseudo-Huber c, times the root of an item's numbers: larger squares more errors"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.starts <= 1 or not self.huber > 0:
            raise ValueError(
                f"starts {self.starts} and huber {self.huber} are given; allowed is a share from 0 "
                "to 1, and above 0"
            )

    def losses(self, lesson: Lesson) -> Tensor:
        assert lesson.passed is not None  # the task sees to it
        points, times = lesson.passed.points, lesson.passed.times
        place = (lesson.random.stratified("place") * len(times)).long()
        place = place.masked_fill(lesson.random.chance("start", self.starts), 0)
        place = place.to(points.device)
        t = times.to(points)[place]
        if self.along == "line":
            xt = add_noise(lesson.schedule, lesson.x0, start_noise(lesson), t)
        else:
            xt = points[torch.arange(len(points), device=points.device), place]
        return pseudo_huber(lesson.student(xt, t).x0 - lesson.x0, self.huber)


@dataclass(frozen=True, kw_only=True)
class Reflow(Method):
    """Straight paths between noise and what the teacher makes of it (Liu et al. 2022).

    (arXiv:2209.03003, eq. 1 on the teacher's pairs, and their part 2.2.) `starts` of the items are
    trained at t_max, where a straight path is one step.
    """

    sampler: ClassVar[str] = "ddim"

    paths: PathPlan = option(help="the teacher's paths", default_factory=PathPlan)
    starts: float = option(0.5, "share of the items that are trained at pure noise")

    def __post_init__(self) -> None:
        if not 0 <= self.starts <= 1:
            raise ValueError(f"starts is {self.starts}; allowed is a share from 0 to 1")

    def losses(self, lesson: Lesson) -> Tensor:
        schedule, random = lesson.schedule, lesson.random
        noise, span = start_noise(lesson), schedule.t_max - schedule.t_min
        t = (schedule.t_min + span * random.stratified("times")).float()
        t = t.masked_fill(random.chance("start", self.starts), schedule.t_max).to(lesson.x0.device)
        prediction = lesson.student(add_noise(schedule, lesson.x0, noise, t), t)
        return VelocityLoss().losses(prediction, lesson.x0, noise, t, schedule)


METHODS: dict[str, type[Method]] = {
    "endpoints": Endpoints,
    "consistency": Consistency,
    "reflow": Reflow,
}


def start_noise(lesson: Lesson) -> Tensor:
    """The noise, of unit variance, that each path begins as."""
    assert lesson.passed is not None  # the task sees to it
    first = lesson.passed.times[0].to(lesson.x0)
    return lesson.passed.points[:, 0] / lesson.schedule.sigma(first)


def kept_at_least_noise(student: Denoise, x: Tensor, t: Tensor, schedule: Schedule) -> Tensor:
    """f(x, t): clean data, and `x` itself at t_min (Song et al. 2023, arXiv:2303.01469, part 3)."""
    return torch.where(expand(t <= schedule.t_min, x), x, student(x, t).x0)


def pseudo_huber(error: Tensor, c: float) -> Tensor:
    """sqrt(|error|² + b²) - b of each item, (B,), b being `c` times the root of its numbers.

    (Song & Dhariwal 2023, arXiv:2310.14189, part 3.3.)
    """
    numbers = error.flatten(1)
    square, bound = numbers.square().sum(dim=1), c * numbers.shape[1] ** 0.5
    return square / ((square + bound**2).sqrt() + bound)  # exactly 0 at 0


def energy_distances(made: Tensor, real: Tensor) -> Tensor:
    """What each pair of items has in the energy distance of two sets (Székely & Rizzo 2013).

    (B,), of `made` and `real` (B, …): its mean is 2 E|x - y| - E|x - x'| - E|y - y'|, 0 or more and
    0 only for equal sets, in units of the items per root of their numbers.
    """
    x, y = made.flatten(1), real.flatten(1)
    between, within, truth = torch.cdist(x, y), torch.cdist(x, x), torch.cdist(y, y)
    both = between.mean(dim=0) + between.mean(dim=1)
    return (both - within.mean(dim=1) - truth.mean(dim=1)) / x.shape[1] ** 0.5
