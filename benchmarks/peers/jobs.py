"""Training the peers: each training a process of its own, so that one that fails fails alone."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import judge
import numpy as np

from peers import contestant
from peers.folder import add_arrays, judge_cache, read, read_arrays, write

IMAGES = Path(__file__).resolve().parents[1] / "images.py"


@dataclass(frozen=True)
class Job:
    """One training of a contestant; a `search` ends with the figure that compares rates."""

    contestant: str
    rate: float
    steps: int
    search: bool = False

    def __str__(self) -> str:
        kind = "search" if self.search else "training"
        return f"{self.contestant}, rate {self.rate:g}, {kind} of {self.steps} steps"


def train_all(given: argparse.Namespace) -> None:
    """Writes train.json and samples-<contestant>.npz anew after each training."""
    given.times = given.times or given.out / "times.json"
    given.until = time.time() + given.limit_seconds
    times = read(given.times).get("contestants", {})
    if missing := [name for name in given.only if name not in times]:
        raise SystemExit(
            f"{given.times} has no times of {', '.join(missing)}: run the stage `times` first, or "
            "name others with --only"
        )
    judge.prepare(judge.read_digits(given.data, "train"), judge_cache())
    rates = {name: contestant(name).rates for name in given.only}
    steps = {name: given.steps or times[name]["steps"] for name in given.only}
    if given.search_share < 1:
        several = [name for name in given.only if len(rates[name]) > 1]
        few = {name: max(1, round(given.search_share * steps[name])) for name in several}
        searches = [Job(name, rate, few[name], True) for name in several for rate in rates[name]]
        _run(searches, given)
        rates |= {
            name: _best_rate(read(given.out / "train.json"), name, few[name]) for name in several
        }
    _run([Job(name, rate, steps[name]) for name in given.only for rate in rates[name]], given)


def _best_rate(known: dict[str, Any], name: str, steps: int) -> tuple[float, ...]:
    found = [run for run in known.get("runs", []) if run["contestant"] == name and run["search"]]
    found = [run for run in found if run["candidates"] and run["steps"] == steps]
    best = min(found, key=lambda run: min(run["candidates"].values()), default=None)
    return () if best is None else (best["rate"],)


def _run(jobs: list[Job], given: argparse.Namespace) -> None:
    """Those jobs that the folder does not have yet; what the time limit stopped is made again."""
    known = read(given.out / "train.json").get("runs", [])
    known = [run for run in known if run["candidates"] or _job(run) not in jobs]
    made = {_job(run) for run in known}
    with ThreadPoolExecutor(given.jobs) as pool:
        waiting = {pool.submit(_start, job, given): job for job in jobs if job not in made}
        for future in as_completed(waiting):
            if (ended := future.result()) is None:
                continue
            run, arrays = ended
            add_arrays(given.out / f"samples-{run['contestant']}.npz", arrays)
            known.append(run)
            write(given.out / "train.json", {"runs": known})
            _say(f"{waiting[future]}: {_describe(run)}")


def _job(run: dict[str, Any]) -> Job:
    return Job(run["contestant"], run["rate"], run["steps"], run["search"])


def _start(
    job: Job, given: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """The record and samples of a job, None for one that failed."""
    command = [sys.executable, str(IMAGES), "one", "--job", json.dumps(asdict(job))]
    for name in ("data", "device", "num", "example-num", "times", "until"):
        value = getattr(given, name.replace("-", "_"))
        command += [] if value is None else [f"--{name}", str(value)]
    attempts: list[list[str]] = [[]]
    if given.device == "cuda":
        command += ["--threads", str(max(1, (os.cpu_count() or 1) // given.jobs))]
        attempts.append(["--no-capture"])
    for attempt in attempts:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [*command, *attempt, "--out", folder], capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                return read(Path(folder) / "run.json"), read_arrays(Path(folder) / "samples.npz")
        _say(f"{job} failed {attempt}:\n{done.stderr.strip()[-3000:]}")
    return None


def _describe(run: dict[str, Any]) -> str:
    made, steps = run["steps_made"], run["steps"]
    if made < steps:
        return f"stopped by the time limit after {made} of {steps} steps"
    figures = ", ".join(f"{name} {distance:.1f}" for name, distance in run["candidates"].items())
    return f"{run['seconds']:.0f} s, sampling {run['sampling_seconds']:.0f} s; FD: {figures}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
