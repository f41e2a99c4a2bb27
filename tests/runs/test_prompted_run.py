"""A run that was trained on captions, from files to pictures of what is asked."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from noiseloom.cli import app
from noiseloom.data.captions import Config as CaptionsConfig
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.training.loop import Note

SMALL = (
    "network.width=16",
    "network.depth=1",
    "network.heads=1",
    "network.text_depth=1",
    "training.steps=6",
    "training.batch_size=8",
    "training.snapshots=0",
    "task.sampler.steps=3",
    "data.size=8",
    "data.longest=6",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("captioned")
    random = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / f"{number}.png")
        shade = "light" if number % 2 else "dark"
        (folder / f"{number}.txt").write_text(f"a {shade} picture")
    recipe = Recipe.load("captioned-folder", [f"data.path={folder}", *SMALL])
    run = Run.create(recipe, tmp_path_factory.mktemp("runs") / "run")
    run.train(evaluate=False)
    return run


def test_a_prompt_says_what_is_drawn(run: Run) -> None:
    two = run.sample(prompts=["A light picture", "a dark picture"])
    assert len(two.items) == 2 and two.captions == ["a light picture", "a dark picture"]
    turns = run.sample(prompts="a light picture", num=3)
    assert np.array_equal(turns.items[0], two.items[0])  # the first noise, the same prompt
    assert not np.array_equal(turns.items[1], two.items[1])
    usual = run.sample(num=5)
    assert usual.captions is not None
    assert set(usual.captions) <= {"a light picture", "a dark picture"}
    assert usual.picture().height > 5


def test_words_never_seen_and_long_prompts_are_said(run: Run) -> None:
    said: list[str] = []

    def hear(event: object) -> None:
        if isinstance(event, Note):
            said.append(event.text)

    run.sample(prompts=["a light zebra"], steps=1, on_event=hear)
    assert said == [
        "zebra stands in no caption that this run was trained on: it says nothing to it."
    ]
    said.clear()
    run.sample(prompts=["a dark picture " * 4], steps=1, on_event=hear)
    assert said == [
        "1 prompt is longer than the 6 tokens that this run reads. The first was read as: "
        "a dark picture a dark picture"
    ]
    said.clear()
    run.sample(prompts=["a dark picture"], steps=1, guidance=2.0, negative="quaggas", on_event=hear)
    assert said[0].startswith("quaggas stands in no caption")


def test_what_fits_no_captions_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="knows no classes; ask with --prompt"):
        run.sample(label="0", num=1)
    plain = Run.create(
        Recipe.load(
            "digits", ["network.width=16", "network.depth=1", "network.heads=1", "training.steps=1"]
        ),
        tmp_path / "plain",
    )
    plain.train(evaluate=False)
    with pytest.raises(InputError, match="draws by class, not by what a text says"):
        plain.sample(prompts=["a seven"])


def test_the_command_draws_a_prompt_and_keeps_it_beside_the_pictures(
    run: Run, tmp_path: Path
) -> None:
    asked = [
        *("sample", str(run.folder), "--prompt", "a light picture", "--num", "3"),
        *("--negative", "a dark picture", "--guidance", "2", "--json", "--out"),
    ]
    answered = CliRunner().invoke(app, [*asked, f"{tmp_path}/drawn/"])
    assert answered.exit_code == 0, answered.output
    document = json.loads(answered.stdout)
    assert document["num"] == 3 and document["captions"] == ["a light picture"]
    again = CaptionsConfig(path=str(tmp_path / "drawn"), held_out=0.4).open()
    assert len(again.train) + len(again.reference) == 3
    assert set(again.train_captions.column(0)) == {"a light picture"}
    assert CliRunner().invoke(app, [*asked, f"{tmp_path}/drawn.npz"]).exit_code == 0
    with np.load(tmp_path / "drawn.npz", allow_pickle=False) as kept:
        assert kept["captions"].tolist() == ["a light picture"] * 3
    (tmp_path / "asked.txt").write_text("a dark picture\na light picture\n")
    by_lines = ["sample", str(run.folder), "--input", f"{tmp_path}/asked.txt", "--json"]
    answered = CliRunner().invoke(app, [*by_lines, "--out", f"{tmp_path}/lines.png"])
    assert json.loads(answered.stdout)["num"] == 2
    both = CliRunner().invoke(app, [*by_lines, "--prompt", "a dark picture"])
    assert both.exit_code == 2 and "leave one of them out" in both.output


def test_what_the_page_says_works(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "text-to-image.md").read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "prompts.txt").write_text("a dark picture\n")
    monkeypatch.chdir(tmp_path)
    folder = "runs/scenes-small-1"
    samples = [
        shlex.split(line)[1:]
        for kind, text in blocks
        for line in text.splitlines()
        if kind == "bash" and line.startswith("noiseloom sample")
    ]
    assert len(samples) == 4
    for words in samples:
        words = [str(run.folder) if word == folder else word for word in words]
        answered = CliRunner().invoke(app, [*words, "--steps", "1"])
        assert answered.exit_code == 0, answered.output
    (code,) = (text for kind, text in blocks if kind == "python")
    exec(compile(code.replace(folder, str(run.folder)), "text-to-image.md", "exec"), {})
    assert (tmp_path / "asked.png").is_file() and (tmp_path / "drawn" / "metadata.jsonl").is_file()


def test_the_run_says_how_to_ask_it(run: Run) -> None:
    page = (run.folder / "README.md").read_text()
    assert "--prompt 'a " in page
    assert (run.folder / "samples" / "final.png").is_file()
    held_out = run.open_data().reference
    assert held_out.asked(np.array([0])) is not None


def test_it_is_measured_by_the_captions_of_held_out_images(run: Run) -> None:
    result = run.evaluate(num=12)
    assert result["metrics"]["frechet_distance"]["value"] > 0
    assert len(result["loss_by_time"]["held_out"]) == len(result["loss_by_time"]["t"])
    assert result["loss_by_time"]["held_out_floor"] is None
