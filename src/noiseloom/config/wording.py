"""Types, bounds and values as a reader of recipes would say them."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from noiseloom import menu as menus

_WORDS = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "true or false"),
    str: ("text", "texts"),
    Path: ("a path", "paths"),
    type(None): ("null", "null"),
    Any: ("anything", "anything"),
}


def type_words(hint: Any, *, plural: bool = False) -> str:
    """A type as a reader of recipes would say it."""
    if hint in _WORDS:
        return _WORDS[hint][plural]
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_words(parts[0], plural=plural) + _bounds(parts[1:])
    if origin is Literal:
        return ", ".join(str(part) for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(type_words(part, plural=plural) for part in parts)
    if origin is tuple and parts and parts[-1] is not Ellipsis:
        return f"a list of {len(parts)}: " + ", ".join(map(type_words, parts))
    if origin in (tuple, list, Sequence):
        return f"a list of {type_words(parts[0], plural=True)}"
    if origin in (dict, Mapping):
        return f"a mapping of {' to '.join(type_words(part, plural=True) for part in parts)}"
    return getattr(hint, "__name__", str(hint))


def _bounds(constraints: Sequence[object]) -> str:
    names = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    said = [
        f"{words} {getattr(constraint, name)}"
        for constraint in constraints
        for name, words in names.items()
        if getattr(constraint, name, None) is not None
    ]
    return ", " + " and ".join(said) if said else ""


def nearest_value(hint: Any, given: object) -> str | None:
    """A value of the right type that was probably meant."""
    if isinstance(given, float) and given.is_integer() and "whole number" in type_words(hint):
        return str(int(given))
    literals = [str(part) for part in _literals(hint)]
    return menus.nearest(given, literals) if isinstance(given, str) else None


def _literals(hint: Any) -> list[Any]:
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [literal for part in get_args(hint) for literal in _literals(part)]


def show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
