"""What every shipped recipe must do, whichever are added."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from noiseloom.config import from_mapping, parse, to_mapping, word_of
from noiseloom.data.forms import TextForm
from noiseloom.data.images import Config as Images
from noiseloom.data.suggest import RECIPES
from noiseloom.errors import ConfigError
from noiseloom.media import picture_of, save_gif
from noiseloom.runs import Recipe, Run, shipped_recipes
from noiseloom.training.loop import Started

OpenKeys = Callable[[str], str]
NARROW = ("network.width=32", "network.depth=2", "network.heads=2")
SHORT = ("training.steps=2", "training.batch_size=4")
NAMES = [name for name, _ in shipped_recipes()]


CAPTIONED = "captioned-folder"
NEEDED = {  # the recipe whose run another one needs
    "task.autoencoder.run": "mnist-autoencoder",
    "task.base.run": "mnist",
}


@pytest.fixture(scope="module")
def open_keys(digit_files: Path, tmp_path_factory: pytest.TempPathFactory) -> OpenKeys:
    """What stands for a key that a recipe may leave open: the data's path, or another run's."""

    def value(key: str) -> str:
        if key == "data.path":
            return str(digit_files)
        if key == CAPTIONED:
            return str(captioned_digits(digit_files, tmp_path_factory.mktemp("captioned")))
        recipe = Recipe.load(NEEDED[key], [f"data.path={digit_files}", *SHORT])
        run = Run.create(recipe, tmp_path_factory.mktemp("needed") / "run")
        run.train(evaluate=False)
        return str(run.folder)

    return cache(value)


def load(name: str, open_keys: OpenKeys, *overrides: str) -> Recipe:
    """The recipe as shipped, with what it leaves open."""
    try:
        return Recipe.load(name, overrides)
    except ConfigError as error:
        missing = [problem.key for problem in error.problems]
        if not set(missing) <= {"data.path", *NEEDED}:
            raise
        given = {key: open_keys(CAPTIONED if name == CAPTIONED else key) for key in missing}
        return Recipe.load(name, [*(f"{key}={value}" for key, value in given.items()), *overrides])


def captioned_digits(digit_files: Path, folder: Path) -> Path:
    """A folder of images with captions."""
    split = Images(path=str(digit_files)).open().train
    assert split.labels is not None
    for number, (item, label) in enumerate(zip(split.items[:40], split.labels, strict=False)):
        PIL.Image.fromarray(item[:, :, 0]).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"the digit {label}")
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text, a table of texts with a class each, one of pairs with a number, lines, and clips."""
    folder = tmp_path_factory.mktemp("texts")
    chance = np.random.default_rng(0)
    words = ["".join(chance.choice(list("aehinorst"), length)) for length in (2, 3, 4, 5, 6) * 20]
    said = [" ".join(chance.choice(words, 8)) for _ in range(300)]
    (folder / "text.txt").write_text("\n".join(said * 4))
    classes = [f"{text},{'good' if row % 2 else 'bad'}" for row, text in enumerate(said)]
    (folder / "classes.csv").write_text("\n".join(["sentence,label", *classes]))
    (folder / "train.en").write_text("\n".join(said))
    (folder / "train.de").write_text("\n".join(text[::-1] for text in said))
    for number in range(30):
        frames = chance.integers(0, 256, (4, 32, 32, 1), dtype=np.uint8)
        pictures = [picture_of(frame) for frame in frames]
        save_gif(pictures, folder / "clips" / f"{number:02d}.gif")
    numbers = [f"{row % 7 / 2},{text},{said[-row]}" for row, text in enumerate(said)]
    (folder / "numbers.csv").write_text("\n".join(["score,sentence1,sentence2", *numbers]))
    return folder


def little_data(recipe: Recipe, texts: Path) -> list[str]:
    """Changes that have a recipe learn from little of its kind of data; of images none."""
    match word_of(recipe, "data"):
        case "text":
            smaller = [] if recipe.task.answers == "masks" else ["evaluation.max_tokens=8"]
            return [f"data.path={texts / 'text.txt'}", "data.vocabulary=300", *smaller, *NARROW]
        case "table":
            kind = "numbers" if recipe.task.answers == "numbers" else "classes"
            return [f"data.path={texts / kind}.csv", "data.vocabulary=300"]
        case "pairs":
            little = f"data.path={texts}" if recipe.data.languages else "data.num=200"
            return [little, "data.vocabulary=300", "data.context=16", "evaluation.bootstrap=20"]
        case "questions":
            return ["data.num=60", "data.vocabulary=300"]
        case "series":
            return ["data.num=60"]
        case "moving-digits" | "video":
            clips = [f"data.path={texts / 'clips'}", "data.held_out=0.5", "data.frames=4"]
            if word_of(recipe, "data") == "moving-digits":
                clips = ["data.num=60", "data.num_reference=20", "data.frames=5"]
            return [*clips, "evaluation.num=10", "evaluation.feature_clips=100", *NARROW]
        case "frames":
            clips = ["data.of.num=60", "data.of.num_reference=20", "data.of.frames=5"]
            return [*clips, "evaluation.num=10", "evaluation.feature_images=100", *NARROW]
        case "scenes":
            little = ["data.num=60", "data.num_reference=20", "data.captions=2"]
            return [*little, "evaluation.num=16", "evaluation.checked=4", *NARROW]
    return []


def few_pictures(recipe: Recipe) -> list[str]:
    """Changes that have a recipe of a folder's captioned pictures draw them narrowly."""
    return [*NARROW] if word_of(recipe, "data") == "captions" else []


@pytest.mark.parametrize("name", NAMES)
def test_validates_and_comes_back_from_its_own_yaml(
    name: str, open_keys: OpenKeys, tmp_path: Path
) -> None:
    recipe = load(name, open_keys)
    assert recipe.name == name
    assert parse(Recipe, from_mapping(to_mapping(recipe))) == recipe
    (tmp_path / "again.yaml").write_text(recipe.to_yaml())
    assert Recipe.load(tmp_path / "again.yaml") == recipe


@pytest.mark.parametrize(("name", "head"), shipped_recipes())
def test_is_headed_by_command_machine_time_and_figure(name: str, head: list[str]) -> None:
    text = "\n".join(head)
    assert f"noiseloom train {name}" in text
    for word in ("cores", "min", "expect"):
        assert word in text.lower(), f"{name}.yaml does not say {word}"


@pytest.mark.parametrize("name", NAMES)
def test_runs_two_steps_and_answers(
    name: str, open_keys: OpenKeys, texts: Path, tmp_path: Path
) -> None:
    shipped = load(name, open_keys)
    draws = ["task.sampler.steps=2"] if hasattr(shipped.task, "sampler") else []
    draws += few_pictures(shipped)
    little = little_data(shipped, texts)
    recipe = load(name, open_keys, *SHORT, *little, *draws)
    seen = []
    run = Run.create(recipe, tmp_path / "run")
    summary = run.train(evaluate=False, on_event=seen.append)
    assert summary["steps"] == 2
    assert any(isinstance(event, Started) for event in seen)
    for file in ("recipe.yaml", "metrics.jsonl", *answer(run)):
        assert (run.folder / file).is_file(), file
    if little:  # which is measured in no time
        assert run.evaluate()["metrics"]
        page = (run.folder / "report.html").read_text()
        said = re.sub(r"<style.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
        assert "<h2>Figures" in page
        if word_of(shipped, "data") == "scenes":
            assert "<h2>What was asked for, and what came" in page
            return
        if word_of(shipped, "data") == "frames":
            assert "300 images of 32 × 32 in grey" in said
            return
        assert not re.search(r"\bimages\b|(?<!percentage )\bpoints\b", said)


def answer(run: Run) -> list[str]:
    """What the run is for, asked of it; the files that its training leaves."""
    match run.recipe.task.answers:
        case "items":
            assert len(run.sample(num=3, steps=2).items) == 3
            return ["samples/final.png", "samples/denoising.gif"]
        case "reconstructions":
            assert len(run.reconstruct(run.open_data().reference.items[:3]).items) == 3
            return ["samples/reconstructions.png"]
        case "masks":
            assert len(run.write(["one <mask>", "<mask:2>er"])) == 2
            assert len(run.candidates("one <mask> er<mask>")) == 2
            return ["samples/final.txt", "tokenizer.json"]
        case "text" | "translations":
            assert len(run.write(["one", "rose"], max_tokens=3)) == 2
            return ["samples/final.txt", "tokenizer.json"]
        case "spans":
            assert len(run.predict([("The rose is red.", "What is red?")]).words) == 1
            assert len(run.predict(run.open_data().reference.items[:3]).words) == 3
            return ["tokenizer.json"]
        case "classes" | "numbers":
            assert len(run.predict(run.open_data().reference.items[:3]).words) == 3
            form, numbers = run.form, run.recipe.task.answers == "numbers"
            text = isinstance(form, TextForm)
            return [] if numbers else [f"samples/predictions.{'txt' if text else 'png'}"]
    raise AssertionError(f"nobody asks for {run.recipe.task.answers}")


@pytest.mark.parametrize("name", RECIPES)
def test_suggestions_know_the_network_of_the_recipe(name: str, open_keys: OpenKeys) -> None:
    network, shape = load(name, open_keys).network, RECIPES[name]
    assert (network.patch, network.width, network.depth) == (shape.patch, shape.width, shape.depth)
