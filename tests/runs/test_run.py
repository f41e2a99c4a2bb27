import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.errors import DataError, InputError, MachineError
from noiseloom.media import read_png_text
from noiseloom.runs import Recipe, Run
from noiseloom.runs.drawing import choose_labels
from noiseloom.runs.folders import make_next_folder
from noiseloom.runs.trainer import locked
from noiseloom.training import checkpoints
from noiseloom.training.loop import Note, Progress, Started
from noiseloom.training.tracking import read_metrics

SMALL = ("network.depth=1", "network.width=24", "network.heads=2", "training.batch_size=8")


def small(*overrides: str) -> Recipe:
    return Recipe.load("digits", [*SMALL, "training.steps=12", "training.snapshots=3", *overrides])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(small(), tmp_path_factory.mktemp("runs") / "finished")
    run.train(evaluate=False)
    return run


def checkpoint_bytes(run: Run) -> dict[str, bytes]:
    """The newest checkpoint's files, and those of all snapshots."""
    folder = run.checkpoints.path(run.checkpoints.steps()[-1])
    files = [*folder.iterdir(), *run.snapshots.folder.iterdir()]
    return {path.name: path.read_bytes() for path in files}


def test_an_interrupted_run_resumes_to_the_byte(finished: Run, tmp_path: Path) -> None:
    run = Run.create(small(), tmp_path / "run")

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="Saved at step"):
        run.train(evaluate=False, on_event=interrupt)
    stopped_at = run.checkpoints.steps()[-1]
    assert 5 <= stopped_at < 12
    seen: list[object] = []
    Run.open(run.folder).resume(evaluate=False, on_event=seen.append)
    started = next(event for event in seen if isinstance(event, Started))
    assert started.step == stopped_at
    assert checkpoint_bytes(run) == checkpoint_bytes(finished)
    steps = [line["step"] for line in read_metrics(run.folder / "metrics.jsonl")]
    assert steps == sorted(steps)


def test_an_average_of_any_width_is_had_afterwards(finished: Run) -> None:
    assert finished.snapshots.steps() == [4, 8, 12]
    assert "average-0.1.safetensors" in checkpoint_bytes(finished)
    usual, same, other = (finished.sample(num=2, ema=ema).items for ema in (None, 0.05, 0.1))
    assert np.array_equal(usual, same)
    assert not np.array_equal(usual, other)
    seen: list[object] = []
    finished.sample(num=1, ema=0.01, on_event=seen.append)
    assert any(isinstance(event, Note) and "profile is off by" in event.text for event in seen)
    with pytest.raises(InputError, match="both asked for"):
        finished.sample(num=1, ema=0.1, raw=True)


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    run = Run.create(small(), tmp_path / "run")

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt, match="without saving"):
        run.train(evaluate=False, on_event=interrupt)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_ctrl_c_twice_within_a_save_loses_nothing(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(small("training.checkpoint_every=5"), tmp_path / "run")
    verify = checkpoints.verify

    def interrupted(folder: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        verify(folder)

    monkeypatch.setattr(checkpoints, "verify", interrupted)
    with pytest.raises(KeyboardInterrupt, match="Saved at step 5"):
        run.train(evaluate=False)
    monkeypatch.undo()
    assert run.checkpoints.steps() == [5]
    assert not list(run.folder.glob("checkpoints/.writing*"))


def test_a_changed_recipe_is_not_mixed_into_a_run(tmp_path: Path) -> None:
    run = Run.create(small(), tmp_path / "run")

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run.train(evaluate=False, on_event=interrupt)
    text = (run.folder / "recipe.yaml").read_text()
    (run.folder / "recipe.yaml").write_text(text.replace("batch_size: 8", "batch_size: 4"))
    with pytest.raises(InputError, match="changed after training began"):
        Run.open(run.folder).resume(evaluate=False)


def test_a_run_older_than_an_option_goes_on(finished: Run, tmp_path: Path) -> None:
    run = Run.create(small(), tmp_path / "run")
    recipe = run.folder / "recipe.yaml"
    lines = recipe.read_text().splitlines(keepends=True)
    older = [line for line in lines if line.strip() not in ("augment: 0.0", "tensorboard: false")]
    assert len(older) == len(lines) - 2
    recipe.write_text("".join(older))  # as made before there were these

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        Run.open(run.folder).train(evaluate=False, on_event=interrupt)
    recipe.write_text("# a remark\n" + "".join(older))
    Run.open(run.folder).resume(evaluate=False)
    for name, content in checkpoint_bytes(finished).items():
        if name.endswith(".safetensors"):
            assert checkpoint_bytes(run)[name] == content, name
    recipe.write_text("".join(older).replace("held_out: 0.2", "held_out: 0.2\n  augment: 0.1"))
    with pytest.raises(InputError, match="changed after training began"):
        Run.open(run.folder).resume(evaluate=False)


def test_the_fingerprint_is_of_the_recipe_as_the_run_was_made(finished: Run) -> None:
    """Checkpoints hold the hash of the resolved recipe's text: of this, so that they all fit.

    Without `sharding`, which says nothing of what comes out and came after the first of them.
    """
    saved = finished.newest_checkpoint()
    assert saved is not None
    text = finished.recipe.to_yaml().replace("  sharding: none\n", "")
    assert saved.state["recipe"] == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    run = Run.create(
        small(
            "training.checkpoint_every=1",
            "training.optimizer.rest.learning_rate=9e5",
            "training.plan.warmup=0",
            "training.clip=null",
        ),
        tmp_path / "run",
    )
    with pytest.raises(MachineError, match=r"not saved|training stops"):
        run.train(evaluate=False)
    for step in run.checkpoints.steps():
        saved = run.checkpoints.load(step)
        assert saved is not None
        assert all(v.isfinite().all() for v in saved.groups["model"].values())


def test_deterministic_algorithms_only_while_training(tmp_path: Path) -> None:
    seen = []

    def look(event: object) -> None:
        if isinstance(event, Progress):
            seen.append(torch.are_deterministic_algorithms_enabled())

    recipe = small("training.deterministic=true")
    Run.create(recipe, tmp_path / "run").train(evaluate=False, on_event=look)
    assert all(seen) and len(seen) == 12
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_exact_resume_with_accumulation_dropout_and_a_mid_log_stop(
    tmp_path: Path, precision: str
) -> None:
    overrides = (
        "training.accumulate=4",
        "network.dropout=0.2",
        "training.log_every=4",
        f"training.precision={precision}",
    )
    whole = Run.create(small(*overrides), tmp_path / "whole")
    whole.train(evaluate=False)
    run = Run.create(small(*overrides), tmp_path / "run")

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 6:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run.train(evaluate=False, on_event=interrupt)
    run.resume(evaluate=False)
    assert checkpoint_bytes(run) == checkpoint_bytes(whole)


def test_a_killed_run_resumes_to_the_byte(finished: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "digits.yaml"
    recipe.write_text(finished.recipe.to_yaml())
    folder = tmp_path / "run"
    code = (
        "from pathlib import Path; from noiseloom.runs import Recipe, Run; import sys\n"
        "import torch; torch.set_num_threads(int(sys.argv[3]))\n"
        "Run.create(Recipe.load(sys.argv[1]), Path(sys.argv[2])).train(evaluate=False)"
    )
    threads = finished.read_json("environment.json")["threads"]
    child = subprocess.Popen([sys.executable, "-c", code, str(recipe), str(folder), str(threads)])
    try:
        deadline = time.monotonic() + 60
        while not list(folder.glob("checkpoints/step-*")) and time.monotonic() < deadline:
            assert child.poll() is None
            time.sleep(0.005)
    finally:
        child.kill()
        child.wait()
    Run.open(folder).resume(evaluate=False)
    assert checkpoint_bytes(Run.open(folder)) == checkpoint_bytes(finished)


def test_a_run_without_checkpoint_begins_at_step_0(finished: Run, tmp_path: Path) -> None:
    run = Run.create(small(), tmp_path / "run")  # killed right after: folder and recipe are there
    seen: list[object] = []
    Run.open(run.folder).resume(evaluate=False, on_event=seen.append)
    assert next(event for event in seen if isinstance(event, Started)).step == 0
    assert checkpoint_bytes(run) == checkpoint_bytes(finished)


def test_a_damaged_checkpoint_is_said_and_the_end_is_the_same(
    finished: Run, tmp_path: Path
) -> None:
    run = Run.create(small(), tmp_path / "run")
    run.train(evaluate=False)
    newest = run.checkpoints.path(12) / "model.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    seen: list[object] = []
    run.resume(evaluate=False, on_event=seen.append)
    assert any(isinstance(event, Note) and "is damaged" in event.text for event in seen)
    assert checkpoint_bytes(run) == checkpoint_bytes(finished)


def test_a_picture_does_not_depend_on_its_batch(finished: Run) -> None:
    whole = finished.sample(num=7, seed=3)
    parts = finished.sample(num=7, seed=3, batch_size=2)
    assert np.abs(whole.items.astype(int) - parts.items.astype(int)).max() <= 1
    assert not np.array_equal(whole.items, finished.sample(num=7, seed=4).items)
    fewer = finished.sample(num=3, seed=3)
    assert np.abs(whole.items[:3].astype(int) - fewer.items.astype(int)).max() <= 1


def test_samples_do_not_need_the_data(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: object) -> None:
        raise DataError("gone")

    run = Run.open(finished.folder)
    monkeypatch.setattr(type(run.recipe.data), "open", gone)
    assert run.sample(num=2).items.shape == (2, 8, 8, 1)


def test_saved_samples_carry_labels_and_recipe(finished: Run, tmp_path: Path) -> None:
    samples = finished.sample(num=12)
    arrays = np.load(finished.save(samples, tmp_path / "samples.npz"))
    assert arrays["images"].shape == (12, 8, 8, 1) and arrays["images"].dtype == np.uint8
    assert arrays["labels"].tolist() == [*range(10), 0, 1]
    text = read_png_text(finished.save(samples, tmp_path / "samples.png"))
    assert text["recipe"] == finished.recipe.to_yaml()
    frames = finished.sample(num=2, keep_frames=True)
    assert frames.frames is not None and len(frames.frames) == finished.recipe.task.sampler.steps
    assert np.array_equal(frames.frames[-1], frames.items)


def test_labels_by_name_number_and_in_turn() -> None:
    names = ("cat", "dog", "7")
    assert choose_labels(names, None, 4).tolist() == [0, 1, 2, 0]
    assert choose_labels(names, ["dog", 0], 3).tolist() == [1, 0, 1]
    assert choose_labels(names, "7", 1).tolist() == [2]  # a name goes before a number
    assert choose_labels((), None, 3) is None
    with pytest.raises(InputError, match=r"no class 'dgo'.*Did you mean 'dog'"):
        choose_labels(names, "dgo", 1)
    with pytest.raises(InputError, match="0 to 2"):
        choose_labels(names, 3, 1)
    with pytest.raises(InputError, match="without labels"):
        choose_labels((), "cat", 1)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"steps": 0}, "at least 1"),
        ({"sampler": "huen"}, "Did you mean 'heun'"),
        ({"spacing": "karas"}, "Did you mean 'karras'"),
        ({"tolerance": 0.1}, "takes no tolerance"),
        ({"sampler": "adaptive", "steps": 5}, "chooses how many steps"),
        ({"sampler": "adaptive", "spacing": "karras"}, "chooses its own times"),
        ({"guidance": -1.0}, "0 or more"),
        ({"num": 0}, "allowed: 1 on"),
    ],
)
def test_impossible_samples_are_refused(finished: Run, how, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=said):
        finished.sample(**{"num": 2, **how})


def test_a_tolerance_takes_the_place_of_steps(finished: Run) -> None:
    """Batches that need different numbers of steps still make frames of all items."""
    drawn = finished.sample(
        num=3, sampler="adaptive", tolerance=0.2, batch_size=2, keep_frames=True
    )
    assert drawn.frames is not None and len(drawn.items) == 3
    assert all(len(frame) == 3 for frame in drawn.frames)
    assert (drawn.frames[-1] == drawn.items).all()


def test_a_run_is_never_overwritten(finished: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="never overwritten"):
        Run.create(small(), finished.folder)
    assert make_next_folder(tmp_path, "digits") == tmp_path / "digits-1"
    (tmp_path / "digits-9").mkdir()
    (tmp_path / "digits-old").mkdir()
    assert make_next_folder(tmp_path, "digits") == tmp_path / "digits-10"


def test_what_is_no_run_is_said_with_the_newest(finished: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a run.*finished"):
        Run.open(finished.folder.parent)


def test_one_process_at_a_time(finished: Run) -> None:
    with locked(finished.folder), pytest.raises(InputError, match="another process"):
        finished.train(evaluate=False)


def test_changed_data_is_refused(finished: Run, tmp_path: Path) -> None:
    run = Run.create(small(), tmp_path / "run")
    run.write_json("data_report.json", {"fingerprint": "other", "data_std": 1.0})
    with pytest.raises(DataError, match="has changed since"):
        run.train(evaluate=False)


def test_network_and_data_that_do_not_fit_are_the_users_matter(tmp_path: Path) -> None:
    run = Run.create(small("network.patch=3"), tmp_path / "run")
    with pytest.raises(InputError, match="does not divide images of 8x8"):
        run.train(evaluate=False)


def test_a_time_budget_is_settled_once(tmp_path: Path) -> None:
    run = Run.create(Recipe.load("digits", [*SMALL, "training.max_minutes=0.05"]), tmp_path / "run")
    run.train(evaluate=False)
    settled = run.read_json("environment.json")["settled"]
    assert settled["total_steps"] > 5 and settled["step_seconds"] > 0
    # 3 s were asked for; a shared machine may slow down after the measurement
    assert read_metrics(run.folder / "metrics.jsonl")[-1]["seconds"] < 9
    run.resume(evaluate=False)
    assert run.read_json("environment.json")["settled"] == settled


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="could not be written"):
        Run.create(small(), tmp_path / "file" / "run")
