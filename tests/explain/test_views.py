"""What holds for every view on the menu: it says what it shows, and whom it does not fit."""

import numpy as np
import pytest

from noiseloom.errors import InputError
from noiseloom.explain import VIEWS, Explanation, Section, explain, fitting, view_of
from noiseloom.explain.listing import listing
from noiseloom.menu import member, words
from noiseloom.runs import Recipe, Run
from tests.explain.pages import check_page

PROTOCOL = {"view": "checked", "seed": 0, "weights": "raw", "trained_steps": 1}


def trained(folder, name, *overrides):
    recipe = Recipe.load(name, [*overrides, "training.steps=1", "training.batch_size=4"])
    run = Run.create(recipe, folder / name)
    run.train(evaluate=False)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of three kinds: of images, of points in the plane, and of what reads images."""
    folder = tmp_path_factory.mktemp("runs")
    return (
        trained(folder, "digits", "network.width=16", "network.depth=1", "network.heads=2"),
        trained(folder, "toy-2d", "network.width=8", "network.depth=1", "task.sampler.steps=2"),
        trained(folder, "digits-classifier", "network.width=4"),
    )


@pytest.mark.parametrize("word", words(VIEWS))
def test_a_view_says_what_it_shows_and_takes_no_option_that_it_lacks(word):
    config = member(VIEWS, word).Config
    assert config.__doc__ and len(config.about) > 15 and not config.about.endswith(".")
    assert view_of(word) == config()
    with pytest.raises(InputError, match="colour_of_hair"):
        view_of(word, ["colour_of_hair=1"])


@pytest.mark.parametrize("word", words(VIEWS))
def test_a_view_refuses_what_it_does_not_fit_and_says_what_does(word, runs):
    tasks = [run.trained_task()[0] for run in runs]
    for run, task in zip(runs, tasks, strict=True):
        said = view_of(word).misfit(task)
        assert (said is None) == (word in fitting(task))
        if said is None:
            continue
        assert said[0].islower() and not said.endswith(".")  # the end of a sentence
        with pytest.raises(InputError, match=f"View '{word}' does not fit") as refused:
            explain(run, word)
        told = str(refused.value).rsplit(": ", 1)[1]
        assert told.split(", ") == fitting(task) or told == "none"


def test_every_run_is_told_its_views(runs):
    for run in runs:
        found = listing(run)
        task, _ = run.trained_task()
        assert list(found.document["views"]) == fitting(task)
        assert all(word in found.text for word in fitting(task))


def test_there_is_no_other_view(runs):
    with pytest.raises(InputError, match="trajectory"):
        explain(runs[0], "trajectry")


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ('<img src="https://a.example/x.png" alt="a picture">', "loads"),
        ('<img src="data:image/png;base64,AA==" alt="">', "without words"),
        ('<button type="button">x</button>', "without a name"),
        ("<h1>another</h1>", "one heading"),
        ('<p style="background: url(http://a.example)">', "loads"),
    ],
)
def test_the_check_of_pages_finds_what_is_wrong(html, why, tmp_path):
    bad = Explanation(title="T", lead="L.", sections=[Section("S", html)], protocol=PROTOCOL)
    with pytest.raises(AssertionError, match=why):
        check_page(bad, tmp_path)


def test_the_check_of_pages_lets_a_good_one_pass(tmp_path):
    good = Explanation(
        title="T",
        lead="L.",
        sections=[Section("S", "<p>told</p>")],
        protocol=PROTOCOL,
        data={"x": ("row, column", np.zeros((2, 3)))},
    )
    assert "told" in check_page(good, tmp_path)


def test_a_views_page_of_a_run_is_whole(runs, tmp_path):
    check_page(explain(runs[0], "trajectory", options=["num=1", "steps=2"]), tmp_path)


def test_a_way_of_one_step_shows_nothing_and_is_refused(runs):
    for run in runs[:2]:
        with pytest.raises(InputError, match="come in 1 step.* steps=2 or more"):
            explain(run, "trajectory", options=["num=1", "steps=1"])
    with pytest.raises(InputError, match="settled=0.2 is given, and the places of points"):
        explain(runs[1], "trajectory", options=["num=1", "steps=2", "settled=0.2"])


def test_times_are_refused_of_what_knows_none(runs):
    with pytest.raises(InputError, match=r"times=\[0.5\] is given.* no denoiser"):
        explain(runs[2], "probes", options=["times=[0.5]"])


def test_without_num_each_input_is_one_sample(runs):
    for options, num in (([], 2), (["num=3"], 3), (["num=1"], 2)):
        found = explain(runs[0], "trajectory", ["3", "8"], ["steps=2", *options])
        assert found.arrays["x0"].shape[1] == num


def test_an_explanation_that_is_interrupted_leaves_nothing(tmp_path, monkeypatch):
    good = Explanation(
        title="T",
        lead="L.",
        sections=[Section("S", "<p>told</p>")],
        protocol=PROTOCOL,
        data={"x": ("row, column", np.zeros((2, 3)))},
    )

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    for place in ("noiseloom.explain.explanation.write_text", "numpy.savez_compressed"):
        with monkeypatch.context() as patch:
            patch.setattr(place, interrupted)
            with pytest.raises(KeyboardInterrupt):
                good.save(tmp_path, "checked")
        assert not list((tmp_path / "explain").iterdir())
    assert good.save(tmp_path, "checked").name == "checked-1"


def test_the_listing_says_what_holds_where_nothing_is_typed(runs):
    text = listing(runs[0]).text
    assert "instead=nothing: " in text and "  layer: one layer, from 1; null: all" in text


@pytest.mark.parametrize("view", ["attention", "words"])
def test_more_samples_than_a_page_shows_are_refused(view):
    with pytest.raises(InputError, match="'num' is 65. Allowed: .* at most 64"):
        view_of(view, ["num=65"])


def test_more_points_than_pictures_are_followed(runs):
    with pytest.raises(InputError, match="num=65 is given; .* up to 64"):
        explain(runs[0], "trajectory", (), ["num=65", "steps=2"])
    found = explain(runs[1], "trajectory", (), ["num=65", "steps=2"])
    assert found.arrays["x0"].shape[:2] == (2, 65)
