"""Two real processes under torchrun: starting them, waiting for them, comparing what they made."""

import os
import subprocess
import sys
import time
from pathlib import Path

import torch

from noiseloom.runs import Run
from noiseloom.training.checkpoints import Checkpoint
from noiseloom.training.tracking import read_metrics

SMALL = [
    "network.depth=1",
    "network.width=32",
    "network.heads=2",
    "network.dropout=0.1",
    "data.augment=0.3",
    "training.batch_size=16",
    "training.precision=float32",
    "training.log_every=1",
]
SHORT = [*SMALL, "training.steps=12", "training.checkpoint_every=4"]
LONG = [*SMALL, "training.steps=400", "training.checkpoint_every=100"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def torchrun(*words: str, restarts: int = 0) -> list[str]:
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*program, "--nproc-per-node", "2", f"--max-restarts={restarts}", *words]


def train(
    out: Path, overrides: list[str], *, restarts: int = 0, recipe: str = "digits"
) -> subprocess.Popen[str]:
    """Two processes, training the recipe into `out`."""
    words = ["-m", "noiseloom", "train", recipe, *overrides, "--no-evaluate", "--out", str(out)]
    return subprocess.Popen(
        torchrun(*words, restarts=restarts),
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child: subprocess.Popen[str], seconds: float = 300) -> tuple[int, str]:
    """Exit code and what was said."""
    try:
        _, said = child.communicate(timeout=seconds)
    finally:
        child.kill()
    return child.returncode, said


def wait_for(path: Path, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not path.exists():
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


def workers(child: subprocess.Popen[str]) -> list[int]:
    path = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def newest(run: Run) -> Checkpoint:
    checkpoint = run.newest_checkpoint()
    assert checkpoint is not None
    return checkpoint


def curve(run: Run) -> list[float]:
    lines = read_metrics(run.folder / "metrics.jsonl")
    return [line["loss"] for line in lines if "loss" in line]


def assert_close(one: Run, other: Run) -> None:
    """Weights and losses to float tolerance."""
    torch.testing.assert_close(curve(one), curve(other), rtol=1e-4, atol=0)
    a, b = newest(one), newest(other)
    assert a.state["step"] == b.state["step"]
    for name, value in a.groups["model"].items():
        torch.testing.assert_close(value, b.groups["model"][name], rtol=1e-2, atol=1e-3)
