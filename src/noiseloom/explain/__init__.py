"""Looking inside a run: what it did on the way to what it made, on one page and in numbers.

Each file of `views` is a view, its name the word of `noiseloom explain RUN WORD`: a `Config` with
its options, which says whom it does not fit and what it finds in a `Subject`. It answers an
`Explanation`, which `page` makes into a page that loads nothing. Networks, tasks and training know
nothing of this room: what looks into a network does so from outside, while it is asked to.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from noiseloom import menu
from noiseloom.config import from_mapping, override, parse
from noiseloom.errors import InputError
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.memory import peak_above
from noiseloom.explain.options import as_words
from noiseloom.explain.subject import Subject, View
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import Task
from noiseloom.training.loop import Device, resident_bytes

__all__ = ["VIEWS", "Explanation", "Section", "Subject", "View", "explain", "fitting", "view_of"]

VIEWS = "noiseloom.explain.views"


def explain(
    run: Run,
    what: str,
    inputs: Sequence[str] = (),
    options: Sequence[str] = (),
    *,
    seed: int = 0,
    raw: bool = False,
    checkpoint: str | int | None = None,
    device: Device | None = None,
    on_event: OnEvent = ignore,
) -> Explanation:
    """What the view `what` finds in a run; `options` are its settings, `key=value` each.

    `inputs` are prompts, classes, files or texts, as the view says. `raw`, `checkpoint` and
    `device` are as in `Run.trained_task`. Raises InputError where there is no such view or option,
    where the view does not fit the run (with those that do), and for inputs that it cannot read.
    """
    view = view_of(what, options)
    task, step = run.trained_task(raw=raw, checkpoint=checkpoint, device=device, on_event=on_event)
    if said := view.misfit(task):
        fits = ", ".join(fitting(task)) or "none"
        raise InputError(
            f"View '{what}' does not fit {run.folder}: {said}. Views that fit this run: {fits}"
        )
    before, began = resident_bytes(), time.perf_counter()
    subject = Subject(run=run, task=task, inputs=tuple(inputs), seed=seed, on_event=on_event)
    found = view.explain(subject)
    protocol = {
        "view": what,
        "trained_steps": step,
        "weights": "raw" if raw else "ema",
        "seed": seed,
        **found.protocol,
        "seconds": round(time.perf_counter() - began, 2),
        "peak_memory_above_the_model_mib": peak_above(before),
    }
    return replace(found, protocol=protocol)


def view_of(what: str, options: Sequence[str] = ()) -> View:
    """The view of this name with these options; InputError where there is none such."""
    config = menu.member(VIEWS, what).Config
    view: View = parse(
        config, override(from_mapping({}, "command line"), as_words(config, options))
    )
    return view


def fitting(task: Task) -> list[str]:
    """The views that fit a task."""
    return [
        word for word in menu.words(VIEWS) if menu.member(VIEWS, word).Config().misfit(task) is None
    ]
