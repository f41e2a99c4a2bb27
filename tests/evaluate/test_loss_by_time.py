"""The floor of the loss at every t is that of brute force, and who learns by heart reaches it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise, Prediction, Statistics
from noiseloom.diffusion.likelihood import Judged
from noiseloom.diffusion.schedules import Cosine
from noiseloom.evaluate import loss_by_time as module
from noiseloom.evaluate.facts import read_facts
from noiseloom.evaluate.loss_by_time import NUM_TIMES, loss_by_time
from noiseloom.evaluate.page_density import loss_by_time as section
from noiseloom.seeds import Random

STD = 0.6


def judged_for(denoise_for):  # type: ignore[no-untyped-def]
    def judged(labels: Tensor | None) -> Judged:
        return Judged(denoise_for(labels), Cosine(), Statistics(torch.tensor(0.0), STD))

    return judged


def knowing_the_mean(labels: Tensor | None) -> Denoise:
    return lambda xt, t: Prediction(torch.zeros_like(xt), "x0", xt, Cosine().at(t, like=xt))


def by_brute_force(dataset, split, name: str, t: float, *, by_label: bool) -> float:  # type: ignore[no-untyped-def]
    """The mean square error of the softmax posterior, item by item, in numpy."""
    chosen = np.linspace(0, len(split) - 1, min(module.NUM_ITEMS, len(split))).round().astype(int)
    x0 = dataset.to_model(split.items[chosen]).double().flatten(1).numpy()
    random = Random(3, range(len(chosen))).under(f"loss-by-time/{name}")
    noise = random.normal("noise", dataset.item_shape).double().flatten(1).numpy()
    train = dataset.to_model(dataset.train.items)
    labels = dataset.train.labels
    if dataset.form.flip:
        train = torch.cat([train, train.flip(-1)])
        labels = None if labels is None else np.tile(labels, 2)
    train = train.double().flatten(1).numpy()
    alpha, sigma = np.cos(np.pi * t / 2), np.sin(np.pi * t / 2)
    errors = []
    for index, clean in enumerate(x0):
        xt = alpha * clean + sigma * noise[index]
        allowed = train
        if by_label:
            allowed = train[labels == split.labels[chosen[index]]]
        logits = -((xt - alpha * allowed) ** 2).sum(axis=1) / (2 * sigma**2)
        weights = np.exp(logits - logits.max())
        errors.append(((weights / weights.sum()) @ allowed - clean) ** 2)
    return float(np.mean(errors)) / STD**2


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("labelled", [False, True])
def test_the_floor_is_that_of_brute_force(
    build_dataset,
    tmp_path,
    labelled: bool,
    flip: bool,  # type: ignore[no-untyped-def]
) -> None:
    dataset = build_dataset(tmp_path, labelled=labelled, train=40, reference=20)
    dataset = replace(dataset, flip=flip)
    found = loss_by_time(judged_for(knowing_the_mean), dataset, seed=3)
    assert found["num"] == {"train": 40, "held_out": 20}
    assert len(found["t"]) == len(found["train"]) == NUM_TIMES
    assert found["t"][0] < found["t"][-1] and found["log_snr"][0] > found["log_snr"][-1]
    floors = {"train": dataset.train, "held_out": dataset.reference}
    for name, split in floors.items():
        for place in (7, 10):
            t = found["t"][place]
            truth = by_brute_force(dataset, split, name, t, by_label=labelled)
            assert found[f"{name}_floor"][place] == pytest.approx(truth, rel=1e-3, abs=1e-7)
    x0 = dataset.to_model(dataset.train.items)
    of_zero = float(x0.square().mean()) / STD**2  # what knowing nothing costs, at every t
    assert found["train"] == pytest.approx([of_zero] * NUM_TIMES, rel=1e-5)


def test_a_network_that_learned_the_training_items_by_heart_is_at_the_floor(points) -> None:  # type: ignore[no-untyped-def]
    def by_heart(labels: Tensor | None) -> Denoise:
        def denoise(xt: Tensor, t: Tensor) -> Prediction:
            assert labels is not None
            at = Cosine().at(t, like=xt)
            known = torch.from_numpy(points.train.items).double()
            square = (xt[:, None] - at.alpha[:, None] * known).square().sum(dim=2)
            logits = -square / (2 * at.sigma**2)
            other = labels[:, None] != torch.from_numpy(points.train.labels)
            x0 = logits.masked_fill(other, -torch.inf).softmax(dim=1) @ known
            return Prediction(x0.to(xt), "x0", xt, at)

        return denoise

    found = loss_by_time(judged_for(by_heart), points, seed=0)
    assert found["train"] == pytest.approx(found["train_floor"], rel=1e-3, abs=1e-5)
    assert found["held_out"] == pytest.approx(found["held_out_floor"], rel=1e-3, abs=1e-5)
    assert all(error > 0 for error in found["train"])
    assert found["train_floor"][0] < found["held_out_floor"][0]


def test_too_many_training_items_have_no_floor(points, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "MOST_NUMBERS", 100)
    found = loss_by_time(judged_for(knowing_the_mean), points, seed=0)
    assert found["train_floor"] is None and len(found["train"]) == NUM_TIMES


def test_the_report_draws_it_beside_the_floor(points, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "recipe.yaml").write_text("name: clouds\n")
    facts = read_facts(tmp_path)
    assert section(facts) == ""
    found = loss_by_time(judged_for(knowing_the_mean), points, seed=0)
    html = section(replace(facts, evaluation={"loss_by_time": found}))
    assert html.count("<svg") == 2 and html.count("<polyline") == 4
    assert "by heart" in html and "at t 0.0417" in html
    bare = {**found, "train_floor": None, "held_out_floor": None}
    assert section(replace(facts, evaluation={"loss_by_time": bare})).count("<polyline") == 2
