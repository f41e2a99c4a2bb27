"""Rows of text, with a label each or without: tokenised, filled up, kept.

Whoever reads a table, aligned lines or questions answers `Rows`; `open_rows` makes a `TextDataset`
of them, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from noiseloom.data import tokenizer as tokenizers
from noiseloom.data.content import Progress
from noiseloom.data.dataset import TextDataset
from noiseloom.data.forms import TextForm
from noiseloom.data.prepared import cache_root, key_of, open_prepared
from noiseloom.data.raw_texts import read_texts, write_texts
from noiseloom.data.tokenizer import END, PAD, SEPARATOR, START, Kind, Tokenizer
from noiseloom.errors import DataError

VERSION = 2  # of the rules here: raised when they change
SPECIALS = (PAD, START, END, SEPARATOR)
CHUNK = 10_000  # rows tokenised at once


@dataclass(frozen=True)
class Rows:
    """What was read: the rows of either split, and what is to be said of them.

    `labels` are as in `Split`, but that spans count characters: the first, and the one after the
    last, of the first text. `report` is added to data_report.json.
    """

    train: Sequence[tuple[str, ...]]
    reference: Sequence[tuple[str, ...]]
    train_labels: np.ndarray | None = None
    reference_labels: np.ndarray | None = None
    class_names: Sequence[str] = ()
    report: Mapping[str, Any] = field(default_factory=dict)


def open_rows(
    read: Callable[[], Rows],
    *,
    facts: Mapping[str, Any],
    source: str,
    columns: Sequence[str],
    tokenizer: Kind,
    vocabulary: int,
    context: int,
    cache: str | None,
    progress: Progress | None,
) -> TextDataset:
    """The rows that `read` answers as tokens, prepared now or before.

    `facts` is all that they depend on besides the arguments here, the hash of the files' content
    among them. A text of more than `context` tokens is cut there, and counted. Raises DataError.
    """
    root = cache_root(cache)
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
        return _build(folder, read(), columns, tokenizer, vocabulary, context, source, progress)

    prepared = open_prepared(root, key, build)
    details = prepared.details
    labels = prepared.train.labels
    is_number = labels is not None and labels.dtype.kind == "f"
    form = TextForm(
        item_shape=(len(columns), context),
        class_names=tuple(details["class_names"]),
        tokenizer=tokenizers.load(prepared.folder),
        columns=tuple(columns),
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
        train_texts=read_texts(prepared.folder, "train", len(columns)),
        reference_texts=read_texts(prepared.folder, "reference", len(columns)),
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


def tokens_of(tokenizer: Tokenizer, rows: Sequence[Sequence[str]], context: int) -> np.ndarray:
    """The tokens of rows, (N, columns, context) int32: each text cut there, or filled up."""
    columns = len(rows[0]) if rows else 1
    items = np.full((len(rows), columns, context), tokenizer.special(PAD), np.int32)
    for column in range(columns):
        encoded = tokenizer.encode_all([row[column] for row in rows])
        for item, tokens in zip(items, encoded, strict=True):
            kept = tokens[:context]
            item[column, : len(kept)] = kept
    return items


def _build(
    folder: Path,
    rows: Rows,
    columns: Sequence[str],
    kind: Kind,
    vocabulary: int,
    context: int,
    source: str,
    progress: Progress | None,
) -> dict[str, Any]:
    for name, part in (("to train on", rows.train), ("to measure on", rows.reference)):
        if not part:
            raise DataError(f"{source} leaves no rows {name}")
    write_texts(folder, "train", rows.train)
    write_texts(folder, "reference", rows.reference)
    characters = kind == "characters"  # who is held out can be spelled
    learned_from = [*rows.train, *rows.reference] if characters else rows.train
    texts: Iterator[str] = (text for row in learned_from for text in row)
    tokenizer = tokenizers.learn(kind, texts, vocabulary=vocabulary, specials=SPECIALS)
    tokenizer.save(folder)
    cut: dict[str, int] = {}
    for name, part, labels in (
        ("train", rows.train, rows.train_labels),
        ("reference", rows.reference, rows.reference_labels),
    ):
        items, cut[name] = _tokens(tokenizer, part, context, progress)
        np.save(folder / f"{name}_items.npy", items)
        if labels is not None:
            np.save(folder / f"{name}_labels.npy", _stored(tokenizer, part, labels))
    counts = {"train": len(rows.train), "reference": len(rows.reference)}
    report = {"counts": {"used": sum(counts.values()), **counts}, "cut": cut, **rows.report}
    return {"class_names": list(rows.class_names), "report": report}


def _tokens(
    tokenizer: Tokenizer,
    rows: Sequence[tuple[str, ...]],
    context: int,
    progress: Progress | None,
) -> tuple[np.ndarray, int]:
    """The tokens of rows, as few bytes each as their numbers allow, and how many texts were cut."""
    dtype = np.uint16 if tokenizer.vocabulary <= 2**16 else np.int32
    parts, cut = [], 0
    for start in range(0, len(rows), CHUNK):
        part = tokens_of(tokenizer, rows[start : start + CHUNK], context + 1)
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
    spans = np.empty_like(labels)
    for place, (row, (first, after)) in enumerate(zip(rows, labels.tolist(), strict=True)):
        ends = tokenizer.byte_lengths[tokenizer.encode(row[0])].cumsum()
        begin, end = (len(row[0][:one].encode()) for one in (first, after))
        spans[place] = np.searchsorted(ends, [begin, end - 1], side="right")
    return spans
