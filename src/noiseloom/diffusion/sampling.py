"""How samples are drawn: a sampler, its plan and its settings, as a recipe's section says."""

import inspect
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Annotated, Any, Self

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor

from noiseloom.config import option
from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.samplers import SAMPLERS, Sampler, Step, Tolerance
from noiseloom.diffusion.schedules import Schedule
from noiseloom.diffusion.spacings import SPACINGS, plan_times
from noiseloom.menu import nearest
from noiseloom.seeds import Random

LEARNED = "learned"  # the spacing of times that are given one by one
UNSET = "; the sampler's own if null"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How samples are drawn unless the command says otherwise."""

    name: str = option("heun", "which sampler: " + ", ".join(SAMPLERS))
    steps: int = option(
        10, "moves from noise to data (heun calls the network twice a move, adaptive ones choose)"
    )
    shift: float = option(1.0, "above 1: more of the moves at the noisy end, below 1: fewer")
    spacing: str = option(
        "uniform", f"how the moves are spaced: {', '.join(SPACINGS)}, or {LEARNED}: as times says"
    )
    times: tuple[float, ...] | None = option(
        None, "spacing learned: each t visited, falling, one more than there are steps"
    )
    tolerance: Tolerance | None = option(None, "of an adaptive sampler: the error allowed" + UNSET)
    order: Annotated[int, Ge(1), Le(3)] | None = option(None, "unipc: order of its moves" + UNSET)
    churn: Annotated[float, Ge(0)] | None = option(
        None, "edm: how much noise is added over all moves; 0 is heun" + UNSET
    )
    churn_min: Annotated[float, Ge(0)] | None = option(
        None, "edm: smallest sigma / alpha at which noise is added" + UNSET
    )
    churn_max: Annotated[float, Gt(0)] | None = option(
        None, "edm: largest sigma / alpha at which noise is added" + UNSET
    )
    churn_noise: Annotated[float, Gt(0)] | None = option(
        None, "edm: spread of the noise added, 1 being exact" + UNSET
    )
    corrector_steps: Annotated[int, Ge(0)] | None = option(
        None, "predictor-corrector: Langevin steps after each move" + UNSET
    )
    snr: Annotated[float, Gt(0), Lt(1)] | None = option(
        None, "predictor-corrector: signal to noise ratio of a Langevin step" + UNSET
    )

    def __post_init__(self) -> None:
        if self.name not in SAMPLERS:
            raise ValueError(unknown("sampler", self.name, list(SAMPLERS)))
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}; a sampler needs at least 1")
        if not self.shift > 0:
            raise ValueError(f"shift is {self.shift}; allowed is above 0, 1 for even steps")
        for setting in self._settings():
            takers = [name for name, takes in TAKES.items() if setting in takes]
            if self.name not in takers:
                raise ValueError(
                    f"sampler '{self.name}' takes no {setting}; leave it out, or use one that "
                    f"does: {', '.join(takers)}"
                )
        if self.name in ADAPTIVE:
            self._check_adaptive()
        else:
            self._check_times()

    def _check_adaptive(self) -> None:
        if self.spacing != "uniform" or self.times is not None or self.shift != 1:
            raise ValueError(
                f"sampler '{self.name}' chooses its own times and takes no spacing, times or "
                "shift; leave them out, and say in tolerance how exact it is to be"
            )

    def _check_times(self) -> None:
        if self.tolerance is not None:
            raise ValueError(
                f"sampler '{self.name}' makes as many moves as steps says and takes no tolerance; "
                f"leave it out, or use one that does: {', '.join(ADAPTIVE)}"
            )
        if self.spacing not in (*SPACINGS, LEARNED):
            raise ValueError(unknown("spacing", self.spacing, [*SPACINGS, LEARNED]))
        if self.shift != 1 and self.spacing != "uniform":
            raise ValueError(
                f"shift is {self.shift} and spacing '{self.spacing}'; a shift is for spacing "
                "'uniform'. Leave one of the two out"
            )
        if (self.times is not None) != (self.spacing == LEARNED):
            raise ValueError(
                f"spacing is '{self.spacing}' and times is {_short(self.times)}; spacing "
                f"'{LEARNED}' and times go together. Set both or neither"
            )
        if self.times is not None:
            self._check_learned(self.times)

    def _check_learned(self, times: tuple[float, ...]) -> None:
        if len(times) != self.steps + 1:
            raise ValueError(
                f"steps is {self.steps} and times has {len(times)} entries, so {len(times) - 1} "
                f"moves; set steps to that, or use another spacing ({', '.join(SPACINGS)})"
            )
        if not all(first > second for first, second in itertools.pairwise(times)):
            raise ValueError(f"times is {_short(times)}; allowed are times that fall throughout")

    def check_fits(self, schedule: Schedule) -> None:
        """Raise ValueError where `schedule` has not the times that this asks for."""
        most = schedule.most_moves
        if most is not None and self.name not in ADAPTIVE and self.steps > most:
            raise ValueError(
                f"steps is {self.steps} and the schedule is a table of {most + 1} times; allowed "
                f"are 1 to {most} steps"
            )
        if self.times is not None:
            inside = all(schedule.t_min <= t <= schedule.t_max for t in self.times)
            if not inside or self.times[0] != schedule.t_max:
                raise ValueError(
                    f"times is {_short(self.times)}; on this schedule allowed are times from "
                    f"{schedule.t_max:g}, where samples start, down to {schedule.t_min:g}"
                )

    def plan(self, schedule: Schedule) -> Tensor | Tolerance:
        """The times, float64, falling, or the tolerance; ValueError as `check_fits`."""
        self.check_fits(schedule)
        if self.name in ADAPTIVE:
            return self.tolerance or Tolerance()
        if self.times is not None:
            return torch.tensor(self.times, dtype=torch.float64)
        if self.spacing == "uniform":
            return plan_times(schedule, self.steps, shift=self.shift)
        return SPACINGS[self.spacing](schedule, self.steps)

    @property
    def function(self) -> Sampler:
        """The sampler with the settings given, to be called as every sampler is."""
        settings = self._settings()
        return partial(SAMPLERS[self.name], **settings) if settings else SAMPLERS[self.name]

    def walk(
        self, denoise: Denoise, x: Tensor, schedule: Schedule, random: Random
    ) -> Iterator[Step]:
        """Walk from `x`, at the schedule's t_max; ValueError as `check_fits`, before any step."""
        return self.function(denoise, x, self.plan(schedule), schedule, random)

    def calls(self, schedule: Schedule) -> int | None:
        """Network calls that a walk makes, None where it depends on the samples."""
        return calls_of(self.function, self.plan(schedule), schedule)

    def describe(self) -> dict[str, Any]:
        """All that was chosen, in words and numbers, for protocols."""
        described: dict[str, Any] = {"sampler": self.name}
        if self.name in ADAPTIVE:
            tolerance = self.tolerance or Tolerance()
            described["tolerance"] = [tolerance.relative, tolerance.absolute]
        else:
            described |= {"steps": self.steps, "shift": self.shift, "spacing": self.spacing}
        if self.times is not None:
            described["times"] = list(self.times)
        return described | self._settings()

    def changed(
        self,
        *,
        name: str | None = None,
        steps: int | None = None,
        spacing: str | None = None,
        tolerance: float | None = None,
    ) -> Self:
        """This with other wishes; what belonged to a sampler or spacing that goes, goes with it.

        `tolerance` is allowed both as a share of a number and in units of the data. Raises
        ValueError for what does not go together, and for steps of an adaptive sampler.
        """
        changes: dict[str, Any] = {}
        if name is not None and name != self.name:
            changes |= {"name": name, "tolerance": None} | dict.fromkeys(self._settings())
            if name in ADAPTIVE:
                changes |= {"spacing": "uniform", "times": None, "shift": 1.0}
        if spacing is not None and spacing != self.spacing:
            changes |= {"spacing": spacing, "times": None, "shift": 1.0}
        if steps is not None:
            if (name or self.name) in ADAPTIVE:
                raise ValueError(
                    f"sampler '{name or self.name}' chooses how many steps it makes; leave steps "
                    "out, and say with a tolerance how exact it is to be"
                )
            changes["steps"] = steps
        if tolerance is not None:
            changes["tolerance"] = Tolerance(relative=tolerance, absolute=tolerance)
        return replace(self, **changes)

    def _settings(self) -> dict[str, Any]:
        """The sampler's own settings that are set."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: values[name] for name in SETTINGS if values[name] is not None}


class Counted:
    """A denoiser that counts how often it was called."""

    def __init__(self, denoise: Denoise) -> None:
        self.denoise = denoise
        self.calls = 0

    def __call__(self, xt: Tensor, t: Tensor) -> Prediction:
        self.calls += 1
        return self.denoise(xt, t)


def calls_of(sampler: Sampler, plan: Tensor | Tolerance, schedule: Schedule) -> int | None:
    """Network calls that a walk along `plan` makes, None where it depends on the samples."""
    if isinstance(plan, Tolerance):
        return None
    counted = Counted(lambda x, t: Prediction(0 * x, "x0", x, schedule.at(t, like=x)))
    for _ in sampler(counted, torch.ones(1, 1), plan, schedule, Random(0, [0])):
        pass
    return counted.calls


def unknown(what: str, name: str, allowed: list[str]) -> str:
    """The sentence for a sampler or spacing that does not exist."""
    guess = nearest(name, allowed)
    hint = f" Did you mean '{guess}'?" if guess else ""
    return f"there is no {what} '{name}'; allowed are {', '.join(allowed)}.{hint}"


def _short(times: tuple[float, ...] | None) -> str:
    return "null" if times is None else "[" + ", ".join(f"{t:g}" for t in times) + "]"


def _own_settings(sampler: Sampler) -> tuple[str, ...]:
    parameters = inspect.signature(sampler).parameters.values()
    return tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY)


TAKES = {name: _own_settings(sampler) for name, sampler in SAMPLERS.items()}
"""The settings of its own that each sampler takes, as its signature says."""

SETTINGS = tuple(dict.fromkeys(setting for takes in TAKES.values() for setting in takes))

ADAPTIVE = tuple(
    name
    for name, sampler in SAMPLERS.items()
    if inspect.signature(sampler).parameters["plan"].annotation is Tolerance
)
"""The samplers whose plan is a tolerance, as their signatures say."""
