"""The menu lists what a folder holds without importing it, and names the nearest word."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from noiseloom import menu
from noiseloom.errors import InputError


@pytest.fixture
def cookbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of two members, one of which must not be imported to be listed."""
    package = tmp_path / "cookbook"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "two_layers.py").write_text("class Config:\n    depth = 2\n")
    (package / "broken.py").write_text("import not_installed\n\n\nclass Config:\n    pass\n")
    (package / "notes.py").write_text("def helper():\n    class Config: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "cookbook"
    for name in [name for name in sys.modules if name.split(".")[0] == "cookbook"]:
        del sys.modules[name]
    menu._members.cache_clear()


def test_words_are_file_names_and_nothing_is_imported(cookbook: str) -> None:
    assert menu.words(cookbook) == ["broken", "two-layers"]
    assert "cookbook.broken" not in sys.modules


def test_member_imports_that_one_file(cookbook: str) -> None:
    assert menu.member(cookbook, "two-layers").Config.depth == 2
    assert "cookbook.broken" not in sys.modules


def test_unknown_word_names_the_menu_and_the_nearest(cookbook: str) -> None:
    with pytest.raises(
        InputError, match=r"Allowed: broken, two-layers\. Did you mean 'two-layers'"
    ):
        menu.member(cookbook, "two_layer")


@pytest.mark.parametrize(
    ("word", "expected"),
    [("dti", "dit"), ("DiT", "dit"), ("rectified_flow", "rectified-flow"), ("zzz", None)],
)
def test_nearest(word: str, expected: str | None) -> None:
    assert menu.nearest(word, ["dit", "mlp", "rectified-flow"]) == expected


def test_a_module_is_not_a_menu() -> None:
    with pytest.raises(ValueError, match="not a package"):
        menu.words("noiseloom.menu")
