"""Evaluating scenes: real pictures are right in all, others by chance, damaged ones less."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noiseloom.data.digits import Config as Digits
from noiseloom.data.scenes import Config as Scenes
from noiseloom.data.scenes import SceneDataset
from noiseloom.errors import InputError
from noiseloom.evaluate.scene_prompts import Prompts, draw_prompts
from noiseloom.evaluate.scenes import Config
from noiseloom.runs import Recipe

NUM = 40
CONFIG = Config(num=NUM, checked=12)


@pytest.fixture(scope="module")
def dataset() -> SceneDataset:
    data = Scenes(shapes=3, colours=6, sizes=1, objects=(2, 2), num=30, num_reference=20)
    return data.open()


def prompts_of(dataset: SceneDataset, *, one_more: bool = False) -> Prompts:
    return draw_prompts(dataset.world, 32, NUM, one_more=one_more)


@pytest.fixture(scope="module")
def real(dataset: SceneDataset) -> np.ndarray:
    return prompts_of(dataset).pictures


def measured(dataset: SceneDataset, items: np.ndarray) -> dict[str, Any]:
    return CONFIG.measure(
        dataset, items, CONFIG.labels(dataset, len(items)), seed=0, protocol={"weights": "ema"}
    )


def test_prompts_of_each_kind_ask_for_what_they_should(dataset: SceneDataset) -> None:
    for one_more, kinds in (
        (False, ["training", "held out"]),
        (True, ["training", "held out", "one more"]),
    ):
        config = replace(CONFIG, one_more=one_more)
        prompts = prompts_of(dataset, one_more=one_more)
        tokens = config.labels(dataset, NUM)
        assert dataset.captions.decode(tokens) == prompts.captions  # none is cut
        assert list(dict.fromkeys(prompts.kinds)) == kinds
        for kind in kinds:
            assert abs(prompts.are(kind).sum() - NUM / len(kinds)) < 1  # type: ignore[arg-type]
        for kind, asked, other in zip(prompts.kinds, prompts.asked, prompts.others, strict=True):
            held = {(one.colour, one.shape) for one in asked.things} & set(dataset.world.held_out)
            assert bool(held) == (kind == "held out")
            assert len(asked.things) == len(other.things) == 2 + (kind == "one more")


def test_real_pictures_are_right_and_say_what_chance_is(
    dataset: SceneDataset, real: np.ndarray
) -> None:
    found = measured(dataset, real)
    metrics = found["metrics"]
    for name in ("joint", "held_out_joint", "count", "shape", "colour", "position", "relation"):
        assert metrics[f"{name}_accuracy"] == found["floor"][f"{name}_accuracy"] == 1
    chance = found["baselines"]["chance"]["metrics"]
    assert metrics["shuffled_prompt_joint_accuracy"] == chance["joint_accuracy"] < 0.1
    assert metrics["baseline_joint_accuracy"] == chance["joint_accuracy"]
    assert chance["shape_accuracy"] < 0.7 and "shuffled_prompt_joint_accuracy" not in chance
    assert set(found["intervals"]) == {name for name in metrics if not name.startswith("base")}
    assert found["checks"]["checker"]["informative"]
    assert found["checks"]["joint_by_count"] == {"2": 1}
    assert found["protocol"]["prompts_with_a_held_out_pair"] == NUM // 2
    assert all(example["is_right"] for example in found["checks"]["prompts"])


def test_each_kind_of_mistake_lowers_its_own_figure(
    dataset: SceneDataset, real: np.ndarray
) -> None:
    gone = real.copy()
    gone[:10] = real[0, 0, 0]  # nothing but ground, in half of the prompts like those of training
    metrics = measured(dataset, gone)["metrics"]
    for name in ("joint", "count", "shape", "colour"):
        assert metrics[f"{name}_accuracy"] == 0.5
    assert metrics["held_out_joint_accuracy"] == 1
    turned = real[:, :, ::-1]
    metrics = measured(dataset, turned)["metrics"]
    assert metrics["shape_accuracy"] == metrics["colour_accuracy"] == 1
    assert metrics["position_accuracy"] < 0.8 and metrics["joint_accuracy"] < 0.8
    grey = np.repeat(real.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    metrics = measured(dataset, grey)["metrics"]
    assert metrics["colour_accuracy"] < 0.4


def test_one_object_more_has_a_figure_of_its_own(dataset: SceneDataset) -> None:
    config = replace(CONFIG, one_more=True)
    items = prompts_of(dataset, one_more=True).pictures.copy()
    labels = config.labels(dataset, NUM)
    items[-1] = items[0, 0, 0]
    found = config.measure(dataset, items, labels, seed=0, protocol={})
    assert found["metrics"]["one_more_joint_accuracy"] == 12 / 13
    assert found["metrics"]["joint_accuracy"] == found["floor"]["one_more_joint_accuracy"] == 1
    assert found["checks"]["joint_by_count"] == {"2": 1, "3": 12 / 13}


def test_examples_say_what_is_wrong(dataset: SceneDataset, real: np.ndarray) -> None:
    wrong = real.copy()
    wrong[0] = real[0, 0, 0]
    first, *others = measured(dataset, wrong)["checks"]["prompts"]
    assert [one["kind"] for one in (first, *others)] == ["training", "held out"] * 12
    assert first["item"] == 0 and not first["is_right"] and first["found"] == "nothing"
    assert {"shape", "colour", "count"} <= set(first["wrong"])
    assert others[-1]["item"] == NUM - 1
    assert others[-1]["found"].startswith("large ") and others[-1]["wrong"] == []


def test_a_ruler_is_the_share_of_mistakes_in_its_half(
    dataset: SceneDataset, real: np.ndarray
) -> None:
    wrong = real.copy()
    wrong[0:20:2] = real[0, 0, 0]
    assert CONFIG.ruler(dataset, NUM).of(wrong) == 10 / NUM
    assert CONFIG.ruler(dataset, NUM, "first").of(wrong) == 20 / NUM
    second = CONFIG.ruler(dataset, NUM, "second")
    assert second.of(wrong) == 0 and second.floor == 0 and second.name == "joint_error"


def test_what_cannot_be_judged_is_refused(dataset: SceneDataset, real: np.ndarray) -> None:
    with pytest.raises(InputError, match="not drawn by them; use task text-to-image"):
        CONFIG.measure(dataset, real, None, seed=0, protocol={})
    with pytest.raises(InputError, match="not drawn by them"):
        CONFIG.measure(dataset, real, CONFIG.labels(dataset, NUM)[::-1], seed=0, protocol={})
    with pytest.raises(InputError, match="5 samples were given; an evaluation needs 10"):
        measured(dataset, real[:5])
    with pytest.raises(InputError, match="judges pictures of data scenes"):
        CONFIG.labels(Digits().open(), NUM)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("data=digits", "knows what there is in data scenes, and data is 'digits'"),
        ("task=unconditional-image-generation", "takes none. Use task text-to-image"),
        (
            "data={name: scenes, sizes: 1, objects: [4, 4]}",
            "one_more asks for 5 objects, and 4 of data.sizes=1 find room",
        ),
    ],
)
def test_a_recipe_of_parts_that_cannot_be_judged_is_refused(
    change: str, words: str, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "task: text-to-image\ndata: scenes\nnetwork: dit\ntraining: {steps: 2}\n"
        "evaluation: {name: scenes, one_more: true}\n"
    )
    assert Recipe.load(recipe).evaluation == Config(one_more=True)
    with pytest.raises(InputError, match=words):
        Recipe.load(recipe, [change])
