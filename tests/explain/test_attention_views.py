"""The views of attention and of words, from a run to its page, and what they refuse."""

import re
from pathlib import Path

import numpy as np
import pytest

from noiseloom.data.digits import Config as Digits
from noiseloom.errors import InputError
from noiseloom.explain import explain
from noiseloom.explain.views.attention import Config as Attention
from noiseloom.explain.views.words import Config as Words
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.runs import Run
from noiseloom.runs.trainer import measure_statistics
from noiseloom.tasks.unconditional_image_generation import Config as Images
from tests.explain.pages import check_page
from tests.runs.captioned import captioned_run

PROMPT = "a light picture"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    changed = ("network.depth=2", "network.heads=2", "training.steps=2")
    return captioned_run(tmp_path_factory.mktemp("runs"), *changed)


def test_attention_of_what_is_drawn_by_prompt(run: Run, tmp_path: Path) -> None:
    found = explain(run, "attention", [PROMPT], ["num=1"])
    page = check_page(found, tmp_path)
    assert "Where a patch looks" in page and "at the caption" in page
    assert found.protocol["asked"] == [PROMPT]
    assert found.protocol["peak_memory_above_the_model_mib"] >= 0
    arrays = found.arrays
    steps, layers, samples, heads, keys = arrays["maps"].shape
    patches = arrays["rollout"].shape[2]
    assert (steps, layers, samples, heads) == (3, 2, 1, 2) and keys > patches
    np.testing.assert_allclose(arrays["maps"].sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(arrays["rollout"].sum(axis=-1), 1, atol=1e-5)
    some = explain(run, "attention", [PROMPT], ["num=1", "step=2", "layer=2", "head=1"])
    np.testing.assert_allclose(some.arrays["maps"], arrays["maps"][1:2], atol=1e-5)


@pytest.mark.parametrize("by", ["leaving-out", "attention"])
def test_words_of_a_prompt_each_have_a_map(run: Run, by: str, tmp_path: Path) -> None:
    found = explain(run, "words", [PROMPT], [f"by={by}"])
    check_page(found, tmp_path)
    words = found.figures["words"]
    assert [one["word"] for one in words] == PROMPT.split()
    assert found.arrays["maps"].shape == (3, 3, 8, 8)
    assert found.arrays["total"].max() <= 1
    one = explain(run, "words", [PROMPT], [f"by={by}", "word=light"])
    np.testing.assert_allclose(one.arrays["maps"][:, 0], found.arrays["maps"][:, 1], atol=1e-5)


@pytest.mark.parametrize(
    ("view", "option", "said"),
    [
        ("attention", "layer=3", "layer=3 is given; this run has 2 layers, 1 to 2"),
        ("attention", "head=7", "head=7 is given; this run has 2 heads, 1 to 2"),
        ("attention", "step=4", "step=4 is given; samples are drawn in 3 steps, 1 to 3"),
        (
            "words",
            "word=blue",
            "'blue' is no word of the prompt, whose words are a, light, picture",
        ),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    run: Run, view: str, option: str, said: str
) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        explain(run, view, [PROMPT], [option])


def test_a_model_that_looks_at_nothing_does_not_fit() -> None:
    data = Digits().open()
    task = Images().build(Mlp(width=8, depth=1), data.form, measure_statistics(data), {})
    assert "no transformer" in str(Attention().misfit(task))
    assert "by prompts" in str(Words().misfit(task))
