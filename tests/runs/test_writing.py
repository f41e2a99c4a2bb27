from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from noiseloom.data.dataset import Split
from noiseloom.data.forms import TextForm
from noiseloom.data.rows import SPECIALS, tokens_of
from noiseloom.data.tokenizer import END, Characters
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.runs.prompts import read_prompts
from noiseloom.runs.writing import beginnings
from noiseloom.tasks import Draft

TEXT = "".join(f"ROMEO: Line {number} of a short text, é and 🙂.\n" for number in range(60))
TINY = ["network.width=16", "network.depth=1", "network.heads=2", "data.context=16"]
STEPS = ["training.steps=4", "training.batch_size=4", "training.sample_every=2"]


def train(folder: Path, *overrides: str) -> Run:
    (folder / "text.txt").write_text(TEXT)
    words = [f"data.path={folder / 'text.txt'}", *TINY, *STEPS, *overrides]
    run = Run.create(Recipe.load("shakespeare", words), folder / "run")
    run.train(evaluate=False)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("writing"))


def test_training_shows_what_it_writes(run: Run) -> None:
    found = sorted(path.name for path in (run.folder / "samples").iterdir())
    assert found == ["final.txt", "step-00000002.txt"]
    text = (run.folder / "samples" / "final.txt").read_text()
    assert text.count("▸") == 5  # without a prompt, and with the beginnings of four windows
    form = run.build_task("cpu").form
    assert isinstance(form, TextForm)
    reference = run.open_data().reference
    assert all(f"\n{prompt}▸" in text for prompt, _ in beginnings(form, reference))


def test_each_prompt_has_its_texts_whatever_the_batch(run: Run) -> None:
    how = {"num": 2, "max_tokens": 12, "seed": 3}
    once = run.write(["Line", "", "o"], **how)  # type: ignore[arg-type]
    assert len(once) == 6
    assert run.write(["Line", "", "o"], batch_size=4, **how) == once  # type: ignore[arg-type]
    assert run.write(["Line", ""], **how) == once[:4]  # type: ignore[arg-type]
    assert len(set(once)) == 6
    assert run.write("Line", max_tokens=12, seed=3) == once[:1]
    assert run.write("Line", max_tokens=12, seed=4) != once[:1]


def test_what_is_asked_reaches_the_task(run: Run) -> None:
    greedy = run.write("Line", temperature=0.0, max_tokens=9)
    assert run.write("Line", top_k=1, max_tokens=9) == greedy
    assert len(greedy[0]) == 9
    stop = greedy[0][4]
    cut = run.write("Line", temperature=0.0, max_tokens=9, stop=stop)
    assert cut == [greedy[0][: greedy[0].find(stop)]]


def test_drafts_and_batches_are_followed(run: Run) -> None:
    drafts: list[Draft] = []
    batches: list[tuple[int, int]] = []
    run.write(
        ["a", "o", "t"],
        max_tokens=3,
        batch_size=2,
        on_draft=drafts.append,
        on_texts=lambda first, texts: batches.append((first, len(texts))),
    )
    assert [draft.is_done for draft in drafts] == [False, False, True] * 2
    assert batches == [(0, 2), (2, 1)]


def test_a_prompt_that_cannot_be_read_is_named_before_anything_is_written(run: Run) -> None:
    done: list[int] = []
    with pytest.raises(InputError, match=r"b\.txt:2: .*17 tokens long.* up to 16 at once"):
        run.write(
            ["a", "o" * 17],
            batch_size=1,
            places=["b.txt:1", "b.txt:2"],
            on_texts=lambda first, texts: done.append(first),
        )
    assert not done


def test_a_run_of_text_draws_no_samples_and_says_what_it_does(run: Run) -> None:
    with pytest.raises(InputError, match=r"writes text and draws no samples\. .*noiseloom sample"):
        run.sample(num=1)


# Prompts out of files --------------------------------------------------------------------------


def test_a_line_is_a_prompt(tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_bytes("one\r\n\n é two \nlast".encode())
    assert [one.text for one in read_prompts(file)] == ["one", "", " é two ", "last"]
    assert [one.place for one in read_prompts(file)][3] == f"{file}:4"


def test_json_lines_keep_their_other_keys(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    rows = [{"id": 7, "text": "a\nb"}, {"prompt": "c", "text": "not this"}]
    file.write_text("\n\n".join(map(json.dumps, rows)) + "\n")
    assert [(one.text, one.row) for one in read_prompts(file)] == [
        ("a\nb", rows[0]),
        ("c", rows[1]),
    ]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("in.txt", b"", ["holds no prompt"]),
        ("in.txt", b"fine\n\xff\n", ["in.txt:2", "0xff", "UTF-8"]),
        ("in.jsonl", b'{"text": "a"}\n{"text": \n', ["in.jsonl:2", "no JSON"]),
        ("in.jsonl", b"[1]\n", ["in.jsonl:1", "[1]"]),
        ("in.jsonl", b'{"id": 1, "body": "a"}\n', ["in.jsonl:1", "id, body", '"prompt"']),
        ("in.jsonl", b'{"text": 5}\n', ["in.jsonl:1", '"text" is 5']),
    ],
)
def test_files_that_hold_no_prompts_are_refused(
    tmp_path: Path, name: str, content: bytes, words: list[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read_prompts(tmp_path / name)
    for word in words:
        assert word in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt cannot be read: No such file"):
        read_prompts(tmp_path / "none.txt")


# What is shown ---------------------------------------------------------------------------------


def test_of_rows_the_second_text_is_what_stands_in_the_data() -> None:
    tokenizer = Characters(SPECIALS, "abc")
    form = TextForm(item_shape=(2, 4), tokenizer=tokenizer, columns=("en", "de"))
    rows = [(text, text[::-1]) for text in ("ab", "abc", "cab", "b", "ca", "aabc")]
    shown = beginnings(form, Split(tokens_of(tokenizer, rows, 4)))
    assert shown == [rows[0], rows[2], rows[3], rows[5]]


def test_of_windows_the_second_half_is_what_follows() -> None:
    form = TextForm(item_shape=(5,), tokenizer=Characters((END,), "abcde"))
    shown = beginnings(form, Split(np.arange(5)[None] + np.zeros((1, 5), int)))
    assert shown == [("", ""), ("ab", "cde")]
