"""Evaluating a run: measure its samples or predictions, write evaluation.json and the report."""

import time
from typing import Any

import numpy as np

from noiseloom import media
from noiseloom.data.dataset import Dataset
from noiseloom.errors import InputError
from noiseloom.evaluate import confusion
from noiseloom.evaluate.memorisation import pairs_picture
from noiseloom.evaluate.progress import Progress
from noiseloom.evaluate.report import write_report
from noiseloom.runs.drawing import draw
from noiseloom.runs.pictures import save_mistakes
from noiseloom.runs.predicting import logits_of
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import Draws, Predicts, Request
from noiseloom.training.loop import Device, Working


def evaluate(
    run: Run,
    *,
    num: int | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    spacing: str | None = None,
    tolerance: float | None = None,
    guidance: float | None = None,
    seed: int = 0,
    raw: bool = False,
    ema: float | None = None,
    untuned: bool = False,
    device: Device | None = None,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """See `Run.evaluate`."""
    request = Request(
        steps=steps, sampler=sampler, spacing=spacing, tolerance=tolerance, guidance=guidance
    )
    task, trained_steps = run.trained_task(
        raw=raw,
        ema=ema,
        tuned=run.takes_tuned(request, untuned, on_event),
        device=device,
        on_event=on_event,
    )
    protocol = {
        "seed": seed,
        "weights": "raw" if raw else "ema" if ema is None else f"ema {ema:g}",
        "trained_steps": trained_steps,
    }
    if isinstance(task, Draws):
        dataset = run.open_data(on_event)
        result = _measure_samples(run, task, dataset, request, num, protocol, on_event)
    else:
        assert isinstance(task, Predicts)  # a task does one or the other
        asked = {"--num": num, "--steps": steps, "--sampler": sampler, "--guidance": guidance}
        asked |= {"--spacing": spacing, "--tolerance": tolerance}
        given = [name for name, value in asked.items() if value is not None]
        if given:
            raise InputError(
                f"{run.folder} predicts classes and is measured on all held-out items: "
                f"{', '.join(given)} would say how samples are drawn. Leave it out"
            )
        dataset = run.open_data(on_event)
        result = _measure_predictions(run, task, dataset, protocol, on_event)
    run.write_json("evaluation.json", result)
    write_report(run.folder)
    return result


def _measure_samples(
    run: Run,
    task: Draws,
    dataset: Dataset,
    request: Request,
    num: int | None,
    protocol: dict[str, Any],
    on_event: OnEvent,
) -> dict[str, Any]:
    """Draw samples, measure them beside real items, and picture those nearest to training items."""
    config = run.recipe.evaluation
    num = config.num if num is None else num
    began = time.perf_counter()
    samples = draw(
        task,
        request,
        config.labels(dataset, num),
        num=num,
        seed=protocol["seed"],
        on_step=lambda done, total: on_event(Working("Sampling", done, total)),
    )
    seconds = round(time.perf_counter() - began, 2)
    result: dict[str, Any] = config.measure(
        dataset,
        samples.items,
        samples.labels,
        seed=protocol["seed"],
        protocol={"num": num, **protocol, **task.describe(request), "seconds_to_sample": seconds},
        progress=_shown(on_event),
    )
    if noticed := result["checks"].get("memorisation"):
        pairs = pairs_picture(noticed, samples.items, dataset.train.items)
        sheet = media.grid(pairs, columns=len(noticed["nearest_pairs"]))
        media.save_png(sheet, run.folder / "samples" / "nearest.png")
    return result


def _measure_predictions(
    run: Run, task: Predicts, dataset: Dataset, protocol: dict[str, Any], on_event: OnEvent
) -> dict[str, Any]:
    """Predict all held-out items, measure that, and picture confusions and the worst mistakes."""
    began = time.perf_counter()
    logits = logits_of(
        task,
        dataset.reference.items,
        on_step=lambda done, total: on_event(Working("Predicting", done, total)),
    )
    seconds = round(time.perf_counter() - began, 2)
    result: dict[str, Any] = run.recipe.evaluation.measure(
        dataset,
        logits,
        seed=protocol["seed"],
        protocol={**protocol, "seconds_to_predict": seconds},
        progress=_shown(on_event),
    )
    pictures = run.folder / "samples"
    save_mistakes(pictures, task.form, dataset.reference, logits)
    counts = np.array(result["checks"]["confusion"])
    confusion.save_picture(counts, dataset.class_names, pictures / "confusion.png")
    return result


def _shown(on_event: OnEvent) -> Progress:
    def show(stage: str, share: float) -> None:
        on_event(Working(stage.capitalize(), round(100 * share), 100))

    return show
