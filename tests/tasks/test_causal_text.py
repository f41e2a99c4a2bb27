"""The causal loss of windows: nats of each token from those before it, in parts as in one."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data.forms import Batch
from noiseloom.data.text import Config as Text
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks.language_model import Config as LanguageModel
from noiseloom.seeds import Random, fixed
from noiseloom.tasks.text_generation import Causal, CausalText, Config
from noiseloom.training.loop import Training, TrainingConfig
from noiseloom.training.optimizers import AdamW

NO_STATISTICS = Statistics(torch.zeros(()), 1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty short documents."""
    made = tmp_path_factory.mktemp("documents")
    for number in range(20):
        (made / f"{number}.txt").write_text(f"{number} times {number} is {number**2}. " * 3)
    return made


def build(path: Path, **changes: object) -> tuple[CausalText, object]:
    data = Text(path=str(path), tokenizer="bytes", context=16, held_out=0.2).open()
    network = LanguageModel(width=16, depth=2, heads=2, **changes)  # type: ignore[arg-type]
    with fixed(0, "weights"):
        task = Config().build(network, data.form, NO_STATISTICS, {})
    return task, data


def test_an_untrained_model_takes_every_token_for_equally_likely(folder: Path) -> None:
    task, data = build(folder)
    scores = task.score(data.train.items[:5], Random(0, range(5)))  # type: ignore[attr-defined]
    torch.testing.assert_close(scores, torch.full((5, 16), math.log(257)))  # 256 bytes, END


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_accumulated_windows_are_one_batch(folder: Path, dropout: float) -> None:
    weights, losses = [], []
    for parts in (1, 2, 4):
        task, data = build(folder, dropout=dropout, ngrams=(64,))
        plan = TrainingConfig(
            steps=3, batch_size=8, accumulate=parts, optimizer=AdamW(learning_rate=0.01)
        )
        training = Training(plan, task, data.train, "float32", 3)  # type: ignore[attr-defined]
        losses.append([progress.loss for progress in training.run()])
        weights.append(torch.cat([one.detach().flatten() for one in task.model.parameters()]))
    for loss, weight in zip(losses[1:], weights[1:], strict=True):
        np.testing.assert_allclose(loss, losses[0], rtol=1e-5)
        torch.testing.assert_close(weight, weights[0], rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_label_smoothing_is_for_training_alone(folder: Path) -> None:
    plain, data = build(folder)
    for parameter in plain.model.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator()))
    smooth = CausalText(Causal(label_smoothing=0.3), plain.model, plain.form)
    items, random = data.train.items[:4], Random(0, range(4))  # type: ignore[attr-defined]
    assert smooth.score(items, random).equal(plain.score(items, random))
    logits = plain.model(
        plain.form.to_model(items)[:, :-1],
        documents=plain.form.document_numbers(plain.form.to_model(items)[:, :-1]),
    )
    spread = -logits.log_softmax(dim=-1).mean(dim=-1)
    wanted = 0.7 * plain.score(items, random) + 0.3 * spread
    total, count = smooth.loss(Batch(items, None), random)["loss"]
    assert count == 64
    torch.testing.assert_close(total, wanted.sum())


@torch.no_grad()
def test_a_token_is_not_asked_of_the_document_before_it(folder: Path) -> None:
    task, data = build(folder)
    for parameter in task.model.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator()))
    end = task.form.tokenizer.special("<end>")
    window = next(one for one in data.train.items if one[6] == end).copy()  # type: ignore[attr-defined]
    other = window.copy()
    other[:6] = other[:6][::-1]
    scores = task.score(np.stack([window, other]), Random(0, range(2)))
    assert scores[0, 7:].equal(scores[1, 7:])  # given tokens that follow the END
    assert (scores[0, :7] != scores[1, :7]).all()  # the END is the last of its document
