"""What every task must do, whichever are added: its loss falls on a tiny set."""

import json
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from noiseloom.config import RunReference
from noiseloom.data.captions import Config as Captions
from noiseloom.data.dataset import Split
from noiseloom.data.digits import Config as Digits
from noiseloom.data.moving_digits import Config as MovingDigits
from noiseloom.data.pairs import Config as Pairs
from noiseloom.data.questions import Config as Questions
from noiseloom.data.series import Config as Series
from noiseloom.data.table import Config as Table
from noiseloom.data.text import Config as Text
from noiseloom.menu import member, words
from noiseloom.networks.autoencoder import Config as Autoencoder
from noiseloom.networks.convolutional_classifier import Config as Classifier
from noiseloom.networks.dit import Config as Dit
from noiseloom.networks.language_model import Config as LanguageModel
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.networks.pixel_transformer import Config as PixelTransformer
from noiseloom.networks.seq2seq import Config as Seq2seq
from noiseloom.networks.series_encoder import Config as SeriesEncoder
from noiseloom.networks.text_encoder import Config as TextEncoder
from noiseloom.runs.trainer import measure_statistics
from noiseloom.seeds import fixed
from noiseloom.tasks import Prepares, Task
from noiseloom.training.loop import Training, TrainingConfig
from noiseloom.training.optimizers import AdamW
from noiseloom.training.precision import Precision

PACKAGE = "noiseloom.tasks"
NETWORKS = {
    "items": Mlp(width=64, depth=2),
    "classes": Classifier(width=4, features=16),
    "reconstructions": Autoencoder(channels=8, downsample=2),
}
READER = TextEncoder(width=16, depth=1, heads=2, dropout=0.0, embedding_dropout=0.0)
DIT = Dit(patch=4, width=32, depth=1, heads=2, text_depth=1)
SERIES = SeriesEncoder(patch=4, width=48, depth=1, heads=2, dropout=0.0)


def parts(word: str, folder: Path) -> tuple[Any, Any]:
    """The data that a task is tried on, and its network: digits, but for those named here."""
    table = folder / "table.csv"
    match word:
        case "text-generation" | "fill-mask":
            text = Text(path=str(table), tokenizer="characters", context=16)
            return text, LanguageModel(width=64, depth=1, heads=2)
        case "text-classification":
            return Table(path=str(table), label="class", context=8), READER
        case "text-regression":
            return Table(path=str(table), label="number", context=8), READER
        case "video-generation" | "text-to-video":
            clips = MovingDigits(
                num=200, num_reference=20, frames=4, captions=word == "text-to-video"
            )
            return clips, Dit(patch=16, width=32, depth=1, heads=2, text_depth=1)
        case "translation":
            pairs = Pairs(num=200, vocabulary=280, context=12)
            return pairs, Seq2seq(width=16, encoder_depth=1, decoder_depth=1, heads=2)
        case "question-answering":
            return Questions(
                path=str(folder / "questions.json"), tokenizer="bytes", context=24
            ), READER
        case "autoregressive-image-generation":
            return Digits(), PixelTransformer(patch=8, width=32, depth=1, heads=2, inner_width=16)
        case "text-to-image":
            return Captions(path=str(folder / "captioned")), DIT
        case "time-series-classification":
            return Series(num=200, steps=16), SERIES
        case "time-series-regression":
            return Series(num=400, layout="long", steps=16, ahead=4), SERIES
    return Digits(), NETWORKS[member(PACKAGE, word).Config.answers]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tasks keep what they make once, and where the table is that some of them read."""
    folder = tmp_path_factory.mktemp("prepared")
    rows = [
        f"{'good' if i % 2 else 'bad'} {i % 7},{(i % 2 and 'yes') or 'no'},{i % 2 + i / 1e3}"
        for i in range(200)
    ]
    (folder / "table.csv").write_text("\n".join(["text,class,number", *rows]))
    asked = [
        {
            "context": f"Item {i} is {'red' if i % 2 else 'blue'}.",
            "qas": [
                {
                    "id": str(i),
                    "question": "What is it?",
                    "answers": [
                        {"text": "red" if i % 2 else "blue", "answer_start": 9 + len(str(i))}
                    ],
                }
            ],
        }
        for i in range(60)
    ]
    (folder / "questions.json").write_text(json.dumps({"data": [{"paragraphs": asked}]}))
    (folder / "captioned").mkdir()
    digits = Digits().open().train
    assert digits.labels is not None
    for number, (item, label) in enumerate(zip(digits.items[:200], digits.labels, strict=False)):
        Image.fromarray(item[:, :, 0]).save(folder / "captioned" / f"{number}.png")
        (folder / "captioned" / f"{number}.txt").write_text(f"the digit {label}\n{label}")
    return folder


def build(word: str, folder: Path) -> tuple[Task, Split]:
    """The task of a config as it is, and what it is trained on.

    Where it needs another run, one that draws is its teacher.
    """
    config_class = member(PACKAGE, word).Config
    data, network = parts(word, folder)
    dataset = data.open()
    needed = [
        field.name
        for field in fields(config_class)
        if field.default is MISSING and field.default_factory is MISSING
    ]
    config = config_class(**{name: RunReference(run="another") for name in needed})
    with fixed(0, "weights"):
        task: Task = config.build(
            network,
            dataset.form,
            measure_statistics(dataset),
            {name: drawing_task() for name in needed},
        )
    if isinstance(task, Prepares):
        task.prepare(folder, lambda what, done, total: None)
    return task, dataset.train


@cache
def drawing_task() -> Task:
    task, split = build("unconditional-image-generation", Path())
    learn(task, split, "float32", 120)
    task.model.requires_grad_(False)
    return task


def learn(task: Task, split: Split, precision: Precision, steps: int) -> list[float]:
    plan = TrainingConfig(steps=steps, batch_size=32, optimizer=AdamW(learning_rate=2e-3))
    return [progress.loss for progress in Training(plan, task, split, precision, steps).run()]


@pytest.mark.parametrize("word", words(PACKAGE))
def test_the_loss_falls(word: str, prepared: Path) -> None:
    losses = learn(*build(word, prepared), "float32", 120)
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])


@pytest.mark.parametrize("word", words(PACKAGE))
def test_trains_in_bfloat16_without_a_warning(word: str, prepared: Path) -> None:
    assert np.isfinite(learn(*build(word, prepared), "bfloat16", 2)).all()


def test_statistics_are_those_of_the_data() -> None:
    dataset = Digits().open()
    x0 = dataset.to_model(dataset.train.items)
    statistics = measure_statistics(dataset)
    torch.testing.assert_close(statistics.mean, x0.mean(dim=0), rtol=0, atol=1e-6)
    assert statistics.std == pytest.approx(float((x0 - x0.mean(dim=0)).square().mean().sqrt()))
