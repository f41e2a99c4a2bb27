"""Two real processes under torchrun do what one does, end together, and go on from each other."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from noiseloom.runs import Recipe, Run
from tests.runs.processes import (
    ENVIRONMENT,
    LONG,
    SHORT,
    assert_close,
    finish,
    newest,
    torchrun,
    train,
    wait_for,
    workers,
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(Recipe.load("digits", SHORT), tmp_path_factory.mktemp("runs") / "alone")
    run.train(evaluate=False)
    return run


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "together"
    code, said = finish(train(folder, [*SHORT, "training.accumulate=2"]))
    assert code == 0, said
    assert said.count("steps 0 to 12") == 1  # one process speaks
    return Run.open(folder)


def test_two_processes_train_as_one(alone: Run, together: Run) -> None:
    assert_close(alone, together)
    assert together.read_json("environment.json")["processes"] == 2
    names = {path.name for path in alone.folder.iterdir()}
    assert names == {path.name for path in together.folder.iterdir()}


@pytest.mark.parametrize("first_alone", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_run_goes_on_with_another_number_of_processes(
    alone: Run, tmp_path: Path, first_alone: bool
) -> None:
    run = Run.create(Recipe.load("digits", SHORT), tmp_path / "run")

    def stop(event: object) -> None:
        if getattr(event, "step", 0) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    resume = torchrun("-m", "noiseloom", "resume", str(run.folder), "--no-evaluate")
    if first_alone:
        with pytest.raises(KeyboardInterrupt, match="Saved at step"):
            run.train(evaluate=False, on_event=stop)
        subprocess.run(resume, env=ENVIRONMENT, check=True, capture_output=True)
    else:
        child = subprocess.Popen(resume, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        wait_for(run.folder / "checkpoints" / "latest", child)
        child.send_signal(signal.SIGTERM)  # torchrun passes it on
        finish(child)
        run.resume(evaluate=False)
    assert_close(alone, run)


@pytest.mark.parametrize("sharding", ["none", pytest.param("full", marks=pytest.mark.slow)])
def test_a_process_that_dies_ends_the_others_and_the_run_resumes(
    tmp_path: Path, sharding: str
) -> None:
    child = train(tmp_path / "run", [*LONG, f"training.sharding={sharding}"])
    wait_for(tmp_path / "run" / "checkpoints" / "latest", child)
    began = time.monotonic()
    os.kill(workers(child)[1], signal.SIGKILL)
    code, _ = finish(child)
    assert code != 0
    assert time.monotonic() - began < 60
    run = Run.open(tmp_path / "run")
    assert 100 <= newest(run).state["step"] < 400
    run.resume(evaluate=False)
    assert newest(run).state["step"] == 400


@pytest.mark.slow
def test_torchrun_starts_a_dead_run_again_by_itself(tmp_path: Path) -> None:
    child = train(tmp_path / "run", LONG, restarts=1)
    wait_for(tmp_path / "run" / "checkpoints" / "latest", child)
    os.kill(workers(child)[0], signal.SIGKILL)
    code, said = finish(child)
    assert code == 0, said
    assert "steps 100 to 400" in said or "steps 200 to 400" in said or "steps 300 to 400" in said
    assert newest(Run.open(tmp_path / "run")).state["step"] == 400


def test_processes_that_see_other_data_are_refused(tmp_path: Path) -> None:
    for rank in range(2):
        folder = tmp_path / f"data{rank}"
        folder.mkdir()
        for index in range(20):
            Image.new("L", (8, 8), index * 10 + rank).save(folder / f"{index}.png")
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from noiseloom.errors import DataError\n"
        "from noiseloom.runs import Recipe, Run\n"
        f"data = f'data.path={tmp_path}/data' + os.environ['RANK']\n"
        f"recipe = Recipe.load('image-folder', [data, 'data.size=8', 'training.steps=2'])\n"
        f"run = Run.create(recipe, Path('{tmp_path}/run'))\n"
        "try:\n"
        "    run.train(evaluate=False)\n"
        "except DataError as error:\n"
        "    print(error, file=sys.stderr)\n"
    )
    child = subprocess.Popen(
        torchrun(str(script)), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    code, said = finish(child)
    assert code == 0, said
    assert said.count("do not see the same data") == 2


@pytest.mark.slow  # it starts two processes for one sentence
def test_a_batch_that_cannot_be_shared_out_is_refused(tmp_path: Path) -> None:
    code, said = finish(train(tmp_path / "run", [*SHORT, "training.batch_size=15"]))
    assert code != 0
    assert "batch_size 15 does not divide into 2 parts" in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.slow  # it starts two processes for one sentence
def test_a_gpu_that_is_not_there_is_said_once(tmp_path: Path) -> None:
    code, said = finish(train(tmp_path / "run", [*SHORT, "training.device=cuda"]))
    assert code != 0 and "exitcode  : 2" in said
    assert said.count("torch finds no CUDA GPU here") == 1
    assert not (tmp_path / "run").exists()
