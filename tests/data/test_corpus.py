"""Corpora: what is no text is named with its place, and every byte of the rest is learned."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from noiseloom.data.corpus import CHUNK, TOGETHER
from noiseloom.data.dataset import TextDataset
from noiseloom.data.documents import spread
from noiseloom.data.text import Config
from noiseloom.data.tokenizer import END
from noiseloom.errors import DataError

LINES = [f"line {number} of a text, naïve and plain\r\n" for number in range(60)]
TEXT = "".join(LINES)


def write(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def read(path: Path, **changes: object) -> TextDataset:
    asked = {"tokenizer": "bytes", "context": 8, **changes}
    return Config(path=str(path), **asked).open()  # type: ignore[arg-type]


def texts(data: TextDataset) -> list[str]:
    """All texts, those held out last."""
    assert data.train_texts is not None and data.reference_texts is not None
    return [*data.train_texts.column(0), *data.reference_texts.column(0)]


def tokens(data: TextDataset, split: str) -> np.ndarray:
    """All tokens of a split, put together from its windows."""
    windows = getattr(data, split).items
    step = 1 if split == "train" else windows.shape[1] - 1
    return np.concatenate([windows[:, :step].ravel(), windows[-1, step:]])


@pytest.mark.parametrize("kind", ["bytes", "characters", "bpe"])
def test_a_file_is_one_text_whose_last_part_is_held_out(tmp_path: Path, kind: str) -> None:
    write(tmp_path, {"a.txt": TEXT})
    data = read(tmp_path / "a.txt", tokenizer=kind, vocabulary=280, held_out=0.25)
    train, reference = texts(data)
    assert train + reference == TEXT
    assert len(reference) == round(len(TEXT) * 0.25)
    tokenizer = data.form.tokenizer
    assert tokenizer.decode(tokens(data, "train")) == train
    assert reference.startswith(tokenizer.decode(tokens(data, "reference")))
    assert not data.form.documents
    assert data.report["bytes"] == {
        "train": len(train.encode()),
        "reference": len(reference.encode()),
    }


def test_of_a_folder_whole_texts_are_held_out_whatever_they_are_called(tmp_path: Path) -> None:
    files = {f"{number}.txt": f"{number}: {TEXT[:90]}" for number in range(20)}
    one = read(write(tmp_path / "one", files), held_out=0.2)
    other = read(
        write(
            tmp_path / "other", {f"x{19 - int(name[:-4])}": text for name, text in files.items()}
        ),
        held_out=0.2,
    )
    assert sorted(texts(one)) == sorted(files.values())
    assert one.reference_texts is not None and other.reference_texts is not None
    assert one.reference_texts.column(0) == other.reference_texts.column(0)
    assert len(one.reference_texts) == 4
    end = one.form.tokenizer.special(END)
    assert np.count_nonzero(tokens(one, "train") == end) == 16
    assert one.report["documents"] == 20


def test_a_folder_takes_what_matches_and_nothing_hidden(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"a.py": "a" * 40, "deep/er/b.py": "b" * 40, ".git/c.py": "c" * 40, "d.bin": b"\xff" * 40},
    )
    data = read(tmp_path, files="*.py")
    assert sorted(texts(data)) == ["a" * 40, "b" * 40]
    with pytest.raises(DataError, match=r"no file whose name matches data.files '\*.md'"):
        read(tmp_path, files="*.md")


def test_gzip_is_read_as_what_is_in_it(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt.gz": gzip.compress(TEXT.encode())})
    assert "".join(texts(read(tmp_path / "a.txt.gz"))) == TEXT


@pytest.mark.parametrize("kind", ["characters", "bpe", "wordpiece"])
def test_bytes_that_are_no_utf8_are_named_with_file_and_line(tmp_path: Path, kind: str) -> None:
    content = (TEXT[:100] + "\n").encode() + b"caf\xe9\n"
    write(tmp_path, {"bad.txt": content, "bad.txt.gz": gzip.compress(content)})
    line = content.count(b"\n")
    for name in ("bad.txt", "bad.txt.gz"):
        with pytest.raises(DataError, match=rf"{name}:{line}: not valid UTF-8: byte 0xe9"):
            read(tmp_path / name, tokenizer=kind)
    data = read(tmp_path / "bad.txt")  # bytes take them as they are
    assert "".join(texts(data)).encode("utf-8", "surrogateescape") == content


def test_of_many_files_the_bad_ones_are_skipped_and_listed(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"{number}.txt": TEXT[:50] for number in range(7)}
    files |= {"latin.txt": b"ab\n\xe9", "cut.txt.gz": gzip.compress(TEXT.encode())[:-20]}
    data = read(write(tmp_path, files), tokenizer="characters")
    assert data.report["documents"] == 7
    assert data.report["skipped"]["count"] == data.report["counts"]["skipped"] == 2
    assert {bad["file"] for bad in data.report["skipped"]["files"]} == {"latin.txt:2", "cut.txt.gz"}
    with pytest.raises(DataError, match=r"2 of the 5 texts .* more than a quarter"):
        read(tmp_path, tokenizer="characters", files="[0-2lc]*.*")


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (gzip.compress(TEXT.encode())[:-9], "end-of-stream"),
        (b"no gzip at all", "Not a gzipped file"),
        (gzip.compress(TEXT.encode())[:30] + b"\x00\xff" * 40, "Error -3"),
    ],
    ids=["cut short", "no gzip", "damaged"],
)
def test_damaged_gzip_is_said_to_be(tmp_path: Path, content: bytes, damage: str) -> None:
    write(tmp_path, {"a.gz": content})
    with pytest.raises(DataError, match=rf"a\.gz: cannot be read: .*{damage}"):
        read(tmp_path / "a.gz")


@pytest.mark.parametrize(
    ("files", "asked", "said"),
    [
        ({"a.txt": ""}, "a.txt", r"a\.txt holds no text"),
        ({"a.txt": "", "b.txt": ""}, "", "holds no text"),
        ({}, "gone.txt", r"There is nothing at .*gone\.txt"),
        ({"a.txt": "short"}, "a.txt", r"part of .* to train on is 4 tokens long, .* takes 9"),
        ({"a.txt": "a" * 50}, "a.txt", r"that is held out is 5 tokens long, .* takes 9"),
    ],
    ids=["empty", "all empty", "missing", "short", "short where held out"],
)
def test_what_leaves_nothing_to_learn_is_refused(
    tmp_path: Path, files: dict[str, str], asked: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read(write(tmp_path, files) / asked)


def test_a_vocabulary_larger_than_the_text_supports_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data.vocabulary is 5,000, and the training text holds"):
        read(write(tmp_path, {"a.txt": TEXT}) / "a.txt", tokenizer="bpe", vocabulary=5_000)


def test_a_line_without_end_is_a_text_like_any(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    text = "".join(random.choice(list("abcdé"), 300_000)) * 18  # 6.5 MB without a space
    assert len(text) > TOGETHER + CHUNK
    data = read(write(tmp_path, {"a.txt": text}) / "a.txt", held_out=0.01)
    train, _ = texts(data)
    assert tokens(data, "train").astype(np.uint8).tobytes() == train.encode()
    assert "".join(texts(data)) == text


def test_parts_of_the_texts_come_from_all_over_them(tmp_path: Path) -> None:
    files = {f"{number:03}.txt": f"{number:03}" * 50 for number in range(100)}
    data = read(write(tmp_path, files), megabytes=0.003)
    numbers = sorted(int(text[:3]) for text in texts(data))
    assert len(numbers) == 20  # of 150 bytes each
    assert max(np.diff([0, *numbers, 99])) <= 10
    assert data.report["notes"][0].startswith("20 of 100 texts are used")
    with pytest.raises(DataError, match="holds no whole text of 0.0001 MB"):
        read(tmp_path, megabytes=0.0001)


def test_a_single_text_is_cut_at_whole_characters(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "é" * 500})
    assert (
        "".join(
            texts(read(tmp_path / "a.txt", megabytes=0.000301, tokenizer="bpe", vocabulary=257))
        )
        == "é" * 150
    )


def test_spread_takes_what_fits_from_all_over() -> None:
    assert spread([5] * 10, 100) == list(range(10))
    assert spread([0, 5, 0, 5], 100) == [1, 3]
    assert spread([50, 5, 50, 5], 12) == [1, 3]
    assert spread([5] * 10, 4) == []
    chosen = spread([1] * 1000, 100)
    assert len(chosen) == 100 and 8 <= max(np.diff(chosen)) <= 17


ROWS = [f"text {number}: {TEXT[:40]}" for number in range(12)]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_each_row_of_a_column_is_a_text(tmp_path: Path, name: str) -> None:
    ends = {"a.tsv": " ", "a.csv": "\n"}.get(name, "\r\n")  # what a field of theirs can hold
    rows = [row.replace("\r\n", ends) for row in ROWS]
    lines = "".join(json.dumps({"id": 1, "text": row}) + "\n" for row in rows)
    if name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.table({"text": rows}), tmp_path / name)
    else:
        content = {
            "a.csv": ("id,text\r\n" + "".join(f'1,"{row}"\r\n' for row in rows)).encode(),
            "a.tsv": ("text\tid\n" + "".join(f"{row}\t1\n" for row in rows)).encode(),
            "a.jsonl": lines.encode(),
            "a.jsonl.gz": gzip.compress(lines.encode()),
        }[name]
        (tmp_path / name).write_bytes(content)
    for path in (tmp_path / name, tmp_path):  # a file, and all of a folder
        data = read(path, column="text")
        assert sorted(texts(data)) == sorted(rows)
        assert data.report["documents"] == 12
    with pytest.raises(DataError, match=r"has no column 'texts'.* Did you mean 'text'\?"):
        read(tmp_path / name, column="texts")


def test_bad_rows_are_skipped_and_listed_with_their_line(tmp_path: Path) -> None:
    lines = [json.dumps({"text": row}).encode() for row in ROWS]
    lines[3], lines[5], lines[7] = b'{"text": "\xff"}', b'{"text": "half \\ud800"}', b'{"text": ""}'
    data = read(write(tmp_path, {"a.jsonl": b"\n".join(lines)}) / "a.jsonl", column="text")
    assert len(texts(data)) == 9
    assert [bad["file"][-2:] for bad in data.report["skipped"]["files"]] == [":4", ":6"]


def test_a_parquet_file_asks_for_its_column(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"text": ["é" * 40] * 9}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"Name the column .* with data\.column"):
        read(tmp_path / "a.parquet", tokenizer="characters")


def test_another_column_is_other_data(tmp_path: Path) -> None:
    table = "".join(
        json.dumps({"a": "a" * 30 + str(n), "b": "b" * 30 + str(n)}) + "\n" for n in range(9)
    )
    path = write(tmp_path, {"a.jsonl": table}) / "a.jsonl"
    a, b = read(path, column="a"), read(path, column="b")
    assert texts(a)[0][0] == "a" and texts(b)[0][0] == "b"
    assert a.fingerprint != b.fingerprint


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"megabytes": 0}, "megabytes is 0; allowed is more than 0"),
        ({"column": "text"}, "path must name the tables"),
        ({"held_out": 1.0}, "allowed is more than 0 and less than 1"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_any_work(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Config(**given)  # type: ignore[arg-type]


def test_python_s_own_source_is_there_and_parts_of_it_are_of_all_of_it() -> None:
    data = Config(megabytes=0.2, context=32, tokenizer="bytes").open()
    assert data.report["skipped"]["count"] == 0
    assert 3 <= data.report["documents"] <= 100
    assert sum(data.report["bytes"].values()) <= 200_000
    assert any("def " in text for text in texts(data))
