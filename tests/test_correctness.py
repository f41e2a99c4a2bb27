"""docs/correctness.md tells the truth: every test and check that it names is there."""

import re
from pathlib import Path

from noiseloom.proofs import checks

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "correctness.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "shown by" not in line]


def test_every_row_names_what_shows_it() -> None:
    assert len(ROWS) > 40
    for row in ROWS:
        assert re.search(r"doctor: `|`tests/", row), row


def test_the_tests_it_names_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 40
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_the_checks_it_names_are_there_and_all_are_named() -> None:
    known = {check.name for check in checks()}
    named = set(re.findall(r"doctor: `([^`]+)`", PAGE))
    assert named <= known, named - known
    one_each = re.compile(r": (derivatives|order|distribution)$")  # named once for all of a kind
    unnamed = {name for name in known - named if not one_each.search(name)}
    assert not unnamed
