"""`noiseloom sample` on a run that writes text: what it prints, keeps and refuses."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path

import pytest

from noiseloom import cli
from noiseloom.cli.writing import _screen
from noiseloom.runs import Run
from noiseloom.tasks import Draft
from tests.runs.test_writing import train

FEW = ["--max-tokens", "8", "--seed", "5"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("sampling-text"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("sampling-pictures") / "run")
    tiny = ["network.width=16", "network.depth=1", "network.heads=2", "training.steps=1"]
    assert cli.main(["train", "digits", *tiny, "--no-evaluate", "--out", folder]) == 0
    return folder


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli.main(["sample", *words]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli.main(["sample", *words]) == 2
    return capsys.readouterr().err


def test_a_text_is_all_that_is_printed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = run.write("Line", max_tokens=8, seed=5)
    out = printed(capsys, str(run.folder), "--prompt", "Line", *FEW)
    assert out == (text if text.endswith("\n") else text + "\n")


def test_several_texts_are_numbered(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, str(run.folder), "--num", "2", *FEW)
    assert out.startswith("--- 1 of 2 ---\n")
    assert "\n--- 2 of 2 ---\n" in out


def test_json_is_one_document(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, str(run.folder), "--prompt", "Line", "--num", "2", *FEW, "--json")
    assert json.loads(out) == {
        "run": str(run.folder),
        "prompt": "Line",
        "texts": run.write("Line", num=2, max_tokens=8, seed=5),
        "seed": 5,
    }


def test_a_file_of_prompts_becomes_json_lines(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1, "text": "Line"}\n{"id": 2, "prompt": "o"}\n')
    said = printed(capsys, str(run.folder), "--input", str(source), "--out", str(out), *FEW)
    assert said == f"{out}\n"
    texts = run.write(["Line", "o"], max_tokens=8, seed=5)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows == [
        {"id": 1, "text": "Line", "output": texts[0]},
        {"id": 2, "prompt": "o", "output": texts[1]},
    ]
    lines = printed(capsys, str(run.folder), "--input", str(source), *FEW)
    assert lines == out.read_text()


def test_what_is_done_stays_when_it_is_interrupted(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("a\no\nt\n")
    task, _ = run.trained_task()
    whole, calls = type(task).write, []

    def stopped(self: object, prompts: list[str], *rest: object) -> object:
        calls.append(prompts)
        if len(calls) == 6:  # three are checked, two are written
            raise KeyboardInterrupt
        return whole(self, prompts, *rest)  # type: ignore[attr-defined]

    monkeypatch.setattr(type(task), "write", stopped)
    words = ["--input", str(source), "--out", str(out), "--batch-size", "1", *FEW]
    assert cli.main(["sample", str(run.folder), *words]) == 130
    assert f"Stopped: 2 of 3 texts are in {out}." in capsys.readouterr().err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["prompt"] for row in rows] == ["a", "o"]


def test_a_bad_line_is_named(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.txt"
    source.write_text("a\nLine 漢\n")
    said = refused(capsys, str(run.folder), "--input", str(source))
    assert f"{source}:2: The character '漢'" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--guidance", "2", "--label", "3"],
            "--guidance, --label are for runs that make pictures",
        ),
        (["--untuned"], "--untuned is for runs that make pictures"),
        (["--steps", "3"], "--steps is for models that unmask text"),
        (["--top-p", "2"], "--top-p is 2.0; allowed is above 0, up to 1"),
        (["--prompt", "a", "--input", "x.txt"], "are both given"),
    ],
)
def test_a_text_run_refuses_what_is_not_for_it(
    run: Run, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, str(run.folder), *words)


def test_a_file_is_not_written_over_itself(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("a\n")
    said = refused(capsys, str(run.folder), "--input", str(source), "--out", str(source))
    assert "--out is the file of --input" in said
    assert source.read_text() == "a\n"


def test_a_run_of_pictures_refuses_what_is_for_text(
    pictures: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, pictures, "--prompt", "a")
    assert "--prompt is for runs that make text" in said
    assert "draws samples" in said


def test_the_page_says_what_is_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "text" / "write.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "shakespeare").symlink_to(run.folder)
    (tmp_path / "prompts.txt").write_text("ROMEO:\n\n")
    monkeypatch.chdir(tmp_path)
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, "write.md", "exec"), {"run": run})
        for line in block.splitlines() if kind == "bash" else ():
            program, *words = shlex.split(line)
            assert program == "noiseloom"
            assert cli.main(words) == 0, line
    assert len((tmp_path / "texts.jsonl").read_text().splitlines()) == 2
    assert len([kind for kind, _ in blocks if kind == "bash"]) > 1


def test_a_terminal_shows_a_text_as_it_grows() -> None:
    stream = io.StringIO()
    with _screen(stream, is_wanted=True) as screen:
        assert screen is not None
        for text in ("", "a", "a", "ab\nc"):
            screen.show(Draft((text,), 1, False))
    assert stream.getvalue() == "ab\nc\n"


def test_a_terminal_draws_a_text_that_changes_anew() -> None:
    stream = io.StringIO()
    with _screen(stream, is_wanted=True) as screen:
        assert screen is not None
        for text in ("__", "_b", "ab"):
            screen.show(Draft((text,), 1, False, grows=False))
    assert stream.getvalue().strip() == "ab"
