"""How training goes, in a word, from the run's own figures.

`assess` is a function of the lines of metrics.jsonl alone, so what is said while a run trains and
what its report says are the same. It looks at the held-out loss of the averaged weights, which is
taken on the same items with the same noise every time: it differs by the weights alone, and small
changes mean something. Before the first step it is what predicting the mean gives, or all classes
or tokens equally likely (networks begin with an output of 0): the ceiling that learning must come
below.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Literal

from noiseloom.training.loop import Event, Note
from noiseloom.training.tracking import read_metrics

Word = Literal["too early to say", "as expected", "over-fitting", "not learning"]
Cause = Literal["learning rate too high", "learning rate too low", "data is noise or constant"]

EARLY_STEPS = 100  # before these, and
EARLY_LOSSES = 3  # before so many held-out losses, nothing is said
LEARNED = 0.95  # of the ceiling: below it something has been learned
RISEN = 1.05  # times the lowest: clearly above it
FALLEN = 0.98  # times what it was: the training loss falls on
DOUBLED = 2.0  # times the ceiling: a loss that steps too long have thrown far off
EXPLODED = 10.0  # times the usual gradient norm
MOVED = 1e-4  # of the ceiling: a loss that changes by less hardly moves
NOTHING = 1e-6  # a ceiling as low as this leaves nothing to learn
MOST_LINES = 20  # of the training loss that are averaged


@dataclass(frozen=True)
class Health:
    """The word, the step since which it holds, the likely cause, and the figures as a share.

    `share` is, as expected, the lowest held-out loss over the ceiling; of over-fitting, the last
    over the lowest; of not learning, the last over the ceiling.
    """

    word: Word
    since: int | None = None
    cause: Cause | None = None
    share: float = math.nan

    def is_as(self, other: "Health") -> bool:
        """Whether both say the same, figures aside."""
        return (self.word, self.since, self.cause) == (other.word, other.since, other.cause)

    def __str__(self) -> str:
        change = "" if math.isnan(self.share) else f"{abs(self.share - 1):.0%} ".replace("%", " %")
        match self.word:
            case "too early to say":
                return "It is too early to say how training goes."
            case "as expected":
                return (
                    f"Training goes as expected: the held-out loss has come {change}below where "
                    "it began."
                )
            case "over-fitting":
                return (
                    f"Over-fitting since step {self.since:,}: the held-out loss has risen "
                    f"{change}above its lowest while the training loss falls on. Train shorter, "
                    "on more data, with a smaller network or with drop-out."
                )
        assert self.cause is not None
        return f"Not learning: {_SIGNS[self.cause]}"


_SIGNS: dict[Cause, str] = {
    "learning rate too high": (
        "the loss or the gradient's norm has risen far. Likely cause: the learning rate is too "
        "high; divide training.optimizer.learning_rate (and rest.learning_rate) by 3 to 10."
    ),
    "learning rate too low": (
        "the held-out loss is hardly below where it began, but moves down steadily or not at all. "
        "Likely cause: the learning rate is too low; multiply training.optimizer.learning_rate "
        "(and rest.learning_rate) by 3 to 10."
    ),
    "data is noise or constant": (
        "the held-out loss is not clearly below where it began, which is what an answer gives "
        "that looks at nothing (the mean, or all tokens equally likely). Likely cause: the data is "
        "noise or constant; look at it with noiseloom data check."
    ),
}


def assess(lines: Iterable[Mapping[str, float]]) -> Health:
    """The word for lines as metrics.jsonl has them, each kind in the order of steps."""
    lines = list(lines)
    losses, held, is_shifted = _above_zero(_column(lines, "loss"), _column(lines, "held_out_loss"))
    later = [(step, loss) for step, loss in held if step > 0]
    if not losses or len(later) < EARLY_LOSSES or later[-1][0] < EARLY_STEPS:
        return Health("too early to say")
    first = held[0] if held[0][0] == 0 else losses[0]  # older runs did not measure before step 1
    ceiling, now = first[1], later[-1][1]
    best_step, best = min([first, *later], key=lambda point: point[1])
    past_best = [loss for step, loss in later if step > best_step]
    recent = [loss for _, loss in losses[-max(1, min(MOST_LINES, len(losses) // 4)) :]]
    learned = fmean(recent) < LEARNED * ceiling  # the training items, at least
    if len(past_best) >= 2 and min(past_best[-2:]) > RISEN * best:
        change = _change_since(best_step, losses)
        if learned and change < FALLEN:
            share = math.nan if is_shifted else now / best
            return Health("over-fitting", since=int(best_step), share=share)
        if change > RISEN:
            return Health("not learning", cause="learning rate too high", share=now / ceiling)
    if learned or now < LEARNED * ceiling:
        return Health("as expected", share=math.nan if is_shifted else best / ceiling)
    norms = [norm for _, norm in _column(lines, "gradient_norm")]
    cause = _cause(ceiling, [loss for _, loss in later], [loss for _, loss in losses], norms)
    return Health("not learning", cause=cause, share=now / ceiling)


Points = list[tuple[float, float]]


def _above_zero(losses: Points, held: Points) -> tuple[Points, Points, bool]:
    """Both losses as they are; shifted where the held-out one reaches 0, and shares mean nothing.

    Score matching and learned uncertainty have such. Its lowest value is then as far above 0 as
    where it began is above that.
    """
    values = [value for _, value in held]
    if not values or min(values) > 0:
        return losses, held, False
    shift = max(values[0] - min(values), NOTHING) - min(values)
    return _moved(losses, shift), _moved(held, shift), True


def _moved(points: Points, shift: float) -> Points:
    return [(step, value + shift) for step, value in points]


def _column(lines: list[Mapping[str, float]], name: str) -> list[tuple[float, float]]:
    return [
        (line["step"], line[name]) for line in lines if name in line and math.isfinite(line[name])
    ]


def _change_since(step: float, losses: list[tuple[float, float]]) -> float:
    """The training loss now over that up to `step`, both means of a few lines."""
    values = [loss for _, loss in losses]
    earlier = sum(at <= step for at, _ in losses)
    width = max(1, min(MOST_LINES, (len(values) - earlier) // 2))
    before = values[max(0, earlier - width) : max(earlier, width)]
    return fmean(values[-width:]) / fmean(before)


def _cause(ceiling: float, held_out: list[float], losses: list[float], norms: list[float]) -> Cause:
    """Why the held-out loss has stayed about the ceiling."""
    if ceiling < NOTHING:
        return "data is noise or constant"
    exploded = bool(norms) and max(norms) > EXPLODED * median(norms)
    if exploded or max(*held_out, *losses) > DOUBLED * ceiling:
        return "learning rate too high"
    points = [ceiling, *held_out]
    steady = all(after < before for before, after in itertools.pairwise(points))
    if steady or max(abs(loss / ceiling - 1) for loss in held_out) < MOVED:
        return "learning rate too low"
    return "data is noise or constant"


class Watch:
    """Says how a run goes, from its metrics.jsonl at `log`, whenever that has changed."""

    def __init__(self, log: Path, on_event: Callable[[Event], None]) -> None:
        self.log, self.on_event = log, on_event
        self.said = assess(read_metrics(log))

    def look(self) -> None:
        """Look at the figures there are by now."""
        health = assess(read_metrics(self.log))
        if not health.is_as(self.said):
            self.on_event(Note(str(health)))
        self.said = health
