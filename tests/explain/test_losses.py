"""Losses by time, behind masks and by item: planted differences are found where they are."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from noiseloom.data import toy
from noiseloom.data.dataset import Dataset, PointDataset, Split
from noiseloom.diffusion.denoiser import Prediction, Statistics
from noiseloom.diffusion.likelihood import Judged
from noiseloom.diffusion.schedules import Cosine
from noiseloom.errors import InputError
from noiseloom.evaluate.loss_by_time import loss_by_time
from noiseloom.explain import explain
from noiseloom.explain.losses_behind_masks import bits_behind
from noiseloom.explain.losses_by_time import by_class, errors_of, hardest
from noiseloom.explain.losses_of_items import by_class as items_by_class
from noiseloom.explain.losses_of_items import losses_of
from noiseloom.runs import Recipe, Run
from noiseloom.seeds import Random

STD = 2.0
WORDS = ["a", "rose", "is", "by", "any", "other", "name", "as", "sweet", "and", "red", "too"]
TINY = ("network.width=16", "network.depth=1", "network.heads=2", "training.steps=3")


def points(num: int = 96) -> PointDataset:
    return toy.Config(shape="gaussian-mixture", num=num).open()


def off_by_label(labels: Tensor | None) -> Judged:
    """What it takes for clean is off by a tenth of the label, along the first axis."""

    def denoise(xt: Tensor, t: Tensor) -> Prediction:
        assert labels is not None
        at = Cosine().at(t, like=xt)
        truth = torch.zeros_like(xt)  # the data is at 0
        truth[:, 0] = labels / 10
        return Prediction(truth, "x0", xt, at)

    return Judged(denoise, Cosine(), Statistics(torch.zeros(2), STD))


@pytest.fixture
def at_zero() -> Dataset:
    dataset = points()
    splits = [
        Split(np.zeros_like(split.items), split.labels)
        for split in (dataset.train, dataset.reference)
    ]
    return PointDataset(
        train=splits[0],
        reference=splits[1],
        class_names=dataset.class_names,
        fingerprint="",
        report={},
        cache=dataset.cache,
    )


def test_the_error_of_each_item_and_class_is_what_was_planted(at_zero: Dataset) -> None:
    found = errors_of(off_by_label, at_zero, num=96, times=3, seed=0)
    for name, split in (("train", at_zero.train), ("held_out", at_zero.reference)):
        errors = found[name]
        labels = torch.from_numpy(np.asarray(split.labels)[errors.chosen])
        planted = (labels / 10) ** 2 / 2 / STD**2
        torch.testing.assert_close(errors.own, planted.float().expand(3, -1))
        means = by_class(errors, 8)
        expected = ((torch.arange(8) / 10) ** 2 / 2 / STD**2).expand(3, -1)
        torch.testing.assert_close(means, expected.to(means))


def test_the_hardest_are_those_of_the_largest_error(at_zero: Dataset) -> None:
    errors = errors_of(off_by_label, at_zero, num=96, times=2, seed=0)["held_out"]
    for row, one in enumerate(hardest(off_by_label, at_zero, errors, 5)):
        labels = np.asarray(at_zero.reference.labels)[errors.chosen[one.places]]
        assert labels.tolist() == [7] * 5
        np.testing.assert_allclose(one.error, errors.own[row].sort(descending=True).values[:5])
        np.testing.assert_allclose(one.expected, np.tile([0.7, 0.0], (5, 1)), atol=1e-6)
        np.testing.assert_allclose(one.items, 0)


def test_their_means_are_those_of_the_report(at_zero: Dataset) -> None:
    report = loss_by_time(off_by_label, at_zero, seed=0)
    found = errors_of(off_by_label, at_zero, num=64, times=12, seed=0)
    for name, errors in found.items():
        np.testing.assert_allclose(report[name], errors.own.mean(dim=1), rtol=1e-6)
    assert report["t"] == found["train"].t.tolist()


class Even:
    """Knows of hidden tokens that half of the vocabulary is likely, the even tokens."""

    def behind(self, items: np.ndarray, is_hidden: np.ndarray) -> Tensor:
        seen = np.where(is_hidden, -1, items)
        assert (seen[~is_hidden] >= 0).all()
        chance = torch.tensor([0.15, 0.10, 0.15, 0.10, 0.15, 0.10, 0.15, 0.10])
        return chance.log().expand(int(is_hidden.sum()), -1)


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_bits_behind_masks_are_those_of_the_hidden_tokens(share: float) -> None:
    even, odd = np.zeros((5, 10), np.int32), np.ones((5, 10), np.int32)
    for windows, chance in ((even, 0.15), (odd, 0.10)):
        bits = bits_behind(Even(), 8, windows, share, seed=0, purpose="test")
        assert bits.shape == (5, max(1, round(share * 10)))
        np.testing.assert_allclose(bits, -math.log2(chance), rtol=1e-6)


class ByLabel:
    """Has each item's label for its loss."""

    def losses(self, batch, random: Random, *, training: bool = True) -> Tensor:
        assert not training and len(random.items) == len(batch.items)
        return torch.from_numpy(np.asarray(batch.labels)).double()


def test_losses_of_items_and_their_means_by_class() -> None:
    dataset = points(150)
    splits = {"train": dataset.train, "held_out": dataset.reference}
    found = {
        name: losses_of(ByLabel(), split, num=100, seed=0, purpose=name)  # type: ignore[arg-type]
        for name, split in splits.items()
    }
    for name, one in found.items():
        assert len(one.chosen) == len(set(one.chosen.tolist())) == 100
        assert one.loss.tolist() == np.asarray(splits[name].labels)[one.chosen].tolist()
    means = items_by_class(found, splits, 9)
    assert means == {name: [*map(float, range(8)), None] for name in splits}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "roses.txt"
    path.write_text(" ".join(np.random.default_rng(0).choice(WORDS, 800)))
    return path


def trained(name: str, folder: Path, *overrides: str) -> Run:
    run = Run.create(Recipe.load(name, [*TINY, "training.batch_size=8", *overrides]), folder)
    run.train(evaluate=False)
    return run


def test_a_text_is_shown_word_by_word_and_adds_up(text: Path, tmp_path: Path) -> None:
    run = trained("shakespeare", tmp_path / "run", f"data.path={text}", "data.context=16")
    found = explain(run, "losses", ["a rose is", "by any other name as sweet"], ["num=8"])
    task, _ = run.trained_task()
    for given, own in zip(
        ("a rose is", "by any other name as sweet"), found.figures["texts"], strict=True
    ):
        assert "".join(word for word, _ in own["words"]) == given
        assert own["bits"] == pytest.approx(sum(bits for _, bits in own["words"]), abs=1e-3)
        tokens = task.form.tokenizer.encode(given)
        assert own["tokens"] == len(tokens) - 1
        if len(tokens) <= 17:
            said = task.score(tokens[None], Random(0, range(1))).double().sum()
            assert own["bits"] == pytest.approx(float(said) / math.log(2), rel=1e-9)
    means = found.figures["by_position"]
    assert len(means["train"]) == len(means["held_out"]) == 16
    for name, values in means.items():
        assert np.mean(values) == pytest.approx(found.figures[name]["bits_per_token"], rel=1e-4)
    page = (found.save(run.folder, "losses") / "page.html").read_text()
    assert page.count('<p class="marked">') == 2 and "most surprising words" in page
    held_out = explain(run, "losses", (), ["num=8", "tokens=40"]).figures["texts"]
    assert [own["tokens"] for own in held_out] == [39]
    with pytest.raises(InputError, match="The character 'Q'"):
        explain(run, "losses", ["a Question"])


def test_masked_text_is_shown_by_the_share_that_is_hidden(text: Path, tmp_path: Path) -> None:
    run = trained("shakespeare-diffusion", tmp_path / "run", f"data.path={text}", "data.context=16")
    found = explain(run, "losses", (), ["num=8"])
    bits = found.figures["bits_of_a_hidden_token"]
    assert len(bits["train"]) == len(bits["held_out"]) == len(found.figures["share_hidden"])
    with pytest.raises(InputError, match="leave it out"):
        explain(run, "losses", ["a rose"])


def test_a_run_of_pictures_and_one_that_reads_them(digit_files: Path, tmp_path: Path) -> None:
    data = f"data={{name: images, path: {digit_files}}}"
    wider = ("network.width=24", "training.snapshots=0")
    run = trained("digits", tmp_path / "drawn", data, *wider)
    found = explain(run, "losses", (), ["num=20", "times=2"])
    assert set(found.figures["by_class"]) == set(map(str, range(10)))
    assert found.arrays["held_out_error"].shape == (2, 20)
    assert "hardest held-out items" in (found.save(run.folder, "losses") / "page.html").read_text()
