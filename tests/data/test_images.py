"""A folder of images from end to end, and every bad input with its one clear sentence."""

import json
import os
import shutil
import tempfile
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseloom.config import from_mapping, parse, to_mapping
from noiseloom.data import images
from noiseloom.data.dataset import Dataset
from noiseloom.errors import ConfigError, DataError, InputError
from tests.data.conftest import WriteIdx, WriteImages


def everything(dataset: Dataset) -> Counter[bytes]:
    return Counter(
        item.tobytes() for part in (dataset.train, dataset.reference) for item in part.items
    )


def test_flat_folder_keeps_every_pixel(tmp_path: Path, write_images: WriteImages) -> None:
    paths = write_images(tmp_path, 40)
    dataset = images.Config(path=str(tmp_path), size=None).open()
    assert everything(dataset) == Counter(np.asarray(Image.open(path)).tobytes() for path in paths)
    assert dataset.item_shape == (3, 12, 12)
    assert dataset.class_names == ()
    assert dataset.train.labels is None
    assert len(dataset.reference) >= 1
    assert isinstance(dataset.train.items, np.memmap)


def test_class_folders_label_each_image(tmp_path: Path, write_images: WriteImages) -> None:
    colours = {"blue": 10, "amber": 200, "coral": 90}
    for name, value in colours.items():
        for path in write_images(tmp_path / name, 15, (8, 8), seed=value):
            pixels = np.asarray(Image.open(path)) // 8 + np.uint8(value)
            Image.fromarray(pixels).save(path)
    dataset = images.Config(path=str(tmp_path)).open()
    assert dataset.class_names == ("amber", "blue", "coral")
    assert dataset.item_shape == (1, 8, 8)
    for split in (dataset.train, dataset.reference):
        assert split.labels is not None
        assert set(split.labels) == {0, 1, 2}
        for item, label in zip(split.items, split.labels, strict=True):
            value = colours[dataset.class_names[label]]
            assert (item >= value).all()
            assert (item <= value + 31).all()
    counts = dataset.report["classes"]["amber"]
    assert counts["train"] + counts["reference"] == 15


def test_adding_a_file_moves_no_other(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, 60)
    config = images.Config(path=str(tmp_path), held_out=0.3)
    before = {item.tobytes() for item in config.open().reference.items}
    write_images(tmp_path / "more", 1, seed=9)
    after = {item.tobytes() for item in config.open().reference.items}
    assert before <= after


def test_sources_are_never_changed(tmp_path: Path, write_images: WriteImages) -> None:
    paths = write_images(tmp_path, 5)
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    images.Config(path=str(tmp_path), size=8).open()
    assert before == [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    assert sorted(tmp_path.iterdir()) == paths


def test_mixed_sizes_need_a_size(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "a", 6, (12, 16, 3))
    write_images(tmp_path / "b", 5, (9, 9, 3))
    with pytest.raises(DataError, match=r"16 x 12 \(6\), 9 x 9 \(5\)\. Write data\.size=32"):
        images.Config(path=str(tmp_path)).open()
    dataset = images.Config(path=str(tmp_path), size=10).open()
    assert dataset.item_shape == (3, 10, 10)
    assert dataset.report["sizes"] == {"16 x 12": 6, "9 x 9": 5}
    assert (dataset.report["cropped"], dataset.report["enlarged"]) == (6, 5)
    assert "5 images are smaller than data.size" in " ".join(dataset.report["warnings"])


def test_large_images_need_a_size(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, 2, (10, 300))
    with pytest.raises(DataError, match="300 x 10, more than training takes unasked"):
        images.Config(path=str(tmp_path)).open()


def test_grey_and_colour_together_are_colour(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "a", 3, (8, 8))
    assert images.Config(path=str(tmp_path)).open().item_shape == (1, 8, 8)
    write_images(tmp_path / "b", 3, (8, 8, 3))
    assert images.Config(path=str(tmp_path)).open().item_shape == (3, 8, 8)
    assert images.Config(path=str(tmp_path), channels=1).open().item_shape == (1, 8, 8)


@pytest.fixture
def bad_folder(tmp_path: Path, write_images: WriteImages, huge_png: bytes) -> Path:
    """Twenty images and one file of each bad kind."""
    good = write_images(tmp_path, 20)
    jpeg = tmp_path / "cut.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(jpeg)
    jpeg.write_bytes(jpeg.read_bytes()[:1500])
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html><title>404</title>")
    (tmp_path / "huge.png").write_bytes(huge_png)
    (tmp_path / "empty.png").touch()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / ".hidden.png").write_bytes(good[0].read_bytes())
    (tmp_path / "notes.txt").write_text("x")
    return tmp_path


def test_bad_files_are_each_reported_once(bad_folder: Path) -> None:
    report = images.Config(path=str(bad_folder), size=12).open().report
    reasons = {bad["file"]: bad["reason"] for bad in report["skipped"]["files"]}
    expected = {
        "cut.jpg": "cut short or damaged",
        "page.jpg": "not an image: it begins with '<!DOCTYPE html>",
        "huge.png": "too many pixels",
        "empty.png": "empty",
        "gone.png": "unreadable",
        "loop/": "link to a folder above it",
    }
    assert reasons.keys() == expected.keys()
    for name, start in expected.items():
        assert reasons[name].startswith(start)
    assert report["counts"]["skipped"] == 6
    assert report["counts"]["used"] == 20
    assert report["ignored"] == {"hidden": 1, "not an image (.txt)": 1}
    assert "6 files cannot be used" in report["warnings"][0]
    json.dumps(report)


def test_bad_files_can_be_refused(bad_folder: Path) -> None:
    images.Config(path=str(bad_folder), size=12).open()  # prepared already: still refused below
    with pytest.raises(DataError, match=r"6 of the 26 files .*data\.bad_files=skip"):
        images.Config(path=str(bad_folder), size=12, bad_files="refuse").open()


def test_too_many_bad_files_are_always_refused(bad_folder: Path) -> None:
    with pytest.raises(DataError, match=r"6 of the 26 files .*more than data\.max_bad=0\.2 allows"):
        images.Config(path=str(bad_folder), size=12, max_bad=0.2).open()


def test_report_is_the_same_from_the_cache(bad_folder: Path) -> None:
    config = images.Config(path=str(bad_folder), size=12)
    assert config.open().report == config.open().report


def test_nothing_left(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no usable image in"):
        images.Config(path=str(tmp_path)).open()
    (tmp_path / "a.heic").write_bytes(b"x")
    (tmp_path / "b.png").touch()
    with pytest.raises(DataError, match=r"Skipped: 1 empty\. Ignored: 1 not an image \(\.heic\)"):
        images.Config(path=str(tmp_path)).open()
    (tmp_path / "c.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="Skipped: 1 empty, 1 not an image"):
        images.Config(path=str(tmp_path)).open()


def test_one_image_cannot_be_divided(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, 1)
    with pytest.raises(DataError, match="cannot be divided"):
        images.Config(path=str(tmp_path)).open()


def test_missing_path_and_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is nothing at .*none"):
        images.Config(path=str(tmp_path / "none")).open()
    (tmp_path / "a.zip").write_bytes(b"x")
    with pytest.raises(InputError, match=r"a\.zip is a file\..*unpack"):
        images.Config(path=str(tmp_path / "a.zip")).open()


def test_path_that_cannot_be_looked_at() -> None:
    with pytest.raises(InputError, match="cannot be looked into: File name too long"):
        images.Config(path="x" * 300).open()


def test_class_with_one_image_is_warned_of(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "many", 20)
    write_images(tmp_path / "single", 1, seed=1)
    dataset = images.Config(path=str(tmp_path)).open()
    assert dataset.report["classes"]["single"] == {"train": 1, "reference": 0}
    assert "single image (single)" in " ".join(dataset.report["warnings"])


def test_class_of_bad_files_only(tmp_path: Path, write_images: WriteImages) -> None:
    for name in ("a", "c"):
        write_images(tmp_path / name, 20, seed=ord(name))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.png").write_bytes(b"no image")
    dataset = images.Config(path=str(tmp_path)).open()
    assert dataset.class_names == ("a", "c")
    assert dataset.train.labels is not None
    assert set(dataset.train.labels) == {0, 1}
    assert "left out: b." in " ".join(dataset.report["warnings"])
    with pytest.raises(DataError, match="'b', which has no usable image"):
        images.Config(path=str(tmp_path), classes=("a", "b")).open()


def test_one_class_is_no_label(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "cats", 12)
    dataset = images.Config(path=str(tmp_path)).open()
    assert dataset.class_names == ()
    assert "one class only ('cats')" in " ".join(dataset.report["warnings"])


def test_duplicates_across_parts_are_counted(tmp_path: Path, write_images: WriteImages) -> None:
    train = write_images(tmp_path / "train", 12)
    write_images(tmp_path / "test", 5, seed=3)
    shutil.copy(train[0], tmp_path / "test" / "copied.png")
    Image.open(train[1]).save(tmp_path / "test" / "same-pixels.png", compress_level=1)
    shutil.copy(train[2], tmp_path / "train" / "again.png")
    report = images.Config(path=str(tmp_path)).open().report
    assert report["duplicates"] == {"within_train": 1, "reference_items_also_in_train": 2}
    assert "2 held-out images are also among" in " ".join(report["warnings"])
    assert report["reference"] == "the data's own test part"


def test_equal_files_never_stand_on_both_sides(tmp_path: Path, write_images: WriteImages) -> None:
    for path in write_images(tmp_path, 50):
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    report = images.Config(path=str(tmp_path), held_out=0.4).open().report
    assert report["duplicates"]["reference_items_also_in_train"] == 0


def test_unreadable_file_is_skipped(write_images: WriteImages) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_images(folder / "data", 8)
        for path in (folder, folder / "data"):
            path.chmod(0o755)
        paths[3].chmod(0)
        (folder / "cache").mkdir()
        (folder / "cache").chmod(0o777)
        config = images.Config(path=str(folder / "data"), cache=str(folder / "cache"))
        is_root = os.geteuid() == 0
        try:
            if is_root:
                os.seteuid(65534)  # root reads everything
            report = config.open().report
        finally:
            if is_root:
                os.seteuid(0)
        assert report["skipped"]["files"] == [
            {"file": "0003.png", "reason": "unreadable: Permission denied"}
        ]


def test_config_round_trip_and_refusals() -> None:
    document = {"path": "x", "size": 32, "classes": ["a", 3], "channels": 1}
    config = parse(images.Config, from_mapping(document))
    assert config == images.Config(path="x", size=32, classes=("a", 3), channels=1)
    assert parse(images.Config, from_mapping(to_mapping(config))) == config
    for wrong in (
        {"path": ""},
        {},
        {"path": "x", "size": 0},
        {"path": "x", "channels": 2},
        {"path": "x", "held_out": 1},
        {"path": "x", "max_bad": 1.5},
        {"path": "x", "classes": []},
        {"path": "x", "bad_files": "ignore"},
    ):
        with pytest.raises(ConfigError):
            parse(images.Config, from_mapping(wrong))


def test_memory_is_flat_in_the_size_of_the_data(tmp_path: Path, write_idx: WriteIdx) -> None:
    peaks = []
    for name, num in (("small", 6_000), ("large", 60_000)):
        values = np.broadcast_to(np.arange(num, dtype=np.uint8)[:, None, None], (num, 32, 32))
        write_idx(tmp_path / name / "train-images", values)
        tracemalloc.start()
        images.Config(path=str(tmp_path / name), cache=str(tmp_path / "cache")).open()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 10 * 2**20  # the pixels are 55 MB more
    assert peaks[1] < 30 * 2**20
