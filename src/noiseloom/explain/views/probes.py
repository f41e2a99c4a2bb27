"""What each layer knows: facts of the data that a linear map reads off its states.

Every fact is read off what each block leaves and off the raw input, at each noise level where there
is one, beside a control task that a probe can only solve by remembering (`probing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from noiseloom.config import option
from noiseloom.data.forms import TextForm
from noiseloom.errors import InputError
from noiseloom.explain import looking, parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.known_facts import facts_of, token_facts
from noiseloom.explain.looking import Pooling, is_noisy, looks_of
from noiseloom.explain.options import NO_DENOISER, refuse
from noiseloom.explain.probing import Fact, Reading, probe
from noiseloom.explain.read_texts import language_model
from noiseloom.explain.subject import Subject
from noiseloom.explain.tables import Cell, Filled, counted, table
from noiseloom.tasks import Task

KEPT = {
    "all": "Of an item's state all tokens are kept, side by side.",
    "mean": "Of an item's state the mean of its tokens is kept.",
    "each token": "Each token is an item.",
}

TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
Time = Annotated[float, Gt(0), Lt(1)]


@dataclass(frozen=True, kw_only=True)
class Config:
    """What each layer knows of an item."""

    about: ClassVar[str] = "what each layer knows of an item, read by linear probes with a control"

    num: Annotated[int, Ge(60)] = option(1000, "held-out items, or tokens of text, that are read")
    times: tuple[Time, ...] | None = option(
        None, f"noise levels t at which a denoiser is looked at; null: {list(TIMES)}"
    )
    pooling: Pooling = option(
        "auto",
        "what is kept of an item's tokens: their mean, or all side by side where these are few",
    )

    def __post_init__(self) -> None:
        if self.times == ():
            raise ValueError("times is empty; allowed is one t or more, above 0 and below 1")

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        return looking.misfit(task)

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: it takes no inputs, as it reads held-out items."""
        subject.refuse_inputs("probes are learned on held-out items")
        if not is_noisy(subject.task):
            refuse({"times": self.times}, NO_DENOISER)
        items, facts, is_test = self._known(subject)
        seen, readings, kept = [], [], ""
        for look in looks_of(
            subject.task,
            items,
            times=self.times or TIMES,
            pooling=self.pooling,
            seed=subject.seed,
            on_step=subject.working("Looking"),
        ):
            seen.append(look.t)
            kept = look.kept
            readings.append(
                [
                    probe(states, facts, is_test, seed=subject.seed)
                    for states in (look.raw, *look.states)
                ]
            )
        places = ["raw input", *counted("block", len(readings[0]) - 1)]
        chances = [fact.taken(is_test).chance for fact in facts]
        scores = _array(readings, "score")
        figures = [
            _figures(fact, chance, scores[:, :, number], places, seen)
            for number, (fact, chance) in enumerate(zip(facts, chances, strict=True))
        ]
        return Explanation(
            title="What each layer knows",
            lead=_lead(figures),
            sections=[
                Section("How to read it", _how(is_test, seen, kept)),
                *(
                    Section(
                        _capital(fact.name), _fact(fact, figure, readings, number, places, seen)
                    )
                    for number, (fact, figure) in enumerate(zip(facts, figures, strict=True))
                ),
            ],
            protocol={
                "items": len(is_test),
                "scored_on": int(is_test.sum()),
                "kept_of_an_item": kept,
                "probe": "ridge regression on standardised states, strength by leave-one-out",
                "control": "labels dealt out at random to the types of items (arXiv:1909.03368)",
            },
            figures={"places": places, "times": seen, "facts": figures},
            data={
                "scores": ("time, place, fact: share of right classes, or R²", scores),
                "controls": (
                    "time, place, fact: the same of the control task",
                    _array(readings, "control"),
                ),
            },
        )

    def _known(self, subject: Subject) -> tuple[np.ndarray, list[Fact], np.ndarray]:
        """Items as stored, what is known of each, and which the probes are scored on."""
        task, split = subject.task, subject.dataset.reference
        random = np.random.default_rng([subject.seed, 0])
        if (model := language_model(task)) is not None:
            form = task.form
            assert isinstance(form, TextForm)  # what a language model reads
            windows = min(len(split), max(6, -(-self.num // form.context)))
            chosen = np.sort(random.permutation(len(split))[:windows])
            items = np.asarray(split.items[chosen])
            facts = token_facts(form, items, causal=model.causal)
            is_test = np.repeat(np.arange(windows) % 3 == 2, items.shape[1] - 1)
        else:
            chosen = np.sort(random.permutation(len(split))[: self.num])
            items, facts = np.asarray(split.items[chosen]), facts_of(subject.dataset, chosen)
            is_test = random.permutation(len(chosen)) % 3 == 2
        if not facts:
            raise InputError(
                f"Nothing is known of the held-out items of {subject.run.folder}: they have no "
                "labels, and are no scenes, bouncing digits or text. Give the data labels"
            )
        return items, facts, is_test


def _array(readings: Sequence[Sequence[Sequence[Reading]]], name: str) -> np.ndarray:
    return np.array([[[getattr(one, name) for one in at] for at in look] for look in readings])


def _figures(
    fact: Fact, chance: float, scores: np.ndarray, places: list[str], seen: list[float | None]
) -> dict[str, Any]:
    """Where a fact is read best; `scores` (time, place)."""
    best = np.unravel_index(int(scores[:, 1:].argmax()), scores[:, 1:].shape)
    time, place = int(best[0]), int(best[1]) + 1
    return {
        "fact": fact.name,
        "measure": "accuracy" if fact.names else "r2",
        "best": float(scores[time, place]),
        "best_place": places[place],
        "best_time": seen[time],
        "raw": float(scores[time, 0]),
        "chance": chance,
    }


def _lead(figures: Sequence[dict[str, Any]]) -> str:
    def said(figure: dict[str, Any]) -> str:
        at = "" if figure["best_time"] is None else f" at t = {figure['best_time']:g}"
        return (
            f"{figure['fact']} is read best off {figure['best_place']}{at}: "
            f"{_score(figure['best'], figure['measure'])} (raw input "
            f"{_score(figure['raw'], figure['measure'])})"
        )

    gains = sorted(figures, key=lambda one: one["raw"] - one["best"])
    words = "; ".join(said(figure) for figure in gains[:3])
    return f"{_capital(words)}."


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _score(score: float, measure: str) -> str:
    return f"{score:.1%}" if measure == "accuracy" else f"R² {score:.2f}"


def _how(is_test: np.ndarray, seen: list[float | None], kept: str) -> str:
    at = "" if seen == [None] else " A column is a noise level: t = 0 is clean, t = 1 is noise."
    return parts.text(
        f"Linear probes are learned on {int((~is_test).sum()):,} held-out items and scored on "
        f"{int(is_test.sum()):,} others. {KEPT[kept]} Each cell says how often the class is read "
        "rightly or, of numbers, R²: the share of their variation that is told. The smaller number "
        "is selectivity: how much better that is than the same labels dealt out at random to alike "
        f"items, which can only be remembered.{at}"
    )


def _fact(
    fact: Fact,
    figure: dict[str, Any],
    readings: Sequence[Sequence[Sequence[Reading]]],
    number: int,
    places: list[str],
    seen: list[float | None],
) -> str:
    """The table of a fact: places by noise levels."""
    measure, chance = figure["measure"], figure["chance"]
    rows: list[Sequence[Filled]] = []
    for place, name in enumerate(places):
        cells = []
        for look in readings:
            one = look[place][number]
            words = f"{one.score:.0%}" if measure == "accuracy" else f"{one.score:.2f}"
            above = max(0.0, one.score - chance) / max(1e-9, 1 - chance)
            cells.append(Cell(words, above, below=f"{one.selectivity:+.2f}"))
        rows.append((name, *cells))
    heads = ["read off", *("score" if t is None else f"t = {t:g}" for t in seen)]
    known = f"one of {len(fact.names)} classes" if fact.names else "a number"
    floor = f"always the commonest: {chance:.0%}" if fact.names else "always the mean: R² 0"
    caption = f"{fact.name}, {known}; {floor}"
    return table(heads, rows, caption)
