"""`doctor` measures rather than guesses, and says what is missing."""

from __future__ import annotations

import json

import pytest

from noiseloom import cli
from noiseloom.cli import machine


@pytest.fixture(scope="module")
def found() -> dict:
    return machine.examine()


def test_examine_measures(found: dict) -> None:
    assert found["gigaflops"]["float32"] > 0
    assert found["precision"] in ("float32", "bfloat16")
    assert found["disk"]["here"]["free_bytes"] > 0
    assert "torch" in found["versions"]


def test_words_name_every_fact(found: dict) -> None:
    said = machine.in_words(found)
    for word in (
        "versions",
        "processor",
        "GFLOP/s",
        found["precision"],
        "memory",
        "disk",
        "caches",
    ):
        assert word in said


def test_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: dict
) -> None:
    monkeypatch.setattr(machine, "examine", lambda: found)
    assert cli.main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found))


def test_advice_where_something_is_short(found: dict) -> None:
    short = {
        **found,
        "memory_bytes": {"total": 10, "available": 1},
        "disk": {name: {"path": "/x", "free_bytes": 1} for name in ("here", "cache")},
        "threads": found["cores"] + 1,
    }
    advice = " ".join(machine._advice(short))
    for word in ("XDG_CACHE_HOME", "--out", "batch_size", "OMP_NUM_THREADS"):
        assert word in advice


def test_extras_are_read_from_the_package() -> None:
    assert "pytest" in machine.extras()["dev"]
    assert machine._missing(["pytest", "no-such-package"]) == ["no-such-package"]
