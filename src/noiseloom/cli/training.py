"""Training a run from the command line, begun or gone on with: watched, summed up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from noiseloom.cli.output import answer, say
from noiseloom.cli.summary import figures, next_steps

if TYPE_CHECKING:
    from noiseloom.runs import Run


def train_and_report(run: Run, *, evaluate: bool, as_json: bool) -> None:
    """Train to the end and say what came of it."""
    summary = trained(run, evaluate=evaluate)
    answer(in_words(run, summary), summary, as_json)


def trained(run: Run, *, evaluate: bool) -> dict[str, Any]:
    """Train to the end; what came of it. An interruption names the way back."""
    from noiseloom.cli.progress import watch

    say(f"{run.recipe.name}: training in {run.folder}")
    try:
        with watch() as on_event:
            return run.train(evaluate=evaluate, on_event=on_event)
    except KeyboardInterrupt as stop:
        words = str(stop) or "Stopped."
        raise KeyboardInterrupt(f"{words} Go on with: noiseloom resume {run.folder}") from stop


def in_words(run: Run, summary: Mapping[str, Any]) -> str:
    """What came of a training: how long it took, its figures, what to do next."""
    from noiseloom.cli.progress import clock

    text = [
        f"Trained {summary['steps']:,} steps in {clock(summary['seconds'])}.",
        figures(summary.get("evaluation", {})),
        next_steps(run.folder, run.recipe.task.answers),
    ]
    return "\n\n".join(part for part in text if part)
