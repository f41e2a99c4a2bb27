"""Documents to windows of tokens: read, held out, tokenised, kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from noiseloom.data import tokenizer as tokenizers
from noiseloom.data.content import Progress, content_hash
from noiseloom.data.dataset import Split, TextDataset
from noiseloom.data.documents import Document, read_documents
from noiseloom.data.forms import TextForm
from noiseloom.data.prepared import cache_root, key_of, open_prepared
from noiseloom.data.raw_texts import read_texts, write_texts
from noiseloom.data.tokenizer import END, Kind, Tokenizer
from noiseloom.errors import DataError

VERSION = 2  # of the rules here: raised when they change
CHUNK = 1_000_000  # characters of a text tokenised at once
TOGETHER = 4 * CHUNK  # of several texts: a tokenizer's own notes are many times as large
LEARNED_FROM = 50_000_000  # characters that a tokenizer is learned from


def open_corpus(
    documents: Sequence[Document],
    *,
    source: str,
    kind: Kind,
    vocabulary: int,
    context: int,
    stride: int,
    held_out: float,
    megabytes: float | None,
    cache: str | None,
    progress: Progress | None,
) -> TextDataset:
    """The documents as windows of `context` + 1 tokens, prepared now or before."""
    root = cache_root(cache)
    files = [(document.name, document.path) for document in documents]
    memory = root / "seen" / f"{hashlib.sha256(source.encode()).hexdigest()[:32]}.json"
    facts = {
        "kind": "corpus",
        "version": VERSION,
        "content": content_hash(files, memory, progress),
        "column": documents[0].column,
        "tokenizer": kind,
        "vocabulary": vocabulary,
        "held_out": held_out,
        "megabytes": megabytes,
    }

    def build(folder: Path) -> dict[str, Any]:
        return _build(folder, documents, kind, vocabulary, held_out, megabytes, source, progress)

    prepared = open_prepared(root, key_of(**facts), build)
    details = prepared.details
    train, reference = (
        Split(_windows(split.items, context, step, f"The part of {source} {use}"))
        for split, step, use in (
            (prepared.train, stride, "to train on"),
            (prepared.reference, context, "that is held out"),
        )
    )
    form = TextForm(
        item_shape=(context + 1,),
        tokenizer=tokenizers.load(prepared.folder),
        documents=details["documents"] > 1,
    )
    return TextDataset(
        train=train,
        reference=reference,
        class_names=(),
        fingerprint=f"{prepared.fingerprint}-{context}-{stride}",
        cache=prepared.learned,
        text_form=form,
        train_texts=read_texts(prepared.folder, "train", 1),
        reference_texts=read_texts(prepared.folder, "reference", 1),
        report=_report(source, kind, form, prepared.train, prepared.reference, details)
        | {"fingerprint": f"{prepared.fingerprint}-{context}-{stride}"},
    )


def _build(
    folder: Path,
    documents: Sequence[Document],
    kind: Kind,
    vocabulary: int,
    held_out: float,
    megabytes: float | None,
    source: str,
    progress: Progress | None,
) -> dict[str, Any]:
    read = read_documents(documents, kind, megabytes=megabytes, source=source, progress=progress)
    texts = read.texts
    train, reference = _divided(texts, held_out)
    write_texts(folder, "train", ([text] for text in train))
    write_texts(folder, "reference", ([text] for text in reference))
    learned_from = texts if kind == "characters" else train  # who is held out can be spelled
    tokenizer = tokenizers.learn(kind, _first(learned_from), vocabulary=vocabulary, specials=(END,))
    tokenizer.save(folder)
    several = len(texts) > 1
    for name, part in (("train", train), ("reference", reference)):
        np.save(folder / f"{name}_items.npy", _tokens(part, tokenizer, several, progress))
    return {
        "class_names": [],
        "documents": len(texts),
        "found": read.found,
        "skipped": read.skipped,
        "bytes": {"train": _bytes(train), "reference": _bytes(reference)},
    }


def _divided(texts: list[str], held_out: float) -> tuple[list[str], list[str]]:
    """The last part of a single text; of several, whole ones by a hash of their content."""
    if len(texts) == 1:
        (text,) = texts
        cut = round(len(text) * (1 - held_out))
        return [text[:cut]], [text[cut:]]
    order = sorted(range(len(texts)), key=lambda place: _hash(texts[place]))
    left, held = held_out * sum(map(len, texts)), set[int]()
    for place in order[:-1]:
        if left <= 0:
            break
        left -= len(texts[place])
        held.add(place)
    train = [text for place, text in enumerate(texts) if place not in held]
    return train, [texts[place] for place in order if place in held]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _bytes(texts: Sequence[str]) -> int:
    return sum(len(text.encode("utf-8", "surrogateescape")) for text in texts)


def _first(texts: Sequence[str]) -> Iterator[str]:
    """Their beginnings, in chunks, up to as much as a tokenizer is learned from."""
    left = LEARNED_FROM
    for text in texts:
        for start in range(0, min(len(text), left), CHUNK):
            yield text[start : min(start + CHUNK, left + start)]
        left -= min(left, len(text))


def _tokens(
    texts: Sequence[str], tokenizer: Tokenizer, several: bool, progress: Progress | None
) -> np.ndarray:
    """The tokens of all texts, one after the other, with an END after each of several."""
    dtype = np.uint16 if tokenizer.vocabulary <= 2**16 else np.int32
    end = [np.array([tokenizer.special(END)], dtype)] if several else []
    total, done, parts = sum(map(len, texts)), 0, list[np.ndarray]()
    for together in _chunks(texts):
        encoded = tokenizer.encode_all([chunk for chunk, _ in together])
        for tokens, (chunk, is_last) in zip(encoded, together, strict=True):
            parts += [tokens.astype(dtype), *(end if is_last else ())]
            done += len(chunk)
        if progress:
            progress("tokenising", done, total)
    return np.concatenate(parts)


def _chunks(texts: Sequence[str]) -> Iterator[list[tuple[str, bool]]]:
    """Parts of texts, so many as are tokenised together; whether each is the last of its text."""
    together, size = list[tuple[str, bool]](), 0
    for text in texts:
        for start in range(0, len(text), CHUNK):
            together.append((text[start : start + CHUNK], start + CHUNK >= len(text)))
            size += len(together[-1][0])
            if size >= TOGETHER:
                yield together
                together, size = [], 0
    if together:
        yield together


def _windows(tokens: np.ndarray, context: int, stride: int, part: str) -> np.ndarray:
    """Windows of `context` + 1 tokens as a view, (N, context + 1)."""
    if len(tokens) < context + 1:
        raise DataError(
            f"{part} is {len(tokens):,} tokens long, and a window takes {context + 1:,}. Give it "
            "more text, or set data.context lower"
        )
    return sliding_window_view(tokens, context + 1)[::stride]


def _report(
    source: str, kind: Kind, form: TextForm, train: Split, reference: Split, details: dict[str, Any]
) -> dict[str, Any]:
    counts = {"train": len(train.items), "reference": len(reference.items)}
    several = details["documents"] > 1
    some = details["documents"] + details["skipped"]["count"] < details["found"]
    return {
        "source": source,
        "kind": f"{kind} tokens, {form.tokenizer.pieces:,} different ones",
        "unit": "tokens",
        "counts": {
            "used": sum(counts.values()),
            **counts,
            "skipped": details["skipped"]["count"],
        },
        "documents": details["documents"],
        "bytes": details["bytes"],
        "pieces": form.tokenizer.pieces,
        "reference": "whole documents, by a hash of their content" if several else "its last part",
        "item_shape": list(form.item_shape),
        "skipped": details["skipped"],
        "notes": [
            f"{details['documents']:,} of {details['found']:,} texts are used (data.megabytes), "
            "from all over them"
        ]
        if some
        else [],
        "warnings": [],
    }
