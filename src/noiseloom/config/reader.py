"""From a document to a config, noting everything wrong on the way, not just the first thing."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from noiseloom import menu as menus
from noiseloom.config.document import COMMAND_LINE, Document, Node
from noiseloom.config.schema import (
    Arms,
    allows_none,
    arms_of,
    default_of,
    describe,
    hints_of,
    join,
    section_class,
)
from noiseloom.config.wording import nearest_value, show, type_words
from noiseloom.errors import ConfigError, Problem

T = TypeVar("T")


class FieldErrors(ValueError):
    """Invariants that single fields broke, by field; raised in `__post_init__`.

    Each is reported at its field's line.
    """

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = dict(faults)


class _Failed:
    """Stands for a value whose problems have been noted."""


_FAILED = _Failed()


def parse(cls: type[T], document: Document) -> T:
    """The config that a document describes.

    ConfigError carries everything wrong with it: unknown and missing keys, wrong types and words,
    broken invariants, each with its file, line, what is allowed and the nearest match.
    """
    reader = _Reader()
    value = reader.section(cls, document.root, "", base=None)
    if reader.problems:
        reader.known += [entry.key for entry in describe(cls)]
        raise ConfigError(reader.finished_problems())
    assert isinstance(value, cls)
    return value


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.known: list[str] = []  # every key that could have been meant, dotted

    def finished_problems(self) -> list[Problem]:
        """In the order of the file; a key that is unknown here but known elsewhere says where."""

        def elsewhere(problem: Problem) -> Problem:
            if not problem.fault.startswith("unknown key") or problem.nearest:
                return problem
            leaf = problem.key.rpartition(".")[2]
            homes = [key for key in self.known if key.rpartition(".")[2] == leaf]
            return dataclasses.replace(problem, nearest=homes[0]) if homes else problem

        ordered = sorted(self.problems, key=lambda problem: (problem.file, problem.line or 0))
        return [elsewhere(problem) for problem in ordered]

    def report(self, node: Node, key: str, fault: str, **details: Any) -> _Failed:
        self.problems.append(
            Problem(file=node.file, line=node.line, key=key, fault=fault, **details)
        )
        return _FAILED

    def section(
        self, cls: type, node: Node, path: str, base: object, former: type | None = None
    ) -> Any:
        """`cls` from a mapping. What it leaves out comes from `base`, else from the defaults."""
        members = {} if node.value is None else node.value
        allowed = {field.name: field for field in fields(cls) if field.init}
        self.known += [join(path, name) for name in allowed]
        if not isinstance(members, dict):
            words = f"a section with the keys {', '.join(allowed)}"
            fault = f"'{path}' is {show(node.plain())}"
            return self.report(node, path, fault, given=node.plain(), allowed=words)
        self._unknown_keys(members, set(allowed), path, former)
        values: dict[str, Any] = {}
        for name, field in allowed.items():
            inherited = getattr(base, name) if base is not None else MISSING
            if name in members:
                values[name] = self._value(cls, field, members[name], join(path, name), inherited)
            elif inherited is not MISSING:
                values[name] = inherited
            elif field.default is MISSING and field.default_factory is MISSING:
                values[name] = self._missing(cls, field, node, join(path, name))
        if any(value is _FAILED for value in values.values()):
            return _FAILED
        try:
            return cls(**values)
        except FieldErrors as error:
            for name, fault in error.faults.items():
                self.report(members.get(name, node), join(path, name), fault)
            return _FAILED
        except ValueError as error:
            return self.report(node, path, f"'{path}': {error}" if path else str(error))

    def _unknown_keys(
        self, members: dict[str, Node], allowed: set[str], path: str, former: type | None
    ) -> None:
        inherited = {field.name for field in fields(former)} if former else set()
        for name, child in members.items():
            if name in allowed or (name in inherited and child.file != COMMAND_LINE):
                continue
            self.report(
                child,
                join(path, name),
                f"unknown key '{join(path, name)}'",
                given=child.plain(),
                allowed=", ".join(sorted(allowed)) or "no keys here",
                nearest=menus.nearest(name, allowed),
            )

    def _missing(self, cls: type, field: Field[Any], node: Node, path: str) -> Any:
        arms, hint = arms_of(field), hints_of(cls)[field.name]
        section = None if arms else section_class(hint)
        if section:  # what is missing are its keys, if any must be given
            return self.section(section, dataclasses.replace(node, value={}), path, base=None)
        allowed = ", ".join(arms.words) if arms else type_words(hint)
        about = f" ({field.metadata['help']})" if field.metadata.get("help") else ""
        return self.report(node, path, f"'{path}' is missing{about}", allowed=allowed)

    def _value(self, cls: type, field: Field[Any], node: Node, path: str, inherited: object) -> Any:
        hint = hints_of(cls)[field.name]
        base = default_of(field) if inherited is MISSING else inherited
        arms, section = arms_of(field), section_class(hint)
        if arms is None and section is None:
            return self._leaf(hint, node, path)
        if node.value is None and allows_none(field, hint):
            return None
        if arms:
            return self._arm(arms, node, path, base)
        assert section is not None
        return self.section(section, node, path, base if type(base) is section else None)

    def _arm(self, arms: Arms, node: Node, path: str, base: object) -> Any:
        word, members = node, {}
        if isinstance(node.value, dict):
            members = {key: child for key, child in node.value.items() if key != "name"}
            if "name" in node.value:
                word = node.value["name"]
            elif is_dataclass(base):
                word = Node(arms.word(base), node.file, node.line)
            else:
                allowed = ", ".join(arms.words)
                return self.report(
                    node, f"{path}.name", f"'{path}.name' is missing", allowed=allowed
                )
        if not isinstance(word.value, str) or word.value not in arms.words:
            given = word.plain()
            return self.report(
                word,
                path,
                f"'{path}' is {show(given)}",
                given=given,
                allowed=", ".join(arms.words),
                nearest=menus.nearest(given, arms.words) if isinstance(given, str) else None,
            )
        arm = arms.config(word.value)
        former = arms.config(node.former) if node.former in arms.words else None
        section = dataclasses.replace(node, value=members)
        return self.section(arm, section, path, base if type(base) is arm else None, former)

    def _leaf(self, hint: Any, node: Node, path: str) -> Any:
        given = node.plain()
        if not _has_nan(given):
            try:
                return _adapter(hint).validate_json(json.dumps(given), strict=True)
            except ValidationError:
                pass
        return self.report(
            node,
            path,
            f"'{path}' is {show(given)}",
            given=given,
            allowed=type_words(hint),
            nearest=nearest_value(hint, given),
        )


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint, config=ConfigDict(extra="forbid"))


def _has_nan(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nan, value.values()))
    if isinstance(value, list):
        return any(map(_has_nan, value))
    return isinstance(value, float) and math.isnan(value)
