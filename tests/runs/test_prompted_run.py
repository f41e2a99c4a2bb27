"""A run that was trained on captions, from files to pictures of what is asked."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from noiseloom import cli
from noiseloom.data.captions import Config as CaptionsConfig
from noiseloom.data.digits import Config as Digits
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.runs.building import build_task
from noiseloom.runs.drawing import choose_asked
from noiseloom.runs.trainer import measure_statistics
from noiseloom.training.loop import Note
from tests.runs.captioned import NETWORK, captioned_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return captioned_run(tmp_path_factory.mktemp("runs"))


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
    run.sample(prompts=["a dark picture " * 6], steps=1, on_event=hear)
    (note,) = said
    assert note.startswith(
        "1 prompt is longer than the 14 tokens that this run reads. The first was"
    )
    assert " as: a dark" in note and note.count("picture") < 6
    said.clear()
    run.sample(prompts=["a dark picture"], steps=1, guidance=2.0, negative="quaggas", on_event=hear)
    assert said[0].startswith("quaggas stands in no caption")


def test_what_fits_no_captions_is_refused(run: Run) -> None:
    with pytest.raises(InputError, match="knows no classes; ask with --prompt"):
        run.sample(label="0", num=1)
    recipe, data = Recipe.load("digits", [*NETWORK, "network.depth=1"]), Digits().open()
    plain = build_task(recipe, data.form, measure_statistics(data), "cpu")
    with pytest.raises(InputError, match="runs/plain draws by class, not by what a text says"):
        choose_asked(plain, prompts=["a seven"], label=None, num=1, place="runs/plain")


def test_a_shape_is_asked_for_of_runs_that_know_several(run: Run) -> None:
    assert run.form.sizes == ()  # all its images are square
    with pytest.raises(InputError, match="draws in one size alone; leave --size out"):
        run.sample(prompts="a dark picture", num=1, size=(8, 12))


def test_the_command_draws_a_prompt_and_keeps_it_beside_the_pictures(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        *("sample", str(run.folder), "--prompt", "a light picture", "--num", "3"),
        *("--negative", "a dark picture", "--guidance", "2", "--json", "--out"),
    ]
    assert cli.main([*asked, f"{tmp_path}/drawn/"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["num"] == 3 and document["captions"] == ["a light picture"]
    again = CaptionsConfig(path=str(tmp_path / "drawn"), held_out=0.4).open()
    assert len(again.train) + len(again.reference) == 3
    assert set(again.train_captions.column(0)) == {"a light picture"}
    assert cli.main([*asked, f"{tmp_path}/drawn.npz"]) == 0
    with np.load(tmp_path / "drawn.npz", allow_pickle=False) as kept:
        assert kept["captions"].tolist() == ["a light picture"] * 3
    capsys.readouterr()
    (tmp_path / "asked.txt").write_text("a dark picture\na light picture\n")
    by_lines = ["sample", str(run.folder), "--input", f"{tmp_path}/asked.txt", "--json"]
    assert cli.main([*by_lines, "--out", f"{tmp_path}/lines.png"]) == 0
    assert json.loads(capsys.readouterr().out)["num"] == 2
    assert cli.main([*by_lines, "--prompt", "a dark picture"]) == 2
    assert "leave one of them out" in capsys.readouterr().err


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
        if kind == "bash" and line.startswith(f"noiseloom sample {folder}")
    ]
    assert len(samples) == 4
    for words in samples:
        words = [str(run.folder) if word == folder else word for word in words]
        assert cli.main([*words, "--steps", "1"]) == 0, words
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
    result = run.evaluate(num=10)
    assert result["metrics"]["frechet_distance"] > 0
    assert len(result["loss_by_time"]["held_out"]) == len(result["loss_by_time"]["t"])
    assert result["loss_by_time"]["held_out_floor"] is None
