"""The sweep over averages: which width of the weights' average draws the best samples."""

from pathlib import Path
from typing import Any

from noiseloom.errors import InputError
from noiseloom.evaluate.report import write_report
from noiseloom.runs.drawing import draw
from noiseloom.runs.judging import shown
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import Draws, Request
from noiseloom.training.loop import Device, Working

WIDTHS = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25)


def sweep_averages(
    run: Run,
    *,
    num: int | None = None,
    seed: int = 0,
    untuned: bool = False,
    device: Device | None = None,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Measure samples of averages of several widths, and of the weights themselves.

    All are drawn from the same noise, so that they differ in the weights alone, as the run samples,
    `untuned` as its recipe says. Writes
    ema_sweep.json and the report. Raises InputError where the run draws no samples or kept no
    snapshots.
    """
    if not run.snapshots.steps():
        raise InputError(
            f"{run.folder} kept no snapshots, from which averages of other widths could be made. "
            "Train with training.snapshots=12"
        )
    config = run.recipe.evaluation
    task, step = run.trained_task(device=device, tuned=not untuned, on_event=on_event)
    if not isinstance(task, Draws):
        raise InputError(f"{run.folder} draws no samples by which averages could be compared")
    dataset = run.open_data(on_event).alike()
    num = config.num if num is None else num
    ruler = config.ruler(dataset, num, progress=shown(on_event))
    labels = config.labels(dataset, num)
    rows = []
    for place, width in enumerate((None, *WIDTHS)):
        on_event(Working("Measuring averages", place, len(WIDTHS) + 1))
        if width is None:
            weights, error = run.trained_task(raw=True, device=device)[0].model.state_dict(), 0.0
        else:
            weights, made = run.snapshots.average(width, step)
            error = made.error
        task.model.load_state_dict(weights)
        samples = draw(task, Request(), labels, num=num, seed=seed)
        rows.append({"width": width, "profile_error": error, ruler.name: ruler.of(samples.items)})
    on_event(Working("Measuring averages", len(WIDTHS) + 1, len(WIDTHS) + 1))
    result = {
        "metric": ruler.name,
        "floor": ruler.floor,
        "used": run.recipe.training.average,
        "rows": rows,
        "protocol": {
            "num": num,
            "seed": seed,
            "trained_steps": step,
            "data": dataset.fingerprint,
            **task.describe(Request()),
        },
    }
    run.write_json("ema_sweep.json", result)
    write_report(run.folder)
    return result


def sweep_in_words(swept: dict[str, Any], folder: Path) -> str:
    """The sweep as a table, and the command that uses what came out best."""
    name, rows = swept["metric"], swept["rows"]
    best = min(rows, key=lambda row: row[name])
    lines = [f"{'width':>10}  {name.replace('_', ' ')}"]
    for row in rows:
        width = "raw" if row["width"] is None else f"{row['width']:g}"
        off = f"  (profile off by {row['profile_error']:.0%})" if row["profile_error"] > 0.1 else ""
        lines.append(f"{width:>10}  {row[name]:.4g}{' *' if row is best else ''}{off}")
    option = "--raw" if best["width"] is None else f"--ema {best['width']:g}"
    return "\n".join(
        [
            *lines,
            f"Real data scores {swept['floor']:.4g}; the run uses width {swept['used']:g}.",
            f"Use: noiseloom sample {folder} {option}",
        ]
    )
