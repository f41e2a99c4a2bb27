"""Editing pictures with a trained run: filling in, varying, interpolating, inverting, enlarging.

The mathematics is in `diffusion/editing.py`; here are the files read, what cannot be is refused
before the network is called, and results are kept beside what was given.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.forms import ImageForm, VideoForm
from noiseloom.diffusion import editing
from noiseloom.diffusion.samplers import SAMPLERS, Step
from noiseloom.errors import InputError
from noiseloom.evaluate.commands import use
from noiseloom.runs.asked import read_images
from noiseloom.runs.drawing import Samples, choose_labels, class_names
from noiseloom.runs.edit_images import EMPTY, read_mask, read_placed, read_small
from noiseloom.runs.edited import Edited
from noiseloom.runs.guiding import Guiding
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.seeds import Random
from noiseloom.tasks import Draws, Guided, Request, Walk, Walks
from noiseloom.training.loop import Device, Working

FILLING_SAMPLER = "ddpm"  # resampling mixes what is known and what is not by the noise it adds
INVERTING_SAMPLER = "heun"
INVERSION_STEPS = (5, 10, 20, 40)
INTERPOLATION_STEPS = 50  # with few, the pictures between two are the two laid over each other

Place = str | Path
Label = str | int | None


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What every edit is asked for."""

    num: int
    label: Label
    steps: int | None
    sampler: str | None
    seed: int = 0
    is_guided: bool = True  # guidance bends the way to the noise, so that it leads elsewhere


class Editor:
    """A run's model, ready to edit pictures with. Raises InputError where the run draws no images.

    It walks as the recipe says, not as `tune-sampler` found best for whole samples. `raw` and
    `device` are as in `Run.sample`; `guiding` says how a label is followed, as the recipe
    does if not given. `keep_frames` keeps what stands after each step, for a GIF.
    """

    def __init__(
        self,
        run: Run,
        *,
        guiding: Guiding | None = None,
        raw: bool = False,
        device: Device | None = None,
        keep_frames: bool = False,
        on_event: OnEvent = ignore,
    ) -> None:
        guiding = guiding or Guiding()
        task, _ = run.trained_task(raw=raw, tuned=False, device=device, on_event=on_event)
        if not isinstance(task, Walks):
            if not isinstance(task, Draws):
                raise InputError(run.cannot("items"))
            own = use(run.recipe.task.answers, str(run.folder))
            raise InputError(
                f"{run.folder} {own.does}, but not by a sampler that an edit could lead: of a "
                f"distilled run, edit with the one that taught it. Use it with: {own.command}"
            )
        if task.form.is_latent:
            raise InputError(
                f"{run.folder} draws in the latents of an autoencoder, and an edit keeps pixels, "
                "which are no parts of a latent. Edit with a run that draws pixels; draw from this "
                f"one with: noiseloom sample {run.folder}"
            )
        if isinstance(task.form, VideoForm):
            raise InputError(
                f"{run.folder} makes clips, and only images are edited. Whole frames of a clip are "
                f"filled in with: noiseloom sample {run.folder} --given CLIP --given-at "
                f"1,{task.form.frames}"
            )
        if not isinstance(task.form, ImageForm):
            raise InputError(
                f"{run.folder} draws points in the plane, and only images are edited. Draw points "
                f"with: noiseloom sample {run.folder}"
            )
        drawing = guiding.apply(run, task, raw=raw, device=device, on_event=on_event)
        assert isinstance(drawing, Walks)  # guidance changes nothing but its samples
        self.run, self.task, self.form = run, drawing, task.form
        self.guiding, self.keep_frames, self.on_event = guiding, keep_frames, on_event
        self.device = next(task.model.parameters()).device

    def inpaint(
        self,
        image: Place,
        mask: Place,
        *,
        num: int = 8,
        label: Label = None,
        steps: int | None = None,
        sampler: str | None = None,
        jump: int = 5,
        resamplings: int = 10,
        seed: int = 0,
    ) -> Edited:
        """`image` with what is white in `mask` filled in, `num` times; the rest stays as it is.

        See `diffusion.editing.inpaint` for `jump` and `resamplings`.
        """
        is_missing = read_mask(self.form, mask, image)
        item = read_images(self.form, [image])[0]
        sampler = self._resampling(sampler)
        asked = _Asked(num=num, label=label, steps=steps, sampler=sampler, seed=seed)
        return self._fill(item, is_missing, jump, resamplings, asked)

    def outpaint(
        self,
        image: Place,
        *,
        place: tuple[int, int] | None = None,
        num: int = 8,
        label: Label = None,
        steps: int | None = None,
        sampler: str | None = None,
        jump: int = 5,
        resamplings: int = 10,
        seed: int = 0,
    ) -> Edited:
        """The smaller `image` kept as it is, and made larger on all sides, `num` times.

        `place` is where its left upper corner goes, (x, y) in pixels; the middle if None.
        """
        item, is_missing = read_placed(self.form, image, place)
        sampler = self._resampling(sampler)
        asked = _Asked(num=num, label=label, steps=steps, sampler=sampler, seed=seed)
        return self._fill(item, is_missing, jump, resamplings, asked)

    def _fill(
        self,
        item: np.ndarray,
        is_missing: np.ndarray,
        jump: int,
        resamplings: int,
        asked: _Asked,
    ) -> Edited:
        x0 = self._to_model(item)
        missing = torch.from_numpy(is_missing).to(self.device)
        walk, labels = self._walk(asked)
        total = _moves(walk, jump, resamplings)

        def make(random: Random) -> Iterator[Step]:
            return editing.inpaint(
                walk.sampler,
                walk.denoise,
                x0.expand(len(random.items), *x0.shape[1:]),
                missing,
                walk.times,
                walk.schedule,
                random,
                jump=jump,
                resamplings=resamplings,
            )

        samples = self._drawn(make, labels, asked, total)
        kept = np.where(is_missing[:, :, None], EMPTY, item)
        given = [("given", item)] if (item != kept).any() else []
        return self._edited(samples, *given, ("kept", kept))

    def vary(
        self,
        image: Place,
        *,
        strength: float = 0.5,
        num: int = 8,
        label: Label = None,
        steps: int | None = None,
        sampler: str | None = None,
        seed: int = 0,
    ) -> Edited:
        """`image` noised up to `strength` in (0, 1] of the way and drawn anew, `num` times."""
        item = read_images(self.form, [image])[0]
        x0 = self._to_model(item)
        asked = _Asked(num=num, label=label, steps=steps, sampler=sampler, seed=seed)
        walk, labels = self._walk(asked)
        try:
            total = len(editing.varying_plan(walk.times, strength, walk.schedule)) - 1
        except ValueError as error:
            raise InputError(str(error)) from error

        def make(random: Random) -> Iterator[Step]:
            start = x0.expand(len(random.items), *x0.shape[1:])
            return editing.vary(
                walk.sampler, walk.denoise, start, strength, walk.times, walk.schedule, random
            )

        samples = self._drawn(make, labels, asked, total)
        return self._edited(samples, ("given", item))

    def upscale(
        self,
        image: Place,
        *,
        num: int = 8,
        label: Label = None,
        steps: int | None = None,
        sampler: str | None = None,
        jump: int = 5,
        resamplings: int = 10,
        seed: int = 0,
    ) -> Edited:
        """Pictures of the run's size whose block averages are the smaller `image`, `num` of them.

        `figures` holds how far the averages of the results, rounded to 8 bits, are from it.
        """
        small_item = read_small(self.form, image)
        small = self._to_model(small_item)
        sampler = self._resampling(sampler)
        asked = _Asked(num=num, label=label, steps=steps, sampler=sampler, seed=seed)
        walk, labels = self._walk(asked)
        total = _moves(walk, jump, resamplings)
        denoise = editing.averaging_to(walk.denoise, small)
        sigma = float(walk.schedule.sigma(walk.times[0]))

        def make(random: Random) -> Iterator[Step]:
            x = sigma * random.normal("start", self.form.item_shape).to(self.device)
            return editing.resample(
                walk.sampler,
                denoise,
                x,
                walk.times,
                walk.schedule,
                random,
                jump=jump,
                times=resamplings,
            )

        samples = self._drawn(make, labels, asked, total, lambda x0: editing.within(x0, small))
        found = editing.averages(self.form.to_model(samples.items), tuple(small.shape[-2:]))
        off = float((found - small.cpu()).abs().max()) * 127.5
        large = small_item
        for axis, size in enumerate(self.form.item_shape[1:]):
            large = large.repeat(size // small_item.shape[axis], axis=axis)
        return self._edited(samples, ("given", large), largest_difference=round(off, 3))

    def interpolate(
        self,
        first: Place,
        second: Place,
        *,
        num: int = 8,
        label: Label = None,
        steps: int = INTERPOLATION_STEPS,
        sampler: str | None = None,
    ) -> Edited:
        """`num` pictures from `first` to `second`, both ends among them, by way of their noises."""
        if num < 2:
            raise InputError(f"{num} pictures are asked for; the way from one to another has 2 on")
        items = read_images(self.form, [first, second])
        sampler = self._inverting(sampler)
        asked = _Asked(num=num, label=label, steps=steps, sampler=sampler, is_guided=False)
        ends, _ = self._walk(replace(asked, num=2))
        plan = editing.encoding_plan(ends.times, ends.schedule)
        noise = self._encoded(ends, plan, self._to_model(items)).x
        shares = np.linspace(0, 1, num)
        x = torch.cat([editing.slerp(noise[:1], noise[1:], float(share)) for share in shares])
        walk, labels = self._walk(asked)

        def make(random: Random) -> Iterator[Step]:
            start = x[random.items[0] : random.items[-1] + 1]
            return editing.decode(walk.sampler, walk.denoise, start, plan, walk.schedule, random)

        samples = self._drawn(make, labels, asked, len(plan) - 1)
        there_and_back = [*samples.items, *samples.items[-2:0:-1]]
        frames = [frame[None] for frame in there_and_back] if self.keep_frames else None
        way = Samples(samples.items, labels, self.form, frames)
        return self._edited(way, ("from", items[0]), ("to", items[1]))

    def invert(
        self,
        images: Sequence[Place],
        *,
        label: Label = None,
        steps: int | None = None,
        sampler: str | None = None,
    ) -> Edited:
        """The noise that each of `images` comes from, and what is made of that again.

        `figures` holds the root mean square error of the way there and back, in steps of 8 bits,
        for `steps` moves each way, or for a few numbers of them; the pictures are of the most.
        """
        items = read_images(self.form, images)
        x0 = self._to_model(items)
        errors: dict[int, float] = {}
        asked = _Asked(
            num=len(items),
            label=label,
            steps=steps,
            sampler=self._inverting(sampler),
            is_guided=False,
        )
        noise, again = items, items
        numbers = INVERSION_STEPS if steps is None else (steps,)
        walks = [self._walk(replace(asked, steps=num_steps)) for num_steps in numbers]
        for num_steps, (walk, _) in zip(numbers, walks, strict=True):
            plan = editing.encoding_plan(walk.times, walk.schedule)
            start = self._encoded(walk, plan, x0).x
            way = editing.decode(
                walk.sampler, walk.denoise, start, plan, walk.schedule, Random(0, range(len(x0)))
            )
            *_, last = way
            errors[num_steps] = round(float((last.x0 - x0).square().mean().sqrt()) * 127.5, 2)
            noise = self.form.to_items(start / float(walk.schedule.sigma(plan[0])) / 3)
            again = self.form.to_items(last.x0)
            self.on_event(Working("Inverting", len(errors), len(walks)))
        rows = [("given", item) for item in items] + [("noise", item) for item in noise]
        samples = Samples(again, walks[0][1], self.form)
        return self._edited(samples, *rows, captions=("again",) * len(items), error_by_steps=errors)

    # Parts of all of them ----------------------------------------------------------------------

    def _walk(self, asked: _Asked) -> tuple[Walk, np.ndarray | None]:
        """What a sampler is called with for what is asked, and the labels of the pictures."""
        if asked.num < 1:
            raise InputError(f"{asked.num} pictures are asked for; allowed is 1 or more")
        labels = None
        if asked.label is not None:
            labels = choose_labels(class_names(self.task), asked.label, asked.num)
        elif not self.task.learned_unlabelled:
            raise InputError(
                f"{self.run.folder} has only learned with labels (task.label_dropout is 0); say "
                "which is meant with --label"
            )
        request = Request(
            labels=None if labels is None else torch.from_numpy(labels),
            steps=asked.steps,
            sampler=asked.sampler,
        )
        self._check_guiding(asked)
        if asked.is_guided:
            request = self.guiding.ask(self.task, request, self.on_event)
        elif isinstance(self.task, Guided):
            request = replace(request, guidance=self.task.guidance.off)
        return self.task.walk(request), labels

    def _check_guiding(self, asked: _Asked) -> None:
        """InputError where guidance is asked for that would do nothing."""
        given = self.guiding.given
        if not given:
            return
        if not asked.is_guided:
            raise InputError(
                f"this edit goes to the noise and back without guidance, which would bend the way; "
                f"leave {' and '.join(given)} out"
            )
        needs_label = isinstance(self.task, Guided) and self.task.guidance.needs_condition
        if needs_label and asked.label is None:
            raise InputError(
                f"{' and '.join(given)} would do nothing without a label to follow; say which is "
                "meant with --label"
            )

    def _resampling(self, sampler: str | None) -> str:
        """The sampler of an edit that goes back and forth move by move."""
        if sampler in SAMPLERS and sampler not in editing.RESAMPLING:
            raise InputError(
                f"sampler {sampler} goes by more than one move, and this edit takes back some in "
                f"between; allowed are {', '.join(editing.RESAMPLING)}"
            )
        return sampler or FILLING_SAMPLER

    def _inverting(self, sampler: str | None) -> str:
        """The sampler of an edit that walks to the noise and back."""
        if sampler is not None and sampler not in editing.INVERTIBLE:
            raise InputError(
                f"sampler {sampler} does not go back the way it came; allowed are "
                f"{', '.join(editing.INVERTIBLE)}"
            )
        return sampler or INVERTING_SAMPLER

    def _to_model(self, items: np.ndarray) -> Tensor:
        items = items if items.ndim == 4 else items[None]
        return self.form.to_model(items, self.device)

    def _encoded(self, walk: Walk, plan: Tensor, x0: Tensor) -> Step:
        random = Random(0, range(len(x0)))
        *_, last = editing.encode(walk.sampler, walk.denoise, x0, plan, walk.schedule, random)
        return last

    def _drawn(
        self,
        make: Callable[[Random], Iterator[Step]],
        labels: np.ndarray | None,
        asked: _Asked,
        total: int,
        finish: Callable[[Tensor], Tensor] = lambda x0: x0,
    ) -> Samples:
        """The last of the `total` steps that `make` goes, finished; the others too if kept."""
        frames = []
        step: Step | None = None
        for done, step in enumerate(make(Random(asked.seed, range(asked.num))), start=1):
            self.on_event(Working("Editing", done, total))
            if self.keep_frames:
                frames.append(self.form.to_items(step.x))
        assert step is not None  # every plan has a step
        items = self.form.to_items(finish(step.x0))
        kept = [*frames[:-1], items] if self.keep_frames else None
        return Samples(items, labels, self.form, kept)

    def _edited(
        self,
        samples: Samples,
        *given: tuple[str, np.ndarray],
        captions: tuple[str, ...] = (),
        **figures: Any,
    ) -> Edited:
        return Edited(samples, given, self.run.recipe.to_yaml(), captions, figures)


def _moves(walk: Walk, jump: int, resamplings: int) -> int:
    """How many steps a walk with resampling yields; InputError for what cannot be."""
    try:
        path = editing.resampling_path(len(walk.times) - 1, jump, resamplings)
    except ValueError as error:
        raise InputError(str(error)) from error
    return sum(there > here for here, there in itertools.pairwise(path))
