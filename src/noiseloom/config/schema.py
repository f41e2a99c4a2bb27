"""What a recipe may say: options, the configs that choices stand for, and the way back to YAML."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from noiseloom import menu as menus
from noiseloom.config.wording import type_words


def option(
    default: Any = MISSING,
    help: str = "",
    *,
    menu: str | None = None,
    choices: Mapping[str, type] | None = None,
    default_factory: Any = MISSING,
) -> Any:
    """A field of a config: its default (none: it must be given) and one line on it, with its unit.

    `menu` names a package whose members' `Config` classes it may hold; `choices` is a literal dict
    of frozen dataclasses it may hold.
    """
    return dataclasses.field(
        default=default,
        default_factory=default_factory,
        metadata={"help": help, "menu": menu, "choices": choices},
    )


@dataclass(frozen=True)
class Arms:
    """The configs a field may hold, by word. A menu's members are imported only when chosen."""

    menu: str | None
    choices: Mapping[str, type] | None

    @property
    def words(self) -> list[str]:
        return menus.words(self.menu) if self.menu else list(self.choices or ())

    def config(self, word: str) -> type:
        arm = menus.member(self.menu, word).Config if self.menu else (self.choices or {})[word]
        if any(field.name == "name" for field in fields(arm)):
            raise TypeError(f"{arm} has a field 'name', which is the word of the choice itself.")
        return arm

    def word(self, value: object) -> str:
        """The word for a config this field holds."""
        if self.menu and type(value).__module__.rpartition(".")[0] == self.menu:
            return type(value).__module__.rpartition(".")[2].replace("_", "-")
        for word, arm in (self.choices or {}).items():
            if type(value) is arm:
                return word
        raise TypeError(f"{value!r} is not among {', '.join(self.words)}.")


def arms_of(field: Field[Any]) -> Arms | None:
    menu, choices = field.metadata.get("menu"), field.metadata.get("choices")
    return Arms(menu, choices) if menu or choices else None


def word_of(config: Any, field: str) -> str:
    """The word a recipe has for what `field` of `config` holds."""
    arms = arms_of(type(config).__dataclass_fields__[field])
    if arms is None:
        raise ValueError(f"'{field}' of {type(config).__name__} is no choice; it has no word.")
    return arms.word(getattr(config, field))


@cache
def hints_of(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def section_class(hint: Any) -> type | None:
    """The config class in a hint `Section` or `Section | None`, else None."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next((part for part in parts if isinstance(part, type) and is_dataclass(part)), None)


def allows_none(field: Field[Any], hint: Any) -> bool:
    return field.default is None or type(None) in get_args(hint)


def default_of(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def to_mapping(config: Any) -> dict[str, Any]:
    """Every field of a config as plain values, with `name` first in tagged ones.

    `parse(type(config), from_mapping(to_mapping(config)))` gives an equal config back.
    """
    result: dict[str, Any] = {}
    for field in fields(config):
        value, arms = getattr(config, field.name), arms_of(field)
        if arms and value is not None:
            result[field.name] = {"name": arms.word(value), **to_mapping(value)}
        else:
            result[field.name] = _plain(value)
    return result


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return to_mapping(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


@dataclass(frozen=True)
class Entry:
    """One key of a recipe. `default` is as a recipe writes it, or None with `required`.

    A choice's default is its word, and its `type` the words there are.
    """

    key: str
    type: str
    default: Any
    help: str
    required: bool = False
    is_choice: bool = False


def describe(config: Any) -> list[Entry]:
    """What can be set, key by key.

    Given a config class: its keys, plain sections opened, choices listed as words. Given a config:
    the same with its present values for defaults, and the choices made opened too.
    """
    return list(_entries(config, ""))


def _entries(config: Any, path: str) -> list[Entry]:
    cls, instance = (config, None) if isinstance(config, type) else (type(config), config)
    entries: list[Entry] = []
    for field in fields(cls):
        key, arms, hint = join(path, field.name), arms_of(field), hints_of(cls)[field.name]
        value = getattr(instance, field.name) if instance is not None else default_of(field)
        required = value is MISSING
        help = field.metadata.get("help", "")
        section = section_class(hint)
        if arms:
            shown = arms.word(value) if is_dataclass(value) else None
            entries.append(Entry(key, " | ".join(arms.words), shown, help, required, True))
            if instance is not None and is_dataclass(value):
                entries += _entries(value, key)
        elif section is not None and value is not None:
            entries += _entries(section if required else value, key)
        else:
            shown = None if required else _plain(value)
            entries.append(Entry(key, type_words(hint), shown, help, required))
    return entries


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
