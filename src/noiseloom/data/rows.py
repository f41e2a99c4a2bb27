"""Rows of text, with a label each or without: tokenised, filled up, kept.

Whoever reads a table, aligned lines or questions answers `Rows`; `open_rows` makes a `TextDataset`
of them, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from noiseloom.data import tokenizer as tokenizers
from noiseloom.data.content import Progress
from noiseloom.data.dataset import Split, TextDataset
from noiseloom.data.forms import TextForm
from noiseloom.data.prepared import cache_root, fingerprint_of, key_of, open_prepared
from noiseloom.data.raw_texts import read_texts, texts_in_memory, write_texts
from noiseloom.data.tokenizer import END, PAD, SEPARATOR, START, Kind, Tokenizer
from noiseloom.data.windows import NOWHERE, in_windows
from noiseloom.errors import DataError

VERSION = 2  # of the rules here: raised when they change
SPECIALS = (PAD, START, END, SEPARATOR)
CHUNK = 10_000  # rows tokenised at once
CHARACTERS_A_PIECE = 400  # of training text, for each piece that a tokenizer learns by itself
SMALLEST, LARGEST = 320, 8192  # vocabularies that it takes by itself


@dataclass(frozen=True)
class Rows:
    """What was read: the rows of either split, and what is to be said of them.

    `labels` are as in `Split`, but that spans count characters: the first, and the one after the
    last, of the first text. `test` is a third part, for the last word alone; empty: there is none.
    After its texts a row may hold others that are kept as they are, and no model sees. `report` is
    added to data_report.json.
    """

    train: Sequence[tuple[str, ...]]
    reference: Sequence[tuple[str, ...]]
    train_labels: np.ndarray | None = None
    reference_labels: np.ndarray | None = None
    class_names: Sequence[str] = ()
    test: Sequence[tuple[str, ...]] = ()
    report: Mapping[str, Any] = field(default_factory=dict)


def open_rows(
    read: Callable[[], Rows],
    *,
    facts: Mapping[str, Any],
    source: str,
    columns: Sequence[str],
    tokenizer: Kind,
    vocabulary: int | None,
    context: int,
    cache: str | None,
    progress: Progress | None,
    beside: Sequence[str] = (),
    stride: int | None = None,
    spaced: bool = False,
) -> TextDataset:
    """The rows that `read` answers as tokens, prepared now or before.

    `facts` is all that they depend on besides the arguments here, the hash of the files' content
    among them. A `vocabulary` of None is one that suits the amount of text. A text of more than
    `context` tokens is cut there, and counted; with a `stride`, which is for spans, the first text
    is seen in windows instead, a row each. `beside` names what a row holds after its `columns`.
    `spaced` is as in `TextForm`. Raises DataError.
    """
    root = cache_root(cache)
    if beside or stride:
        facts = {**facts, "beside": list(beside), "stride": stride}
    if spaced:
        facts = {**facts, "spaced": True}
    key = key_of(
        kind="rows",
        version=VERSION,
        columns=list(columns),
        tokenizer=tokenizer,
        vocabulary=vocabulary,
        context=context,
        **facts,
    )

    def build(folder: Path) -> dict[str, Any]:
        return _build(
            folder,
            read(),
            columns,
            tokenizer,
            vocabulary,
            context,
            stride,
            spaced,
            source,
            progress,
        )

    prepared = open_prepared(root, key, build)
    details = prepared.details
    kept = len(columns) + len(beside)
    labels = prepared.train.labels
    is_number = labels is not None and labels.dtype.kind == "f"
    form = TextForm(
        item_shape=(len(columns), context),
        class_names=tuple(details["class_names"]),
        tokenizer=tokenizers.load(prepared.folder),
        columns=tuple(columns),
        spaced=spaced,
        number_mean=float(labels.mean()) if labels is not None and is_number else 0.0,
        number_std=max(float(labels.std()), 1e-6) if labels is not None and is_number else 1.0,
    )
    return TextDataset(
        train=prepared.train,
        reference=prepared.reference,
        class_names=form.class_names,
        fingerprint=prepared.fingerprint,
        cache=prepared.learned,
        text_form=form,
        train_texts=read_texts(prepared.folder, "train", kept),
        reference_texts=read_texts(prepared.folder, "reference", kept),
        test_texts=read_texts(prepared.folder, "test", kept) if details.get("test") else None,
        report={
            "source": source,
            "kind": f"{tokenizer} tokens, {form.tokenizer.pieces:,} different ones",
            "unit": "rows",
            "item_shape": list(form.item_shape),
            "notes": [],
            "warnings": [],
            **details["report"],
            "fingerprint": prepared.fingerprint,
        },
    )


def tokens_of(
    tokenizer: Tokenizer, rows: Sequence[Sequence[str]], context: int, *, spaced: bool = False
) -> np.ndarray:
    """The tokens of rows, (N, columns, context) int32: each text cut there, or filled up."""
    columns = len(rows[0]) if rows else 1
    items = np.full((len(rows), columns, context), tokenizer.special(PAD), np.int32)
    for column in range(columns):
        encoded = tokenizer.encode_all([_seen(row[column], spaced) for row in rows])
        for item, tokens in zip(items, encoded, strict=True):
            kept = tokens[:context]
            item[column, : len(kept)] = kept
    return items


def _seen(text: str, spaced: bool) -> str:
    """A text as its tokens are taken of it."""
    return f" {text.strip()}" if spaced else text


def _build(
    folder: Path,
    rows: Rows,
    columns: Sequence[str],
    kind: Kind,
    vocabulary: int | None,
    context: int,
    stride: int | None,
    spaced: bool,
    source: str,
    progress: Progress | None,
) -> dict[str, Any]:
    for name, part in (("to train on", rows.train), ("to measure on", rows.reference)):
        if not part:
            raise DataError(f"{source} leaves no rows {name}")
    seen = len(columns)
    characters = kind == "characters"  # who is held out can be spelled
    learned_from = [*rows.train, *rows.reference] if characters else rows.train
    texts: Iterator[str] = (_seen(text, spaced) for row in learned_from for text in row[:seen])
    at_most = vocabulary is None
    if vocabulary is None:
        vocabulary = suited_vocabulary(sum(len(text) for row in rows.train for text in row[:seen]))
    tokenizer = tokenizers.learn(
        kind, texts, vocabulary=vocabulary, specials=SPECIALS, at_most=at_most
    )
    tokenizer.save(folder)
    if stride is not None:
        rows = _in_windows(rows, tokenizer, context, stride)
    write_texts(folder, "train", rows.train)
    write_texts(folder, "reference", rows.reference)
    if rows.test:
        write_texts(folder, "test", rows.test)
    cut: dict[str, int] = {}
    for name, part, labels in (
        ("train", rows.train, rows.train_labels),
        ("reference", rows.reference, rows.reference_labels),
    ):
        items, cut[name] = _tokens(tokenizer, part, seen, context, spaced, progress)
        np.save(folder / f"{name}_items.npy", items)
        is_text = items != tokenizer.special(PAD)
        np.save(folder / f"{name}_lengths.npy", is_text.sum(axis=2).max(axis=1).astype(np.int32))
        if labels is not None:
            np.save(folder / f"{name}_labels.npy", _stored(tokenizer, part, labels))
    counts = {"train": len(rows.train), "reference": len(rows.reference)}
    counts = {"used": sum(counts.values()), **counts}
    counts["skipped"] = rows.report.get("skipped", {}).get("count", 0)
    notes = [*rows.report.get("notes", ()), *_say_cut(cut, counts["used"], context)]
    report = {"cut": cut, **rows.report, "counts": counts, "notes": notes}
    return {
        "class_names": list(rows.class_names),
        "report": report,
        "test": bool(rows.test),
    }


def rows_beside(dataset: TextDataset, read: Rows, *, stride: int, source: str) -> TextDataset:
    """`dataset` with the rows that `read` holds as reference in the place of its own.

    They are read with its tokenizer, and in windows. Nothing of it is kept.
    """
    form = dataset.text_form
    rows = _in_windows(read, form.tokenizer, form.context, stride)
    columns, context = len(form.columns), form.context
    items, cut = _tokens(form.tokenizer, rows.reference, columns, context, form.spaced, None)
    assert rows.reference_labels is not None
    split = Split(items, _stored(form.tokenizer, rows.reference, rows.reference_labels))
    counts = {"train": len(dataset.train), "reference": len(split)}
    return replace(
        dataset,
        reference=split,
        reference_texts=texts_in_memory(rows.reference),
        fingerprint=fingerprint_of(split, split, form.class_names),
        report={
            **dataset.report,
            "reference": source,
            "counts": {"used": sum(counts.values()), **counts},
            "cut": {"train": 0, "reference": cut},
            **read.report,
        },
    )


def _in_windows(rows: Rows, tokenizer: Tokenizer, context: int, stride: int) -> Rows:
    """The same rows with their first text in windows; every training answer is in one of them."""
    how = {"context": context, "stride": stride}
    train, train_labels = in_windows(
        rows.train, _spans(rows.train_labels), tokenizer, keep_answers=True, **how
    )
    reference, reference_labels = in_windows(
        rows.reference, _spans(rows.reference_labels), tokenizer, keep_answers=False, **how
    )
    return replace(
        rows,
        train=train,
        train_labels=train_labels,
        reference=reference,
        reference_labels=reference_labels,
    )


def _spans(labels: np.ndarray | None) -> np.ndarray:
    return np.zeros((0, 2), np.int64) if labels is None else labels


def suited_vocabulary(characters: int) -> int:
    """How many pieces to learn from so many characters of training text."""
    return min(LARGEST, max(SMALLEST, characters // CHARACTERS_A_PIECE))


def _say_cut(cut: Mapping[str, int], rows: int, context: int) -> list[str]:
    if not (number := sum(cut.values())):
        return []
    return [
        f"{number:,} texts of {rows:,} rows are longer than data.context={context} tokens and are "
        "cut there."
    ]


def _tokens(
    tokenizer: Tokenizer,
    rows: Sequence[tuple[str, ...]],
    columns: int,
    context: int,
    spaced: bool,
    progress: Progress | None,
) -> tuple[np.ndarray, int]:
    """The tokens of rows, as few bytes each as their numbers allow, and how many texts were cut."""
    dtype = np.uint16 if tokenizer.vocabulary <= 2**16 else np.int32
    parts, cut = [], 0
    for start in range(0, len(rows), CHUNK):
        texts = [row[:columns] for row in rows[start : start + CHUNK]]
        part = tokens_of(tokenizer, texts, context + 1, spaced=spaced)
        cut += int((part[..., context] != tokenizer.special(PAD)).sum())
        parts.append(part[..., :context].astype(dtype))
        if progress:
            progress("tokenising", min(start + CHUNK, len(rows)), len(rows))
    return np.concatenate(parts), cut


def _stored(
    tokenizer: Tokenizer, rows: Sequence[tuple[str, ...]], labels: np.ndarray
) -> np.ndarray:
    """Labels as `Split` holds them: spans of characters become spans of tokens."""
    if labels.ndim == 1:
        return labels
    spans = np.full_like(labels, -1)
    for place, (row, (first, after)) in enumerate(zip(rows, labels.tolist(), strict=True)):
        if (first, after) == NOWHERE:
            continue
        ends = tokenizer.byte_lengths[tokenizer.encode(row[0])].cumsum()
        begin, end = (len(row[0][:one].encode()) for one in (first, after))
        spans[place] = np.searchsorted(ends, [begin, end - 1], side="right")
    return spans
