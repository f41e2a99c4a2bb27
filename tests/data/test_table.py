"""Tables of labelled texts: which files, columns and labels are taken, and what is refused."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from noiseloom.data import library_passages
from noiseloom.data.check import check
from noiseloom.data.dataset import TextDataset
from noiseloom.data.table import Config
from noiseloom.data.table_labels import are_numbers, class_names_of
from noiseloom.data.tokenizer import PAD
from noiseloom.errors import DataError, InputError
from noiseloom.runs.asked_texts import read_rows

Write = Callable[..., Path]
ROWS = [(f"{'good' if row % 2 else 'bad'} number {row}", row % 2) for row in range(40)]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows as a table into the folder `t`; answers that folder."""

    def write(
        name: str, rows: Sequence[Sequence[object]], columns: Sequence[str] = ("text", "label")
    ) -> Path:
        folder = tmp_path / "t"
        folder.mkdir(exist_ok=True)
        lines = ["\t".join(map(str, row)) for row in (columns, *rows)]
        (folder / name).write_text("\n".join(lines) + "\n")
        return folder

    return write


def opened(path: Path, **settings: object) -> TextDataset:
    return Config(**{"tokenizer": "bytes", "context": 40, "path": str(path), **settings}).open()


def test_a_single_table_is_divided_by_content_and_reads_back(write: Write) -> None:
    folder = write("mine.tsv", [*ROWS, *ROWS[:6]])
    dataset = opened(folder / "mine.tsv", held_out=0.25)
    assert dataset.class_names == ("0", "1") and dataset.form.columns == ("text",)
    assert dataset.fingerprint == opened(folder, held_out=0.25).fingerprint  # the only table there
    found = []
    for split, texts in (
        (dataset.train, dataset.train_texts),
        (dataset.reference, dataset.reference_texts),
    ):
        assert split.labels is not None and split.lengths is not None
        for place, (item, label) in enumerate(zip(split.items, split.labels, strict=True)):
            (text,) = texts[place]
            assert dataset.form.texts(item[None]) == [text]
            assert split.lengths[place] == len(text.encode())
            found.append((text, int(label)))
    assert sorted(found) == sorted([*ROWS, *ROWS[:6]])
    held = {dataset.reference_texts[place] for place in range(len(dataset.reference))}
    assert held and not held & {dataset.train_texts[row] for row in range(len(dataset.train))}
    more = opened(write("mine.tsv", [*ROWS, ("one more", 1)]) / "mine.tsv", held_out=0.25)
    also = {more.reference_texts[place] for place in range(len(more.reference))}
    assert held <= also


def test_parts_are_found_by_name_and_one_without_labels_is_left(write: Write) -> None:
    write("train.tsv", ROWS)
    write("test.tsv", [(0, "no label here")], ("index", "text"))
    folder = write("dev.tsv", [("good", 1), ("bad", 0), ("good", 1)])
    dataset = opened(folder)
    assert (len(dataset.train), len(dataset.reference)) == (40, 3)
    assert dataset.report["reference"] == "the data's own part dev"
    assert dataset.report["ignored"] == {"in the part test, which has no labels": 1}
    write("test.tsv", [("good", -1), ("bad", -1)])  # as the datasets library marks no label
    assert opened(folder).report["reference"] == "the data's own part dev"
    write("test.tsv", [("good", 1)])
    assert opened(folder).report["reference"] == "the data's own part test"


def test_what_is_skipped_is_named_and_counted(write: Write) -> None:
    folder = write("t.tsv", [*ROWS, ("", 1), ("no label", ""), ("three", 1, 2)])
    report = check(Config(path=str(folder), tokenizer="bytes"))
    assert report["counts"]["skipped"] == 3
    assert {one["file"]: one["reason"] for one in report["skipped"]["files"]} == {
        "t.tsv:42": "without a text",
        "t.tsv:43": "without a label",
        "t.tsv:44": "with a wrong number of fields: 3 of 2",
    }
    assert "t.tsv:43: without a label" in str(report)


def test_a_text_above_the_context_is_cut_and_said(write: Write) -> None:
    dataset = opened(write("t.tsv", [*ROWS, ("long " * 20, 0)]), context=20)
    assert sum(dataset.report["cut"].values()) == 1
    assert dataset.report["notes"] == [
        "1 texts of 41 rows are longer than data.context=20 tokens and are cut there."
    ]


def test_pairs_with_numbers(write: Write) -> None:
    rows = [(row / 7, f"first {row}", f"second {row}") for row in range(30)]
    dataset = opened(write("t.tsv", rows, ("score", "sentence1", "sentence2")))
    assert dataset.form.columns == ("sentence1", "sentence2") and not dataset.class_names
    labels = dataset.train.labels
    assert labels is not None and labels.dtype == np.float32
    for place in range(len(dataset.train)):
        first, second = dataset.train_texts[place]
        assert first.split()[1] == second.split()[1] == str(round(7 * float(labels[place])))
    assert dataset.form.number_mean == pytest.approx(labels.mean())
    assert dataset.form.number_std == pytest.approx(labels.std())


def test_columns_are_those_named(write: Write) -> None:
    rows = [(f"a {row}", f"b {row}", row % 3, "x" if row % 2 else "y") for row in range(30)]
    folder = write("t.tsv", rows, ("title", "review", "stars", "who"))
    dataset = opened(folder, text="review", label="who")
    assert dataset.class_names == ("x", "y") and dataset.train_texts[0][0].startswith("b ")
    both = opened(folder, text=("review", "title"), label="stars")
    assert both.form.columns == ("review", "title") and both.class_names == ("0", "1", "2")
    with pytest.raises(InputError, match=r"data\.label names 'star', .* Did you mean 'stars'\?"):
        opened(folder, label="star")
    with pytest.raises(InputError, match=r"holds the label is not clear.*data\.label=COLUMN"):
        opened(folder)
    with pytest.raises(InputError, match="'review' is named as a text and as the label"):
        opened(folder, text="review", label="review")


def test_labels_that_look_like_measures_are_numbers() -> None:
    assert not are_numbers(["0", "1", "0"], "auto")
    assert not are_numbers(["1", "two"], "auto")
    assert are_numbers(["0.5", "1"], "auto")
    assert are_numbers([str(number) for number in range(21)], "auto")
    assert not are_numbers(["0.5", "1"], "classes")
    assert not are_numbers(["1", "nan"], "auto")
    assert class_names_of(["10", "9", "9"]) == ("9", "10")
    assert class_names_of(["b", "10", "9"]) == ("10", "9", "b")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("text", 1)] * 9, "holds one class only, '1', in all 9 rows"),
        ([("", 1)], r"has no row to train on\. Skipped: 1 without a text"),
        ([(f"t {row}", f"only {row}") for row in range(4)], "cannot be divided"),
    ],
)
def test_what_leaves_nothing_to_learn_is_refused(write: Write, rows: list, said: str) -> None:
    with pytest.raises(DataError, match=said):
        opened(write("t.tsv", rows), labels="classes")


def test_a_label_unseen_in_training_is_refused_with_its_place(write: Write) -> None:
    write("train.tsv", [(text, ("bad", "good")[label]) for text, label in ROWS])
    folder = write("dev.tsv", [("a", "good"), ("b", "goood")])
    with pytest.raises(DataError, match=r"dev\.tsv:3: the label 'goood'.* Did you mean 'good'\?"):
        opened(folder)


def test_labels_asked_for_as_numbers_that_are_none_are_skipped(write: Write) -> None:
    folder = write("t.tsv", [*[(f"t {row}", row) for row in range(30)], ("odd", "many")])
    report = opened(folder, labels="numbers").report
    assert report["skipped"]["files"] == [
        {"file": "t.tsv:32", "reason": "with a label that is no number: 'many'"}
    ]


def test_files_that_are_not_one_data_set_are_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is nothing at .*gone"):
        opened(tmp_path / "gone")
    with pytest.raises(DataError, match="holds no table"):
        opened(tmp_path)
    write("one.tsv", ROWS)
    folder = write("two.tsv", ROWS)
    with pytest.raises(InputError, match=r"several tables: one\.tsv, two\.tsv\. Name one"):
        opened(folder)
    (folder / "two.tsv").rename(folder / "test.tsv")
    with pytest.raises(DataError, match="tables for test but none whose name begins with train"):
        opened(folder)
    with pytest.raises(ValueError, match="text names 3 columns; allowed are one and 2"):
        Config(path="t.csv", text=("a", "b", "c"))
    with pytest.raises(ValueError, match="are of a table; name one with path"):
        Config(label="class")


def test_a_vocabulary_that_suits_the_text_is_chosen(write: Write) -> None:
    from noiseloom.data.rows import LARGEST, SMALLEST, suited_vocabulary

    assert suited_vocabulary(0) == SMALLEST and suited_vocabulary(10**9) == LARGEST
    rows = [(" ".join(f"w{(row * k) % 97}" for k in range(1, 12)), row % 2) for row in range(300)]
    dataset = opened(write("t.tsv", rows), tokenizer="bpe")
    assert dataset.form.tokenizer.pieces == SMALLEST


def test_the_default_is_python_itself_with_whole_files_held_out(tmp_path: Path) -> None:
    files = []
    for package, sizes in (("json", (2, 9, 9, 9, 9)), ("xml", (1, 1)), ("http", (3,))):
        for place, size in enumerate(sizes):
            path = tmp_path / f"{package}{place}.py"
            path.write_text("".join(f"{package} = {place}, {line}\n\n" for line in range(3 * size)))
            files.append((package, path))
    rows = library_passages.read(files, held_out=0.25)
    assert rows.class_names == ("http", "json", "xml")
    assert rows.train_labels is not None and rows.reference_labels is not None
    assert len(rows.train) + len(rows.reference) == 43
    origin = [{text.split(",")[0] for (text,) in part} for part in (rows.train, rows.reference)]
    assert not origin[0] & origin[1]  # no file is on both sides
    assert np.bincount(rows.reference_labels, minlength=3)[0] == 0  # its only file is trained on
    assert 0 < np.bincount(rows.reference_labels)[1] <= 0.25 * 38
    assert all(text.count("\n") == 2 for (text,) in rows.train)


def test_sst2_and_sts(shared_data: Path) -> None:
    sst2 = opened(shared_data / "sst2", context=64)
    assert (len(sst2.train), len(sst2.reference)) == (67_349, 872)
    assert sst2.report["reference"] == "the data's own part dev"
    sts = opened(shared_data / "sts", context=64)
    assert (len(sts.train), len(sts.reference)) == (22_592, 1_186)
    assert sts.form.columns == ("sentence1", "sentence2") and not sts.class_names


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_a_word_is_the_same_token_wherever_it_stands(write: Write, kind: str) -> None:
    rows = [(f"  good and {row} is good ", row % 2) for row in range(40)]
    dataset = opened(write("mine.tsv", rows), tokenizer=kind, vocabulary=None)
    form = dataset.text_form
    pad = form.tokenizer.special(PAD)
    for item, (text,) in zip(dataset.train.items, dataset.train_texts, strict=True):
        tokens = item[0][item[0] != pad]
        assert tokens[0] == tokens[-1] and form.tokenizer.decode(tokens) == f" {text.strip()}"
    asked, _ = read_rows(form, [rows[0][0]])
    same = [text.split() for (text,) in dataset.train_texts].index(rows[0][0].split())
    assert asked[0].tolist() == dataset.train.items[same].tolist()  # what is asked is read alike
