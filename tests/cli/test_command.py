"""The command as a whole: quick to answer, exact in its exit codes, one sentence a mistake."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import typer

from noiseloom import cli
from noiseloom.cli.failures import explain
from noiseloom.errors import ConfigError, DataError, InputError, MachineError, Problem

VERBS = ["data", "doctor", "evaluate", "recipes", "resume", "sample", "train"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from noiseloom.cli import main; sys.exit(main())",
            *words,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {verb} " in shown for verb in VERBS)
    assert cli.main([]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    assert verb in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from noiseloom.cli import main; main(['train', '--help']);"
        "heavy = {'torch', 'numpy', 'PIL', 'matplotlib', 'rich'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_answers_in_half_a_second() -> None:
    """The best of a few, since the machine may be busy."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        assert run("--help").returncode == 0
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'? See: noiseloom --help"),
        (["train"], "Missing argument 'RECIPE'. See: noiseloom train --help"),
        (
            ["sample", "x", "--nmu", "3"],
            "There is no option --nmu. Did you mean --num or --input",
        ),
        (["sample", "x", "--num", "0"], "Invalid value for '--num'"),
        (
            ["train", "x", "--training.steps=3"],
            "--training.steps is no option; a recipe's keys are given without dashes:"
            " training.steps=VALUE.",
        ),
        (["recipes", "suggest"], "suggest needs a path"),
        (["recipes", "digits", "elsewhere"], "only suggest takes a path"),
    ],
)
def test_usage_errors_are_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert sentence in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("x is wrong"), 2, "x is wrong."),
        (DataError("No images?"), 3, "No images?"),
        (MachineError("The disk is full."), 4, "The disk is full."),
        (OSError(errno.ENOSPC, "No space left on device", "/runs/a"), 4, "/runs/a: No space left"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/runs"),
            4,
            "/runs: Permission denied",
        ),
        (MemoryError(), 4, "Memory ran out"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            4,
            "Memory ran out",
        ),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (KeyboardInterrupt("Saved at step 5"), 130, "Saved at step 5."),
        (ValueError("shapes differ"), 1, "a bug in noiseloom, not a mistake of yours (ValueError"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), 1, "--debug"),
        (typer.BadParameter("no"), 2, "no. See: noiseloom --help"),
    ],
)
def test_exit_codes(error: BaseException, code: int, words: str) -> None:
    failure = explain(error)
    assert failure.exit_code == code
    assert words in failure.sentence


def test_problems_of_a_recipe_are_part_of_the_json() -> None:
    problem = Problem(file="r.yaml", line=3, key="a", fault="unknown key 'a'", nearest="b")
    mapping = explain(ConfigError([problem])).as_mapping()
    assert mapping["exit_code"] == 2
    assert mapping["message"] == "r.yaml:3: unknown key 'a'. Did you mean 'b'?"
    assert mapping["problems"][0]["line"] == 3


def test_json_is_one_document_and_words_go_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["train", "no-such-recipe", "--json"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["exit_code"] == 2
    assert "no-such-recipe" in told.err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "no-such-recipe", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert cli.main(["train", "no-such-recipe"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_sigterm_ends_a_verb_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"), cli._stopped_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -c 'from noiseloom.cli import main; import sys; sys.exit(main())'"
        " --help | true; exit ${PIPESTATUS[0]}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip().count(".") == 2
