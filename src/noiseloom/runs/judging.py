"""Evaluating a run: draw samples, measure them, write evaluation.json and the report."""

import time
from typing import Any

from noiseloom import media
from noiseloom.evaluate.memorisation import pairs_picture
from noiseloom.evaluate.report import write_report
from noiseloom.runs.drawing import draw
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import Request
from noiseloom.training.loop import Device, Working


def evaluate(
    run: Run,
    *,
    num: int | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    guidance: float | None = None,
    seed: int = 0,
    raw: bool = False,
    device: Device | None = None,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """See `Run.evaluate`."""
    task, trained_steps = run.trained_task(raw=raw, device=device, on_event=on_event)
    config = run.recipe.evaluation
    num = config.num if num is None else num
    dataset = run.open_data(on_event)
    request = Request(steps=steps, sampler=sampler, guidance=guidance)
    labels = config.labels(dataset, num)
    began = time.perf_counter()
    samples = draw(
        task,
        request,
        labels,
        num=num,
        seed=seed,
        on_step=lambda done, total: on_event(Working("Sampling", done, total)),
    )
    protocol = {
        "num": num,
        "seed": seed,
        "weights": "raw" if raw else "ema",
        "trained_steps": trained_steps,
        **task.describe(request),
        "seconds_to_sample": round(time.perf_counter() - began, 2),
    }
    result: dict[str, Any] = config.measure(
        dataset,
        samples.items,
        samples.labels,
        seed=seed,
        protocol=protocol,
        progress=lambda stage, share: on_event(
            Working(stage.capitalize(), round(100 * share), 100)
        ),
    )
    run.write_json("evaluation.json", result)
    if noticed := result["checks"].get("memorisation"):
        pairs = pairs_picture(noticed, samples.items, dataset.train.items)
        sheet = media.grid(pairs, columns=len(noticed["nearest_pairs"]))
        media.save_png(sheet, run.folder / "samples" / "nearest.png")
    write_report(run.folder)
    return result
