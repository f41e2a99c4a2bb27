"""The data word `scenes`: pictures with captions, prepared once, the same for the same seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noiseloom.config import from_mapping, parse, to_mapping
from noiseloom.data.check import check, in_words
from noiseloom.data.forms import CaptionedForm
from noiseloom.data.scene.captions import longest_caption
from noiseloom.data.scene.parsing import parse_caption
from noiseloom.data.scenes import Config, SceneDataset
from noiseloom.errors import ConfigError
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.evaluate.scene_scores import judge

LITTLE = Config(num=60, num_reference=20, captions=2)


@pytest.fixture(scope="module")
def dataset() -> SceneDataset:
    return LITTLE.open()


def test_every_caption_is_true_of_its_picture(dataset: SceneDataset) -> None:
    for split, texts in (
        (dataset.train, dataset.train_captions),
        (dataset.reference, dataset.reference_captions),
    ):
        assert split.captions is not None and len(texts) == len(split)
        for row, found in enumerate(read_pictures(split.items)):
            for text in texts[row]:
                assert judge(parse_caption(text), found).is_right, text


def test_tokens_are_the_captions_a_word_each(dataset: SceneDataset) -> None:
    assert isinstance(dataset.form, CaptionedForm) and dataset.form.item_shape == (3, 32, 32)
    tokens = dataset.train.captions
    assert tokens is not None and tokens.shape[:2] == (60, 2)
    lengths = (tokens != dataset.captions.padding).sum(axis=-1)
    longest = 0
    for row in range(60):
        texts = dataset.train_captions[row]
        for text, read, length in zip(
            texts, dataset.captions.decode(tokens[row]), lengths[row], strict=True
        ):
            assert read == text
            assert length == len(text.replace(",", " ,").split())
            longest = max(longest, int(length))
    assert longest <= tokens.shape[2] == longest_caption(dataset.world, 5)


def test_opens_again_as_it_was(dataset: SceneDataset) -> None:
    again = LITTLE.open()
    assert again.fingerprint == dataset.fingerprint and again.report == dataset.report
    assert np.array_equal(again.train.items, dataset.train.items)
    assert isinstance(again.train.items, np.memmap)
    assert again.captions.words == dataset.captions.words
    for other in (replace(LITTLE, seed=1), replace(LITTLE, captions=1)):
        assert other.open().fingerprint != dataset.fingerprint


def test_held_out_pairs_are_said_and_never_drawn(dataset: SceneDataset) -> None:
    held = set(dataset.world.held_out)
    assert dataset.report["held_out_pairs"] == [" ".join(pair) for pair in sorted(held)]
    for texts in (dataset.train_captions, dataset.reference_captions):
        for row in range(len(texts)):
            for wanted in parse_caption(texts[row][0]).things:
                assert (wanted.colour, wanted.shape) not in held
    assert "never seen in training: blue" in in_words(dataset.report)


def test_captions_that_are_cut_are_said() -> None:
    report = check(replace(LITTLE, longest=4))
    assert report["captions"]["cut"] > 100
    assert "longer than data.longest=4 tokens and cut" in str(report)


def test_config_round_trip_and_refusals(tmp_path: Path) -> None:
    config = Config(shapes=3, colours=6, sizes=1, objects=(2, 2), cache=str(tmp_path))
    assert parse(Config, from_mapping(to_mapping(config))) == config
    for wrong in (
        {"shapes": 6},
        {"sizes": 0},
        {"objects": [3, 2]},
        {"objects": [2]},
        {"held_out": 1},
        {"held_out": 0.9},
        {"side": 8},
        {"num": 0},
    ):
        with pytest.raises(ConfigError):
            parse(Config, from_mapping(wrong))
