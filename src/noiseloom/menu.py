"""Recipe word -> file in a folder: the folder is the menu.

A file is a member of its package when its source has a top-level `class Config`; its word is the
file's name with `_` written `-` (`networks/language_model.py` is `language-model`). Listing reads
the files' text and imports none of them, so an optional package one member needs costs the others
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from noiseloom.errors import InputError

_CONFIG_CLASS = re.compile(r"^class Config\b", re.MULTILINE)


@cache
def _members(package: str) -> tuple[str, ...]:
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ValueError(f"{package!r} is not a package; a menu is a folder of members.")
    files = [
        file for folder in spec.submodule_search_locations for file in Path(folder).glob("*.py")
    ]
    return tuple(
        sorted(
            file.stem.replace("_", "-")
            for file in files
            if _CONFIG_CLASS.search(file.read_text(encoding="utf-8"))
        )
    )


def words(package: str) -> list[str]:
    """The words on the menu `package` (a dotted name), sorted; imports no member."""
    return list(_members(package))


def member(package: str, word: str) -> ModuleType:
    """Import the one file of `package` that `word` names; InputError when there is none."""
    allowed = words(package)
    if word not in allowed:
        noun = package.rpartition(".")[2].replace("_", " ")
        close = nearest(word, allowed)
        raise InputError(
            f"'{word}' is not among {noun}. Allowed: {', '.join(allowed)}."
            + (f" Did you mean '{close}'?" if close else "")
        )
    return import_module(f"{package}.{word.replace('-', '_')}")


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that `word` was most likely meant to be, or None when none is close.

    Case and the choice between `-`, `_` and a space are ignored.
    """
    spelt = {_plain(candidate): candidate for candidate in allowed}
    close = get_close_matches(_plain(word), spelt, n=1, cutoff=0.6)
    return spelt[close[0]] if close else None


def _plain(word: str) -> str:
    return re.sub(r"[-_ ]+", "-", word.lower())
