"""Documents to windows of tokens: read, held out, tokenised, kept."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from noiseloom.data import tokenizer as tokenizers
from noiseloom.data.content import Progress, content_hash
from noiseloom.data.dataset import Split, TextDataset
from noiseloom.data.forms import TextForm
from noiseloom.data.prepared import cache_root, key_of, open_prepared
from noiseloom.data.raw_texts import read_texts, write_texts
from noiseloom.data.tokenizer import END, Kind, Tokenizer
from noiseloom.errors import DataError

VERSION = 1  # of the rules here: raised when they change
CHUNK = 1_000_000  # characters tokenised at once
LEARNED_FROM = 50_000_000  # characters that a tokenizer is learned from


@dataclass(frozen=True)
class Document:
    """A text file, by the name it is spoken of."""

    name: str
    path: Path


def read_document(document: Document, kind: Kind) -> str:
    """The text of a file, gzip too; DataError that names file and line where it is no UTF-8.

    A `bytes` tokenizer takes any bytes: those that are no UTF-8 become surrogates.
    """
    try:
        content = document.path.read_bytes()
        if document.path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise DataError(f"{document.name} cannot be read: {error}") from error
    if kind == "bytes":
        return content.decode("utf-8", "surrogateescape")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{document.name}:{line}: byte 0x{content[error.start]:02x} is not valid UTF-8. Save "
            "the file as UTF-8, or take its bytes as they are with data.tokenizer=bytes"
        ) from error


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
        Split(_windows(split.items, context, step, source))
        for split, step in ((prepared.train, stride), (prepared.reference, context))
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
    texts = _limited(documents, kind, megabytes)
    if not any(texts):
        raise DataError(f"{source} holds no text")
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
        "bytes": {"train": _bytes(train), "reference": _bytes(reference)},
    }


def _limited(documents: Sequence[Document], kind: Kind, megabytes: float | None) -> list[str]:
    """The texts, as many as are wanted, without the empty ones."""
    texts, left = [], float("inf") if megabytes is None else megabytes * 1e6
    for document in documents:
        if left <= 0:
            break
        text = read_document(document, kind)
        left -= len(text)
        texts.append(text)
    return [text for text in texts if text]


def _divided(texts: list[str], held_out: float) -> tuple[list[str], list[str]]:
    """The last part of a single text; of several, whole ones by a hash of their content."""
    if len(texts) == 1:
        (text,) = texts
        cut = round(len(text) * (1 - held_out))
        return [text[:cut]], [text[cut:]]
    order = sorted(range(len(texts)), key=lambda place: _hash(texts[place]))
    wanted, held = held_out * sum(map(len, texts)), list[int]()
    for place in order[:-1]:
        if sum(len(texts[one]) for one in held) >= wanted:
            break
        held.append(place)
    numbered = list(enumerate(texts))
    return [text for place, text in numbered if place not in held], [texts[one] for one in held]


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
    parts = []
    for done, text in enumerate(texts):
        chunks = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
        parts += [tokens.astype(dtype) for tokens in tokenizer.encode_all(chunks)]
        if several:
            parts.append(np.array([tokenizer.special(END)], dtype))
        if progress:
            progress("tokenising", done + 1, len(texts))
    return np.concatenate(parts)


def _windows(tokens: np.ndarray, context: int, stride: int, source: str) -> np.ndarray:
    """Windows of `context` + 1 tokens as a view, (N, context + 1)."""
    if len(tokens) < context + 1:
        raise DataError(
            f"{source} leaves a part of {len(tokens):,} tokens, and a window takes {context + 1:,}"
            ". Give it more text, or set data.context lower"
        )
    return sliding_window_view(tokens, context + 1)[::stride]


def _report(
    source: str, kind: Kind, form: TextForm, train: Split, reference: Split, details: dict[str, Any]
) -> dict[str, Any]:
    counts = {"train": len(train.items), "reference": len(reference.items)}
    several = details["documents"] > 1
    return {
        "source": source,
        "kind": f"{kind} tokens, {form.tokenizer.pieces:,} different ones",
        "unit": "tokens",
        "counts": {"used": sum(counts.values()), **counts},
        "documents": details["documents"],
        "bytes": details["bytes"],
        "pieces": form.tokenizer.pieces,
        "reference": "whole documents, by a hash of their content" if several else "its last part",
        "item_shape": list(form.item_shape),
        "notes": [],
        "warnings": [],
    }
