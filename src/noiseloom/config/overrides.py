"""Changes to a recipe from the command line: `training.steps=1000`, `network.name=mlp`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from noiseloom.config.document import COMMAND_LINE, Document, Node, Value, compose, read_scalar
from noiseloom.errors import ConfigError, InputError, Problem


def override(
    document: Document,
    assignments: Sequence[str],
    *,
    exclusive: Sequence[tuple[str, str]] = (),
) -> Document:
    """The document with `a.b=3` assignments applied; their order does not matter.

    A value that opens with `[`, `{`, `'` or `"` is read as YAML; any other is one YAML 1.2 scalar,
    whatever it contains, so that paths need no quotes. `exclusive` names pairs of keys of which
    giving one makes the other null, unless both are given. ConfigError lists every malformed one.
    """
    settings: dict[str, Node] = {}
    problems: list[Problem] = []
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals or not all(key.split(".")):
            fault = f"'{assignment}' is not key=value, such as training.steps=1000"
            problems.append(Problem(file=COMMAND_LINE, line=None, key=key, fault=fault))
            continue
        try:
            settings[key] = _value(text.strip())
        except InputError as error:
            fault = f"the value of '{key}' is not YAML ({error}); quote it if it is text"
            problems.append(Problem(file=COMMAND_LINE, line=None, key=key, fault=fault))
    if problems:
        raise ConfigError(problems)
    root = document.root
    unset = Node(None, COMMAND_LINE)
    for pair in exclusive:
        for given, other in (pair, pair[::-1]):
            if given in settings and other not in settings:
                settings[other] = unset
    for key in sorted(settings, key=lambda key: key.count(".")):  # a section before its members
        root = _with(root, key.split("."), settings[key])
    return Document(root)


def _value(text: str) -> Node:
    if text.startswith(("[", "{", "'", '"')):
        return _on_command_line(compose(text, COMMAND_LINE))
    return Node(read_scalar(text), COMMAND_LINE)


def _on_command_line(node: Node) -> Node:
    value: Value = node.value
    if isinstance(value, dict):
        value = {key: _on_command_line(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_on_command_line(child) for child in value]
    return Node(value, COMMAND_LINE)


def _with(node: Node, keys: Sequence[str], value: Node) -> Node:
    """`node` with `value` at the path `keys`; a bare word on the way becomes its `name`."""
    if not keys:
        return value
    members: dict[str, Node] = {}
    if isinstance(node.value, dict):
        members = node.value
    elif isinstance(node.value, str):
        members = {"name": node}
    first = keys[0]
    old = members.get(first)
    new = _with(old or Node({}, COMMAND_LINE), keys[1:], value)
    former = node.former
    if keys == ["name"] and old and isinstance(old.value, str) and old.value != value.value:
        former = old.value
    return replace(node, value={**members, first: new}, former=former)
