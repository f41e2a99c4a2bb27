"""Where the time of a training step goes.

    python benchmarks/steps.py mnist data.path=FOLDER [KEY=VALUE ...]

Takes a recipe's training steps apart: what the network itself needs (forward and backward on a
batch that is ready), what the optimiser and the average of the weights need, and what is left for
data, noise, loss and the loop. The parts are timed in turn, many times, in one process, so that a
noisy machine is noisy for all of them; medians are printed as JSON, milliseconds and shares.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from noiseloom.data.forms import Batch
from noiseloom.runs import Recipe
from noiseloom.runs.building import build_task
from noiseloom.runs.trainer import measure_statistics
from noiseloom.seeds import Random
from noiseloom.training.loop import Training
from noiseloom.training.precision import autocast, settle


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the time of a training step goes.")
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--rounds", type=int, default=60, help="how often each part is timed")
    given = parser.parse_args()
    print(json.dumps(measure(Recipe.load(given.recipe, given.overrides), given.rounds), indent=1))


def measure(recipe: Recipe, rounds: int) -> dict[str, object]:
    """Medians over `rounds` of a whole step and of its parts."""
    data = recipe.data.open(lambda what, done, total: None)
    task = build_task(recipe, data.form, measure_statistics(data))
    precision = settle(recipe.training.precision, next(task.model.parameters()).device)
    training = Training(recipe.training, task, data.train, precision, total_steps=1_000_000)
    parts = Parts(training)
    times: dict[str, list[float]] = {name: [] for name in parts.named}
    for _ in range(rounds):
        for name, part in parts.named.items():
            began = time.perf_counter()
            part()
            times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(seen[rounds // 6 :]) for name, seen in times.items()}
    whole = medians["step"]
    rest = whole - sum(seconds for name, seconds in medians.items() if name != "step")
    return {
        "recipe": recipe.name,
        "precision": precision,
        "threads": torch.get_num_threads(),
        "milliseconds": {
            **{name: round(1e3 * seconds, 2) for name, seconds in medians.items()},
            "data, noise, loss, loop": round(1e3 * rest, 2),
        },
        "share_outside_network": round(1 - medians["network"] / whole, 3),
    }


class Parts:
    """A training step and its parts, each to be called as often as wanted."""

    def __init__(self, training: Training) -> None:
        self.training = training
        model = training.task.model
        self.inputs, self.network = network_inputs(training), model.network
        training.advance()  # the optimiser's state is there from now on
        self.named: dict[str, Callable[[], object]] = {
            "step": training.advance,
            "network": self.forward_and_backward,
            "optimiser": self.optimise,
            "average": lambda: training.average.update(model, training.step),
        }

    def forward_and_backward(self) -> None:
        """The network alone, on inputs that are ready."""
        with autocast(self.training.precision, self.training.device):
            output = self.network(*self.inputs)
        output.float().square().sum().backward()

    def optimise(self) -> None:
        """One update with the gradients that the network left."""
        with autocast(self.training.precision, self.training.device):
            self.training.optimizer.step(1e-6)


def first_batch(training: Training, items: int) -> Batch:
    """The first `items` of the training data."""
    labels = training.data.labels
    return Batch(training.data.items[:items], None if labels is None else labels[:items])


def network_inputs(training: Training) -> tuple[torch.Tensor, ...]:
    """What the denoiser gives its network for the first batch."""
    size = training.config.batch_size
    seen: list[tuple[torch.Tensor, ...]] = []
    network = training.task.model.network
    hook = network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    training.task.loss(first_batch(training, size), Random(0, range(size)))
    hook.remove()
    return seen[0]


if __name__ == "__main__":
    main()
