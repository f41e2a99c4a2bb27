"""Frames of clips as images: every one, once, on the side of its clip."""

from pathlib import Path

import numpy as np
import pytest

from noiseloom.config import override, parse, read_yaml
from noiseloom.data.dataset import Split
from noiseloom.data.digits import Config as Digits
from noiseloom.data.frames import Config, _frames
from noiseloom.data.moving_digits import Config as MovingDigits
from noiseloom.errors import InputError
from noiseloom.runs import Recipe
from noiseloom.runs.recipe import find_recipe


def test_every_frame_is_an_image_beside_those_of_its_clip(tmp_path: Path) -> None:
    of = MovingDigits(num=30, num_reference=20, frames=5, captions=True, cache=str(tmp_path))
    clips, images = of.open(), Config(of=of).open()
    for seen, split in ((images.train, clips.train), (images.reference, clips.reference)):
        assert seen.items.shape == (5 * len(split), 32, 32, 1)
        for frame in range(5):
            np.testing.assert_array_equal(seen.items[frame::5], split.items[:, frame])
        assert np.shares_memory(_frames(split).items, split.items)  # nothing is copied
        assert seen.captions is None  # they tell of clips
    assert images.form.item_shape == (1, 32, 32)
    assert images.fingerprint == Config(of=of).open().fingerprint != clips.fingerprint
    assert images.cache != clips.cache
    assert images.report["counts"] == {"used": 250, "train": 150, "reference": 100}
    assert "single frames of handwritten digits" in images.report["source"]


def test_labels_are_those_of_the_clips() -> None:
    split = _frames(Split(np.zeros((2, 3, 4, 4, 1), np.uint8), np.array([7, 9])))
    assert split.labels is not None
    assert split.labels.tolist() == [7, 7, 7, 9, 9, 9]


def test_data_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.of is digits, which holds no clips"):
        Config(of=Digits(cache=str(tmp_path))).open()


def test_what_is_in_it_is_checked_as_data_is() -> None:
    document = read_yaml(find_recipe("moving-digits-frames"))
    recipe = parse(Recipe, override(document, ["data.of.frames=8"]))
    assert recipe.data.of == MovingDigits(frames=8)
    for wrong, said in (
        ("data.of.frmes=8", "unknown key 'data.of.frmes'"),
        ("data.of.name=moving-digit", "Did you mean 'moving-digits'"),
    ):
        with pytest.raises(InputError, match=said):
            parse(Recipe, override(document, [wrong]))
