"""What the machine can do to a run, and that nothing is lost: full disks, kills."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from noiseloom import cli
from noiseloom.errors import MachineError
from noiseloom.runs import Recipe, Run
from noiseloom.training.loop import Started
from noiseloom.training.tracking import read_metrics

SMALL = [
    "network.depth=1",
    "network.width=32",
    "network.heads=2",
    "training.batch_size=8",
    "training.steps=12",
    "training.checkpoint_every=4",
    "training.snapshots=0",
]
WEIGHTS = ("model.safetensors", "average.safetensors", "optimizer.safetensors")
LIMIT = 20_000  # bytes a file may have: enough for all but the weights


def files_of(run: Run) -> dict[str, bytes]:
    folder = run.checkpoints.path(run.checkpoints.steps()[-1])
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(Recipe.load("digits", SMALL), tmp_path_factory.mktemp("runs") / "unbroken")
    run.train(evaluate=False)
    return run


def started_at(run: Run) -> int:
    """Resume to the end; the step at which that began."""
    seen: list[object] = []
    run.resume(evaluate=False, on_event=seen.append)
    return next(event.step for event in seen if isinstance(event, Started))


def test_a_disk_that_fills_ends_in_a_sentence_and_loses_nothing(
    unbroken: Run, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    code = (
        "import resource, sys; from noiseloom.cli import main\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, hard))\n"
        "sys.exit(main())"
    )
    threads = str(unbroken.read_json("environment.json")["threads"])
    words = ["train", "digits", *SMALL, "--no-evaluate", "--out", str(out)]
    child = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "OMP_NUM_THREADS": threads},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 4, child.stderr
    assert "could not be written" in child.stderr and "Traceback" not in child.stderr
    run = Run.open(out)
    assert "Stopped: The checkpoint of step 4 could not be written" in log_of(run)
    assert not list(out.glob("checkpoints/.writing*"))
    assert started_at(run) == 0  # no checkpoint could be kept
    assert files_of(run) == files_of(unbroken)


@pytest.mark.parametrize(("snapshots", "lost"), [(0, "checkpoint"), (1, "snapshot")])
def test_a_disk_that_fills_later_keeps_what_was_saved(
    unbroken: Run, tmp_path: Path, snapshots: int, lost: str
) -> None:
    asked = [*SMALL, f"training.snapshots={snapshots}"]
    run = Run.create(Recipe.load("digits", asked), tmp_path / "run")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(event: object) -> None:
        if getattr(event, "step", 0) == (5 if lost == "checkpoint" else 11):
            resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))

    try:
        with pytest.raises(
            MachineError, match=f"{lost} of step (8|12) could not be written.*intact"
        ):
            run.train(evaluate=False, on_event=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert started_at(run) == (4 if lost == "checkpoint" else 8)
    own, theirs = files_of(run), files_of(unbroken)
    assert {name: own[name] for name in WEIGHTS} == {name: theirs[name] for name in WEIGHTS}


def test_a_folder_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc").is_dir():
        pytest.skip("needs /proc: where even root may not write")
    words = ["train", "digits", *SMALL, "--no-evaluate", "--out", "/proc/run"]
    assert cli.main(words) == 4
    said = capsys.readouterr().err
    assert "The run's folder could not be written to /proc/run" in said
    assert "Traceback" not in said


def test_a_kill_while_the_folder_is_made(unbroken: Run, tmp_path: Path) -> None:
    run = Run.create(Recipe.load("digits", SMALL), tmp_path / "run")
    (run.folder / "environment.json").unlink()  # it is written after the recipe
    assert started_at(run) == 0
    assert files_of(run) == files_of(unbroken)


def test_a_kill_while_the_step_time_is_measured(tmp_path: Path) -> None:
    overrides = [one for one in SMALL if "steps=" not in one] + ["training.max_minutes=0.02"]
    run = Run.create(Recipe.load("digits", overrides), tmp_path / "run")
    left = run.folder / ".measuring" / "checkpoints" / ".writing-step-00000003"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")
    run.train(evaluate=False)
    assert not (run.folder / ".measuring").exists()
    assert (
        run.checkpoints.steps()[-1] == run.read_json("environment.json")["settled"]["total_steps"]
    )


def test_a_kill_between_a_checkpoint_and_its_lines(unbroken: Run, tmp_path: Path) -> None:
    recipe = Recipe.load("digits", [*SMALL, "training.sample_every=4"])
    whole = Run.create(recipe, tmp_path / "whole")
    whole.train(evaluate=False)
    run = Run.create(recipe, tmp_path / "run")

    def stop(event: object) -> None:
        if getattr(event, "step", 0) == 6:
            raise RuntimeError("as a kill would")

    with pytest.raises(RuntimeError):
        run.train(evaluate=False, on_event=stop)
    (run.folder / "samples" / "step-00000004.png").unlink()
    metrics = run.folder / "metrics.jsonl"
    lines = [
        line
        for line in metrics.read_text().splitlines(True)
        if "held_out" not in line or '"step": 0,' in line  # written long before
    ]
    metrics.write_text("".join(lines))
    assert started_at(run) == 4
    assert {p.name for p in (run.folder / "samples").iterdir()} == {
        p.name for p in (whole.folder / "samples").iterdir()
    }
    assert held_out(run) == held_out(whole)


def held_out(run: Run) -> list[tuple[float, float]]:
    lines = read_metrics(run.folder / "metrics.jsonl")
    return [(line["step"], line["held_out_loss"]) for line in lines if "held_out_loss" in line]


def test_the_log_says_what_was_said(unbroken: Run) -> None:
    lines = log_of(unbroken).splitlines()
    assert all(line[:2] == "20" and line[19] == " " for line in lines)
    said = [line[20:] for line in lines]
    assert said[0].endswith("steps 0 to 12")
    assert said[1].startswith("Step 4 is saved in ")
    assert said[-1] == "Done."


def log_of(run: Run) -> str:
    return (run.folder / "log.txt").read_text(encoding="utf-8")
