"""Lens, patching and ablation of runs: what they find agrees with the run, and what they refuse."""

from pathlib import Path

import numpy as np
import pytest

from noiseloom.errors import InputError
from noiseloom.explain import explain
from noiseloom.runs import Recipe, Run

SMALL = ("network.width=16", "network.depth=2", "network.heads=2", "training.batch_size=8")
FIRST, SECOND = "a red circle left of a blue square", "a green circle left of a blue square"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text, and a table of reviews of which one word tells the class."""
    folder = tmp_path_factory.mktemp("texts")
    words = np.random.default_rng(0).choice(["a", "rose", "is", "red", "too"], 800)
    (folder / "roses.txt").write_text(" ".join(words))
    table = folder / "reviews"
    table.mkdir()
    chance = np.random.default_rng(1)
    for name, rows in (("train", 120), ("test", 30)):
        lines = ["review\tlabel"]
        for row in range(rows):
            filling = " ".join(chance.choice(["the", "film", "plot", "was", "is", "and"], 5))
            lines.append(f"{filling} {('great', 'awful')[row % 2]}\t{('good', 'bad')[row % 2]}")
        (table / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    return folder


def trained(tmp_path_factory: pytest.TempPathFactory, recipe: str, *overrides: str) -> Run:
    run = Run.create(
        Recipe.load(recipe, [*overrides, "training.snapshots=0"]),
        tmp_path_factory.mktemp("runs") / recipe,
    )
    run.train(evaluate=False)
    return run


@pytest.fixture(scope="module")
def text(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    data = (f"data.path={folder / 'roses.txt'}", "data.context=16", "training.steps=8")
    return trained(tmp_path_factory, "shakespeare", *data, *SMALL)


@pytest.fixture(scope="module")
def reviews(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    data = (f"data.path={folder / 'reviews'}", "data.tokenizer=characters", "training.steps=20")
    return trained(tmp_path_factory, "classify-csv", *data, *SMALL)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory, "digits", *SMALL, "training.steps=4")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Run:
    few = ("data.num=60", "data.num_reference=8", "network.text_width=8", "training.steps=6")
    return trained(tmp_path_factory, "scenes-small", *SMALL, *few, "task.sampler.steps=2")


def test_the_lens_of_a_text_ends_with_the_answer(text: Run, tmp_path: Path) -> None:
    found = explain(text, "lens", ["a rose is red"], ["most=5"])
    (figures,) = found.figures["texts"]
    assert figures["final_answer_first_by_stage"][-1] == 1.0
    assert found.arrays["best_0"].shape == (3, 5) and len(figures["settled_stage"]) == 5
    assert set(found.axes) == set(found.arrays)
    page = (found.save(tmp_path, "lens") / "page.html").read_text()
    assert page.count('<td class="shade') == 5 * 4 and "stands from" in page
    with pytest.raises(InputError, match="17 tokens long, and this run reads 1 to 16"):
        explain(text, "lens", ["a rose is red too"])
    assert explain(text, "lens").arrays["best_0"].shape == (3, 8)  # of a held-out text


def test_the_lens_of_masks_is_asked_where_they_are(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = (f"data.path={folder / 'roses.txt'}", "data.context=16", "data.tokenizer=characters")
    run = trained(tmp_path_factory, "fill-mask", *data, *SMALL, "training.steps=2")
    found = explain(run, "lens", ["a <mask>ose is<mask>"])
    assert found.arrays["best_0"].shape == (3, 2)
    with pytest.raises(InputError, match="has no mask, and this run says what stands behind"):
        explain(run, "lens", ["a rose"])


def test_the_lens_of_classes_ends_with_what_is_predicted(reviews: Run) -> None:
    given = ["the film was great", "the film was awful"]
    found = explain(reviews, "lens", given)
    assert np.allclose(found.arrays["probability"][-1], reviews.predict(given).probabilities)
    held_out = explain(reviews, "lens", (), ["num=1000"])
    right = held_out.arrays["probability"].argmax(axis=2) == reviews.open_data().reference.labels
    assert held_out.figures["accuracy_by_stage"] == right.mean(axis=1).round(4).tolist()


def test_the_lens_of_pictures_ends_with_what_is_expected(digits: Run) -> None:
    found = explain(digits, "lens", (), ["num=2", "times=[0.8, 0.2]"])
    assert found.arrays["x0"].shape == (2, 3, 2, 8, 8, 1)
    assert not found.arrays["to_end"][:, -1].any() and found.arrays["to_end"][:, 0].all()
    with pytest.raises(InputError, match="looks at held-out items with noise; leave it out"):
        explain(digits, "lens", ["3"])
    with pytest.raises(InputError, match="times"):
        explain(digits, "lens", (), ["times=[1.5]"])


def test_states_of_one_text_put_into_another(text: Run, reviews: Run) -> None:
    found = explain(text, "patching", ["a rose is", "a rose as"])
    effect = found.arrays["effect"]
    assert effect.shape == (2, 9) and effect[1, 8] == pytest.approx(1.0, abs=1e-3)
    assert abs(effect[:, :7]).max() < 1e-3  # before they differ
    told = explain(reviews, "patching", ["the film was great", "the film was awful"])
    assert told.protocol["answer"] in ("good", "bad")
    assert told.figures["probability_second"] > told.figures["probability_first"]
    with pytest.raises(InputError, match="9 and 10 tokens long, and states are exchanged"):
        explain(text, "patching", ["a rose is", "a rose red"])
    with pytest.raises(InputError, match="compares two inputs; given: 1"):
        explain(text, "patching", ["a rose is"])
    with pytest.raises(InputError, match="answered the same, so that nothing"):
        explain(text, "patching", ["a rose is", "a rose is"])


def test_words_of_one_prompt_put_into_another(scenes: Run, tmp_path: Path) -> None:
    found = explain(scenes, "patching", [FIRST, SECOND], ["num=2", "ranges=2"])
    figures = found.figures
    assert figures["by_part"]["all of it"] == figures["second_prompt"]
    assert figures["first_prompt"]["way"] == 0
    assert set(figures["second_prompt"]) == {"way", "share_colour", "share_all"}
    assert np.shape(found.arrays["way"]) == (3, 3)
    assert figures["by_block_and_range"][-1][-1] == figures["by_part"]["the words that differ"]
    page = (found.save(tmp_path, "patching") / "page.html").read_text()
    assert "Which block carries the colour" in page and page.count("<img") == 3


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ((FIRST, "a red zebra left of a blue square"), "'zebra' stands in no caption"),
        ((FIRST, "a red circle"), "The prompts are 8 and 3 tokens long"),
        ((FIRST, FIRST.upper()), "The prompts are the same to this run"),
        ((FIRST, SECOND, FIRST), "compares two inputs; given: 3"),
    ],
)
def test_prompts_that_cannot_be_compared(scenes: Run, prompts: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        explain(scenes, "patching", list(prompts))


def test_heads_switched_off_are_measured_by_what_the_run_is_for(
    text: Run, reviews: Run, digits: Run, scenes: Run
) -> None:
    names = [
        set(explain(run, "ablation", (), ["num=4", *more]).figures["before"])
        for run, more in (
            (text, []),
            (reviews, ["instead=mean"]),
            (digits, ["times=[0.5, 0.2]"]),
            (scenes, ["steps=1"]),
        )
    ]
    assert names[:3] == [{"loss"}, {"accuracy"}, {"error at t = 0.5", "error at t = 0.2"}]
    assert {"all", "count", "shape", "colour"} <= names[3]


def test_heads_of_a_text_are_measured_by_its_loss(text: Run, tmp_path: Path) -> None:
    found = explain(text, "ablation", (), ["num=6"])
    assert found.arrays["change_loss"].shape == (2, 3)  # two heads, and both together
    assert found.arrays["change_loss"].any()
    page = (found.save(tmp_path, "ablation") / "page.html").read_text()
    assert "all of them" in page and page.count('<td class="shade') == 6
    with pytest.raises(InputError, match="this view measures held-out items; leave it out"):
        explain(text, "ablation", ["a rose"])


def test_runs_that_they_do_not_fit_are_told_why(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    run = trained(tmp_path_factory, "toy-2d", "training.steps=2", "task.sampler.steps=2")
    for what, why in (
        ("lens", "no transformer blocks that hand on one state"),
        ("ablation", "its network has no attention heads"),
        ("patching", "neither draws by words that it learned to read, nor answers one text"),
    ):
        with pytest.raises(InputError, match=why):
            explain(run, what)


@pytest.mark.parametrize(
    ("run", "view", "inputs", "options", "said"),
    [
        ("text", "lens", [], ["times=[0.5]"], r"times=\[0.5\] is given.* no denoiser"),
        ("text", "lens", [], ["num=2"], "num=2 is given.* at texts"),
        ("digits", "lens", [], ["most=2"], "most=2 is given.* no text"),
        ("digits", "lens", [], ["times=[]"], "times is empty"),
        ("reviews", "lens", [], ["most=2"], "most=2 is given.* no text"),
        ("reviews", "lens", ["the film"], ["num=2"], "num=2 is given"),
        ("text", "ablation", [], ["steps=2"], "steps=2 is given.* nothing is drawn"),
        ("digits", "ablation", [], ["steps=2"], "steps=2 is given.* nothing is drawn"),
        ("reviews", "ablation", [], ["times=[0.5]"], "no denoiser"),
        ("scenes", "ablation", [], ["times=[0.5]"], "not measured at single times"),
        ("scenes", "ablation", [], ["times=[]"], "times is empty"),
        ("text", "patching", ["a rose", "a rise"], ["num=2"], "num=2 is given.* draws nothing"),
        ("text", "attention", ["a rose"], ["steps=3"], "steps=3 is given.* not drawn"),
        ("text", "attention", ["a rose"], ["num=3"], "num=3 is given.* not drawn"),
        ("text", "neighbours", [], ["held_out=60"], "held_out=60 is given.* 200 held-out ones"),
    ],
)
def test_what_says_nothing_of_a_run_is_refused(
    run: str,
    view: str,
    inputs: list[str],
    options: list[str],
    said: str,
    request: pytest.FixtureRequest,
) -> None:
    with pytest.raises(InputError, match=said):
        explain(request.getfixturevalue(run), view, inputs, options)


def test_texts_that_are_cut_are_said_to_be(reviews: Run) -> None:
    long = "the film was great " * 400
    said: list[object] = []
    with pytest.raises(InputError, match="nothing can be traced"):
        explain(reviews, "patching", [long, long], on_event=said.append)
    assert any("only the beginning is read" in str(event) for event in said)


def test_texts_of_one_token_have_no_place_before_the_last(text: Run) -> None:
    found = explain(text, "patching", ["a", "r"])
    assert found.arrays["effect"].shape == (2, 1)
    assert found.figures["strongest_before_the_last_place"] is None
