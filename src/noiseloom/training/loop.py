"""The training loop: it knows a task's `loss`, and yields an event after every step.

Whoever consumes the events saves, previews, measures and shows progress; the loop does none of it.
Everything random in a step is drawn from (seed, step, item), so a loop that starts at step n does
what an unbroken one does from step n on.
"""

import math
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.data.dataset import Split
from noiseloom.data.forms import Batch
from noiseloom.errors import InputError, MachineError
from noiseloom.seeds import Random
from noiseloom.training import distributed
from noiseloom.training.averaging import Average, gamma_of
from noiseloom.training.bucket_order import BucketOrder
from noiseloom.training.checkpoints import Checkpoint
from noiseloom.training.engines import Engine, Sharding, engine_for
from noiseloom.training.optimizers import OPTIMIZERS, PLANS, AdamW, Muon, Plan, WarmDown
from noiseloom.training.order import Order
from noiseloom.training.parts import blocks_of, fill, gather, total_norm
from noiseloom.training.precision import Precision, autocast
from noiseloom.training.snapshots import LENGTHS

Device = Literal["auto", "cpu", "cuda"]
BATCH_SIZES = 8  # that a block is compiled for, as torch has it unasked


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long, how fast and how safely a run trains."""

    steps: int | None = option(None, "optimiser steps (this or max_minutes)")
    max_minutes: float | None = option(
        None, "time from the first to the last step, minutes, previews and checkpoints included"
    )
    batch_size: int = option(64, "items per optimiser step")
    accumulate: int = option(1, "micro-batches per step: less memory, the same result")
    optimizer: AdamW | Muon = option(
        help="how weights move", choices=OPTIMIZERS, default_factory=Muon
    )
    plan: Plan = option(help="the step size over the run", choices=PLANS, default_factory=WarmDown)
    clip: float | None = option(1.0, "largest gradient norm, null for none")
    average: float = option(0.05, "width of the weight average, share of the run")
    snapshots: int = option(
        0, "snapshots kept for averages of other widths, chosen after training; 0: none"
    )
    precision: Precision = option("auto", "auto measures what is faster on this processor")
    compile: bool = option(
        False, "fuse each block's operations (torch.compile): slow to start, for GPUs and long runs"
    )
    device: Device = option("auto", "where to compute")
    sharding: Sharding = option(
        "none", "of several processes each holds all (none) or a share (full) of the model"
    )
    seed: int = option(0, "everything random in the run follows from it")
    deterministic: bool = option(False, "bit-identical on a GPU too, slower")
    checkpoint_every: int | None = option(
        None, "steps between checkpoints, null: a tenth of all, more in a short budget"
    )
    sample_every: int | None = option(
        None, "steps between sample grids, null: a quarter of all, more in a short budget"
    )
    log_every: int = option(10, "steps between lines of metrics.jsonl")
    tensorboard: bool = option(False, "the figures and sample sheets for TensorBoard, too")

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.max_minutes is None):
            raise ValueError(
                f"steps is {self.steps} and max_minutes is {self.max_minutes}; set one of the two"
            )
        counts = {
            "steps": self.steps,
            "max_minutes": self.max_minutes,
            "batch_size": self.batch_size,
            "accumulate": self.accumulate,
            "checkpoint_every": self.checkpoint_every,
            "sample_every": self.sample_every,
            "log_every": self.log_every,
            "clip": self.clip,
        }
        for name, value in counts.items():
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} is {value}; allowed is a number above 0")
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate {self.accumulate} does not divide batch_size {self.batch_size}"
            )
        gamma_of(self.average)
        if self.snapshots < 0:
            raise ValueError(f"snapshots is {self.snapshots}; allowed is 0 (none) or more")


@dataclass(frozen=True)
class Started:
    """Training begins at `step` of `total_steps`."""

    step: int
    total_steps: int
    parameters: int
    precision: str

    def __str__(self) -> str:
        return (
            f"{self.parameters:,} parameters, {self.precision};"
            f" steps {self.step:,} to {self.total_steps:,}"
        )


@dataclass(frozen=True)
class Progress:
    """A step is done: `step` steps in all, the mean loss of its batch, how it goes."""

    step: int
    total_steps: int
    loss: float
    learning_rate: float
    gradient_norm: float
    items_per_second: float
    seconds_left: float
    memory_bytes: int
    last_save_step: int | None = None


@dataclass(frozen=True)
class Saved:
    """A checkpoint of `step` lies at `path`."""

    step: int
    path: str

    def __str__(self) -> str:
        return f"Step {self.step:,} is saved in {self.path}"


@dataclass(frozen=True)
class Note:
    """A sentence for the person watching."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Working:
    """Long work other than training: `what`, of which `done` of `total` is done."""

    what: str
    done: int
    total: int


Event = Started | Progress | Saved | Note | Working


class Learner(Protocol):
    """All the loop knows of a task."""

    model: nn.Module

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """Named (sum, count) pairs over a micro-batch; `loss` is what is minimised."""


@runtime_checkable
class Tended(Protocol):
    """A task with something to see to that no gradient does."""

    def tend(self, random: Random) -> None:
        """Called between the backward and the update of a step, in every process alike.

        Gradients are then those of the whole batch, so whatever follows from them and from `random`
        is the same everywhere.
        """


@dataclass
class Training:
    """The state of a run in memory: everything a checkpoint must hold.

    Of several processes each takes its part of every step; `asked_to_stop` is asked in each, and
    `is_stopping` is then true in all of them after the same step.
    """

    config: TrainingConfig
    task: Learner
    data: Split
    precision: Literal["float32", "bfloat16"]
    total_steps: int
    step: int = 0
    asked_to_stop: Callable[[], bool] = lambda: False
    is_stopping: bool = field(init=False, default=False)
    order: Order | BucketOrder = field(init=False)
    engine: Engine = field(init=False)
    optimizer: Any = field(init=False)
    average: Average = field(init=False)
    tracked: dict[float, Average] = field(init=False)  # for snapshots, by width

    def __post_init__(self) -> None:
        self.device = next(self.task.model.parameters()).device
        parts = self.config.accumulate * distributed.size()
        if self.config.batch_size % parts:
            raise InputError(
                f"batch_size {self.config.batch_size} does not divide into {parts} parts "
                f"(accumulate {self.config.accumulate} x {distributed.size()} processes); choose "
                "a multiple of that"
            )
        if self.config.compile:
            compile_blocks(self.task.model, sizes=len(self.data.places) or 1)
        data, config = self.data, self.config
        self.order = Order(config.seed, config.batch_size, len(data), data.lengths)
        if data.places:
            self.order = BucketOrder(config.seed, config.batch_size, list(data.places.values()))
        self.engine = engine_for(self.task.model, self.task.loss)
        self.optimizer = self.config.optimizer.build(self.task.model)
        self.average = Average(self.task.model, self.config.average)
        self.tracked = {
            length: self.average
            if length == self.config.average
            else Average(self.task.model, length)
            for length in (LENGTHS if self.config.snapshots else ())
        }

    def checkpoint(self, **state: Any) -> Checkpoint:
        """The state as a checkpoint; `state` is added to its JSON.

        Every process takes part. What is shared out comes to the first, in its host's memory.
        """
        groups = {
            "model": gather(dict(self.task.model.state_dict())),
            "average": gather(self.average.values),
            "optimizer": gather(self.optimizer.tensors()),
            **{name: gather(average.values) for name, average in self._others()},
        }
        return Checkpoint(groups, {"step": self.step, **state})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, whose tensors only the first process need have."""
        groups = checkpoint.groups
        fill(self.task.model.state_dict(), distributed.handed_out(groups.get("model", {})))
        self.average.load(distributed.handed_out(groups.get("average", {})))
        self.optimizer.load(distributed.handed_out(groups.get("optimizer", {})))
        for name, average in self._others():
            average.load(distributed.handed_out(groups.get(name, {})))
        self.step = checkpoint.state["step"]

    def snapshot(self) -> dict[float, dict[str, Tensor]]:
        """The averages tracked for snapshots, whole, by width; every process takes part."""
        return {length: gather(average.values) for length, average in self.tracked.items()}

    def _others(self) -> Iterator[tuple[str, Average]]:
        """The averages beside `average`, and the names of their groups in a checkpoint."""
        for length, average in self.tracked.items():
            if average is not self.average:
                yield f"average-{length}", average

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the model holds the averaged weights, for every process to call alike."""
        with distributed.lost_peers(), self.average.applied_to(self.task.model):
            yield

    def run(self) -> Iterator[Progress]:
        """Train until `total_steps`, yielding after each step.

        Raises MachineError, with the weights as they were before, where a loss or gradient is not
        finite.
        """
        seconds = Smoothed()
        while self.step < self.total_steps:
            start = time.perf_counter()
            loss, norm = self.advance()
            pace = seconds.add(time.perf_counter() - start)
            yield Progress(
                step=self.step,
                total_steps=self.total_steps,
                loss=loss,
                learning_rate=self.config.optimizer.learning_rate
                * self.config.plan.rate(self.step - 1, self.total_steps),
                gradient_norm=norm,
                items_per_second=self.config.batch_size / pace,
                seconds_left=(self.total_steps - self.step) * pace,
                memory_bytes=resident_bytes(),
            )

    def advance(self) -> tuple[float, float]:
        """One optimiser step; the batch's mean loss and the gradient's norm."""
        config, train = self.config, self.data
        items = self.order.batch(self.step)
        share = config.batch_size // distributed.size()
        micro = share // config.accumulate
        end = (distributed.rank() + 1) * share
        total, count = 0.0, 0.0
        for start in range(end - share, end, micro):
            chosen = items[start : start + micro]
            part_of_batch = range(start, start + micro)
            random = Random(config.seed, part_of_batch, self.step, config.batch_size)
            batch = train.batch(chosen)
            with self.engine.gathering(last=start + micro == end):
                with autocast(self.precision, self.device):
                    part, part_count = self.engine(batch, random)["loss"]
                part.backward()
            total, count = total + part.item(), count + part_count
        total, count, stops = distributed.summed(total, count, self.asked_to_stop())
        self.is_stopping = stops > 0
        norm = self._scale_gradients(count)
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise MachineError(_not_finite(self.step, total / count, norm, items))
        if isinstance(self.task, Tended):
            self.task.tend(Random(config.seed, [0], self.step).under("tend"))
        with autocast(self.precision, self.device):  # Muon's matrix products too
            self.optimizer.step(config.plan.rate(self.step, self.total_steps))
        self.step += 1
        self.average.update(self.task.model, self.step)
        for _, other in self._others():
            other.update(self.task.model, self.step)
        return total / count, norm

    @torch.no_grad()
    def _scale_gradients(self, count: float) -> float:
        """From the gradient of a sum to that of a mean, no longer than `clip`; its norm before."""
        gradients = [p.grad for p in self.task.model.parameters() if p.grad is not None]
        mean = distributed.size() / count  # the engine leaves the mean of the processes' sums
        norm = total_norm(gradients) * mean
        clip = self.config.clip
        shrink = min(1.0, clip / norm) if clip is not None and norm > 0 else 1.0
        torch._foreach_mul_(gradients, shrink * mean)
        return norm


def compile_blocks(model: nn.Module, *, sizes: int = 1) -> None:
    """Have torch fuse the operations of each block; InputError for a network without blocks.

    Equal blocks share what is compiled, so it takes as long for twelve as for one. Every batch size
    is compiled for itself: what is compiled, and so the last bit, does not depend on which was met
    first. `sizes` is how many sizes items come in, each of which is compiled for itself, too.
    """
    blocks = list(blocks_of(model))
    if not blocks:
        raise InputError(
            "training.compile fuses a network's `blocks`, and this network has none; set "
            "training.compile=false"
        )
    for block in blocks:
        block.compile(dynamic=False, recompile_limit=BATCH_SIZES * sizes)


class Smoothed:
    """A running mean that forgets."""

    def __init__(self, keep: float = 0.95) -> None:
        self.keep, self.mean, self.weight = keep, 0.0, 0.0

    def add(self, value: float) -> float:
        """Take in a value; the mean so far."""
        self.mean = self.keep * self.mean + (1 - self.keep) * value
        self.weight = self.keep * self.weight + (1 - self.keep)
        return self.mean / self.weight


def resident_bytes() -> int:
    """Memory of this process on the host, bytes; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _not_finite(step: int, loss: float, norm: float, items: np.ndarray) -> str:
    shown = ", ".join(str(item) for item in items[:16])
    return (
        f"At step {step} the loss is {loss} and the gradient's norm {norm}; training stops before "
        f"they reach the weights. The batch held training items {shown}"
        f"{', …' if len(items) > 16 else ''}. Look at these items, lower "
        "training.optimizer.learning_rate, or set training.precision=float32; "
        "then start again or resume from the last checkpoint"
    )
