"""A planted copy is found and called so; what is held out is not."""

from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data import toy
from noiseloom.data.dataset import ImageDataset, Split, VideoDataset
from noiseloom.evaluate.features import Features
from noiseloom.explain import explain
from noiseloom.explain.neighbours import compare, nearest_by_features, nearest_points
from noiseloom.explain.passages import copy_length, covered, longest, shared_runs
from noiseloom.runs import Recipe, Run

SIDE = 8
WORDS = ["winter", "of", "our", "discontent", "summer", "sun", "clouds", "house", "bosom", "and"]


def blobs(count: int, seed: int, frames: int | None = None) -> np.ndarray:
    """Grey pictures of a soft spot somewhere, or clips of it, each of another kind of its own."""
    random = np.random.default_rng(seed)
    places = np.linspace(0, 1, SIDE)
    shape = (count, frames or 1, 2)
    centre = random.random((count, 1, 2)) + 0.1 * random.standard_normal(shape)
    width = 0.1 + 0.2 * random.random((count, 1, 1, 1))
    across = (places[None, None, None, :] - centre[..., 0, None, None]) ** 2
    down = (places[None, None, :, None] - centre[..., 1, None, None]) ** 2
    pixels = 255 * np.exp(-(across + down) / width**2) + 6 * random.random((*shape[:2], SIDE, SIDE))
    clips = np.clip(pixels, 0, 255).astype(np.uint8)[..., None]
    return clips if frames else clips[:, 0]


def pictures(tmp_path: Path, *, flip: bool = False) -> ImageDataset:
    return ImageDataset(
        train=Split(blobs(400, 1)),
        reference=Split(blobs(200, 2)),
        class_names=(),
        fingerprint="x",
        report={},
        cache=tmp_path,
        flip=flip,
    )


def test_a_planted_copy_is_called_one_and_held_out_pictures_are_not(tmp_path: Path) -> None:
    dataset = pictures(tmp_path)
    samples = blobs(30, 3)
    samples[4] = dataset.train.items[77]
    samples[9] = np.clip(dataset.train.items[5].astype(int) + 1, 0, 255).astype(np.uint8)
    found = compare(samples, dataset, held_out=200)
    assert {4, 9} <= set(np.flatnonzero(found.is_copy)) and found.is_copy.sum() <= 3
    assert found.samples.index[[4, 9]].tolist() == [77, 5]
    assert found.samples.distance[4] == 0
    real = compare(np.asarray(dataset.reference.items), dataset, held_out=200)
    assert real.is_copy.sum() == real.held_out_copies <= 2


def test_a_mirrored_copy_is_one_where_training_mirrors(tmp_path: Path) -> None:
    samples = blobs(20, 3)
    for flip in (False, True):
        dataset = pictures(tmp_path, flip=flip)
        samples[7] = dataset.train.items[30, :, ::-1]
        found = compare(samples, dataset, held_out=100)
        assert bool(found.is_copy[7]) is flip
        assert bool(found.samples.mirrored[7]) is flip


def test_a_planted_clip_is_found_in_whatever_part_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noiseloom.evaluate.features.CHUNK_PIXELS", 60 * 3 * SIDE**2)
    dataset = VideoDataset(
        train=Split(blobs(200, 1, 3)),
        reference=Split(blobs(100, 2, 3)),
        class_names=(),
        fingerprint="x",
        report={},
        cache=tmp_path,
        rate=8.0,
    )
    samples = blobs(10, 3, 3)
    samples[2], samples[8] = dataset.train.items[199], dataset.train.items[0]
    found = compare(samples, dataset, held_out=100)
    assert np.flatnonzero(found.is_copy).tolist() == [2, 8]
    assert found.samples.index[[2, 8]].tolist() == [199, 0]
    away = (samples[:, None] / 255 - np.asarray(dataset.train.items) / 255).reshape(10, 200, -1)
    away = np.sort(np.sqrt((away**2).sum(axis=2)), axis=1)
    np.testing.assert_allclose(found.samples.distance, away[:, 0], atol=1e-5)
    standing_out = away[:, 0] / away[:, 1:21].mean(axis=1)
    np.testing.assert_allclose(found.samples.standing_out, standing_out, atol=1e-4)


def test_points_are_compared_as_a_plain_search_does() -> None:
    dataset = toy.Config(num=300).open()
    samples = np.array(dataset.reference.items[:40])
    samples[3] = dataset.train.items[12]
    found = nearest_points(samples, dataset.train.items)
    away = np.linalg.norm(
        samples[:, None].astype(np.float64) - dataset.train.items[None].astype(np.float64), axis=2
    )
    away.sort(axis=1)
    np.testing.assert_allclose(found.distance, away[:, 0], atol=1e-12)
    np.testing.assert_allclose(found.standing_out, away[:, 0] / away[:, 1:21].mean(axis=1))
    compared = compare(samples, dataset, held_out=300)
    assert compared.is_copy[3] and compared.samples.index[3] == 12
    assert compared.is_copy.sum() <= 3


def test_the_nearest_in_features_are_those_of_a_plain_search(tmp_path: Path) -> None:
    dataset = pictures(tmp_path)

    class Sums(Features):
        def __init__(self) -> None:
            pass

        def embed_items(self, items, to_model):  # type: ignore[no-untyped-def]
            x = to_model(np.asarray(items)).flatten(1)
            return torch.stack([x.sum(dim=1), x.square().sum(dim=1)], dim=1), None

    samples = np.asarray(dataset.train.items[[8, 350]])
    found = nearest_by_features(samples, dataset, Sums(), 3, lambda stage, share: None)
    assert found[:, 0].tolist() == [8, 350] and found.shape == (2, 3)


SOURCE = (
    "Now is the winter of our discontent made glorious summer by this sun of York; and all the "
    "clouds that lour'd upon our house in the deep bosom of the ocean buried."
)


def test_shared_runs_are_as_long_as_they_can_be() -> None:
    part = SOURCE[30:75]
    texts = [f"xx{part}yy", SOURCE, "nothing of it at all stands here", "short"]
    found = shared_runs(texts, SOURCE)
    assert [(run.start, run.length, run.place) for run in found[0]] == [(2, 45, 30)]
    assert longest(found[1]) == len(SOURCE) and found[1][0].place == 0
    assert found[2] == found[3] == []
    cover = covered(len(texts[0]), found[0])
    assert cover.tolist() == [0, 0, *[45] * 45, 0, 0]


def test_runs_are_found_across_parts_of_a_long_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noiseloom.explain.passages.CHUNK", 37)
    random = np.random.default_rng(0)
    source = "".join(random.choice(list("abcdefgh"), 500))
    text = "zzz" + source[100:190] + "z" + source[40:63]
    found = shared_runs([text], source)[0]
    assert [(run.start, run.length, run.place) for run in found] == [(3, 90, 100), (94, 23, 40)]


def test_a_planted_passage_is_a_copy_and_held_out_text_is_not() -> None:
    random = np.random.default_rng(1)
    draw = lambda number: " ".join(random.choice(WORDS, number))  # noqa: E731
    source, real = draw(3_000), [draw(40) for _ in range(60)]
    runs = shared_runs(real, source)
    limit = copy_length(runs)
    assert sum(longest(own) > limit for own in runs) == 0
    text = f"{draw(10)} {source[500 : 500 + int(limit) + 30]} {draw(10)}"
    assert longest(shared_runs([text], source)[0]) > limit


@pytest.fixture(scope="module")
def drawing(digit_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    small = ("network.width=24", "network.depth=1", "network.heads=2", "training.steps=3")
    data = f"data={{name: images, path: {digit_files}}}"
    recipe = Recipe.load("digits", [*small, data, "training.snapshots=0"])
    run = Run.create(recipe, tmp_path_factory.mktemp("runs") / "run")
    run.train(evaluate=False)
    return run


def test_a_page_shows_every_sample_beside_its_neighbours(drawing: Run) -> None:
    options = ["num=4", "held_out=50", "features=false", "steps=2"]
    found = explain(drawing, "neighbours", ["3", "7"], options)
    assert [row["asked"] for row in found.figures["samples"]] == ["3", "7", "3", "7"]
    assert found.protocol["held_out_items"] == 50
    page = (found.save(drawing.folder, "neighbours") / "page.html").read_text()
    assert page.count("the nearest in pixels") == 4


def test_texts_are_held_against_the_training_text(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(" ".join(np.random.default_rng(2).choice(WORDS, 900)))
    small = ("network.width=16", "network.depth=1", "network.heads=2", "training.steps=3")
    recipe = Recipe.load("shakespeare", [*small, f"data.path={text}", "data.context=16"])
    run = Run.create(recipe, tmp_path / "run")
    run.train(evaluate=False)
    found = explain(run, "neighbours", ["summer "], ["tokens=40"])
    (row,) = found.figures["texts"]
    assert row["prompt"] == "summer " and not row["is_copy"] and found.figures["copies"] == 0
    assert found.figures["held_out_called_copies"] == 0
    assert "Text 1: new" in (found.save(run.folder, "neighbours") / "page.html").read_text()
