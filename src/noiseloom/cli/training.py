"""Training a run from the command line, begun or gone on with: watched, summed up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noiseloom.cli.output import answer, say
from noiseloom.cli.summary import figures, next_steps

if TYPE_CHECKING:
    from noiseloom.runs import Run


def train_and_report(run: Run, *, evaluate: bool, as_json: bool) -> None:
    """Train to the end and say what came of it; an interruption names the way back."""
    from noiseloom.cli.progress import clock, watch

    say(f"{run.recipe.name}: training in {run.folder}")
    try:
        with watch() as on_event:
            summary = run.train(evaluate=evaluate, on_event=on_event)
    except KeyboardInterrupt as stop:
        words = str(stop) or "Stopped."
        raise KeyboardInterrupt(f"{words} Go on with: noiseloom resume {run.folder}") from stop
    text = [
        f"Trained {summary['steps']:,} steps in {clock(summary['seconds'])}.",
        figures(summary.get("evaluation", {})),
        next_steps(run.folder, run.recipe.task.answers),
    ]
    answer("\n\n".join(part for part in text if part), summary, as_json)
