"""Rows of tables: what is read, and what is named and skipped."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseloom.data import lines
from noiseloom.data.skipped import Skipped
from noiseloom.data.table_files import kind_of, table_file
from noiseloom.errors import DataError, InputError

Write = Callable[[str, bytes | str], Path]
Read = tuple[list[tuple[str, dict[str, str]]], list[tuple[str, str]]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        raw = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return path

    return write


def read(path: Path) -> Read:
    """Rows, and what was skipped."""
    skipped = Skipped()
    found = list(table_file(path, path.name).rows(skipped))
    return found, [(one["file"], one["reason"]) for one in skipped.merged({})["files"]]


def test_tsv_knows_no_quotes(write: Write) -> None:
    path = write("a.tsv", 'sentence\tlabel\nhe said "no\t0\n"yes"\t1\n\n')
    assert table_file(path).columns == ("sentence", "label")
    rows, skipped = read(path)
    assert rows == [
        ("a.tsv:2", {"sentence": 'he said "no', "label": "0"}),
        ("a.tsv:3", {"sentence": '"yes"', "label": "1"}),
    ]
    assert not skipped


def test_csv_fields_may_hold_anything_in_quotes(write: Write) -> None:
    path = write("a.csv", 'text,label\r\n"one, ""two""\nthree",0\r\nfour "five",1\r\n,2\r\n')
    assert [row for _, row in read(path)[0]] == [
        {"text": 'one, "two"\nthree', "label": "0"},
        {"text": 'four "five"', "label": "1"},
        {"text": "", "label": "2"},
    ]
    assert [place for place, _ in read(path)[0]] == ["a.csv:2", "a.csv:4", "a.csv:5"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.text(st.sampled_from('ab",;\n é'), max_size=8)] * 2),
        min_size=1,
        max_size=6,
    )
)
def test_csv_is_read_as_python_writes_it(tmp_path_factory, fields) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("first", "second"), *fields])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(text.getvalue().encode())
    rows, skipped = read(path)
    assert [tuple(row.values()) for _, row in rows] == fields
    assert not skipped


def test_what_cannot_be_read_is_skipped_and_named(write: Write, monkeypatch) -> None:
    monkeypatch.setattr(lines, "LONGEST", 40)
    path = write(
        "a.csv",
        b"text,label\nfine,0\n\xffbad,1\nshort\nlo,ng,er\n"
        + b"x" * 60
        + b',0\n"never closed,1\nok,1\n'
        b'"closed" too early,1\nlast,0',
    )
    rows, skipped = read(path)
    assert [row["text"] for _, row in rows] == ["fine", "ok", "last"]
    assert skipped == [
        ("a.csv:3", "not valid UTF-8: byte 0xff"),
        ("a.csv:4", "with a wrong number of fields: 1 of 2"),
        ("a.csv:5", "with a wrong number of fields: 3 of 2"),
        ("a.csv:6", "longer than 10 MB"),
        ("a.csv:7", "with quotes that do not close"),
        ("a.csv:9", "with quotes that do not close"),
    ]


def test_a_byte_order_mark_semicolons_and_nameless_columns(write: Write) -> None:
    path = write("a.csv", "\ufeff;text;label\n1;a,b;0\n")
    assert table_file(path).columns == ("column 1", "text", "label")
    assert read(path)[0] == [("a.csv:2", {"column 1": "1", "text": "a,b", "label": "0"})]


def test_json_lines(write: Write) -> None:
    content = [
        json.dumps({"text": "one", "label": 1, "meta": {"a": 1}}),
        "",
        "{broken",
        "[1]",
        json.dumps({"text": None, "label": 0.5}),
        json.dumps({"text": "\ud83d", "label": True}),
    ]
    path = write("a.jsonl.gz", "\n".join(content))
    assert kind_of(path) == ".jsonl"
    assert table_file(path).columns == ("text", "label")
    rows, skipped = read(path)
    assert rows == [
        ("a.jsonl.gz:1", {"text": "one", "label": "1"}),
        ("a.jsonl.gz:5", {"text": "", "label": "0.5"}),
    ]
    assert [place for place, _ in skipped] == ["a.jsonl.gz:3", "a.jsonl.gz:4", "a.jsonl.gz:6"]
    assert skipped[1][1] == "not a JSON object"


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = arrow.table({"text": ["one", None], "label": [1, 0], "tokens": [[1], [2, 3]]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert table_file(tmp_path / "a.parquet").columns == ("text", "label")
    assert read(tmp_path / "a.parquet")[0] == [
        ("a.parquet:1", {"text": "one", "label": "1"}),
        ("a.parquet:2", {"text": "", "label": "0"}),
    ]


def test_what_is_no_table_is_refused(write: Write) -> None:
    with pytest.raises(InputError, match=r"a\.txt is no table.*\.csv, \.tsv"):
        table_file(write("a.txt", "text"))
    with pytest.raises(DataError, match=r"empty\.csv is empty; its first line must name"):
        _ = table_file(write("empty.csv", "")).columns
    with pytest.raises(DataError, match=r"twice\.tsv:1: two columns are named 'a'"):
        _ = table_file(write("twice.tsv", "a\ta\n")).columns
    with pytest.raises(DataError, match=r"latin\.csv:1: byte 0xe9 is not valid UTF-8"):
        _ = table_file(write("latin.csv", b"caf\xe9,label\n")).columns
    with pytest.raises(DataError, match=r"none\.jsonl holds no line with a JSON object"):
        _ = table_file(write("none.jsonl", "text\n")).columns
    cut = write("cut.csv.gz", "text,label\n" + "some words,1\n" * 2000)
    cut.write_bytes(cut.read_bytes()[:60])
    with pytest.raises(DataError, match=r"cut\.csv\.gz cannot be read after line \d+"):
        read(cut)


def test_sst2_holds_quotes_that_are_none(shared_data: Path) -> None:
    rows, skipped = read(shared_data / "sst2" / "train.tsv")
    assert len(rows) == 67_349 and not skipped
