"""What lies at a path is known from names and first rows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from noiseloom.data.kinds import data_kind
from noiseloom.errors import InputError


def text(folder: Path) -> Path:
    (folder / "book.txt").write_text("Once upon a time.")
    return folder / "book.txt"


def texts(folder: Path) -> Path:
    (folder / "notes").mkdir()
    (folder / "notes" / "one.md").write_text("# One")
    return folder


def table(folder: Path) -> Path:
    (folder / "train.tsv").write_text("sentence\tlabel\na fine film\t1\nno fun at all\t0\n")
    return folder


def one_table(folder: Path) -> Path:
    table(folder)
    return folder / "train.tsv"


def series(folder: Path) -> Path:
    (folder / "sensor.csv").write_text("time,volt\n0,1.5\n1,1.25\n")
    return folder / "sensor.csv"


def pairs(folder: Path) -> Path:
    for language in ("en", "de"):
        (folder / f"train.{language}.gz").write_bytes(b"")
    return folder


def questions(folder: Path) -> Path:
    (folder / "asked.json").write_text('{"data": []}')
    return folder / "asked.json"


def captioned(folder: Path) -> Path:
    Image.new("L", (2, 2)).save(folder / "one.png")
    (folder / "one.txt").write_text("a dark square")
    return folder


def captioned_by_metadata(folder: Path) -> Path:
    Image.new("L", (2, 2)).save(folder / "one.png")
    (folder / "metadata.csv").write_text("file_name,text\none.png,a dark square\n")
    return folder


def clips(folder: Path) -> Path:
    (folder / "walks").mkdir()
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 90, 200)]
    frames[0].save(folder / "walks" / "one.gif", save_all=True, append_images=frames[1:])
    return folder


def stills(folder: Path) -> Path:
    Image.new("L", (4, 4)).save(folder / "one.gif")
    return folder


def videos(folder: Path) -> Path:
    (folder / "one.mp4").write_bytes(b"")
    return folder


def images(folder: Path) -> Path:
    (folder / "cats").mkdir()
    Image.new("L", (4, 4)).save(folder / "cats" / "tom.png")
    return folder


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (text, "text"),
        (texts, "text"),
        (table, "table"),
        (one_table, "table"),
        (series, "series"),
        (pairs, "pairs"),
        (questions, "questions"),
        (images, "images"),
        (clips, "clips"),
        (videos, "clips"),
        (stills, "images"),
        (captioned, "captioned"),
        (captioned_by_metadata, "captioned"),
    ],
)
def test_a_kind_is_known(make: Callable[[Path], Path], kind: str, tmp_path: Path) -> None:
    assert data_kind(make(tmp_path)) == kind


def test_idx_files_are_images(digit_files: Path) -> None:
    assert data_kind(digit_files) == "images"


def test_nothing_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing at .*/none"):
        data_kind(tmp_path / "none")
    with pytest.raises(InputError, match="is an empty folder"):
        data_kind(tmp_path)


def test_real_data_is_known(shared_data: Path) -> None:
    found = {name: data_kind(shared_data / name) for name in ("sst2", "sts", "multi30k", "xquad")}
    assert found == {"sst2": "table", "sts": "table", "multi30k": "pairs", "xquad": "questions"}
    assert data_kind(shared_data / "cifar10") == data_kind(shared_data / "mnist") == "images"
