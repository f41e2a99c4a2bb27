"""In which look each token and word of a text appeared."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest

from noiseloom.data.tokenizer import learn
from noiseloom.errors import InputError
from noiseloom.explain import explain
from noiseloom.explain.parts import turned_texts
from noiseloom.explain.unfolding import (
    after_look,
    order_correlation,
    unfolded,
    words_by_look,
)
from noiseloom.runs import Recipe, Run
from noiseloom.seeds import Random
from noiseloom.tasks import Writing

TOKENIZER = learn("characters", ["abcdef "], vocabulary=0)
MASK = TOKENIZER.vocabulary


def tokens(text: str) -> list[int]:
    return [MASK if one == "_" else int(TOKENIZER.encode(one)[0]) for one in text]


class Replays:
    """Uncovers what it is told to."""

    def __init__(self, *states: Sequence[str]) -> None:
        self.states = states

    def uncover(
        self, prompts: Sequence[str], writing: Writing, random: Random
    ) -> Iterator[list[list[int]]]:
        return iter([[tokens(text) for text in texts] for texts in self.states])


def replayed(*states: str):
    return unfolded(
        Replays(*([state] for state in states)),  # type: ignore[arg-type]
        [""],
        Writing(),
        Random(0, range(1)),
        MASK,
    )[0]


def test_each_token_and_word_has_the_look_it_appeared_in() -> None:
    text = replayed("ab", "ab_____", "ab _d_f", "ab cd_f", "ab cd f")
    assert text.look.tolist() == [0, 0, 2, 3, 2, 4, 2]
    words = [(word.text, word.look) for word in words_by_look(text, TOKENIZER)]
    assert words == [("ab", 0), (" cd", 3), (" f", 4)]
    assert after_look(text, TOKENIZER, 0) == [("ab", 0), ("_____", 5)]
    assert after_look(text, TOKENIZER, 3) == [
        ("ab", 0), (" ", 2), ("c", 3), ("d", 2), ("_", 5), ("f", 2),
    ]  # fmt: skip
    final = "".join(piece for piece, _ in after_look(text, TOKENIZER, 4))
    assert final == "ab cd f"


def test_the_order_of_reading_is_told_from_others() -> None:
    forward = replayed("", "a___", "ab__", "abc_", "abcd")
    backward = replayed("", "___d", "__cd", "_bcd", "abcd")
    assert order_correlation([forward]) == pytest.approx(1)
    assert order_correlation([backward]) == pytest.approx(-1)
    assert order_correlation([forward, backward]) == pytest.approx(0)
    assert order_correlation([replayed("", "abcd")]) is None


def test_texts_that_are_turned_through_need_a_label_each() -> None:
    page = turned_texts(["<p>a</p>", "<p>b</p>"], ["1 & 2", "3"], "a text")
    assert page.count('<div class="text" hidden>') == 1 and "1 &amp; 2" in page
    with pytest.raises(ValueError, match="2 texts are given with 1 labels"):
        turned_texts(["a", "b"], ["1"], "a text")


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("masked")
    text = folder / "text.txt"
    text.write_text(" ".join(np.random.default_rng(0).choice(["rose", "is", "red", "a"], 600)))
    small = ("network.width=16", "network.depth=1", "network.heads=2", "training.steps=3")
    recipe = Recipe.load("shakespeare-diffusion", [*small, f"data.path={text}", "data.context=16"])
    run = Run.create(recipe, folder / "run")
    run.train(evaluate=False)
    return run


def test_what_is_uncovered_is_what_is_written(masked: Run) -> None:
    task, _ = masked.trained_task()
    prompts, writing = ["a rose ", "is <mask:4> red"], Writing(max_tokens=25)
    random = Random(3, range(2))
    texts = [draft.texts for draft in task.write(prompts, writing, random)]
    looks = [[list(row) for row in rows] for rows in task.uncover(prompts, writing, random)]
    assert len(looks) == len(texts) + 1
    decode = task.form.tokenizer.decode
    assert decode(looks[-1][0]) == "a rose " + texts[-1][0]
    assert decode(looks[-1][1]) == texts[-1][1]
    for before, after in pairwise(looks):
        for one, two in zip(before, after, strict=True):
            stays = [a == b for a, b in zip(one, two, strict=False) if a != task.mask]
            assert all(stays)
    with pytest.raises(InputError, match="hole of no tokens"):
        task.uncover(["<mask:0>"], writing, Random(0, range(1)))


def test_a_page_shows_the_order_of_words(masked: Run) -> None:
    found = explain(masked, "trajectory", ["a rose "], ["tokens=9"])
    (own,) = found.figures["texts"]
    assert own["text"].startswith("a rose ") and len(own["text"]) == 16
    assert found.figures["looks"] == 9
    look = found.arrays["appeared_in_look"][0]
    assert look[:7].tolist() == [0] * 7 and sorted(look[7:].tolist()) == list(range(1, 10))
    page = (found.save(masked.folder, "trajectory") / "page.html").read_text()
    assert page.count('class="turned"') == 1 and "look 9 of 9" in page
    with pytest.raises(InputError, match="not guided"):
        explain(masked, "trajectory", (), ["guidance=2"])
    with pytest.raises(InputError, match="settled=0.2 is given.* appeared"):
        explain(masked, "trajectory", (), ["settled=0.2"])


def test_prompts_take_turns(masked: Run) -> None:
    found = explain(masked, "trajectory", ["a rose ", "is "], ["tokens=4", "num=3"])
    begins = [one["text"][:3] for one in found.figures["texts"]]
    assert begins == ["a r", "is ", "a r"]
