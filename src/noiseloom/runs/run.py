"""A run: a folder with the recipe as resolved, and all that came of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch

from noiseloom import media
from noiseloom.data.dataset import Dataset
from noiseloom.data.forms import Form, VideoForm, form_from
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import DataError, InputError
from noiseloom.evaluate.commands import use
from noiseloom.networks import Answer
from noiseloom.runs.answering import answers_to, pairs_of
from noiseloom.runs.asked import check_items, read_asked, read_images
from noiseloom.runs.asked_clips import read_given
from noiseloom.runs.asked_texts import Asked
from noiseloom.runs.building import build_task, seen_form
from noiseloom.runs.choosing import LATEST, choose_checkpoint
from noiseloom.runs.drawing import Samples, choose_asked, choose_size, draw
from noiseloom.runs.folders import make_folder, read_recipe
from noiseloom.runs.predicting import READS, Answers, answers_of
from noiseloom.runs.recipe import Recipe
from noiseloom.runs.reconstructing import Reconstructions, reconstructions_of
from noiseloom.runs.tuned import FILE as TUNED
from noiseloom.runs.tuned import tuned_recipe
from noiseloom.runs.writing import OnDraft, OnTexts, usual, write_all
from noiseloom.tasks import (
    Candidate,
    Draws,
    Fills,
    Finds,
    Reconstructs,
    Request,
    Task,
    Writes,
)
from noiseloom.training import distributed
from noiseloom.training.averaging import gamma_of
from noiseloom.training.checkpoints import Checkpoint, CheckpointFolder, disk_errors, write_text
from noiseloom.training.loop import Device, Event, Note, Working
from noiseloom.training.snapshots import Combination, SnapshotFolder

OnEvent = Callable[[Event], None]

USUAL_SAMPLES = 64
WORST_PROFILE = 0.1  # relative error of an average's profile that is not worth a word


def ignore(event: Event) -> None:
    """Nobody is watching."""


class Run:
    """A run's folder. Make one with `create`, come back to one with `open`."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.folder = folder
        self.recipe = recipe
        self.checkpoints = CheckpointFolder(folder / "checkpoints")
        self.snapshots = SnapshotFolder(folder / "snapshots")

    @classmethod
    def create(cls, recipe: Recipe, out: Path | None = None) -> Self:
        """A new folder `out` (`runs/<recipe>-<n>` if None) holding the recipe, nothing else yet.

        Raises InputError where `out` is not empty or a run that the recipe needs is not there,
        MachineError where it cannot be written.
        """
        from noiseloom.runs.references import check_references  # it needs Run

        check_references(recipe)
        return cls(distributed.from_first(lambda: make_folder(recipe, out)), recipe)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """The run in `folder`; InputError where there is none, naming the newest there are."""
        folder = Path(folder)
        return cls(folder, distributed.from_first(lambda: read_recipe(folder)))

    def open_data(self, on_event: OnEvent = ignore) -> Dataset:
        """The data, prepared; DataError where it is not what this run was trained on."""
        dataset: Dataset = self.recipe.data.open(
            lambda what, done, total: on_event(Working(what, done, total))
        )
        known = self.read_json("data_report.json")
        if known and known["fingerprint"] != dataset.fingerprint:
            raise DataError(
                f"The data ({self.recipe.data.describe_source()}) has changed since this run "
                "began. Restore it, or train a new run on it"
            )
        return dataset

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON file of the run, {} where there is none."""
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Replace a JSON file of the run in one instant."""
        with disk_errors(name, self.folder, f"Go on with: noiseloom resume {self.folder}"):
            write_text(self.folder / name, json.dumps(content, indent=1))

    @property
    def form(self) -> Form:
        """What the data's items look like; InputError before training has begun."""
        report = self.read_json("data_report.json")
        if not report:
            raise InputError(
                f"{self.folder} has not started training: noiseloom resume {self.folder}"
            )
        return form_from(report["form"], self.folder)

    def build_task(self, device: Device | None = None, *, tuned: bool = False) -> Task:
        """The task, freshly initialised, from what the run's folder says of its data.

        With `tuned` it samples as `tune-sampler` found best, where it was asked.
        """
        form = self.form
        others = self.others(device)
        form = seen_form(self.recipe, form, others)
        unknown = Statistics(torch.zeros(form.mean_shape), 1.0)  # the checkpoint holds them
        recipe = tuned_recipe(self.recipe, self.folder) if tuned else self.recipe
        return build_task(recipe, form, unknown, device, others=others)

    def others(
        self, device: Device | None = None, on_event: OnEvent = ignore
    ) -> Mapping[str, Task]:
        """The frozen tasks of the other runs that this one's task needs, by dotted key."""
        from noiseloom.runs.references import open_references  # it needs Run

        return open_references(self, device or self.recipe.training.device, on_event)

    def trained_task(
        self,
        *,
        raw: bool = False,
        ema: float | None = None,
        tuned: bool = True,
        checkpoint: str | int | None = None,
        device: Device | None = None,
        on_event: OnEvent = ignore,
    ) -> tuple[Task, int]:
        """The task with a checkpoint's averaged (`raw`: own) weights, and their step.

        `checkpoint` is a step, "latest" or "best"; None is the newest, or the best of a run that
        over-fits, which is said. `ema` asks for an average of another width, a share of the run,
        made from its snapshots; `tuned` for the sampler that `tune-sampler` found, where there is
        one. The task is put on `device`, by default the recipe's, and guided as the recipe says.
        Raises InputError.
        """
        from noiseloom.runs.guiding import with_earlier_guide  # it needs Run

        if raw and ema is not None:
            raise InputError("The weights themselves (raw) and an average (ema) are both asked for")
        if ema is not None:
            try:
                gamma_of(ema)
            except ValueError as error:
                raise InputError(f"--ema: {error}") from error
        if ema is not None and checkpoint is None:
            checkpoint = LATEST  # such an average reaches to the end of the run
        chosen = choose_checkpoint(self, checkpoint, on_event)
        task = self.build_task(device, tuned=tuned)
        step = chosen.state["step"]
        weights = chosen.groups["model" if raw else "average"]
        if ema is not None:
            weights, made = self.snapshots.average(ema, step)
            if made.error > WORST_PROFILE:
                on_event(Note(_say_inexact(ema, made)))
        task.model.load_state_dict(weights)
        task = with_earlier_guide(self, task, raw=raw, device=device, on_event=on_event)
        return task, step

    def newest_checkpoint(self, on_event: OnEvent = ignore) -> Checkpoint | None:
        """The newest sound checkpoint; a damaged one is passed over and said."""
        return self.checkpoints.load(warn=lambda text: on_event(Note(text)))

    def train(self, *, evaluate: bool = True, on_event: OnEvent = ignore) -> dict[str, Any]:
        """Train to the end, from the newest checkpoint if there is one, then evaluate and report.

        Ctrl-C and SIGTERM end with a checkpoint and KeyboardInterrupt. Raises DataError,
        MachineError.
        """
        from noiseloom.runs.trainer import train  # it needs Run

        return train(self, evaluate=evaluate, on_event=on_event)

    resume = train

    def sample(
        self,
        *,
        prompts: Sequence[str] | str | None = None,
        num: int | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        spacing: str | None = None,
        tolerance: float | None = None,
        guidance: float | None = None,
        interval: tuple[float, float] | None = None,
        rescale: float | None = None,
        negative: str | int | None = None,
        given: str | Path | None = None,
        given_frames: int | None = None,
        given_at: Sequence[int] | None = None,
        autoguide: float | str | Path | None = None,
        classifier: str | Path | None = None,
        refine: str | Path | None = None,
        label: Sequence[str | int] | str | int | None = None,
        size: tuple[int, int] | None = None,
        seed: int = 0,
        batch_size: int = 250,
        raw: bool = False,
        ema: float | None = None,
        untuned: bool = False,
        checkpoint: str | int | None = None,
        device: Device | None = None,
        keep_frames: bool = False,
        on_step: Callable[[int, int], None] = lambda done, total: None,
        on_event: OnEvent = ignore,
    ) -> Samples:
        """Draw `num` samples; labels cycle evenly if not given.

        `prompts` say in words what is to be drawn, of runs that were trained on captions, and take
        turns: one sample of each if `num` is None, which else is 64.
        None means as `tune-sampler` found best, or as the recipe says where it was not asked, where
        `untuned` is set, or where anything else of the sampler is given. Picture i depends on the
        seed and i alone, not on `num` or `batch_size`. `raw` takes the weights themselves instead
        of their average, `ema` an average of that width (a share of the run); `checkpoint` is as
        in `trained_task`. `device` is the recipe's if None. `guidance` is a scale, applied within
        `interval` of t, with the spread of x0 brought back by `rescale`; away from `negative`, a
        class or a prompt, where that is given. `autoguide` guides by an earlier checkpoint of this
        run (a share of its steps, or a step) or by another run's folder, `classifier` by the run of
        a classifier, and `refine` is the run of a refiner that was made for this one. Of a run that
        makes clips `given` names one, a file or a folder of frames, with whose first `given_frames`
        samples begin; or whose frames stand in them at the numbers `given_at`, from 1. `size` is
        the height and width of the pictures, of a run that was trained on several
        (`data.buckets`); by default the commonest. Raises InputError, also where the run's task
        draws no samples.
        """
        from noiseloom.runs.guiding import Guiding  # it needs Run
        from noiseloom.runs.refining import refined_by  # as well

        request = Request(steps=steps, sampler=sampler, spacing=spacing, tolerance=tolerance)
        task, _ = self.trained_task(
            raw=raw,
            ema=ema,
            tuned=self.takes_tuned(request, untuned, on_event),
            checkpoint=checkpoint,
            device=device,
            on_event=on_event,
        )
        if not isinstance(task, Draws):
            raise InputError(self.cannot("items"))
        guiding = Guiding(
            scale=guidance,
            interval=interval,
            rescale=rescale,
            negative=negative,
            autoguide=autoguide,
            classifier=classifier,
        )
        task = guiding.apply(self, task, raw=raw, device=device, on_event=on_event)
        task = refined_by(refine, self, task, device=device, on_event=on_event)
        asked = [prompts] if isinstance(prompts, str) else prompts
        if num is None:
            num = len(asked) if asked else USUAL_SAMPLES
        labels = choose_asked(
            task, prompts=asked, label=label, num=num, place=str(self.folder), on_event=on_event
        )
        request = replace(guiding.ask(task, request, on_event), size=choose_size(task.form, size))
        if given is not None:
            known = read_given(task.form, given, num, frames=given_frames, at=given_at)
            request = replace(request, known=known)
        elif given_frames is not None or given_at is not None:
            name = "--given-at" if given_frames is None else "--given-frames"
            raise InputError(f"{name} says which frames of --given are used, which is not there")
        return draw(
            task,
            request,
            labels,
            num=num,
            seed=seed,
            batch_size=batch_size,
            keep_frames=keep_frames,
            on_step=on_step,
        )

    def write(
        self,
        prompts: Sequence[str] | str = "",
        *,
        num: int = 1,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        beams: int | None = None,
        length_penalty: float | None = None,
        stop: Sequence[str] | str | None = None,
        steps: int | None = None,
        unmasking: Literal["confidence", "random"] | None = None,
        seed: int = 0,
        batch_size: int = 16,
        raw: bool = False,
        ema: float | None = None,
        checkpoint: str | int | None = None,
        device: Device | None = None,
        places: Sequence[str] | None = None,
        on_draft: OnDraft = lambda draft: None,
        on_texts: OnTexts = lambda first, texts: None,
        on_event: OnEvent = ignore,
    ) -> list[str]:
        """`num` texts in answer to each prompt (or one), without the prompts.

        None means as suits the task; what the options mean `tasks.Writing` says. Text i depends on
        the seed and i alone. `places` name the prompts for what is said of one that cannot be read.
        `on_draft` sees texts grow, `on_texts` gets the number of a batch's first text and all of
        it. `raw`, `ema`, `checkpoint` and `device` as in `sample`. Raises InputError for a
        prompt that cannot be read, and where the run's task writes no text.
        """
        task, _ = self.trained_task(
            raw=raw, ema=ema, checkpoint=checkpoint, device=device, on_event=on_event
        )
        if not isinstance(task, Writes):
            raise InputError(self.cannot("text"))
        asked = {
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "min_p": min_p,
            "repetition_penalty": repetition_penalty,
            "beams": beams,
            "length_penalty": length_penalty,
            "stop": (stop,) if isinstance(stop, str) else None if stop is None else tuple(stop),
            "steps": steps,
            "unmasking": unmasking,
        }
        given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        return write_all(
            task,
            [prompts] if isinstance(prompts, str) else prompts,
            replace(usual(task), **given),
            num=num,
            seed=seed,
            batch_size=batch_size,
            places=places,
            on_draft=on_draft,
            on_texts=on_texts,
        )

    def candidates(
        self,
        prompt: str,
        *,
        most: int = 5,
        raw: bool = False,
        checkpoint: str | int | None = None,
        device: Device | None = None,
        on_event: OnEvent = ignore,
    ) -> Sequence[Sequence[Candidate]]:
        """What may stand behind each `<mask>` of a prompt, `most` tokens each, the likeliest first.

        Each mask is looked at with the others unfilled. Raises InputError for a prompt that cannot
        be read or has no mask, and where the run's task fills in none.
        """
        task, _ = self.trained_task(
            raw=raw, checkpoint=checkpoint, device=device, on_event=on_event
        )
        if not isinstance(task, Fills):
            raise InputError(self.cannot("masks"))
        return task.candidates(prompt, most)

    def takes_tuned(self, request: Request, untuned: bool, on_event: OnEvent = ignore) -> bool:
        """Whether samples for `request` are drawn as `tune-sampler` found best."""
        if untuned:
            return False
        if request.names_a_sampler and (self.folder / TUNED).is_file():
            on_event(Note(f"The sampler found for this run ({TUNED}) is left aside for yours."))
        return not request.names_a_sampler

    def predict(
        self,
        items: Sequence[Asked] | str | Path | np.ndarray,
        *,
        raw: bool = False,
        checkpoint: str | int | None = None,
        device: Device | None = None,
        on_event: OnEvent = ignore,
    ) -> Answers:
        """What the run reads in each of `items`: image files, texts, or an array as it is stored.

        A run of two texts reads pairs of them, one that answers questions a context, of any length,
        with a question. What comes back is `Predictions` of a run that predicts classes,
        `Estimated` of one that estimates numbers, `Answered` of one that answers questions. `raw`,
        `checkpoint` and `device` as in `sample`. Raises InputError for what cannot be read, and
        where the run's task reads nothing in items.
        """
        task, _ = self.trained_task(
            raw=raw, checkpoint=checkpoint, device=device, on_event=on_event
        )
        if isinstance(task, Finds):
            return answers_to(task, pairs_of(task.form, items))
        if not isinstance(task, READS):
            raise InputError(self.cannot("classes"))
        stored, said = read_asked(task.form, items)
        if said:
            on_event(Note(said))
        return answers_of(task, stored)

    def reconstruct(
        self,
        items: Sequence[str | Path] | str | Path | np.ndarray,
        *,
        raw: bool = False,
        checkpoint: str | int | None = None,
        device: Device | None = None,
        on_event: OnEvent = ignore,
    ) -> Reconstructions:
        """What comes back of `items`: image files (or one), or an array as items are stored.

        `raw`, `checkpoint` and `device` as in `sample`. Raises InputError for what cannot be read,
        and where the run's task reconstructs nothing.
        """
        task, _ = self.trained_task(
            raw=raw, checkpoint=checkpoint, device=device, on_event=on_event
        )
        if not isinstance(task, Reconstructs):
            raise InputError(self.cannot("reconstructions"))
        if isinstance(items, np.ndarray):
            return reconstructions_of(task, check_items(task.form, items))
        paths = [items] if isinstance(items, str | Path) else items
        return reconstructions_of(task, read_images(task.form, paths))

    def cannot(self, asked: Answer) -> str:
        """The sentence for a run that is asked for what its task does not answer."""
        other, own = use(asked, str(self.folder)), use(self.recipe.task.answers, str(self.folder))
        return f"{self.folder} {own.does} and {other.lacks}. Use it with: {own.command}"

    def evaluate(self, *, num: int | None = None, **how: Any) -> dict[str, Any]:
        """Measure what the run makes, reads or says on held-out data.

        `how` is as in `sample`: steps, sampler, guidance and what goes with it, seed, raw,
        checkpoint, device.
        With `likelihood=True` instead how likely held-out items are, `num` of them. With `data`, a
        file or folder, its items take the place of those held out, where the recipe's kind of data
        allows it. Writes evaluation.json and report.html, or evaluation-<name of data>.json. Raises
        InputError for what does not fit the run.
        """
        from noiseloom.runs.judging import evaluate

        return evaluate(self, num=num, **how)

    def save(self, samples: Samples, out: str | Path) -> Path:
        """Write samples to FILE.png, FILE.gif, FILE.npz or DIR/, with the recipe inside PNGs.

        Beside them stands what was asked for, where that was in words.
        """
        captions = samples.captions
        return media.save_samples(
            samples.items,
            samples.labels if captions is None else None,
            out,
            captions=captions,
            recipe_text=self.recipe.to_yaml(),
            class_names=samples.form.class_names,
            frames=samples.frames,
            rate=samples.form.rate if isinstance(samples.form, VideoForm) else media.RATE,
        )


def _say_inexact(ema: float, made: Combination) -> str:
    return (
        f"The average of width {ema:g} is made from {len(made.shares)} kept ones; its profile is "
        f"off by {made.error:.0%}. Widths of 0.03 to 0.2 come out nearer, and all of them do from "
        "more snapshots (training.snapshots)."
    )
