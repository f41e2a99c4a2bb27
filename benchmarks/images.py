"""Noiseloom beside its peers on MNIST's digits: what each reaches in 20 minutes of training.

    python benchmarks/images.py times --data FOLDER --out DIR     step times on this processor
    python benchmarks/images.py train --data FOLDER --out DIR     the peers
    python benchmarks/images.py ours  --data FOLDER --out DIR     noiseloom train mnist
    python benchmarks/images.py table --data FOLDER --out DIR     table.md and table.json

FOLDER holds the IDX files. Everything runs in an environment of its own (`peers/requirements.txt`)
with Noiseloom on PYTHONPATH; each stage goes on from what DIR has.

Protocol. All train on the same 10,000 digits, class-conditional, with an average of the weights.
The budget is 20 minutes of training on the processor that `times` ran on: a contestant's steps are
those minutes over its step time there, medians taken in turn, and its learning-rate plan spans
exactly so many. That many steps end with the same weights, to rounding, wherever they are made:
`train --device cuda` saves waiting (float32, no TF32), and the table speaks of minutes of the
processor. The loop round the peers is lean: no workers, no progress bar, fused optimisers. Of
several rates each is trained to the end; with `--search-share` below 1 for that share of the
steps, and only the best then to the end.

A peer's samplers (`peers/`) are compared on half as many samples, of seed 1, by the Fréchet
distance of `judge.py`; the best draws again with seed 2, and that figure counts. Samplers of more
than 100 calls an image are tried on a GPU only. Noiseloom trains for 1/4, 1/2, 1 and 2 minutes
through its command and draws with the recipe's sampler: with the recipe's guidance or with guidance
2, chosen in the same way; and, beside that, as the recipe is, and with guidance off, which
diffusers' unconditional pipelines do not have. A peer's sampling time is that of its network calls
alone, Noiseloom's of its whole command. The goal: no worse than a peer's 20 minutes in a 20th of
them.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TQDM_DISABLE", "1")  # before a peer's library is imported

from peers import NAMES, jobs, measuring, one, ours, table


def main() -> None:
    given = _arguments().parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    given.run(given)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Noiseloom beside its peers on MNIST's digits.")
    stages = parser.add_subparsers(required=True)

    def stage(
        name: str, run: Callable[[argparse.Namespace], None], says: str
    ) -> argparse.ArgumentParser:
        added = stages.add_parser(name, help=says, description=says)
        added.set_defaults(run=run)
        added.add_argument("--data", type=Path, required=True, help="folder of the four IDX files")
        added.add_argument("--out", type=Path, required=True, help="where everything is kept")
        return added

    times = stage("times", measuring.write_times, "Step and sampling times on this processor.")
    times.add_argument("--rounds", type=int, default=8)
    times.add_argument("--minutes", type=float, default=20)
    times.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)

    train = stage("train", jobs.train_all, "Train the peers and draw their samples.")
    train.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    train.add_argument("--steps", type=int, help="instead of what the budget holds, to try it out")
    train.add_argument("--search-share", type=float, default=1.0, help="of the steps, for rates")
    train.add_argument("--jobs", type=int, default=1, help="trainings at once")
    train.add_argument("--limit-seconds", type=float, default=float("inf"), help="for all of it")
    single = stage("one", one.train_one, "One training: what `train` starts.")
    single.add_argument("--job", required=True, help="JSON")
    single.add_argument("--until", type=float, required=True, help="seconds since 1970")
    single.add_argument("--threads", type=int)
    single.add_argument("--no-capture", action="store_true", help="of the step as a CUDA graph")
    for trains in (train, single):
        trains.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
        trains.add_argument("--num", type=int, default=1000, help="samples")
        trains.add_argument("--example-num", type=int, help="of the slow diffusers-example")
        trains.add_argument("--times", type=Path, help="OUT/times.json if not given")

    own = stage("ours", ours.train_ours, "Train Noiseloom and draw its samples.")
    own.add_argument("--noiseloom", default=sys.executable, help="the Python that has it")
    own.add_argument("--minutes", type=float, nargs="+", default=[0.25, 0.5, 1, 2])
    own.add_argument("--num", type=int, default=1000, help="samples")

    stage("table", table.write_table, "Judge all samples; write table.json and table.md.")
    return parser


if __name__ == "__main__":
    main()
