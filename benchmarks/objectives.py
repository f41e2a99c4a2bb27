"""Causal against masked diffusion: the same text, network, batches and steps; bits per byte.

    python benchmarks/objectives.py FILE [--steps N] [--dropout 0 0.1] [--points 5] [--out FOLDER]

Each objective is trained once with each drop-out, since a model that is held back less than it
needs flatters the other, with the recipe `shakespeare` for all the rest, and judged at `points`
even places of its training with averaged weights on all held-out windows: the same tokens, each
given the first of its window. The causal figure is the likelihood, that of masked diffusion an
upper bound, estimated from 16 masks a window; intervals are 95 %, by bootstrap over windows, and so
hold the estimate's own error, too. An epoch is as many tokens trained on as the training text has.

Writes `objectives.json` and `objectives.png` into the folder, and prints a table as it goes. Of the
drop-outs tried the best at the end is marked: chosen on held-out text, for either objective alike.
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from noiseloom import seeds
from noiseloom.data.dataset import TextDataset
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.evaluate.resampling import ratio_interval
from noiseloom.evaluate.text import nats_of
from noiseloom.runs import Recipe
from noiseloom.runs.building import build_task
from noiseloom.runs.environment import choose_device
from noiseloom.training.loop import Training
from noiseloom.training.precision import settle

OBJECTIVES = ("causal", "masked-diffusion")
REPLICATES = 1000


@dataclass(frozen=True)
class Point:
    """A model at one place of its training: bits per byte of held-out text and of what it saw."""

    objective: str
    dropout: float
    step: int
    epochs: float
    seconds: float
    bits_per_byte: float
    low: float
    high: float
    standard_error: float
    training_nats: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Causal against masked diffusion.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--dropout", type=float, nargs="+", default=[0.0, 0.1])
    parser.add_argument("--points", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("objectives"))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="overrides")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    points: list[Point] = []
    for objective in OBJECTIVES:
        for dropout in given.dropout:
            points += curve(objective, dropout, given)
            content = {"torch": torch.__version__, "file": str(given.file), "steps": given.steps}
            rows = [asdict(point) for point in points]
            text = json.dumps({**content, "overrides": given.overrides, "points": rows}, indent=1)
            (given.out / "objectives.json").write_text(text)
    draw(points, given.out / "objectives.png")
    for objective in OBJECTIVES:
        end = best(points, objective)
        print(
            f"{objective}: {end.bits_per_byte:.3f} bits per byte ({end.low:.3f} to {end.high:.3f}) "
            f"with drop-out {end.dropout:g}, after {end.epochs:.1f} epochs, {end.seconds:.0f} s"
        )


def curve(objective: str, dropout: float, given: argparse.Namespace) -> list[Point]:
    """Train, and judge on the way."""
    recipe = Recipe.load(
        "shakespeare",
        [
            f"data.path={given.file}",
            f"task.objective={objective}",
            f"training.steps={given.steps}",
            *given.overrides,
            f"network.dropout={dropout}",
        ],
    )
    data = recipe.data.open(lambda what, done, total: None)
    device = choose_device(recipe.training.device)
    none = Statistics(torch.zeros(data.item_shape), 1.0)  # text has none
    task = build_task(recipe, data.form, none)
    training = Training(
        recipe.training,
        task,
        data.train,
        settle(recipe.training.precision, device),
        total_steps=given.steps,
    )
    tokens = recipe.training.batch_size * (data.item_shape[0] - 1)
    marks = {round(given.steps * (n + 1) / given.points) for n in range(given.points)}
    points, losses, seconds = [], [], 0.0
    while training.step < given.steps:
        began = time.perf_counter()
        losses.append(training.advance()[0])
        seconds += time.perf_counter() - began
        if training.step in marks:
            with training.averaged():
                figures = judge(task, data, recipe.training.seed)
            points.append(
                Point(
                    objective=objective,
                    dropout=dropout,
                    step=training.step,
                    epochs=training.step * tokens / len(data.train),
                    seconds=seconds,
                    training_nats=float(np.mean(losses[-50:])),
                    **figures,
                )
            )
            print(said(points[-1]), flush=True)
    return points


def judge(task: Any, data: TextDataset, seed: int) -> dict[str, float]:
    """Bits per byte of all held-out windows' tokens but the first, with interval and error."""
    nats = nats_of(task, data, seed, lambda what, share: None)
    windows = data.reference.items[:, 1:]
    lengths = data.form.tokenizer.byte_lengths[windows].sum(axis=1)
    bits = nats / math.log(2)
    drawn = seeds.generator(seed, "objectives bootstrap")
    (low, high), error = ratio_interval(bits, lengths, REPLICATES, drawn)
    value = float(bits.sum() / lengths.sum())
    return {"bits_per_byte": value, "low": low, "high": high, "standard_error": error}


def best(points: list[Point], objective: str) -> Point:
    """The lowest at the end of training, of all drop-outs."""
    last = max(point.step for point in points)
    ends = [point for point in points if point.objective == objective and point.step == last]
    return min(ends, key=lambda point: point.bits_per_byte)


def said(point: Point) -> str:
    """A row of the table."""
    return (
        f"{point.objective:<16} drop-out {point.dropout:<4g} step {point.step:>6,}  "
        f"{point.epochs:6.2f} epochs  {point.seconds:6.0f} s  {point.bits_per_byte:.4f} bits/byte "
        f"({point.low:.4f} to {point.high:.4f}), error {point.standard_error:.4f}; "
        f"training loss {point.training_nats:.3f} nats"
    )


def draw(points: list[Point], path: Path) -> None:
    """Bits per byte over epochs; a band is the interval, a broken line a drop-out not the best."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for objective, colour in zip(OBJECTIVES, ("tab:blue", "tab:orange"), strict=True):
        chosen = best(points, objective).dropout
        for dropout in dict.fromkeys(point.dropout for point in points):
            own = [one for one in points if (one.objective, one.dropout) == (objective, dropout)]
            epochs = [point.epochs for point in own]
            axes.plot(
                epochs,
                [point.bits_per_byte for point in own],
                "o-" if dropout == chosen else "o--",
                color=colour,
                alpha=1.0 if dropout == chosen else 0.5,
                markersize=4,
                label=f"{objective}, drop-out {dropout:g}",
            )
            low, high = [point.low for point in own], [point.high for point in own]
            axes.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("epochs")
    axes.set_ylabel("bits per byte of held-out text")
    axes.set_title("causal: likelihood; masked diffusion: upper bound (95 % intervals)", size=10)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
