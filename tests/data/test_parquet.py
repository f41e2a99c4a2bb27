"""Parquet in Hugging Face's image form: what is read, what is held out, and what is refused."""

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from noiseloom.data import images
from noiseloom.data.suggest import suggest
from noiseloom.errors import DataError, InputError
from tests.data.conftest import WriteImages

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(seed: int, size: int = 8) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def pixels_of(content: bytes) -> bytes:
    return np.asarray(Image.open(io.BytesIO(content))).tobytes()


def write(
    path: Path,
    seeds: range,
    labels: list[int | None] | None = None,
    names: list[str] | None = None,
    column: str = "image",
    label: str = "label",
) -> Path:
    """A Parquet file of one picture for each seed."""
    rows: list[Any] = [{"bytes": picture(seed), "path": f"{seed}.png"} for seed in seeds]
    columns = {column: pa.array(rows, IMAGE)}
    features: dict[str, Any] = {column: {"_type": "Image"}}
    if labels is not None:
        columns[label] = pa.array(labels, pa.int64())
        features[label] = {"names": names, "_type": "ClassLabel"}
    table = pa.table(columns)
    if names is not None:
        told = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        table = table.replace_schema_metadata(told)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=7)
    return path


def opened(path: Path, **how: Any) -> Any:
    return images.Config(path=str(path), **how).open()


def test_every_pixel_and_label_is_kept(tmp_path: Path) -> None:
    labels = [seed % 2 for seed in range(40)]
    write(tmp_path / "train-00000-of-00002.parquet", range(40), labels, ["cat", "dog"])
    write(tmp_path / "train-00001-of-00002.parquet", range(40, 60), [0] * 20, ["cat", "dog"])
    write(tmp_path / "test-00000-of-00001.parquet", range(90, 96), [1, 0] * 3, ["cat", "dog"])
    dataset = opened(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.item_shape == (3, 8, 8)
    assert [item.tobytes() for item in dataset.train.items] == [
        pixels_of(picture(seed)) for seed in range(60)
    ]
    np.testing.assert_array_equal(dataset.train.labels, [*labels, *[0] * 20])
    assert [item.tobytes() for item in dataset.reference.items] == [
        pixels_of(picture(seed)) for seed in range(90, 96)
    ]
    np.testing.assert_array_equal(dataset.reference.labels, [1, 0] * 3)
    report = dataset.report
    assert report["kind"] == "Parquet files with labels"
    assert report["reference"] == "the data's own test part"
    assert opened(tmp_path).report == report


def test_one_file_without_labels_holds_out_a_share(tmp_path: Path) -> None:
    path = write(tmp_path / "pictures.parquet", range(60))
    dataset = opened(path, held_out=0.2)
    assert dataset.class_names == ()
    assert dataset.train.labels is None
    assert len(dataset.train) + len(dataset.reference) == 60
    assert 3 <= len(dataset.reference) <= 25


def test_same_images_are_held_out_as_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for seed in range(50):
        (tmp_path / "folder" / f"{seed}.png").write_bytes(picture(seed))
    folder = opened(tmp_path / "folder")
    parquet = opened(write(tmp_path / "parquet" / "a.parquet", range(50)))
    assert {i.tobytes() for i in folder.reference.items} == {
        i.tobytes() for i in parquet.reference.items
    }


def test_test_comes_before_validation_and_neither_is_trained_on(tmp_path: Path) -> None:
    for part, seeds in (("train", range(30)), ("validation", range(30, 35))):
        write(tmp_path / f"{part}-00000-of-00001.parquet", seeds)
    assert len(opened(tmp_path).reference) == 5
    write(tmp_path / "test.parquet", range(40, 43))
    dataset = opened(tmp_path)
    assert (len(dataset.train), len(dataset.reference)) == (30, 3)
    assert dataset.report["ignored"] == {"in the part validation, where test is the reference": 1}


def test_parts_told_by_folders(tmp_path: Path) -> None:
    write(tmp_path / "default" / "train" / "0000.parquet", range(30))
    write(tmp_path / "default" / "test" / "0000.parquet", range(30, 34))
    dataset = opened(tmp_path)
    assert (len(dataset.train), len(dataset.reference)) == (30, 4)


def test_several_data_sets_in_a_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "large" / "train-0.parquet", range(3))
    write(tmp_path / "small" / "train-0.parquet", range(3))
    with pytest.raises(InputError, match=r"in the folders large, small\. .*data\.path=.*/FOLDER"):
        opened(tmp_path)


def test_test_part_alone_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "test-0.parquet", range(3))
    with pytest.raises(DataError, match="none whose name begins with train"):
        opened(tmp_path)


def test_a_folder_of_images_stays_one(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, 12)
    write(tmp_path / "metadata.parquet", range(3))
    report = opened(tmp_path).report
    assert report["counts"]["used"] == 12
    assert report["ignored"] == {"not an image (.parquet)": 1}


def test_labels_without_names_are_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", range(40), [5, 9] * 20, column="img")
    dataset = opened(path)
    assert dataset.class_names == ("5", "9")
    assert set(dataset.train.labels) == {0, 1}
    assert opened(path, labels="none").class_names == ()


def test_classes_asked_for(tmp_path: Path) -> None:
    labels = [seed % 3 for seed in range(60)]
    path = write(tmp_path / "a.parquet", range(60), labels, ["ant", "bee", "cow"])
    dataset = opened(path, classes=("cow", "ant"))
    assert dataset.class_names == ("ant", "cow")
    assert dataset.report["counts"]["used"] == 40
    assert dataset.report["ignored"] == {"in a class not asked for": 20}
    wanted = {pixels_of(picture(s)): s % 3 // 2 for s in range(60) if s % 3 != 1}
    for item, label in zip(dataset.train.items, dataset.train.labels, strict=True):
        assert wanted[item.tobytes()] == label
    flat = opened(path, classes=("cow", "ant"), labels="none")
    assert (flat.class_names, flat.report["counts"]["used"]) == ((), 40)
    with pytest.raises(DataError, match=r"'bees', .*It has: ant, bee, cow\. Did you mean 'bee'"):
        opened(path, classes=("bees",))
    with pytest.raises(DataError, match="has no column of labels"):
        opened(write(tmp_path / "b.parquet", range(4)), classes=("ant",))


def test_labels_of_another_name_are_found_and_said(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array(range(30)),
            "img": pa.array([{"bytes": picture(s), "path": None} for s in range(30)], IMAGE),
            "fine": pa.array([s % 3 for s in range(30)]),
            "coarse": pa.array([s % 2 for s in range(30)]),
        }
    )
    features = {
        "img": {"_type": "Image"},
        "fine": {"_type": "ClassLabel", "names": ["a", "b", "c"]},
        "coarse": {"_type": "ClassLabel", "names": ["x", "y"]},
    }
    told = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pq.write_table(table.replace_schema_metadata(told), tmp_path / "a.parquet")
    dataset = opened(tmp_path)
    assert dataset.class_names == ("a", "b", "c")
    assert dataset.report["notes"] == ["Columns not used: coarse."]


def test_rows_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    labels: list[int | None] = [0, 1] * 20
    labels[5:7] = [None, -1]
    path = write(tmp_path / "train.parquet", range(40), labels)
    table = pq.read_table(path)
    rows = table.column("image").to_pylist()
    rows[10], rows[11], rows[12]["bytes"] = None, {"bytes": None, "path": "x.png"}, b"<html>"
    pq.write_table(table.set_column(0, "image", pa.array(rows, IMAGE)), path)
    report = opened(tmp_path).report
    assert report["counts"]["used"] == 35
    assert {bad["file"]: bad["reason"] for bad in report["skipped"]["files"]} == {
        "train.parquet, row 5": "without a label: data.labels=none uses every image",
        "train.parquet, row 6": "without a label: data.labels=none uses every image",
        "train.parquet, row 10": "empty",
        "train.parquet, row 11 (x.png)": "empty",
        "train.parquet, row 12 (12.png)": "not an image: it begins with '<html>'",
    }
    assert opened(tmp_path).report == report


def test_test_part_without_labels(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", range(20), [0, 1] * 10, ["a", "b"])
    write(tmp_path / "test-0.parquet", range(20, 24), [-1] * 4, ["a", "b"])
    with pytest.raises(DataError, match=r"No image of .*test-0\.parquet has a label"):
        opened(tmp_path)
    assert len(opened(tmp_path, labels="none").reference) == 4


def test_label_beyond_its_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", range(4), [0, 1, 2, 1], ["a", "b"])
    with pytest.raises(DataError, match="has the label 2; its 2 class names allow 0 to 1"):
        opened(path)


def test_no_image_column(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x"], "label": [1]}), path)
    with pytest.raises(
        DataError, match=r"no column of images\. It has: text \(string\), label \(int64\)\. Needed"
    ):
        opened(path)


def test_files_of_different_forms(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", range(4))
    write(tmp_path / "train-1.parquet", range(4), column="img")
    with pytest.raises(DataError, match=r"train-1\.parquet has images in 'img'"):
        opened(tmp_path)


def test_damaged_empty_and_foreign_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", range(60))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.parquet is cut short, damaged or no Parquet file"):
        opened(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.parquet is empty\. Download it again"):
        opened(path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(DataError, match="begins with b'version https://"):
        opened(path)
    middle = bytearray(whole)
    middle[len(whole) // 3 : len(whole) // 3 + 600] = bytes(600)
    path.write_bytes(middle)
    with pytest.raises(DataError):
        opened(path, max_bad=0.0)
    write(path, range(0))
    with pytest.raises(DataError, match="no usable image in .* It has no rows"):
        opened(path)


def test_paths_alone_are_no_images(tmp_path: Path) -> None:
    rows = pa.array([{"bytes": None, "path": f"{i}.png"} for i in range(5)], IMAGE)
    pq.write_table(pa.table({"image": rows}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"Skipped: 5 empty\. .* not only their paths"):
        opened(tmp_path)


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.parquet", range(4))
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'noiseloom\[hf\]'"):
        opened(tmp_path)


def test_suggestion(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", range(60), [0, 1] * 30, ["cat", "dog"])
    write(tmp_path / "test-0.parquet", range(60, 70), [0, 1] * 5, ["cat", "dog"])
    suggestion = suggest(tmp_path)
    assert suggestion.overrides["data.size"] == 8
    assert suggestion.words[0].startswith("60 training images in 2 classes")


def test_cifar10(tmp_path: Path, shared_data: Path) -> None:
    shutil.copy(shared_data / "cifar10" / "test.parquet", tmp_path / "cifar.parquet")
    dataset = opened(tmp_path / "cifar.parquet")
    assert dataset.item_shape == (3, 32, 32)
    assert dataset.class_names == tuple("0123456789")
    assert all(sum(n.values()) == 1000 for n in dataset.report["classes"].values())
