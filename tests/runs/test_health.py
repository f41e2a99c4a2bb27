"""Real runs, called by their right word; the curves' logic is in tests/training/test_health.py."""

import struct
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from noiseloom.runs import Recipe, Run
from noiseloom.training.loop import Note
from noiseloom.training.tracking import read_metrics

SMALL = ("network.depth=1", "network.width=48", "training.batch_size=16", "training.steps=200")


def write_images(folder: Path, train: np.ndarray, held_out: np.ndarray) -> str:
    """A folder in MNIST's form, without labels' meaning; the override that trains on it."""
    for prefix, pixels in (("train", train), ("t10k", held_out)):
        header = struct.pack(">BBBBIII", 0, 0, 8, 3, *pixels.shape)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        labels = (np.arange(len(pixels)) % 2).astype(np.uint8)
        header = struct.pack(">BBBBI", 0, 0, 8, 1, len(labels))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    return f"data.path={folder}"


def said_of(out: Path, *overrides: str) -> tuple[list[str], Run]:
    """What a training on digits said of its health."""
    run = Run.create(Recipe.load("digits", [*SMALL, *overrides]), out)
    said: list[str] = []
    run.train(
        evaluate=False,
        on_event=lambda event: said.append(event.text) if isinstance(event, Note) else None,
    )
    return said, run


def test_a_healthy_run_is_as_expected(tmp_path: Path) -> None:
    said, run = said_of(tmp_path / "run")
    assert [text.split(":")[0] for text in said] == ["Training goes as expected"]
    assert "Training goes as expected" in (run.folder / "log.txt").read_text()
    assert "Training goes as expected" in (run.folder / "report.html").read_text()
    first = read_metrics(run.folder / "metrics.jsonl")[0]
    assert first["step"] == 0 and first["held_out_loss"] > 0.5
    again: list[object] = []
    run.resume(evaluate=False, on_event=again.append)
    assert not any(isinstance(event, Note) for event in again)


def test_eight_images_are_over_fitted(tmp_path: Path) -> None:
    pixels = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    path = write_images(tmp_path, pixels[:8], pixels[300:600])
    said, run = said_of(tmp_path / "run", "data=images", path)
    assert said[-1].startswith("Over-fitting since step ")
    assert "Over-fitting since step " in (run.folder / "report.html").read_text()


@pytest.mark.slow
def test_noise_cannot_be_learned(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1300, 8, 8), dtype=np.uint8)
    path = write_images(tmp_path, pixels[:1000], pixels[1000:])
    said, _ = said_of(tmp_path / "run", "data=images", path)
    assert "the data is noise or constant" in said[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "word"), [(1e-5, "too low"), (2.0, "too high")])
def test_learning_rates_that_learn_nothing(tmp_path: Path, rate: float, word: str) -> None:
    rates = (
        f"training.optimizer.learning_rate={rate}",
        f"training.optimizer.rest.learning_rate={rate / 5}",
    )
    said, _ = said_of(tmp_path / "run", *rates)
    assert said[-1].startswith("Not learning") and f"the learning rate is {word}" in said[-1]
