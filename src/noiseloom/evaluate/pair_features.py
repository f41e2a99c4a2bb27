"""Plain features of a text or of two: TF-IDF, and how much two of them share.

Shapes: N items, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

MOST_TERMS = 100_000
WORDS = {"token_pattern": r"(?u)\w+|[^\w\s]", "ngram_range": (1, 2)}
CHARACTERS = {"analyzer": "char_wb", "ngram_range": (2, 4)}


class PairFeatures:
    """Learned from training rows of texts; answers sparse features (N, F) of any rows."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self.vectorizers = [
            TfidfVectorizer(sublinear_tf=True, min_df=_least(rows), max_features=MOST_TERMS, **kind)
            for kind in (WORDS, CHARACTERS)
        ]
        texts = list(dict.fromkeys(text for row in rows for text in row))
        for vectorizer in self.vectorizers:
            vectorizer.fit(texts)
        self.mean = self.scale = np.zeros(0)
        if len(rows[0]) > 1:
            _, shared = self._read(rows)
            self.mean, self.scale = shared.mean(axis=0), np.maximum(shared.std(axis=0), 1e-9)

    def __call__(self, rows: Sequence[Sequence[str]]) -> Any:
        """Features of rows of texts, float64, (N, F)."""
        parts, shared = self._read(rows)
        if len(rows[0]) > 1:
            parts.append(sparse.csr_matrix((shared - self.mean) / self.scale))
        return sparse.hstack(parts, format="csr")

    def _read(self, rows: Sequence[Sequence[str]]) -> tuple[list[Any], np.ndarray]:
        """The sparse parts of rows and, of pairs, what the two share, (N, S)."""
        texts = list(dict.fromkeys(text for row in rows for text in row))
        place = {text: number for number, text in enumerate(texts)}
        columns = [[place[row[column]] for row in rows] for column in range(len(rows[0]))]
        words, characters = (one.transform(texts) for one in self.vectorizers)
        if len(columns) == 1:
            return [words[columns[0]], characters[columns[0]]], np.zeros((len(rows), 0))
        a, b = (words[column] for column in columns)
        shared = [
            number
            for terms in (words, characters)
            for number in _shared(*(terms[column] for column in columns))
        ]
        return [a + b, abs(a - b), a.multiply(b)], np.column_stack(shared)


def _shared(a: Any, b: Any) -> list[np.ndarray]:
    """Of N pairs: cosine, two shares of terms in common, how their numbers differ; (N,) each."""
    cosine = _sum(a.multiply(b))
    both = _sum((a > 0).multiply(b > 0))
    of_a, of_b = _sum(a > 0), _sum(b > 0)
    fewest, either = np.minimum(of_a, of_b), of_a + of_b - both
    return [
        cosine,
        both / np.maximum(either, 1),
        both / np.maximum(fewest, 1),
        np.abs(of_a - of_b) / np.maximum(of_a + of_b, 1),
    ]


def _sum(terms: Any) -> np.ndarray:
    return np.asarray(terms.sum(axis=1), np.float64).ravel()


def _least(rows: Sequence[Sequence[str]]) -> int:
    """In how many texts a term must be to be one: of few texts in any."""
    return 2 if len(rows) >= 1000 else 1
