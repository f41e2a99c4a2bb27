"""The command suggested, and the honest word beside it."""

import dataclasses
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseloom.config import from_mapping, override
from noiseloom.data.suggest import RECIPES, suggest
from noiseloom.errors import DataError, InputError
from noiseloom.runs.suggesting import suggest as suggest_any
from tests.data.conftest import WriteIdx, WriteImages


def test_idx_files_of_28_pixels_get_the_mnist_recipe(tmp_path: Path, write_idx: WriteIdx) -> None:
    write_idx(tmp_path / "train-images.gz", np.zeros((6000, 28, 28), np.uint8))
    write_idx(tmp_path / "train-labels.gz", (np.arange(6000) % 10).astype(np.uint8))
    suggestion = suggest(tmp_path)
    assert suggestion.recipe == "mnist"
    assert suggestion.command.startswith(f"noiseloom train mnist data.path={tmp_path} training.max")
    assert "data.size" not in suggestion.overrides
    assert "6,000 training images in 10 classes" in suggestion.words[0]
    assert "enough to learn from" in suggestion.words[1]


def test_few_images_will_be_memorised(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, 50, (32, 32, 3))
    suggestion = suggest(tmp_path)
    assert suggestion.recipe == "image-folder"
    assert suggestion.overrides["data.size"] == 32
    assert "memorise" in str(suggestion)
    assert "nothing" not in str(suggestion)


def test_photos_say_what_is_lost(tmp_path: Path) -> None:
    for index in range(3):
        Image.new("RGB", (3000, 2000), (index, 0, 0)).save(tmp_path / f"{index}.jpg")
    text = str(suggest(tmp_path))
    assert "3,000 x 2,000 shrink to 32 x 32, 1 of 3,906 pixels" in text
    assert "33 % of a typical image is cut off" in text


def test_sizes_that_do_not_divide_into_patches(tmp_path: Path, write_images: WriteImages) -> None:
    for side, size in ((9, 12), (16, 16), (30, 32), (64, 32)):
        folder = tmp_path / str(side)
        write_images(folder, 3, (side, side, 3))
        assert suggest(folder).overrides["data.size"] == size
        assert size % RECIPES["image-folder"].patch == 0
    assert "enlarged to 12" in str(suggest(tmp_path / "9"))


def test_captioned_images_are_to_be_drawn_by_prompts(
    tmp_path: Path, write_images: WriteImages
) -> None:
    for folder in ("one", "two"):  # no classes, where there are captions
        for path in write_images(tmp_path / folder, 3, (16, 16, 3)):
            path.with_suffix(".txt").write_text("noise of many colours")
    suggested = suggest_any(tmp_path)
    assert suggested.recipe == "captioned-folder"
    assert suggested.overrides["data.size"] == 16
    assert "6 training images with captions" in str(suggested)


def test_more_work_takes_longer() -> None:
    shape = RECIPES["image-folder"]
    assert shape.minutes_a_step(64) > 4 * shape.minutes_a_step(32)
    assert shape.memory(64) > shape.memory(32)


def test_bad_files_and_small_classes_are_named(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "a", 60)
    write_images(tmp_path / "b", 5)
    (tmp_path / "a" / "page.jpg").write_bytes(b"<html>")
    (tmp_path / "a" / "empty.jpg").touch()
    text = str(suggest(tmp_path))
    assert "1 classes have fewer than 50 images (b)" in text
    assert "1 empty, 1 not an image" in text


@pytest.mark.parametrize("name", ["plain", "two words", "it's", "a: b", "é", "#x", "2024"])
def test_command_survives_shell_and_yaml(
    tmp_path: Path, write_images: WriteImages, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / name, 2)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / name, Path(name)):
        arguments = shlex.split(suggest(path).command)
        assert arguments[:3] == ["noiseloom", "train", "image-folder"]
        document = override(from_mapping({"data": {"path": "", "size": 1}}), arguments[3:5])
        assert document.get("data.path") == str(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is nothing at"):
        suggest(tmp_path / "none")
    with pytest.raises(DataError, match="no usable image"):
        suggest(tmp_path)


def test_suggestion_is_plain(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, 4)
    assert json.dumps(dataclasses.asdict(suggest(tmp_path)))
