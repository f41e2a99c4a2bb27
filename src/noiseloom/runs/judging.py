"""Evaluating a run: draw samples, measure them, write evaluation.json and the report."""

import time
from typing import Any

from noiseloom.evaluate.report import write_report
from noiseloom.runs.drawing import draw
from noiseloom.runs.environment import choose_device
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import Request


def evaluate(
    run: Run,
    *,
    num: int | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    guidance: float | None = None,
    seed: int = 0,
    raw: bool = False,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """See `Run.evaluate`."""
    task, trained_steps = run.trained_task(raw=raw, on_event=on_event)
    task.model.to(choose_device(run.recipe.training.device)).eval()
    config = run.recipe.evaluation
    num = num or config.num
    request = Request(steps=steps, sampler=sampler, guidance=guidance)
    labels = config.labels(run.dataset, num)
    began = time.perf_counter()
    samples = draw(task, request, labels, num=num, seed=seed)
    protocol = {
        "num": num,
        "seed": seed,
        "weights": "raw" if raw else "ema",
        "trained_steps": trained_steps,
        **task.describe(request),
        "seconds_to_sample": round(time.perf_counter() - began, 2),
    }
    result: dict[str, Any] = config.measure(
        run.dataset, samples.items, samples.labels, seed=seed, protocol=protocol
    )
    run.write_json("evaluation.json", result)
    write_report(run.folder)
    return result
