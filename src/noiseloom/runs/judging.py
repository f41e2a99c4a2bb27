"""Evaluating a run: measure what it makes or reads, write evaluation.json and the report."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from noiseloom import media
from noiseloom.config import word_of
from noiseloom.data.buckets import in_words
from noiseloom.data.dataset import Dataset, OpensBeside, VideoDataset
from noiseloom.errors import InputError
from noiseloom.evaluate import confusion
from noiseloom.evaluate.commands import use
from noiseloom.evaluate.loss_by_time import loss_by_time
from noiseloom.evaluate.memorisation import pairs_picture
from noiseloom.evaluate.progress import Progress
from noiseloom.evaluate.report import write_report
from noiseloom.menu import member, words
from noiseloom.runs.drawing import choose_labels, class_names, draw, prompts_of
from noiseloom.runs.guiding import Guiding
from noiseloom.runs.latents import seen_data
from noiseloom.runs.likelihood import measure_exact, measure_likelihood
from noiseloom.runs.pictures import save_continuations, save_mistakes
from noiseloom.runs.predicting import logits_of
from noiseloom.runs.reading_ahead import read_ahead
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import (
    Denoises,
    Draws,
    HasExactLikelihood,
    HasLikelihood,
    Predicts,
    Reconstructs,
    Request,
    Task,
)
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
    interval: tuple[float, float] | None = None,
    rescale: float | None = None,
    negative: str | int | None = None,
    autoguide: float | str | Path | None = None,
    classifier: str | Path | None = None,
    seed: int = 0,
    raw: bool = False,
    ema: float | None = None,
    untuned: bool = False,
    checkpoint: str | int | None = None,
    likelihood: bool = False,
    data: str | Path | None = None,
    device: Device | None = None,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """See `Run.evaluate`."""
    if data is not None:
        _check_data(run, likelihood)
    request = Request(steps=steps, sampler=sampler, spacing=spacing, tolerance=tolerance)
    task, trained_steps = run.trained_task(
        raw=raw,
        ema=ema,
        tuned=run.takes_tuned(request, untuned, on_event),
        checkpoint=checkpoint,
        device=device,
        on_event=on_event,
    )
    guiding = Guiding(
        scale=guidance,
        interval=interval,
        rescale=rescale,
        negative=negative,
        autoguide=autoguide,
        classifier=classifier,
    )
    protocol = {
        "seed": seed,
        "weights": "raw" if raw else "ema" if ema is None else f"ema {ema:g}",
        "trained_steps": trained_steps,
    }
    if trained_steps != (newest := run.checkpoints.steps()[-1]):
        protocol["checkpoint"] = f"checkpoint of step {trained_steps:,} of {newest:,}"
    asked = {
        "--num": num,
        "--steps": steps,
        "--sampler": sampler,
        "--spacing": spacing,
        "--tolerance": tolerance,
    }
    given = [name for name, value in asked.items() if value is not None] + guiding.given
    if likelihood:
        not_meant = [name for name in given if name != "--num"]
        result = _score(run, task, num, not_meant, protocol, on_event)
    elif isinstance(task, Draws):
        drawing = guiding.apply(run, task, raw=raw, device=device, on_event=on_event)
        request = guiding.ask(drawing, request, on_event)
        dataset = run.open_data(on_event)
        result = _measure_samples(run, drawing, dataset, request, num, protocol, on_event)
    else:
        if given:
            does = use(run.recipe.task.answers, str(run.folder)).does
            raise InputError(
                f"{run.folder} {does} and is measured on held-out items: "
                f"{', '.join(given)} would say how samples are drawn. Leave it out"
            )
        dataset = _held_out(run, data, on_event)
        if isinstance(task, Reconstructs):
            result = _measure_reconstructions(run, task, dataset, protocol, on_event)
        elif isinstance(task, Predicts):
            result = _measure_predictions(run, task, dataset, protocol, on_event)
        else:
            result = run.recipe.evaluation.measure(
                dataset,
                task,
                seed=seed,
                protocol=protocol,
                progress=shown(on_event),
            )
    if data is not None:
        result["protocol"]["held_out_data"] = str(data)
        run.write_json(f"evaluation-{Path(data).stem}.json", result)
        return result
    if not likelihood and "likelihood" not in result and (kept := _kept_likelihood(run, protocol)):
        result["likelihood"] = kept
    run.write_json("evaluation.json", result)
    write_report(run.folder)
    return result


def _check_data(run: Run, likelihood: bool) -> None:
    """InputError where the run cannot be measured on data that is not its own."""
    if likelihood or not isinstance(run.recipe.data, OpensBeside):
        what = "a likelihood" if likelihood else f"data '{word_of(run.recipe, 'data')}'"
        kinds = "noiseloom.data"
        allowed = [word for word in words(kinds) if _opens_beside(member(kinds, word).Config)]
        raise InputError(
            f"--data measures a run on another file, which {what} does not allow; data "
            f"{' or '.join(allowed)} does. Leave it out"
        )


def _opens_beside(config: type) -> bool:
    return issubclass(config, OpensBeside)


def _held_out(run: Run, data: str | Path | None, on_event: OnEvent) -> Dataset:
    """The run's data, with what `data` names in the place of its held-out items where given."""
    dataset = run.open_data(on_event)
    if data is None:
        return dataset
    other: Dataset = run.recipe.data.open_beside(str(data), dataset)
    return other


def _score(
    run: Run,
    task: Task,
    num: int | None,
    not_meant: list[str],
    protocol: dict[str, Any],
    on_event: OnEvent,
) -> dict[str, Any]:
    """evaluation.json as it is, with the likelihood of held-out items new in it."""
    if not isinstance(task, HasLikelihood | HasExactLikelihood):
        own = use(run.recipe.task.answers, str(run.folder))
        raise InputError(
            f"{run.folder} has no likelihood: task '{word_of(run.recipe, 'task')}' trains "
            "neither a denoiser of the data at every noise level nor what tells its pixels in "
            f"order, and only these say how likely data is. Use it with: {own.command}"
        )
    if task.form.is_latent:
        raise InputError(
            f"{run.folder} has no likelihood: its model knows the data's latents, and how likely "
            "an image is does not follow from how likely its latents are. Ask a run that draws in "
            "the images themselves, without task.autoencoder"
        )
    if not_meant:
        raise InputError(
            f"A likelihood is of held-out items, and {', '.join(not_meant)} would say how samples "
            "are drawn. Leave it out"
        )
    dataset = run.open_data(on_event).alike()

    def on_step(done: int, total: int) -> None:
        on_event(Working("Scoring", done, total))

    if isinstance(task, HasExactLikelihood):
        scored = measure_exact(task, dataset, num=num, on_step=on_step)
    else:
        scored = measure_likelihood(task, dataset, num=num, seed=protocol["seed"], on_step=on_step)
    return {**run.read_json("evaluation.json"), "likelihood": {**protocol, **scored}}


def _kept_likelihood(run: Run, protocol: dict[str, Any]) -> dict[str, Any] | None:
    """The likelihood measured before, if it is of the same weights."""
    kept = run.read_json("evaluation.json").get("likelihood")
    same = kept and all(kept.get(key) == protocol[key] for key in ("weights", "trained_steps"))
    return kept if same else None


def _measure_samples(
    run: Run,
    task: Draws,
    dataset: Dataset,
    request: Request,
    num: int | None,
    protocol: dict[str, Any],
    on_event: OnEvent,
) -> dict[str, Any]:
    """Draw samples, measure them, and picture those nearest to training items, and prompts'."""
    config, sizes = run.recipe.evaluation, task.form.sizes
    every, dataset = dataset, dataset.alike()
    num = config.num if num is None else num
    labels = config.labels(dataset, num)
    if labels is not None and labels.ndim == 2 and prompts_of(task) is None:
        labels = None  # the data has captions, and the task draws without
    if labels is None:  # a classifier may still ask for classes
        labels = choose_labels(class_names(task), None, num)
    request = replace(request, known=config.known(dataset, num))
    began = time.perf_counter()
    samples = draw(
        task,
        request,
        labels,
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
        protocol={
            "num": num,
            **protocol,
            **task.describe(request),
            **({"sizes": [in_words(size) for size in sizes]} if sizes else {}),
            "seconds_to_sample": seconds,
        },
        progress=shown(on_event),
    )
    if isinstance(task, Denoises):
        seen = seen_data(run, every, run.others(), on_event)
        read_ahead(task, seen, on_event)
        result["loss_by_time"] = loss_by_time(
            task.judged,
            seen.alike(),
            seed=protocol["seed"],
            progress=shown(on_event),
        )
    if isinstance(task, HasExactLikelihood):
        result["likelihood"] = {**protocol, **_exact(task, dataset, result, on_event)}
    if isinstance(dataset, VideoDataset) and request.known is not None:
        save_continuations(run.folder / "samples", dataset, samples.items, request.known.frames)
    if noticed := result["checks"].get("memorisation"):
        pairs = pairs_picture(noticed, samples.items, dataset.train.items)
        sheet = media.grid(pairs, columns=len(noticed["nearest_pairs"]))
        media.save_png(sheet, run.folder / "samples" / "nearest.png")
    if examples := result["checks"].get("prompts"):
        chosen = samples.items[[example["item"] for example in examples]]
        strip = media.picture_of(np.concatenate(list(chosen)))
        media.save_png(strip, run.folder / "samples" / "prompts.png")
    return result


def _exact(
    task: HasExactLikelihood, dataset: Dataset, result: dict[str, Any], on_event: OnEvent
) -> dict[str, Any]:
    """The likelihood of held-out items, whose bits stand among the figures of `result`, too."""
    scored = measure_exact(
        task,
        dataset,
        num=None,
        on_step=lambda done, total: on_event(Working("Scoring", done, total)),
    )
    bits, error = (scored["exact"][key] for key in ("value", "standard_error"))
    result["metrics"]["bits_per_dim"] = bits
    result["intervals"]["bits_per_dim"] = [bits - 1.96 * error, bits + 1.96 * error]
    return scored


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
        progress=shown(on_event),
    )
    pictures = run.folder / "samples"
    save_mistakes(pictures, task.form, dataset.reference, logits)
    counts = np.array(result["checks"]["confusion"])
    confusion.save_picture(counts, dataset.class_names, pictures / "confusion.png")
    return result


def _measure_reconstructions(
    run: Run, task: Reconstructs, dataset: Dataset, protocol: dict[str, Any], on_event: OnEvent
) -> dict[str, Any]:
    """Reconstruct held-out items and some training items, and measure that."""
    result: dict[str, Any] = run.recipe.evaluation.measure(
        dataset,
        task.reconstruct,
        num_codes=task.num_codes,
        seed=protocol["seed"],
        protocol=protocol,
        progress=shown(on_event),
    )
    return result


def shown(on_event: OnEvent) -> Progress:
    """What an evaluation tells of its progress, as events of the run."""

    def show(stage: str, share: float) -> None:
        on_event(Working(stage.capitalize(), round(100 * share), 100))

    return show
