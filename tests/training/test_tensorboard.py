"""What TensorBoard's own reader finds, after one sitting and after several."""

import builtins
import os
import signal
import sys
from pathlib import Path

import pytest

from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.training.loop import Progress
from noiseloom.training.tracking import read_metrics

SMALL = (
    "network.depth=1",
    "network.width=24",
    "training.batch_size=8",
    "training.steps=12",
    "training.log_every=2",
    "training.checkpoint_every=4",
    "training.sample_every=3",
    "training.tensorboard=true",
)
TAGS = {
    "loss/training": "loss",
    "loss/held_out": "held_out_loss",
    "learning_rate": "learning_rate",
    "gradient_norm": "gradient_norm",
    "items_per_second": "items_per_second",
}


def new_run(tmp_path: Path) -> Run:
    return Run.create(Recipe.load("digits", SMALL), tmp_path / "run")


def check(run: Run) -> None:
    """TensorBoard shows each line of metrics.jsonl and each sheet once."""
    module = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(module).EventAccumulator(str(run.folder / "tensorboard"))
    accumulator.Reload()
    lines = read_metrics(run.folder / "metrics.jsonl")
    assert set(accumulator.Tags()["scalars"]) == set(TAGS)
    for tag, name in TAGS.items():
        shown = [(event.step, event.value) for event in accumulator.Scalars(tag)]
        kept = [(line["step"], line[name]) for line in lines if name in line]
        assert [step for step, _ in shown] == [step for step, _ in kept], tag
        assert [value for _, value in shown] == pytest.approx([value for _, value in kept])
    sheets = {int(path.stem[5:]) for path in (run.folder / "samples").glob("step-*.png")}
    assert [event.step for event in accumulator.Images("samples")] == sorted(sheets) == [3, 6, 9]


def test_one_sitting(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = new_run(tmp_path)
    run.train(evaluate=False)
    check(run)
    run.resume(evaluate=False)  # nothing is left to train
    check(run)


def test_an_interrupted_run_goes_on_without_double_lines(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = new_run(tmp_path)

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run.train(evaluate=False, on_event=interrupt)
    run.resume(evaluate=False)
    check(run)


@pytest.mark.parametrize("step", [3, 7, 11])
def test_a_killed_run_goes_on_without_double_lines(tmp_path: Path, step: int) -> None:
    pytest.importorskip("tensorboard")
    run = new_run(tmp_path)

    def kill(event: object) -> None:
        if isinstance(event, Progress) and event.step == step:
            raise RuntimeError("as a kill would")

    with pytest.raises(RuntimeError):
        run.train(evaluate=False, on_event=kill)
    run.resume(evaluate=False)
    check(run)


def test_a_missing_package_is_said_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(tmp_path)
    for name in ("noiseloom.training.tensorboard", "torch.utils.tensorboard"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import_module = builtins.__import__

    def missing(name: str, *how: object) -> object:
        if name == "torch.utils.tensorboard":
            raise ModuleNotFoundError("No module named 'tensorboard'")
        return import_module(name, *how)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r"pip install 'noiseloom\[tensorboard\]'"):
        run.train(evaluate=False)
    assert sorted(path.name for path in run.folder.iterdir()) == ["environment.json", "recipe.yaml"]
