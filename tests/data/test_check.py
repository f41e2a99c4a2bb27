"""The words of `noiseloom data check`."""

import json
from pathlib import Path

from noiseloom.data import digits, images, toy
from noiseloom.data.check import check
from tests.data.conftest import WriteImages


def test_report_in_words(tmp_path: Path, write_images: WriteImages) -> None:
    for name, num in (("cat", 30), ("dog", 1)):
        write_images(tmp_path / name, num, (10, 12, 3), seed=num)
    for index in range(3):
        (tmp_path / "cat" / f"bad{index}.jpg").write_bytes(b"<html>")
    (tmp_path / "notes.txt").touch()
    report = check(images.Config(path=str(tmp_path), size=8))
    text = str(report)
    for part in (
        f"source     {tmp_path} (folder with one sub-folder a class)",
        "used       31, each 8 x 8 x 3",
        "classes    2: cat ",
        "dog 1+0",
        "sizes      12 x 10 (31)",
        "cropped    31",
        "ignored    1 not an image (.txt)",
        "skipped    cat/bad0.jpg: not an image: it begins with '<html>'",
        "! 3 files cannot be used: 3 not an image.",
        "! 1 classes have a single image (dog)",
    ):
        assert part in text, text
    assert json.loads(json.dumps(report)) == report


def test_long_lists_are_cut(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, 200)
    for index in range(150):
        (tmp_path / f"bad{index}.png").write_bytes(b"x")
    report = check(images.Config(path=str(tmp_path), max_bad=0.5))
    assert report["skipped"]["count"] == 150
    assert len(report["skipped"]["files"]) == 100
    assert "and 140 more" in str(report)


def test_report_of_bundled_data() -> None:
    assert "used       1,797, each 8 x 8 x 1" in str(check(digits.Config()))
    assert "train      10,000" in str(check(toy.Config()))
