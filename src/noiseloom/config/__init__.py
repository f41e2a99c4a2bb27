"""Strict config dataclasses <-> recipes, with every mistake told at once.

A config is a `@dataclass(frozen=True, kw_only=True)` beside what it configures; each field is an
`option`. Plain fields are checked by pydantic in strict mode ("4" is no whole number, 4 is a
number, true is neither; a YAML list is a tuple). Bounds are annotated: `Annotated[int, Ge(1)]`
with `annotated_types`. Invariants between fields raise ValueError in `__post_init__` and are
reported at the section's line, those of FieldErrors at the lines of the fields they name.

A field with a menu or choices holds one of several configs. In a recipe it is written
`network: {name: dit, depth: 4}`, or `network: dit` when the rest stays as it is. What a recipe
leaves out keeps the value it would have if the whole section were left out.

`document` is a recipe as written, `overrides` the command line's changes to it, `schema` what may
be written, `reader` the way from the one to the other,
`commented` the way back with explanations, `wording` how types are said.
"""

from __future__ import annotations

from noiseloom.config.commented import write_commented
from noiseloom.config.document import Document, from_mapping, read_text, read_yaml, write_yaml
from noiseloom.config.overrides import override
from noiseloom.config.reader import FieldErrors, parse
from noiseloom.config.references import Earlier, RunReference, references
from noiseloom.config.schema import Entry, describe, option, to_mapping, word_of
from noiseloom.errors import ConfigError, Problem

__all__ = [
    "ConfigError",
    "Document",
    "Earlier",
    "Entry",
    "FieldErrors",
    "Problem",
    "RunReference",
    "describe",
    "from_mapping",
    "option",
    "override",
    "parse",
    "read_text",
    "read_yaml",
    "references",
    "to_mapping",
    "word_of",
    "write_commented",
    "write_yaml",
]
