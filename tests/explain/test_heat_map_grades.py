"""The grades that benchmarks/explain.py gives heat maps, where they are known."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from noiseloom.data.caption_tokens import learn_captions
from noiseloom.data.scene.world import Thing, world_of
from noiseloom.explain.caption_words import CaptionWord
from noiseloom.explain.word_maps import WordOf

PAGE = Path(__file__).parents[2] / "benchmarks" / "explain.py"
WORLD = world_of(shapes=3, colours=6, sizes=1, objects=(2, 2))


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("explain_benchmark", PAGE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:  # its dataclasses look their module up
        patch.setitem(sys.modules, "explain_benchmark", module)
        spec.loader.exec_module(module)
    return module


def named(benchmark: ModuleType, num: int) -> list:
    word = WordOf(0, CaptionWord("circle", (1,)))
    return [benchmark.Named(place, word, "shape", "circle", "red") for place in range(num)]


def test_a_map_of_the_object_itself_is_right_and_one_beside_it_wrong(benchmark: ModuleType) -> None:
    truth = np.zeros((4, 6, 6), dtype=bool)
    truth[:, 1:3, 1:3] = True
    kinds, words = np.array(["training"] * 2 + ["held out"] * 2), named(benchmark, 4)
    found = benchmark.grades(truth * 1.0, truth, words, kinds)
    assert found["all"]["pointing"] == 1 == found["all"]["iou"]
    assert found["held out pairs"]["words"] == 2 and "colour" not in found
    found = benchmark.grades(np.roll(truth, 3, axis=2) * 1.0, truth, words, kinds)
    assert found["all"]["pointing"] == 0 == found["all"]["iou"]
    half = truth * 0.4  # as large again, at half the height, beside it
    half[:, 1:3, 3:5] = 1.0
    found = benchmark.grades(half, truth, words, kinds)
    assert found["all"]["pointing"] == 0 and found["all"]["iou"] == 0.5


def test_thresholds_are_chosen_on_the_other_half_of_the_prompts(benchmark: ModuleType) -> None:
    """Even prompts' maps are right above 0.1, odd ones' above 0.8: each half is judged so badly."""
    truth = np.zeros((4, 1, 10), dtype=bool)
    truth[:, 0, 0] = True
    maps = np.full((4, 1, 10), 0.1)
    maps[:, 0, 0] = 1
    maps[1::2, 0, 1:] = 0.72
    found = benchmark.grades(maps, truth, named(benchmark, 4), np.array(["training"] * 4))
    assert found["thresholds"][0] > 0.7 and found["thresholds"][1] < 0.2
    assert found["all"]["iou"] == pytest.approx((1 + 0.1) / 2)


def test_words_name_the_objects_that_were_read(benchmark: ModuleType) -> None:
    prompt = "a red circle left of a blue square and a red circle at the top left"
    captions = learn_captions("bpe", [prompt] * 3, longest=40, vocabulary=300)
    tokens = captions.encode([prompt]).tokens[0]
    found = benchmark.named_in(captions, tokens, 5, 0)
    assert [(one.says, one.shape, one.colour) for one in found] == [
        ("colour", "square", "blue"),  # which red circle is meant, nobody can tell
        ("shape", "square", "blue"),
    ]
    assert [one.word.word.text for one in found] == ["blue", "square"]
    there = Thing(shape="square", colour="blue", size="large", x=0.25, y=0.75)
    other = Thing(shape="circle", colour="red", size="large", x=0.75, y=0.25)
    mask = benchmark.mask_of(found[0], [other, there], WORLD, 32)
    rows, columns = np.nonzero(mask)
    assert mask.shape == (32, 32) and abs(rows.mean() - 23.5) < 0.6
    assert abs(columns.mean() - 7.5) < 0.6
    assert 40 < mask.sum() < 110
