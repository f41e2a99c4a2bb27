"""A recipe as written: YAML with the line of every key.

YAML is read by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `1e-3`
is a number; `no`, `yes`, `on` and `off` are words. Only plain data is read (no tags, so nothing
is ever constructed), duplicate keys are refused, anchors are allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from noiseloom.errors import ConfigError, InputError, Problem

COMMAND_LINE = "command line"
MAX_VALUES = 100_000
"""Values a recipe may hold with its anchors written out; more is a mistake or an attack."""

Value: TypeAlias = "dict[str, Node] | list[Node] | str | int | float | bool | None"


@dataclass(frozen=True)
class Node:
    """One value and where it was written. `line` is that of its key, or its own in a list.

    `former` is the word that an override of `name` replaced: keys beside it may belong to that
    former choice and no longer apply.
    """

    value: Value
    file: str
    line: int | None = None
    former: str | None = None

    def plain(self) -> Any:
        """The value without its whereabouts."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


@dataclass(frozen=True)
class Document:
    """A recipe as written: a mapping, every value of which knows its file and line."""

    root: Node

    def get(self, key: str, default: Any = None) -> Any:
        """The plain value at a dotted key, or `default` where nothing is written."""
        node = self.root
        for part in key.split("."):
            if not isinstance(node.value, dict) or part not in node.value:
                return default
            node = node.value[part]
        return node.plain()


def read_yaml(path: str | Path) -> Document:
    """Read a recipe file. InputError when it cannot be read, is not YAML, or repeats a key."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: this is not a text file in UTF-8, so not a recipe.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    return read_text(text, str(path))


def read_text(text: str, file: str) -> Document:
    """Read a recipe from its text; `file` is the name that messages give it."""
    root = compose(text, file)
    if root.value is None:
        root = replace(root, value={})
    if not isinstance(root.value, dict):
        given = "a list" if isinstance(root.value, list) else repr(root.value)
        raise InputError(f"{file}: a recipe is made of 'key: value' lines; this is {given}.")
    return Document(root)


def from_mapping(mapping: Mapping[str, Any], file: str = "recipe") -> Document:
    """A document from plain Python values, as `to_mapping` gives them."""
    return Document(_node(mapping, file))


def _node(value: Any, file: str) -> Node:
    if isinstance(value, Mapping):
        return Node({str(key): _node(item, file) for key, item in value.items()}, file)
    if isinstance(value, list | tuple):
        return Node([_node(item, file) for item in value], file)
    return Node(value, file)


def compose(text: str, file: str) -> Node:
    """YAML text as nodes. InputError names the line that is not YAML."""
    try:
        node = yaml.compose(text, Loader=_CoreSchema)
        if node is None:
            return Node(None, file, 1)
        return _Converter(file).convert(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        raise InputError(f"{where}: this is not YAML: {error.problem or error}.") from error
    except yaml.YAMLError as error:
        raise InputError(f"{file}: this is not YAML: {error}.") from error
    except RecursionError as error:
        raise InputError(f"{file}: values are nested too deeply, or inside themselves.") from error


class _Converter:
    """PyYAML's nodes to ours; counts them, since anchors can multiply."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._count = count(1)

    def convert(self, node: yaml.Node) -> Node:
        result = self._convert(node, node.start_mark.line + 1, "")
        if self.problems:
            raise ConfigError(self.problems)
        return result

    def _convert(self, node: yaml.Node, line: int, key: str) -> Node:
        if next(self._count) > MAX_VALUES:
            raise InputError(f"{self.file}: more than {MAX_VALUES:,} values, anchors written out.")
        value: Value
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node, key)
        elif isinstance(node, yaml.SequenceNode):
            value = [self._convert(item, item.start_mark.line + 1, key) for item in node.value]
        else:
            value = self._scalar(node, line, key)
        return Node(value, self.file, line)

    def _mapping(self, node: yaml.MappingNode, parent: str) -> dict[str, Node]:
        result: dict[str, Node] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(line, parent, "a key must be a word")
                continue
            word = key_node.value
            key = f"{parent}.{word}" if parent else word
            if word in result:
                first = result[word].line
                self._report(line, key, f"'{key}' is given twice, first on line {first}")
            result[word] = self._convert(value_node, line, key)
        return result

    def _scalar(self, node: yaml.Node, line: int, key: str) -> Value:
        prefix, _, kind = node.tag.rpartition(":")
        if prefix != "tag:yaml.org,2002" or kind not in ("str", *_SCALARS):
            self._report(line, key, f"the YAML tag '{node.tag}' is not allowed in a recipe")
            return None
        if kind != "str" and not re.fullmatch(_SCALARS[kind], node.value):
            self._report(line, key, f"'{node.value}' is not a YAML {kind}")
            return None
        return node.value if kind == "str" else _scalar_value(kind, node.value)

    def _report(self, line: int, key: str, fault: str) -> None:
        self.problems.append(Problem(file=self.file, line=line, key=key, fault=fault))


_SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]{1,1000}|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}
"""The core schema's patterns by kind; what none of them matches is text."""


def read_scalar(text: str) -> str | int | float | bool | None:
    """One unquoted YAML 1.2 scalar."""
    for kind, pattern in _SCALARS.items():
        if re.fullmatch(pattern, text):
            return _scalar_value(kind, text)
    return text


def _scalar_value(kind: str, text: str) -> int | float | bool | None:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))


class _CoreSchema(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2 for those of 1.1."""


_CoreSchema.yaml_implicit_resolvers = {
    None: [
        (f"tag:yaml.org,2002:{kind}", re.compile(f"(?:{pattern})\\Z"))
        for kind, pattern in _SCALARS.items()
    ]
}


class _Writer(yaml.SafeDumper):
    """Quotes what either YAML 1.1 or 1.2 would misread, so that any reader gets the same words."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Writer.yaml_implicit_resolvers = {
    **yaml.SafeDumper.yaml_implicit_resolvers,
    **_CoreSchema.yaml_implicit_resolvers,
}


def write_yaml(mapping: Mapping[str, Any]) -> str:
    """Plain values as YAML that `read_text` gives back unchanged; keys keep their order."""
    return yaml.dump(dict(mapping), Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100)


def write_value(value: Any) -> str:
    """One plain value as YAML on one line."""
    text = yaml.dump(
        [value], Dumper=_Writer, default_flow_style=True, allow_unicode=True, width=10**9
    )
    return text.strip()[1:-1]
