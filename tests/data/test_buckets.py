"""Images of any aspect brought to a few shapes of one area, and kept beside one another."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from noiseloom.data.buckets import LONGEST, Buckets, candidates, cut_away, nearest
from noiseloom.data.captions import Config
from noiseloom.data.check import check
from noiseloom.data.dataset import CaptionedDataset, Split
from noiseloom.data.decode import read_image
from noiseloom.data.forms import form_from
from noiseloom.errors import DataError
from noiseloom.runs.trainer import measure_statistics

WIDE, TALL, SQUARE = (28, 36), (36, 28), (32, 32)  # height and width


@pytest.mark.parametrize(("side", "step"), [(32, 4), (32, 8), (64, 8), (256, 16), (8, 8)])
def test_shapes_are_of_about_one_area_and_come_lying_and_upright(side: int, step: int) -> None:
    shapes = candidates(side, step)
    assert (side, side) in shapes
    assert {(width, height) for height, width in shapes} == set(shapes)
    for shape in shapes:
        assert not any(length % step for length in shape)
        assert max(shape) <= LONGEST * min(shape)
        assert side * side - step * max(shape) < shape[0] * shape[1] <= side * side


def test_the_shapes_of_a_side_of_32_and_what_goes_where() -> None:
    shapes = candidates(32, 4)
    assert shapes == [(24, 40), WIDE, SQUARE, TALL, (40, 24)]
    for size, shape in (  # width and height, as a camera says it
        ((500, 500), SQUARE),
        ((640, 480), WIDE),
        ((480, 640), TALL),
        ((1920, 1080), (24, 40)),
        ((300, 900), (40, 24)),
        ((36, 28), WIDE),
    ):
        assert nearest(size, shapes) == shape, size


def test_what_is_cut_away() -> None:
    assert cut_away((64, 64), SQUARE) == 0
    assert cut_away((36, 28), WIDE) == 0
    assert cut_away((200, 100), SQUARE) == pytest.approx(1 / 2)  # the middle 100 x 100 of it
    assert cut_away((100, 300), SQUARE) == pytest.approx(2 / 3)
    assert cut_away((36, 28), TALL) == pytest.approx(1 - (28 / 36) ** 2)


def test_rare_shapes_and_those_that_cost_least_to_lose_are_left_out() -> None:
    sizes = Counter({(640, 480): 600, (480, 640): 300, (500, 500): 90, (1920, 1080): 9})
    assert Buckets(5, 4).chosen(32, sizes) == [WIDE, TALL, SQUARE]  # 9 of 999 are below 1 %
    assert Buckets(2, 4).chosen(32, sizes) == [WIDE, TALL]
    assert Buckets(1, 4).chosen(32, sizes) == [WIDE]
    few = Counter({(640, 480): 20, (480, 640): 15})
    assert Buckets(5, 4).chosen(32, few) == [WIDE]  # fewer than 16 are no bucket
    sizes = Counter({(500, 500): 40, (640, 480): 50, (480, 640): 40, (1000, 1000): 20})
    assert Buckets(5, 4).chosen(32, sizes) == [SQUARE, WIDE, TALL]  # in the order of their number
    assert Buckets(2, 4).chosen(32, sizes) == [
        SQUARE,
        WIDE,
    ]  # TALL's 40 lose less than others would


def test_what_is_said_of_the_shapes() -> None:
    sizes = Counter({(40, 20): 60, (20, 20): 20})
    found = Buckets(5, 4).sorted(16, sizes, sizes).found(sizes)
    assert found["buckets"] == {"12x20": 60, "16x16": 20}
    assert found["cut_away"] == pytest.approx(0.75 * (1 - 5 / 6))  # 2:1 cut to 5:3
    assert found["cut_away_to_squares"] == pytest.approx(0.75 / 2)
    assert (found["cropped"], found["enlarged"]) == (60, 0)


def paint(folder: Path, num: int, size: tuple[int, int], first: int = 0) -> None:
    """Images of one level each, of this width and height, whose captions say which."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + num):
        Image.new("L", size, 2 * number + 1).save(folder / f"{number:03d}.png")
        (folder / f"{number:03d}.txt").write_text(f"level {2 * number + 1}")


def mixed(folder: Path, **given: object) -> CaptionedDataset:
    """30 lying images, 20 upright ones, in turns of their names."""
    paint(folder, 20, (40, 31))
    paint(folder, 20, (31, 40), first=20)
    paint(folder, 10, (41, 32), first=40)
    wanted = {"size": 16, "buckets": 4, "bucket_step": 2, "held_out": 0.3, **given}
    return Config(path=str(folder), tokenizer="characters", **wanted).open()


def test_every_image_keeps_its_own_pixels_and_captions(tmp_path: Path) -> None:
    dataset = mixed(tmp_path)
    assert dataset.form.sizes == ((14, 18), (18, 14))
    assert dataset.form.item_shape == (1, 14, 18)
    assert dataset.train.items.shape[1:] == (18, 18, 1)  # where all have a place
    assert len(dataset.train) + len(dataset.reference) == 50
    seen = []
    for split, texts in (
        (dataset.train, dataset.train_captions),
        (dataset.reference, dataset.reference_captions),
    ):
        assert split.captions is not None
        for size in dataset.form.sizes:
            part, place = split.of_size(size), split.places[size]
            assert np.shares_memory(part.items, split.items)
            assert part.items.shape[1:] == (*size, 1) and len(texts.part(place)) == len(part)
            said = dataset.captions.decode(np.asarray(part.captions)[:, 0])
            for item, caption, text in zip(part.items, said, texts.part(place), strict=True):
                level = int(caption.split()[1])
                assert (item == level).all() and text == (caption,)
                number = (level - 1) // 2
                assert (size == (18, 14)) == (20 <= number < 40)
                whole = read_image(tmp_path / f"{number:03d}.png", size, 1)
                assert np.array_equal(whole, item)
                seen.append(number)
    assert sorted(seen) == list(range(50))


def test_a_batch_is_of_one_size_and_holds_nothing_of_the_canvas(tmp_path: Path) -> None:
    split = mixed(tmp_path).train
    first, second = split.places.values()
    batch = split.batch(np.array([first.start, first.stop - 1]))
    assert batch.items.shape == (2, 14, 18, 1)
    assert split.batch(np.array([second.start])).items.shape == (1, 18, 14, 1)
    with pytest.raises(ValueError, match="items of 2 sizes are asked for at once"):
        split.batch(np.array([first.start, second.start]))
    chosen = np.array([second.start, first.start, second.stop - 1])
    assert sorted(one.tolist() for one in split.by_size(chosen)) == [[0, 2], [1]]
    assert len(split.of_size((16, 16))) == 0
    with pytest.raises(ValueError, match="one after the other"):
        _ = Split(np.zeros((3, 2, 2, 1)), sizes=np.array([[1, 2], [2, 1], [1, 2]])).places


def test_statistics_are_those_of_the_pixels_there_are(tmp_path: Path) -> None:
    dataset = mixed(tmp_path)
    levels = [
        torch.tensor(item).flatten()
        for size in dataset.form.sizes
        for item in np.array(dataset.train.of_size(size).items, np.float64) / 127.5 - 1
    ]
    pixels = torch.cat(levels)
    found = measure_statistics(dataset)
    assert found.mean.shape == (1, 1, 1)
    assert float(found.mean) == pytest.approx(float(pixels.mean()), abs=1e-6)
    assert found.std == pytest.approx(float(pixels.std(correction=0)), abs=1e-6)


def test_the_report_says_where_images_went(tmp_path: Path) -> None:
    dataset = mixed(tmp_path)
    report = dataset.report
    assert report["buckets"] == {"14x18": 30, "18x14": 20}
    assert 0 < report["cut_away"] < 0.01 < report["cut_away_to_squares"]
    assert report["item_shape"] == [14, 18, 1]
    said = str(check(Config(path=str(tmp_path), size=16, buckets=4, bucket_step=2, held_out=0.3)))
    assert "14x18 (30), 18x14 (20), height x width" in said
    assert "% of an image; to squares it were 2" in said
    form = form_from(dataset.form.to_mapping(), saved(dataset, tmp_path / "kept"))
    assert form.sizes == dataset.form.sizes and form.mean_shape == (1, 1, 1)


def saved(dataset: CaptionedDataset, folder: Path) -> Path:
    folder.mkdir()
    dataset.form.save(folder)
    return folder


def test_the_commonest_alone_is_data_of_one_size(tmp_path: Path) -> None:
    dataset = mixed(tmp_path)
    alike = dataset.alike()
    assert alike.train.sizes is None and alike.form.sizes == ()
    assert alike.form.item_shape == alike.item_shape == (1, 14, 18)
    assert len(alike.train) == len(alike.train_captions) == dataset.train.places[14, 18].stop
    assert alike.fingerprint != dataset.fingerprint
    assert alike.alike() is alike


def test_images_that_all_suit_one_shape_are_data_of_that_shape(tmp_path: Path) -> None:
    paint(tmp_path, 30, (40, 31))
    dataset = Config(path=str(tmp_path), size=16, buckets=3, bucket_step=2).open()
    assert dataset.train.sizes is None and dataset.form.sizes == ()
    assert dataset.form.item_shape == (1, 14, 18)
    assert dataset.report["buckets"] == {"14x18": 30}


def test_parquet_is_sorted_as_files_are(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    paint(tmp_path / "images", 40, (40, 31))
    paint(tmp_path / "images", 20, (31, 40), first=0)  # the first 20 are upright
    paths = sorted((tmp_path / "images").glob("*.png"))
    images = [{"bytes": path.read_bytes(), "path": path.name} for path in paths]
    said = [path.with_suffix(".txt").read_text() for path in paths]
    (tmp_path / "data").mkdir()
    table = pa.table({"image": images, "text": said})
    parquet.write_table(table, tmp_path / "data" / "train-0.parquet", row_group_size=7)
    given = {"size": 16, "buckets": 2, "bucket_step": 2, "held_out": 0.3}
    dataset = Config(path=str(tmp_path / "data"), tokenizer="characters", **given).open()
    assert dataset.report["buckets"] == {"14x18": 20, "18x14": 20}
    for size in dataset.form.sizes:
        part = dataset.train.of_size(size)
        assert part.captions is not None
        said = dataset.captions.decode(np.asarray(part.captions)[:, 0])
        assert [f"level {item.max()}" for item in part.items] == said


def test_what_cannot_be_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for given, words in (
        ({"buckets": 3}, "set data.size, whose square is the area"),
        ({"buckets": 3, "size": 30}, "allowed are sizes that are a multiple of it"),
    ):
        with pytest.raises(ValueError, match=words):
            Config(path="somewhere", **given)
    dataset = mixed(tmp_path)
    left = replace(dataset.train, sizes=None)
    with pytest.raises(DataError, match=r"All images of 14 x 18 .* are held out"):
        replace(dataset, train=left)
