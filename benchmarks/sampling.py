"""How much of the time of sampling is spent outside the network.

    python benchmarks/sampling.py digits [KEY=VALUE ...] [--batch 64] [--steps 20] [--rounds 7]

For every sampler, the time of the whole of `Sampling.walk` (sampler, noise, preconditioning and
network, without guidance and with the recipe's) and, within it, the time inside the network module,
read by a clock round its calls. It is processor time, so a busy machine changes little; run it with
OMP_NUM_THREADS=1, since waiting threads would count. Samplers take turns; medians over rounds are
printed as JSON, microseconds a network call and shares. `preconditioning`
is what the denoiser adds round its network, `sampler` what is left.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from noiseloom.diffusion.denoiser import Denoise, Denoiser, Statistics
from noiseloom.diffusion.samplers import SAMPLERS
from noiseloom.diffusion.sampling import ADAPTIVE, Sampling
from noiseloom.runs import Recipe
from noiseloom.runs.building import build_task
from noiseloom.seeds import Random


def main() -> None:
    parser = argparse.ArgumentParser(description="The time of sampling outside the network.")
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    given = parser.parse_args()
    recipe = Recipe.load(given.recipe, given.overrides)
    torch.set_grad_enabled(False)
    print(
        json.dumps(
            measure(recipe, given.samplers, given.batch, given.steps, given.rounds), indent=1
        )
    )


@dataclass
class Clock:
    """Seconds spent in the forward of some modules, and how often they were called."""

    seconds: float = 0.0
    calls: int = 0
    _began: list[float] = field(default_factory=list)

    @contextmanager
    def on(self, module: nn.Module) -> Iterator[None]:
        """Count `module`'s calls within."""
        hooks = [
            module.register_forward_pre_hook(lambda *_: self._began.append(time.process_time())),
            module.register_forward_hook(lambda *_: self._end()),
        ]
        yield
        for hook in hooks:
            hook.remove()

    def _end(self) -> None:
        self.seconds += time.process_time() - self._began.pop()
        self.calls += 1


def measure(
    recipe: Recipe, samplers: list[str], batch: int, steps: int, rounds: int
) -> dict[str, object]:
    """Shares of each of `samplers`, by medians over `rounds`."""
    data = recipe.data.open(lambda what, done, total: None)
    statistics_of_nothing = Statistics(torch.zeros(data.form.item_shape), 0.5)
    task = build_task(recipe, data.form, statistics_of_nothing, "cpu")
    denoiser = task.model.eval()
    assert isinstance(denoiser, Denoiser)
    labels = torch.arange(batch) % max(1, len(data.form.class_names))
    plain = torch.full_like(labels, len(data.form.class_names))
    asked: dict[str, Denoise] = {
        "plain": lambda xt, t: denoiser(xt, t, labels),
        "guided": recipe.task.guidance.wrap(denoiser, labels, plain),
    }
    rows: dict[str, dict[str, list[Times]]] = {
        name: {kind: [] for kind in asked} for name in samplers
    }
    for _ in range(rounds):
        for name, row in rows.items():
            for kind, denoise in asked.items():
                sampling = Sampling(name=name, **({} if name in ADAPTIVE else {"steps": steps}))
                row[kind].append(walk(sampling, denoise, denoiser, batch, steps))
    return {
        "recipe": recipe.name,
        "batch": batch,
        "threads": torch.get_num_threads(),
        "samplers": {
            name: {kind: summary(times) for kind, times in row.items()}
            for name, row in rows.items()
        },
    }


@dataclass(frozen=True)
class Times:
    """Seconds of one walk: whole, inside the denoiser, inside the network; and network calls."""

    whole: float
    denoiser: float
    network: float
    calls: int


def walk(sampling: Sampling, denoise: Denoise, denoiser: Denoiser, batch: int, steps: int) -> Times:
    """Draw one batch, timed; of an adaptive sampler the first `steps` steps."""
    schedule = denoiser.schedule
    random = Random(0, range(batch))
    x: Tensor = random.normal("start", denoiser.data_mean.shape)
    whole, network = Clock(), Clock()
    with whole.on(denoiser), network.on(denoiser.network):
        began = time.process_time()
        for _ in itertools.islice(sampling.walk(denoise, x, schedule, random), steps):
            pass
        seconds = time.process_time() - began
    return Times(seconds, whole.seconds, network.seconds, network.calls)


def summary(times: list[Times]) -> dict[str, float]:
    """Medians: microseconds a call, and the share outside the network."""

    def a_call(part: list[float]) -> float:
        each = [1e6 * seconds / one.calls for seconds, one in zip(part, times, strict=True)]
        return round(statistics.median(each), 1)

    outside = [1 - one.network / one.whole for one in times]
    return {
        "network": a_call([one.network for one in times]),
        "preconditioning": a_call([one.denoiser - one.network for one in times]),
        "sampler": a_call([one.whole - one.denoiser for one in times]),
        "share_outside": round(statistics.median(outside), 4),
        "calls": times[0].calls,
    }


if __name__ == "__main__":
    main()
