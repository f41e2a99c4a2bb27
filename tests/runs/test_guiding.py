"""Guided samples of real, tiny runs: who guides, what is said, and what is refused before work."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from noiseloom.config import ConfigError
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.tasks import Draws, Request
from noiseloom.training.loop import Note

DIT = ("network.depth=1", "network.width=24", "network.heads=2", "training.batch_size=8")
IMAGES = ("evaluation.feature_images=200", "evaluation.num=20", "task.sampler.steps=3")
QUICK = ("evaluation.draws=1", "evaluation.bootstrap=20")
READER = ("network.width=4", "training.batch_size=8", "training.steps=6")

Trained = Callable[..., Run]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run of a recipe, trained once for each name."""
    folder, made = tmp_path_factory.mktemp("runs"), dict[str, Run]()

    def train(name: str, recipe: str, *overrides: str) -> Run:
        if name not in made:
            made[name] = Run.create(Recipe.load(recipe, overrides), folder / name)
            made[name].train(evaluate=False)
        return made[name]

    return train


@pytest.fixture
def drawing(trained: Trained) -> Run:
    steps = ("training.steps=8", "training.checkpoint_every=2")
    return trained("drawing", "digits", *DIT, *IMAGES, *steps)


@pytest.fixture
def unlabelled(trained: Trained, digit_files: Path) -> Run:
    data = (f"data.path={digit_files}", "data.labels=none", "network.patch=7")
    steps = ("training.steps=4", "training.checkpoint_every=2")
    return trained("unlabelled", "mnist", *DIT, *IMAGES, *data, *steps)


@pytest.fixture
def reader(trained: Trained) -> Run:
    return trained("reader", "digits-classifier", *READER, "task.noise={}")


def test_autoguidance_is_by_the_nearest_earlier_checkpoint(drawing: Run) -> None:
    heard: list[object] = []
    guided = drawing.sample(num=4, autoguide=0.6, guidance=3.0, on_event=heard.append)
    assert heard == [Note("Guided by the checkpoint of step 4.")]
    named = drawing.sample(num=4, autoguide=4, guidance=3.0)
    np.testing.assert_array_equal(guided.items, named.items)
    plain = drawing.sample(num=4, guidance=1.0)
    assert not np.array_equal(guided.items, plain.items)
    off = drawing.sample(num=4, autoguide="0.6", guidance=1.0)
    np.testing.assert_array_equal(off.items, plain.items)


def test_another_run_may_be_the_guide_and_labels_are_not_needed(
    drawing: Run, unlabelled: Run
) -> None:
    itself = drawing.sample(num=4, autoguide=drawing.folder, guidance=3.0)
    plain = drawing.sample(num=4, guidance=1.0)
    difference = itself.items.astype(int) - plain.items
    assert np.abs(difference).max() <= 1  # the guide is the model; only rounding is between them
    assert unlabelled.sample(num=2, autoguide=0.5).items.shape == (2, 28, 28, 1)
    with pytest.raises(InputError, match="items of shape"):
        unlabelled.sample(num=2, autoguide=drawing.folder)


def test_a_guide_that_knows_no_labels_is_asked_without(
    trained: Trained, unlabelled: Run, digit_files: Path
) -> None:
    data = (f"data.path={digit_files}", "network.patch=7", "training.steps=1")
    labelled = trained("labelled-28", "mnist", *DIT, *IMAGES, *data)
    guided = labelled.sample(num=2, autoguide=unlabelled.folder, guidance=2.0)
    assert not np.array_equal(guided.items, labelled.sample(num=2, guidance=1.0).items)
    with pytest.raises(InputError, match="draws by class, and this run knows no classes"):
        unlabelled.sample(num=2, autoguide=labelled.folder)


def test_a_recipe_may_name_an_earlier_self(drawing: Run) -> None:
    """While it trains there is none: said once; what is drawn and measured after it has one."""
    heard: list[object] = []
    recipe = Recipe.load(
        "digits",
        [
            *DIT,
            *IMAGES,
            "training.steps=6",
            "training.checkpoint_every=2",
            "training.sample_every=2",
            "task.guidance.name=autoguidance",
            "task.guidance.scale=2.5",
        ],
    )
    folder = drawing.folder.with_name("own-guide")
    run = Run.create(recipe, folder)
    run.train(evaluate=False, on_event=heard.append)
    said = [event.text for event in heard if isinstance(event, Note)]
    assert sum("drawn without guidance" in text for text in said) == 1
    drawn = Run.open(folder).sample(num=3)
    asked = run.sample(num=3, autoguide=0.3, guidance=2.5, interval=(0.5, 1.0))
    assert np.array_equal(drawn.items, asked.items)
    task, _ = run.trained_task()
    assert isinstance(task, Draws)
    described = task.describe(Request())
    assert described["guide"] == "step 2 of this run"
    assert described["guidance_kind"] == "autoguidance" and described["guidance"] == 2.5

    # whoever needs this run gets its earlier self with it
    guide = f"{{name: run, run: '{folder}'}}"
    needing = Recipe.load(
        "digits",
        [
            *DIT,
            *IMAGES,
            "training.steps=1",
            f"task.guidance={{name: autoguidance, guide: {guide}}}",
        ],
    )
    other = Run.create(needing, folder.with_name("needing"))
    other.train(evaluate=False)
    copy = Run.open(other.folder / "others" / "task.guidance.guide")
    assert copy.checkpoints.steps() == [2, 6]
    assert np.array_equal(copy.sample(num=3).items, drawn.items)

    (run.checkpoints.path(2) / "average.safetensors").write_bytes(b"damaged")
    heard.clear()
    plain = run.sample(num=3, on_event=heard.append)
    assert "not guided: The guide: The checkpoint" in str(heard)
    task, _ = run.trained_task()
    assert isinstance(task, Draws)
    assert task.describe(Request())["guide"] is None and "guidance" not in task.describe(Request())
    assert not np.array_equal(plain.items, drawn.items)


def test_a_recipe_may_name_another_run(drawing: Run) -> None:
    guide = f"{{name: run, run: '{drawing.folder}'}}"
    asked = f"task.guidance={{name: autoguidance, guide: {guide}}}"
    recipe = Recipe.load("digits", [*DIT, *IMAGES, "training.steps=2", asked])
    run = Run.create(recipe, drawing.folder.with_name("guided"))
    run.train(evaluate=False)
    assert (run.folder / "others/task.guidance.guide/recipe.yaml").is_file()
    assert not np.array_equal(run.sample(num=2).items, run.sample(num=2, guidance=1.0).items)


def test_a_classifier_guides(drawing: Run, reader: Run) -> None:
    plain = drawing.sample(num=4, guidance=1.0)
    guided = drawing.sample(num=4, classifier=reader.folder, guidance=4.0)
    off = drawing.sample(num=4, classifier=reader.folder, guidance=0.0)
    assert not np.array_equal(guided.items, plain.items)
    np.testing.assert_array_equal(off.items, plain.items)


def test_a_classifier_lends_its_classes_to_a_run_without(
    unlabelled: Run, trained: Trained, digit_files: Path
) -> None:
    reader = trained(
        "reader-28", "mnist-classifier", *READER, f"data.path={digit_files}", "task.noise={}"
    )
    samples = unlabelled.sample(num=3, classifier=reader.folder, label=["7", "3"], guidance=5.0)
    assert samples.labels is not None and samples.labels.tolist() == [7, 3, 7]
    assert samples.form.class_names == reader.open_data().class_names
    assert not np.array_equal(samples.items, unlabelled.sample(num=3).items)


@pytest.mark.slow  # it learns the floors of an evaluation
def test_what_guided_is_in_the_protocol_and_the_report(trained: Trained) -> None:
    tiny = ("data.num=200", "network.width=8", "network.depth=1", "evaluation.num=20", *QUICK)
    run = trained("points", "toy-2d", *tiny, "training.steps=4", "training.checkpoint_every=2")
    protocol = run.evaluate(num=20, autoguide=0.5, guidance=3.0)["protocol"]
    assert protocol["guidance_kind"] == "autoguidance" and protocol["guidance"] == 3.0
    assert protocol["guide"] == "step 2 of this run"
    said = "guidance 3 (autoguidance by step 2 of this run)"
    assert said in (run.folder / "report.html").read_text()


def test_negative_rescale_and_interval_reach_the_samples(drawing: Run) -> None:
    base = drawing.sample(num=3, label="4", guidance=3.0, interval=(0.0, 1.0)).items
    for change in ({"negative": "9"}, {"rescale": 1.0}, {"interval": (0.9, 1.0)}):
        asked = {"interval": (0.0, 1.0), **change}
        assert not np.array_equal(
            drawing.sample(num=3, label="4", guidance=3.0, **asked).items, base
        )


@pytest.mark.parametrize(
    ("who", "asked", "said"),
    [
        ("unlabelled", {"guidance": 2.0}, "needs a run trained both with labels"),
        ("unlabelled", {"rescale": 0.5}, "guidance 1 is off|needs a run trained"),
        ("unlabelled", {"negative": "3"}, "trained without labels; leave --negative out"),
        ("unlabelled", {"label": "3"}, "trained without labels; leave --label out"),
        ("drawing", {"negative": "thre"}, "There is no class 'thre'"),
        ("drawing", {"negative": "3", "guidance": 1.0}, "--negative would change nothing"),
        ("drawing", {"negative": "3", "autoguide": 0.5}, "leave --negative out"),
        ("drawing", {"guidance": 2.0, "interval": (0.9, 0.1)}, "0 to 1, rising"),
        ("drawing", {"guidance": 2.0, "rescale": 3.0}, "rescale is 3"),
        ("drawing", {"autoguide": 8}, "allowed is one before it: 2, 4, 6"),
        ("drawing", {"autoguide": -1}, "a share of the run's steps above 0"),
        ("drawing", {"autoguide": "nowhere"}, "nowhere is not a run"),
        ("drawing", {"autoguide": 0.5, "classifier": "READER"}, "samples have one guide"),
        ("drawing", {"autoguide": "READER"}, "denoises nothing"),
        ("drawing", {"classifier": "DRAWING"}, "no classifier"),
        ("drawing", {"classifier": "CLEAN"}, "clean images only"),
        ("drawing", {"classifier": "OTHER"}, "same classes"),
        ("unlabelled", {"classifier": "READER"}, "items of shape"),
    ],
)
def test_what_cannot_guide_is_refused_before_any_network_call(
    who: str,
    asked: dict,
    said: str,
    trained: Trained,
    drawing: Run,
    unlabelled: Run,
    reader: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders = {"READER": reader.folder, "DRAWING": drawing.folder}
    if asked.get("classifier") == "CLEAN":
        folders["CLEAN"] = trained("clean", "digits-classifier", *READER).folder
    if asked.get("classifier") == "OTHER":
        folders["OTHER"] = other_classes(reader)

    def called(self: object, *args: object, **kwargs: object) -> None:
        raise AssertionError("the network was called")

    monkeypatch.setattr("noiseloom.diffusion.denoiser.Denoiser.forward", called)
    run = {"drawing": drawing, "unlabelled": unlabelled}[who]
    resolved = {
        key: folders.get(value, value) if isinstance(value, str) else value
        for key, value in asked.items()
    }
    with pytest.raises(InputError, match=said):
        run.sample(num=2, **resolved)


def other_classes(reader: Run) -> Path:
    """The reader, of the same images with other names for their classes."""
    folder = reader.folder.with_name("other-classes")
    if not folder.exists():
        shutil.copytree(reader.folder, folder)
        report = json.loads((folder / "data_report.json").read_text())
        report["form"]["class_names"] = list("abcdefghij")
        (folder / "data_report.json").write_text(json.dumps(report))
    return folder


def test_a_negative_label_needs_label_dropout(trained: Trained) -> None:
    run = trained(
        "no-dropout",
        "digits",
        *DIT,
        *IMAGES,
        "training.steps=1",
        "task.label_dropout=0",
        "task.guidance.scale=1",
    )
    with pytest.raises(InputError, match=r"task\.label_dropout.*--guidance and --negative"):
        run.sample(num=2, guidance=2.0, negative="3")


# Recipes ---------------------------------------------------------------------------------------


def test_a_recipe_of_a_run_from_before_there_were_kinds_means_the_same(drawing: Run) -> None:
    """It names no kind of guidance: {scale: 1.5, interval: [0.5, 1.0]}."""
    path = drawing.folder / "recipe.yaml"
    written = path.read_text()
    expected = drawing.sample(num=3).items
    old = yaml.safe_load(written)
    guidance = old["task"]["guidance"]
    assert guidance.pop("name") == "classifier-free" and guidance.pop("rescale") == 0
    assert set(guidance) == {"scale", "interval"}
    try:
        path.write_text(yaml.safe_dump(old))
        assert Run.open(drawing.folder).recipe == drawing.recipe
        np.testing.assert_array_equal(Run.open(drawing.folder).sample(num=3).items, expected)
    finally:
        path.write_text(written)


def test_a_classifier_as_guide_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"task\.guidance\.guide"):
        Recipe.load("digits", ["task.guidance.name=classifier"])
    with pytest.raises(ConfigError, match="Did you mean 'autoguidance'"):
        Recipe.load("digits", ["task.guidance.name=auto-guidance"])
