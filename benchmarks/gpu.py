"""What a GPU makes of a training: utilisation, sameness, determinism, memory format.

    python benchmarks/gpu.py FOLDER [--parts utilisation curve deterministic unet] [--out FILE.json]

FOLDER holds 32x32 colour images with labels, such as a Parquet file of CIFAR-10. Each part prints
its own JSON as soon as it is measured:

utilisation    `dit` 768 wide, 12 blocks, 256 tokens (32x32, patch 2), bfloat16: whole steps of the
               training loop, data to average included. Floating-point operations are those of the
               network's matrix products and attention, forward and backward, counted by torch; over
               the seconds of a step and over the card's peak: the datasheet's, and that of an
               8192² matrix product measured here.
curve          the recipe `digits` on the CPU and on the GPU in float32: the largest difference
               of their loss curves.
deterministic  `training.deterministic=true`: a run killed with SIGKILL and resumed against the one
               that was not, byte for byte, for `dit` and `unet`; and its cost in step time.
unet           a U-Net's step with activations in torch's plain format and channels last.

Parts that are compared are timed in turn in one process; medians. Needs a CUDA GPU.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from steps import first_batch, network_inputs
from torch.utils.flop_counter import FlopCounterMode

from noiseloom.data.dataset import Dataset
from noiseloom.runs import Recipe, Run
from noiseloom.runs.building import build_task
from noiseloom.runs.trainer import deterministic, measure_statistics
from noiseloom.seeds import Random
from noiseloom.training.loop import Progress, Training
from noiseloom.training.precision import autocast, settle

DATASHEET_TERAFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}  # dense bfloat16, SXM
VARIANTS = ((256, False, "muon"), (512, True, "muon"), (512, True, "adamw"))  # batch, compile
LARGE = "network={name: dit, patch: 2, width: 768, depth: 12, heads: 12}"
SMALL = {
    "dit": "network={name: dit, patch: 4, width: 192, depth: 4, heads: 3}",
    "unet": "network={name: unet, channels: 32, multipliers: [1, 2, 2], blocks: 1}",
}


def main() -> None:
    parts = {
        "utilisation": utilisation,
        "curve": curve,
        "deterministic": determinism,
        "unet": memory_format,
    }
    parser = argparse.ArgumentParser(description="What a GPU makes of a training.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", nargs="+", choices=list(parts), default=list(parts))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.py: torch finds no CUDA GPU here")
    found: dict[str, Any] = {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
    }
    print(json.dumps(found), flush=True)
    for name in given.parts:
        began = time.perf_counter()
        found[name] = parts[name](given.folder)
        found[name]["seconds"] = round(time.perf_counter() - began, 1)
        print(json.dumps({name: found[name]}, indent=1), flush=True)
        if given.out:
            given.out.write_text(json.dumps(found, indent=1))


def training_of(folder: Path, *overrides: str) -> Training:
    """A training of recipe cifar10 with `overrides`, ready for its first step."""
    recipe = cifar(folder, *overrides)
    data: Dataset = recipe.data.open(lambda what, done, total: None)
    task = build_task(recipe, data.form, measure_statistics(data))
    precision = settle(recipe.training.precision, torch.device("cuda"))
    return Training(recipe.training, task, data.train, precision, total_steps=1_000_000)


def cifar(folder: Path, *overrides: str) -> Recipe:
    return Recipe.load(
        "cifar10", [f"data.path={folder}", "training.steps=40", "training.device=cuda", *overrides]
    )


def seconds(action: Callable[[], object]) -> float:
    """Wall clock of `action`, its work on the GPU included."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    action()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def in_turn(actions: dict[str, Callable[[], object]], rounds: int, warm: int) -> dict[str, float]:
    """Median seconds of each action over `rounds`, all in turn, after `warm` rounds not counted."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(warm + rounds):
        for name, action in actions.items():
            times[name].append(seconds(action))
    return {name: statistics.median(seen[warm:]) for name, seen in times.items()}


def utilisation(folder: Path) -> dict[str, Any]:
    """Share of the card's peak that whole training steps reach."""
    matrix = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    product = in_turn({"product": lambda: matrix @ matrix}, rounds=20, warm=5)["product"]
    name = torch.cuda.get_device_name()
    datasheet = next((v for k, v in DATASHEET_TERAFLOPS.items() if k in name), None)
    measured_peak = 2 * 8192**3 / product / 1e12
    rows = []
    for batch, fused, optimizer in VARIANTS:
        torch.compiler.reset()  # another batch size would otherwise be compiled for any size
        training = training_of(
            folder,
            LARGE,
            "training.precision=bfloat16",
            f"training.batch_size={batch}",
            f"training.compile={str(fused).lower()}",
            f"training.optimizer={{name: {optimizer}, learning_rate: 1e-3}}",
        )
        first = seconds(training.advance)
        step = in_turn({"step": training.advance}, rounds=20, warm=5)["step"]
        teraflop = counted_teraflop(training)
        rows.append(
            {
                "batch": batch,
                "compile": fused,
                "optimizer": optimizer,
                "first_step_seconds": round(first, 1),
                "step_milliseconds": round(1e3 * step, 2),
                "network_milliseconds": round(1e3 * network_seconds(training), 2),
                "images_per_second": round(batch / step),
                "teraflop_a_step": round(teraflop, 2),
                "utilisation_of_datasheet": round(teraflop / step / datasheet, 3)
                if datasheet
                else None,
                "utilisation_of_measured_peak": round(teraflop / step / measured_peak, 3),
                "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
            }
        )
        rows[-1]["largest_kernels_milliseconds"] = largest_kernels(training)
        print(json.dumps(rows[-1], indent=1), flush=True)
        del training
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return {
        "datasheet_teraflops": datasheet,
        "measured_peak_teraflops": round(measured_peak, 1),
        "rows": rows,
    }


def counted_teraflop(training: Training) -> float:
    """10¹² operations of the matrix products of a step, counted on 8 items without compiling."""
    items = 8
    batch = first_batch(training, items)
    with FlopCounterMode(display=False) as counter, torch.compiler.set_stance("force_eager"):
        with autocast(training.precision, training.device):
            loss = training.task.loss(batch, Random(0, range(items)))["loss"][0]
        loss.backward()
    training.task.model.zero_grad(set_to_none=True)
    return counter.get_total_flops() / items * training.config.batch_size / 1e12


def largest_kernels(training: Training, number: int = 14) -> dict[str, float]:
    """Where a step's time on the GPU goes: its largest kernels by name, and their sum."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(3):
            training.advance()
        torch.cuda.synchronize()
    spent: dict[str, float] = {}
    for event in profile.key_averages():
        spent[event.key[:90]] = spent.get(event.key[:90], 0) + event.self_device_time_total / 3e3
    ordered = sorted(spent, key=spent.__getitem__, reverse=True)[:number]
    return {"all": round(sum(spent.values()), 2)} | {k: round(spent[k], 2) for k in ordered}


def network_seconds(training: Training) -> float:
    """Forward and backward of the loss alone, data and noise included, without the optimiser."""
    size = training.config.batch_size
    batch = first_batch(training, size)

    def both() -> None:
        with autocast(training.precision, training.device):
            loss = training.task.loss(batch, Random(0, range(size)))["loss"][0]
        loss.backward()
        training.task.model.zero_grad(set_to_none=True)

    return in_turn({"network": both}, rounds=10, warm=2)["network"]


def curve(folder: Path) -> dict[str, Any]:
    """Losses of the same recipe on both devices, step by step."""
    losses: dict[str, list[float]] = {}
    for device, precision in (("cpu", "float32"), ("cuda", "float32"), ("cuda", "bfloat16")):
        with tempfile.TemporaryDirectory() as out:
            recipe = Recipe.load(
                "digits",
                [
                    "training.steps=200",
                    f"training.device={device}",
                    f"training.precision={precision}",
                ],
            )
            seen: list[float] = []
            Run.create(recipe, Path(out) / "run").train(
                evaluate=False,
                on_event=lambda event, seen=seen: (
                    seen.append(event.loss) if isinstance(event, Progress) else None
                ),
            )
            losses[f"{device} {precision}"] = seen
    base = losses["cpu float32"]
    return {
        "steps": len(base),
        "last_loss": {name: round(seen[-1], 6) for name, seen in losses.items()},
        "largest_relative_difference": {
            name: max(abs(a - b) / abs(b) for a, b in zip(seen, base, strict=True))
            for name, seen in losses.items()
        },
    }


def determinism(folder: Path) -> dict[str, Any]:
    """Bytes of a killed and resumed run against an unbroken one; what it costs."""
    answer: dict[str, Any] = {}
    for name, network in SMALL.items():
        with tempfile.TemporaryDirectory() as out:
            whole, broken = Path(out) / "whole", Path(out) / "broken"
            settings = [network, "training.deterministic=true", "training.checkpoint_every=100"]
            settings += ["training.steps=400", "training.sample_every=1000"]
            line = training_command(folder, settings, whole)
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
            kill_at(200, folder, settings, broken)
            subprocess.run(
                [sys.executable, "-m", "noiseloom", "resume", str(broken), "--no-evaluate"],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            same = {
                file: digest(whole, file) == digest(broken, file)
                for file in ("model", "average", "optimizer")
            }
        answer[name] = {"identical_bytes": same, "cost": deterministic_cost(folder, network)}
    answer["dit 768 x 12"] = {"cost": deterministic_cost(folder, LARGE, "training.batch_size=256")}
    return answer


def training_command(folder: Path, settings: list[str], out: Path) -> list[str]:
    words = ["train", "cifar10", f"data.path={folder}", "training.device=cuda", *settings]
    return [sys.executable, "-m", "noiseloom", *words, "--no-evaluate", "--out", str(out)]


def kill_at(step: int, folder: Path, settings: list[str], out: Path) -> None:
    """Train, and kill the process once the checkpoint of `step` is there."""
    line = training_command(folder, settings, out)
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (out / "checkpoints" / f"step-{step:08d}").is_dir():
        if process.poll() is not None:
            raise RuntimeError(f"the run to be killed ended by itself with {process.returncode}")
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


def digest(run: Path, file: str) -> str:
    path = run / "checkpoints" / "step-00000400" / f"{file}.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def deterministic_cost(folder: Path, *overrides: str) -> dict[str, float]:
    """Step time with and without deterministic algorithms, in turn."""
    training = training_of(folder, *overrides)
    modes = {"free": contextlib.nullcontext, "deterministic": lambda: deterministic(True)}

    def advance(mode: str) -> None:
        with modes[mode]():
            training.advance()

    times = in_turn({mode: lambda mode=mode: advance(mode) for mode in modes}, rounds=20, warm=5)
    return {
        **{f"{mode}_milliseconds": round(1e3 * s, 2) for mode, s in times.items()},
        "ratio": round(times["deterministic"] / times["free"], 3),
    }


def memory_format(folder: Path) -> dict[str, Any]:
    """A U-Net's forward and backward on inputs in either memory format, bfloat16 and float32."""
    rows = []
    for precision, channels in itertools.product(("bfloat16", "float32"), (32, 128)):
        training = training_of(
            folder,
            f"network={{name: unet, channels: {channels}, multipliers: [1, 2, 2], blocks: 2}}",
            f"training.precision={precision}",
            "training.batch_size=256",
        )
        plain = network_inputs(training)
        last = (plain[0].contiguous(memory_format=torch.channels_last), *plain[1:])

        def both(inputs: tuple[Any, ...], training: Training = training) -> None:
            with autocast(training.precision, training.device):
                output = training.task.model.network(*inputs)  # type: ignore[operator, union-attr]
            output.float().square().sum().backward()

        actions = {"plain": lambda: both(plain), "channels_last": lambda: both(last)}  # noqa: B023
        times = in_turn(actions, rounds=20, warm=8)
        rows.append(
            {
                "channels": channels,
                "precision": precision,
                **{f"{name}_milliseconds": round(1e3 * s, 2) for name, s in times.items()},
                "ratio": round(times["channels_last"] / times["plain"], 3),
            }
        )
    return {"rows": rows}


if __name__ == "__main__":
    main()
