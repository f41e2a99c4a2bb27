"""Images with captions, in every form they come in, and what is bad about some of them."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseloom.config import from_mapping, parse, to_mapping
from noiseloom.data.captions import Config
from noiseloom.data.dataset import CaptionedDataset
from noiseloom.errors import ConfigError, DataError, InputError
from tests.data.conftest import WriteImages

SHADES = ["black", "dim", "grey", "pale", "white"]


def paint(folder: Path, num: int, suffix: str = ".png") -> list[tuple[str, str]]:
    """Grey pictures of one shade each, and what is true of them: (file name, shade)."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(num):
        shade = number % len(SHADES)
        pixels = np.full((6, 6), 60 * shade, np.uint8)
        pixels[0, 0], pixels[0, 1] = number % 256, number // 256  # no two are the same
        name = f"{number:03d}{suffix}"
        Image.fromarray(pixels).save(folder / name)
        made.append((name, SHADES[shade]))
    return made


def write_csv(path: Path, rows: Sequence[tuple[str, str]], column: str = "text") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file_name", column), *rows])


def check_captions_belong(dataset: CaptionedDataset, most: int = 1) -> None:
    """Every picture's captions, as tokens and as texts, say its shade."""
    for split, texts in (
        (dataset.train, dataset.train_captions),
        (dataset.reference, dataset.reference_captions),
    ):
        assert split.captions is not None and split.captions.shape[:2] == (len(split), most)
        assert len(texts) == len(split)
        for index, item in enumerate(split.items):
            shade = SHADES[int(item[3, 3, 0]) // 60]
            said = dataset.captions.decode(split.captions[index])
            assert shade in said[0] and said == [one.lower() for one in texts[index]]


def test_a_folder_with_metadata_csv(tmp_path: Path) -> None:
    made = paint(tmp_path, 40)
    write_csv(
        tmp_path / "metadata.csv", [(name, f"A {shade} square, plain") for name, shade in made]
    )
    dataset = Config(path=str(tmp_path)).open()
    assert len(dataset.train) + len(dataset.reference) == 40
    check_captions_belong(dataset)
    assert dataset.form.item_shape == (1, 6, 6)
    assert dataset.report["kind"] == "images with metadata.csv"
    assert dataset.report["captions"]["count"] == 40
    assert dataset.report["counts"]["ignored"] == 0  # metadata.csv has been read
    assert set(dataset.captions.examples) == {
        caption.lower() if False else caption for caption in dataset.reference_captions.column(0)
    }


def test_metadata_jsonl_of_each_part_with_lists(tmp_path: Path) -> None:
    for part, num in (("train", 30), ("test", 10)):
        made = paint(tmp_path / part, num)
        lines = [
            json.dumps({"file_name": name, "captions": [f"a {shade} one", f"it is {shade}", ""]})
            for name, shade in made
        ]
        (tmp_path / part / "metadata.jsonl").write_text("\n".join(lines))
    dataset = Config(path=str(tmp_path)).open()
    assert (len(dataset.train), len(dataset.reference)) == (30, 10)
    check_captions_belong(dataset, most=2)
    assert dataset.report["captions"]["images_by_number"] == {"2": 40}


def test_several_rows_of_an_image_are_several_captions(tmp_path: Path) -> None:
    made = paint(tmp_path, 30)
    rows = [(name, f"a {shade} one") for name, shade in made]
    rows += [(name, f"one that is {shade}") for name, shade in made[:10]]
    write_csv(tmp_path / "metadata.csv", rows, "caption")
    check_captions_belong(Config(path=str(tmp_path)).open(), most=2)
    limited = Config(path=str(tmp_path), most=1).open()
    check_captions_belong(limited, most=1)
    assert any("10 captions are not used" in said for said in limited.report["warnings"])


def test_text_files_beside_images_a_caption_a_line(tmp_path: Path) -> None:
    for name, shade in paint(tmp_path / "below", 20):
        text = f"a {shade} one\r\n\r\nhere is {shade}\n"
        (tmp_path / "below" / name).with_suffix(".txt").write_bytes(text.encode())
    dataset = Config(path=str(tmp_path)).open()
    check_captions_belong(dataset, most=2)
    assert dataset.report["kind"] == "images with a .txt each"


@pytest.mark.parametrize("of_lists", [False, True])
def test_parquet(tmp_path: Path, of_lists: bool) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    made = paint(tmp_path / "images", 30)
    images, said = [], []
    for name, shade in made:
        images.append({"bytes": (tmp_path / "images" / name).read_bytes(), "path": name})
        said.append([f"a {shade} one", f"it is {shade}"] if of_lists else f"a {shade} one")
    said[4] = None
    table = pa.table({"image": images, "text": said, "id": [str(one) for one in range(30)]})
    (tmp_path / "data").mkdir()
    parquet.write_table(table, tmp_path / "data" / "train-00000.parquet", row_group_size=7)
    dataset = Config(path=str(tmp_path / "data")).open()
    check_captions_belong(dataset, most=1 + of_lists)
    assert dataset.report["counts"]["used"] == 29
    assert dataset.report["skipped"]["reasons"] == {"image without a caption": 1}


def test_what_has_no_counterpart_is_skipped_and_counted(tmp_path: Path) -> None:
    made = paint(tmp_path, 30)
    (tmp_path / made[7][0]).write_bytes(b"no picture")
    rows = [(name, f"a {shade} one") for name, shade in made[:-2]]
    rows += [("gone.png", "a picture that is not there"), ("", "nowhere"), (made[-2][0], "  ")]
    write_csv(tmp_path / "metadata.csv", rows)
    dataset = Config(path=str(tmp_path)).open()
    check_captions_belong(dataset)
    assert dataset.report["counts"]["used"] == 27
    assert dataset.report["skipped"]["reasons"] == {
        "image without a caption": 2,
        "caption without an image": 1,
        "row without a file_name": 1,
        "not an image": 1,
    }
    files = {one["file"]: one["reason"] for one in dataset.report["skipped"]["files"]}
    assert files["metadata.csv:30"] == "caption without an image: gone.png"
    with pytest.raises(DataError, match="data.bad_files=skip"):
        Config(path=str(tmp_path), bad_files="refuse").open()


def test_texts_without_an_image_are_counted(tmp_path: Path) -> None:
    for name, shade in paint(tmp_path, 20):
        (tmp_path / name).with_suffix(".txt").write_text(f"a {shade} one")
    (tmp_path / "lonely.txt").write_text("nothing to see")
    (tmp_path / "003.txt").write_bytes(b"a \xff one")
    report = Config(path=str(tmp_path)).open().report
    assert report["skipped"]["reasons"] == {
        "caption without an image": 1,
        "not valid UTF-8": 1,
        "image without a caption": 1,
    }


def test_long_captions_are_cut_aloud(tmp_path: Path) -> None:
    made = paint(tmp_path, 20)
    rows = [(name, f"{shade} " + "and so on " * (5 * (name == "002.png"))) for name, shade in made]
    write_csv(tmp_path / "metadata.csv", rows)
    dataset = Config(path=str(tmp_path), longest=4).open()
    assert dataset.report["captions"]["cut"] == 1
    assert any(
        "1 of 20 captions are longer than data.longest=4" in one
        for one in dataset.report["warnings"]
    )
    assert dataset.train.captions is not None and dataset.train.captions.shape[2] == 4


def test_mirroring_what_speaks_of_sides_is_warned_of(tmp_path: Path) -> None:
    made = paint(tmp_path, 20)
    write_csv(tmp_path / "metadata.csv", [(name, f"{shade} on the Left") for name, shade in made])
    said = Config(path=str(tmp_path), flip=True).open().report["warnings"]
    assert any("captions speak of left or right" in one for one in said)
    assert not any("left" in one for one in Config(path=str(tmp_path)).open().report["warnings"])


def test_the_same_files_are_the_same_data_and_other_captions_are_not(tmp_path: Path) -> None:
    made = paint(tmp_path, 20)
    write_csv(tmp_path / "metadata.csv", [(name, f"a {shade} one") for name, shade in made])
    config = Config(path=str(tmp_path))
    first, again = config.open(), config.open()
    assert first.fingerprint == again.fingerprint
    assert parse(Config, from_mapping(to_mapping(config))) == config
    write_csv(tmp_path / "metadata.csv", [(name, f"some {shade} one") for name, shade in made])
    other = config.open()
    assert other.fingerprint != first.fingerprint
    assert np.array_equal(other.train.items, first.train.items)


def test_what_cannot_be_read_is_refused(tmp_path: Path, write_images: WriteImages) -> None:
    bare = tmp_path / "bare"
    write_images(bare, 12)
    with pytest.raises(DataError, match=r"has no captions\. Needed is metadata\.csv or"):
        Config(path=str(bare)).open()
    with pytest.raises(DataError, match="data.column is 'text', and .* has no metadata.csv"):
        Config(path=str(bare), column="text").open()
    made = paint(tmp_path / "named", 12)
    rows = [(name, shade, "x") for name, shade in made]
    text = io.StringIO()
    csv.writer(text).writerows([("file_name", "shade", "other"), *rows])
    (tmp_path / "named" / "metadata.csv").write_text(text.getvalue())
    with pytest.raises(DataError, match=r"It has: shade, other\. Name one with data\.column=NAME"):
        Config(path=str(tmp_path / "named")).open()
    with pytest.raises(DataError, match=r"no column 'shad'.*Did you mean 'shade'\?"):
        Config(path=str(tmp_path / "named"), column="shad").open()
    check_captions_belong(Config(path=str(tmp_path / "named"), column="shade").open())
    with pytest.raises(InputError, match="There is no folder at"):
        Config(path=str(tmp_path / "nowhere")).open()
    with pytest.raises(ConfigError, match="longest"):
        parse(Config, from_mapping({"path": "x", "longest": 0}))
