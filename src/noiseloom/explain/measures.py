"""What a run can be measured by while it is changed: figures of each of a few items.

Scenes are drawn and read by rule, classes are read, denoisers are asked at several t, and of all
else there is the loss of held-out items. The same items and noise come every time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from noiseloom.data.scene.world import World
from noiseloom.evaluate.loss_by_time import errors_by_time
from noiseloom.evaluate.scene_prompts import draw_prompts
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.explain.head_effects import Measured
from noiseloom.explain.scene_effects import held
from noiseloom.explain.subject import Subject
from noiseloom.explain.word_swap import draw_swapped
from noiseloom.seeds import Random
from noiseloom.tasks import Denoises, Predicts, Prompted, Request


@dataclass(frozen=True)
class Measure:
    """`of()` measures; `more_is_better` says so of its figures, `told` what they are."""

    of: Callable[[], Measured]
    more_is_better: bool
    told: str


def of_scenes(subject: Subject, world: World, num: int, request: Request) -> Measure:
    """Whether pictures of scenes hold what the evaluation's first prompts ask for."""
    task = subject.task
    assert isinstance(task, Prompted) and task.prompts is not None
    prompts = draw_prompts(world, task.form.item_shape[-1], num, one_more=False)
    tokens = torch.from_numpy(task.prompts.encode(prompts.captions).tokens)

    def measure() -> Measured:
        pictures = draw_swapped(task, None, tokens, seed=subject.seed, request=request)
        return held(prompts.asked, read_pictures(pictures))

    told = f"the share of {num} pictures that hold what their prompts claim, read by rule"
    return Measure(measure, more_is_better=True, told=told)


def of_classes(subject: Subject, num: int) -> Measure:
    """Whether the likeliest class of held-out items is right, and nats of the right one."""
    task, (items, labels) = subject.task, _held_out(subject, num)
    assert isinstance(task, Predicts) and labels is not None
    truth = torch.from_numpy(labels.astype(np.int64))

    def measure() -> Measured:
        likely = task.predict(items).double().log_softmax(dim=-1)
        right = (likely.argmax(dim=-1) == truth).double()
        return {"accuracy": right.numpy()}

    return Measure(measure, True, f"the share of {len(items)} held-out items read rightly")


def of_denoising(subject: Subject, num: int, times: Sequence[float]) -> Measure:
    """The square error of x0 at several t (held within the schedule's range), as in evaluation."""
    task, seen = subject.task, subject.seen
    assert isinstance(task, Denoises)
    schedule = task.judged(None).schedule
    at = torch.tensor(times, dtype=torch.float64).clamp(schedule.t_min, schedule.t_max)

    def measure() -> Measured:
        errors = errors_by_time(
            task.judged, seen, "held_out", at, seed=subject.seed, num=num, with_floor=False
        )
        return {
            f"error at t = {t:g}": own
            for t, own in zip(times, errors.own.double().numpy(), strict=True)
        }

    count = min(num, len(seen.reference))
    told = f"the square error of x0 over {count} held-out items, as a share of the data's variance"
    return Measure(measure, more_is_better=False, told=told)


def of_loss(subject: Subject, num: int) -> Measure:
    """The loss of held-out items, as in training but without drop-out."""
    task, held_out = subject.task, subject.dataset.reference
    chosen = held_out.evenly(num)
    batch, random = held_out.batch(chosen), Random(subject.seed, range(len(chosen)))

    def measure() -> Measured:
        return {"loss": task.losses(batch, random, training=False).double().cpu().numpy()}

    return Measure(measure, False, f"the loss over {len(chosen)} held-out items")


def _held_out(subject: Subject, num: int) -> tuple[np.ndarray, np.ndarray | None]:
    held_out = subject.dataset.reference
    chosen = held_out.evenly(num)
    return held_out.items[chosen], None if held_out.labels is None else held_out.labels[chosen]
