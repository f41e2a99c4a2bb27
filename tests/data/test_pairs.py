"""Aligned lines: found, read, held out, refused."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from noiseloom.data.generated_pairs import generate
from noiseloom.data.pairs import Config
from noiseloom.data.tokenizer import PAD
from noiseloom.errors import ConfigError, DataError
from noiseloom.runs import Recipe

SOURCES = [f"line {number} of the source" for number in range(40)]
TARGETS = [f"Zeile {number} des Ziels" for number in range(40)]
SMALL = {"vocabulary": 260, "context": 32}


def write(path: Path, lines: Sequence[str]) -> str:
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def folder(path: Path, suffix: str = "") -> Path:
    for part, lines in (("train", slice(0, 30)), ("val", slice(30, 35)), ("test_1", slice(35, 40))):
        write(path / f"{part}.en{suffix}", SOURCES[lines])
        write(path / f"{part}.de{suffix}", TARGETS[lines])
    return path


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_has_three_parts_by_name(tmp_path: Path, suffix: str) -> None:
    data = Config(path=str(folder(tmp_path, suffix)), languages=("en", "de"), **SMALL).open()
    pairs = list(zip(SOURCES, TARGETS, strict=True))
    assert list(data.train_texts) == pairs[:30]
    assert list(data.reference_texts) == pairs[30:35]
    assert data.test_texts is not None
    assert list(data.test_texts) == pairs[35:]
    assert data.report["counts"]["train"] == 30
    assert data.report["test"] == 5
    assert not data.report["warnings"]


def test_the_other_way_round(tmp_path: Path) -> None:
    data = Config(path=str(folder(tmp_path)), languages=("de", "en"), **SMALL).open()
    assert data.train_texts[0] == (TARGETS[0], SOURCES[0])


def test_tokens_are_the_texts_and_their_lengths_are_known(tmp_path: Path) -> None:
    data = Config(path=str(folder(tmp_path)), languages=("en", "de"), **SMALL).open()
    tokenizer = data.form.tokenizer
    for item, texts in zip(data.train.items, data.train_texts, strict=True):
        assert tuple(tokenizer.decode(side) for side in item) == texts
    is_text = np.asarray(data.train.items) != tokenizer.special(PAD)
    assert data.train.lengths is not None
    assert data.train.lengths.tolist() == is_text.sum(2).max(1).tolist()


def test_single_files_are_held_out_by_their_source(tmp_path: Path) -> None:
    source = write(tmp_path / "a.txt", [*SOURCES, *SOURCES[:20]])
    target = write(tmp_path / "b.txt", [*TARGETS, *TARGETS[:20]])
    data = Config(source=source, target=target, held_out=0.2, **SMALL).open()
    trained = {one for one, _ in data.train_texts}
    held = {one for one, _ in data.reference_texts}
    assert len(held) == 8
    assert not trained & held
    assert trained | held == set(SOURCES)
    assert data.test_texts is None


def test_files_named_one_by_one_stand_for_those_of_the_folder(tmp_path: Path) -> None:
    folder(tmp_path)
    for language, lines in (("en", SOURCES[:4]), ("de", TARGETS[:4])):
        write(tmp_path / f"test_2.{language}", lines)
    path, languages = str(tmp_path), ("en", "de")
    with pytest.raises(DataError, match=r"two test parts, test_1.en and test_2.en. .*data.test_so"):
        Config(path=path, languages=languages, **SMALL).open()
    named = {f"test_{side}": str(tmp_path / f"test_2.{language}")
             for side, language in (("source", "en"), ("target", "de"))}  # fmt: skip
    data = Config(path=path, languages=languages, **named, **SMALL).open()
    assert data.test_texts is not None and len(data.test_texts) == 4
    assert data.report["warnings"] == [
        "4 sources of the test part are sources of the training part, too: figures on them flatter"
    ]


def test_unequal_numbers_of_lines_are_refused_with_both(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a", SOURCES), write(tmp_path / "b", TARGETS[:-1])
    with pytest.raises(DataError, match=r"a has 40 lines and .*b has 39"):
        Config(source=source, target=target, **SMALL).open()


def test_pairs_with_an_empty_side_are_skipped_and_listed(tmp_path: Path) -> None:
    source = write(tmp_path / "a", [*SOURCES[:10], "", *SOURCES[11:]])
    target = write(tmp_path / "b", [*TARGETS[:20], "  \t", *TARGETS[21:]])
    data = Config(source=source, target=target, **SMALL).open()
    assert len(data.train_texts) + len(data.reference_texts) == 38
    assert data.report["skipped"]["files"] == [
        {"file": "a:11", "reason": "empty line"},
        {"file": "b:21", "reason": "empty line"},
    ]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    odd = ["a\u2028b", "c\x0bd", "e\x85f", "g\r", *SOURCES]
    source = write(tmp_path / "a", odd)
    target = write(tmp_path / "b", [*"wxyz", *TARGETS])
    data = Config(source=source, target=target, **SMALL).open()
    texts = {*data.train_texts, *data.reference_texts}
    assert {("a\u2028b", "w"), ("c\x0bd", "x"), ("e\x85f", "y"), ("g", "z")} <= texts


def test_what_is_no_text_is_refused_by_file_and_line(tmp_path: Path) -> None:
    target = write(tmp_path / "b", TARGETS)
    (tmp_path / "a").write_bytes(b"fine\n" * 2 + b"\xff\n" + b"fine\n" * 37)
    with pytest.raises(DataError, match=r"a:3: not valid UTF-8: byte 0xff"):
        Config(source=str(tmp_path / "a"), target=target, **SMALL).open()
    of_bytes = Config(source=str(tmp_path / "a"), target=target, tokenizer="bytes").open()
    sources = {source for source, _ in [*of_bytes.train_texts, *of_bytes.reference_texts]}
    assert sources == {"fine", "\udcff"}
    empty = write(tmp_path / "c", [""] * 40)
    with pytest.raises(DataError, match="holds no pair of lines with text in both"):
        Config(source=empty, target=target, **SMALL).open()


def test_folders_that_say_too_little_are_refused(tmp_path: Path) -> None:
    path = str(folder(tmp_path))
    with pytest.raises(DataError, match=r"files in de, en; .*data.languages=\[de,en\]"):
        Config(path=path, **SMALL).open()
    with pytest.raises(DataError, match=r"holds no train.fr and train.it"):
        Config(path=path, languages=("fr", "it"), **SMALL).open()
    with pytest.raises(DataError, match=r"holds test_1.de, but no test_1.fr beside it"):
        Config(path=path, languages=("fr", "de"), **SMALL).open()
    with pytest.raises(DataError, match="There is no folder"):
        Config(path=str(tmp_path / "nowhere"), languages=("en", "de"), **SMALL).open()


def test_half_a_part_is_refused() -> None:
    with pytest.raises(ValueError, match="source is given alone; a train part takes source and ta"):
        Config(source="a")
    with pytest.raises(ValueError, match="test_target is given alone"):
        Config(source="a", target="b", test_target="c")
    with pytest.raises(ValueError, match="without one to train on"):
        Config(test_source="a", test_target="b")


def test_languages_without_a_folder_are_refused_by_the_key_that_lacks() -> None:
    with pytest.raises(ConfigError) as caught:
        Recipe.load("multi30k", ["data.path=null"])
    (problem,) = caught.value.problems
    assert problem.key == "data.path"
    assert "with files such as train.en and train.de" in str(problem)


def test_generated_pairs_are_different_and_the_same_every_time() -> None:
    pairs = generate(500, seed=1)
    assert pairs == generate(500, seed=1)
    assert pairs != generate(500, seed=2)
    assert len({source for source, _ in pairs}) == 500
    assert all(source.endswith(".") and target.endswith(".") for source, target in pairs)


def test_generated_pairs_follow_the_rules_of_both_languages() -> None:
    pairs = dict(generate(3000, seed=0))
    halves = [one for one in pairs if one.startswith("At half past twelve")]
    assert halves and all(pairs[one].startswith("Um halb eins") for one in halves)
    ones = [one for one in pairs if one.startswith("At one o'clock")]
    assert ones and all(pairs[one].startswith("Um ein Uhr") for one in ones)
    perfect = [one for one in pairs if " has painted " in one]
    assert perfect and all(pairs[one].endswith(" gemalt.") for one in perfect)


def test_without_a_path_pairs_are_generated() -> None:
    data = Config(num=200, vocabulary=300, context=64).open()
    assert len(data.train_texts) == 180
    assert len(data.reference_texts) == 20
    assert "generated by rules" in data.report["source"]


def test_multi30k(shared_data: Path) -> None:
    path = shared_data / "multi30k"
    data = Config(path=str(path), languages=("en", "de"), vocabulary=2000, context=64).open()
    assert data.test_texts is not None
    sizes = len(data.train_texts), len(data.reference_texts), len(data.test_texts)
    assert sizes == (29_000, 1_014, 1_000)
    assert data.report["cut"]["train"] < 20
