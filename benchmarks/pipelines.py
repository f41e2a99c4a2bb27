"""Samples a second at equal quality: Noiseloom's ways of sampling beside diffusers' schedulers.

    python benchmarks/pipelines.py RUN [--student RUN] [--num 1000] [--seeds 1] [--threads 2]

RUN is a trained run with labels on the rectified-flow schedule, such as recipe `mnist` makes,
tuned by `noiseloom tune-sampler`; `--student` one that `noiseloom distill` made of it. Both sides
call the very same network with the very same weights in float32, from the same noise and for the
same labels. The other side is the loop of diffusers' own class-conditional pipeline (DiTPipeline):
the batch is doubled for guidance at every step, and a scheduler steps. Each of its schedulers for
rectified flow is tried for the fewest steps whose Fréchet distance (of the package, mean over
seeds) is no worse than ours or, where none gets there, than 1.05 times their own best; the quickest
of those is timed against ours, in turn, and the median ratio counts. One JSON document is printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import diffusers
import numpy as np
import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoiser
from noiseloom.runs import Run
from noiseloom.runs.drawing import draw
from noiseloom.seeds import Random
from noiseloom.tasks import Request

STEPS = (4, 6, 8, 10, 12, 16, 20, 32)
NEARLY = 1.05
ROUNDS = 3
BATCH = 250

SCHEDULERS: dict[str, Callable[[], object]] = {
    "flow-euler, shift 3": lambda: diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    "flow-heun": lambda: diffusers.FlowMatchHeunDiscreteScheduler(),
    "dpm-solver++ 2M, shift 3": lambda: diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    ),
    "unipc, shift 3": lambda: diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    ),
}


@dataclass(frozen=True)
class Theirs:
    """One way to sample with diffusers; `distance` is its mean Fréchet distance."""

    scheduler: str
    steps: int
    guidance: float
    distance: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Samples a second at equal quality.")
    parser.add_argument("run")
    parser.add_argument("--student")
    parser.add_argument("--num", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--calls", type=int, default=2, help="network calls of the student")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    run = Run.open(given.run)
    bench = Bench(run, given.num, range(100, 100 + given.seeds))
    print(json.dumps(bench.compare(given.student, given.calls), indent=1))


class Bench:
    """Both sides on one run's weights, labels and noise."""

    def __init__(self, run: Run, num: int, seeds: range) -> None:
        self.run, self.num, self.seeds = run, num, seeds
        self.task, self.step = run.trained_task(device="cpu")
        config = run.recipe.evaluation
        dataset = run.open_data()
        self.labels = config.labels(dataset, num)
        self.ruler = config.ruler(dataset, num)
        self.classes = len(self.task.form.class_names)

    def compare(self, student: str | None, calls: int) -> dict[str, object]:
        """Our ways, the quickest of theirs that is as good, and what ours are worth."""
        result: dict[str, object] = {
            "diffusers": diffusers.__version__,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "num": self.num,
            "trained_steps": self.step,
            "floor": self.ruler.floor,
        }
        result["tuned"] = self.beside(self.task, Request())
        if student is not None:
            task, _ = Run.open(student).trained_task(device="cpu")
            result["distilled"] = self.beside(task, Request(steps=calls))
        return result

    def beside(self, task: object, request: Request) -> dict[str, object]:
        """One of our ways beside the quickest of theirs."""

        def ours(seed: int) -> np.ndarray:
            return draw(task, request, self.labels, num=self.num, seed=seed).items  # type: ignore[arg-type]

        wanted = self.distance(ours)
        say(f"ours: {wanted:.3f} ({task.describe(request)})")  # type: ignore[attr-defined]
        found = self.reaching(wanted)
        ratios, timed = [], None
        if found:
            timed = min(found, key=lambda way: way.steps * (2 if way.guidance != 1 else 1))
            for _ in range(ROUNDS):
                a = seconds(lambda: ours(0))
                b = seconds(lambda: self.theirs(timed.scheduler, timed.steps, timed.guidance, 0))
                ratios.append(b / a)
                say(f"  {timed.scheduler}, {timed.steps} steps: {b:.2f} s, ours {a:.2f} s")
        return {
            "how": task.describe(request),  # type: ignore[attr-defined]
            "distance": wanted,
            "is_reached": any(way.distance <= wanted for way in found),
            "tried": [asdict(way) for way in found],
            "timed": None if timed is None else asdict(timed),
            "times_as_fast": statistics.median(ratios) if ratios else None,
            "ratios": ratios,
        }

    def distance(self, make: Callable[[int], np.ndarray]) -> float:
        """The mean Fréchet distance over the seeds."""
        return statistics.mean(self.ruler.of(make(seed)) for seed in self.seeds)

    def reaching(self, wanted: float) -> list[Theirs]:
        """For each scheduler about the fewest steps that are as good as `wanted`, guided or not.

        By halving: more steps are taken to be no worse. Where none gets there with the most steps,
        what is sought is as good as the best of them, within `NEARLY`.
        """
        scale = self.run.recipe.task.guidance.scale
        most = [self.measure(name, STEPS[-1], scale) for name in SCHEDULERS]
        most.append(self.measure("dpm-solver++ 2M, shift 3", STEPS[-1], 1.0))
        best = min(way.distance for way in most)
        sought = max(wanted, NEARLY * best)
        say(f"  {STEPS[-1]} steps: {best:.3f} at best; sought is {sought:.3f}")
        return [self.fewest(way, sought) for way in most if way.distance <= sought]

    def fewest(self, way: Theirs, sought: float) -> Theirs:
        """`way` with as few steps as are as good as `sought`."""
        low, high = 0, len(STEPS) - 1
        while low < high:
            middle = (low + high) // 2
            tried = self.measure(way.scheduler, STEPS[middle], way.guidance)
            if tried.distance <= sought:
                way, high = tried, middle
            else:
                low = middle + 1
        say(f"  {way.scheduler}, guidance {way.guidance:g}: {way.steps} steps, {way.distance:.3f}")
        return way

    def measure(self, name: str, steps: int, guidance: float) -> Theirs:
        """A way of theirs and its mean distance."""
        distance = self.distance(lambda seed: self.theirs(name, steps, guidance, seed))
        return Theirs(name, steps, guidance, distance)

    @torch.no_grad()
    def theirs(self, name: str, steps: int, guidance: float, seed: int) -> np.ndarray:
        """Items made by diffusers' scheduler, as its pipelines do it."""
        parts = []
        for first in range(0, self.num, BATCH):
            items = range(first, min(self.num, first + BATCH))
            x = Random(seed, items).normal("start", self.task.form.item_shape)
            labels = torch.from_numpy(self.labels[items.start : items.stop])
            scheduler = SCHEDULERS[name]()
            scheduler.set_timesteps(steps)  # type: ignore[attr-defined]
            for timestep in scheduler.timesteps:  # type: ignore[attr-defined]
                velocity = guided(
                    self.task.model, x, float(timestep) / 1000, labels, self.classes, guidance
                )
                x = scheduler.step(velocity, timestep, x).prev_sample  # type: ignore[attr-defined]
            parts.append(self.task.form.to_items(x))
        return np.concatenate(parts)


def guided(
    model: Denoiser, x: Tensor, t: float, labels: Tensor, unlabelled: int, guidance: float
) -> Tensor:
    """The velocity with classifier-free guidance at every step, in one doubled batch."""
    if guidance == 1:
        return model(x, torch.full((len(x),), t), labels).velocity
    both = torch.cat([labels, torch.full_like(labels, unlabelled)])
    twice = model(torch.cat([x, x]), torch.full((2 * len(x),), t), both).velocity
    conditional, plain = twice.chunk(2)
    return plain + guidance * (conditional - plain)


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
