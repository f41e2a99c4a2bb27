"""What it saves that a prompt is read once, and not at every step of sampling.

    python benchmarks/cached_text.py RUN [--prompts 1 16 64] [--steps 10] [--rounds 15]

RUN is a run of text-to-image or text-to-video. Its model takes steps of a deterministic sampler
towards the same pictures in two ways: with captions read before the first step, as every command
does it, and with captions read at each call of the network. Both ways take turns in one process;
medians are printed as JSON, milliseconds a step, and the share of a step that is saved.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from noiseloom.diffusion.denoiser import Denoise
from noiseloom.diffusion.sampling import Sampling
from noiseloom.runs import Run
from noiseloom.runs.drawing import usually_asked
from noiseloom.seeds import Random
from noiseloom.tasks import Request


def main() -> None:
    parser = argparse.ArgumentParser(description="A step with captions read once, and each time.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--prompts", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    torch.set_grad_enabled(False)
    task: Any
    task, _ = Run.open(given.run).trained_task()
    rows = {
        str(num): measure(task, num, Sampling(name="ddim", steps=given.steps), given.rounds)
        for num in given.prompts
    }
    print(json.dumps({"threads": torch.get_num_threads(), "prompts": rows}, indent=1))


def measure(task: Any, num: int, sampling: Sampling, rounds: int) -> dict[str, float]:
    """Medians of both ways, for `num` pictures at once."""
    labels = torch.from_numpy(usually_asked(task, num))
    request = Request(labels=labels)
    without = task.asking.avoided(labels, None)
    ways: dict[str, Callable[[], Denoise]] = {
        "read once": lambda: task.walk(request).denoise,
        "read each time": lambda: task.config.guidance.wrap(task.model, labels, without),
    }
    start, random = task.start(Random(0, range(num))), Random(0, range(num))
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way, denoise in ways.items():
            began = time.perf_counter()
            for _ in sampling.walk(denoise(), start, task.config.schedule, random):
                pass
            times[way].append(1e3 * (time.perf_counter() - began) / sampling.steps)
    once, each = (statistics.median(seen[1:]) for seen in times.values())
    return {
        "read_once_ms": round(once, 2),
        "read_each_time_ms": round(each, 2),
        "saved": round(1 - once / each, 3),
    }


if __name__ == "__main__":
    main()
