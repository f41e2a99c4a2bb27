"""The plain way to fill in masks: n-grams of what stands before and after.

By an n-gram model each token depends on the few before it, so that what stands behind a mask does
on those before it and, by Bayes' rule, on those after it: every token that could stand there is
tried, and weighs what the model says of it and of the n - 1 tokens that follow. What is itself
masked, and all beyond it, is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noiseloom.evaluate import ngram
from noiseloom.evaluate.ngram import NGram

ROWS_AT_ONCE = 200_000


@dataclass(frozen=True)
class BothSides:
    """An n-gram model that knows one token more than the text: what is unknown."""

    model: NGram

    @property
    def unknown(self) -> int:
        """The number that stands for a token that is not known; it never occurred."""
        return self.model.vocabulary - 1

    def behind(self, windows: np.ndarray, is_hidden: np.ndarray) -> np.ndarray:
        """Log-probabilities of the hidden tokens of windows (N, L), in order: (hidden, V)."""
        around = self._around(windows, is_hidden)
        step = max(1, ROWS_AT_ONCE // self.unknown)
        parts = [self._tried(around[at : at + step]) for at in range(0, len(around), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.unknown))

    def _around(self, windows: np.ndarray, is_hidden: np.ndarray) -> np.ndarray:
        """What is known near each hidden token, n - 1 on either side of it: (hidden, 2n - 1)."""
        reach = self.model.order - 1
        tokens = np.where(is_hidden, self.unknown, np.asarray(windows, np.int64))
        tokens = np.pad(tokens, ((0, 0), (reach, reach)), constant_values=self.unknown)
        rows, places = np.nonzero(is_hidden)
        around = tokens[rows[:, None], places[:, None] + np.arange(2 * reach + 1)]
        for way in (-1, 1):
            for far in range(2, reach + 1):
                nearer = around[:, reach + way * (far - 1)] == self.unknown
                around[nearer, reach + way * far] = self.unknown
        return around

    def _tried(self, around: np.ndarray) -> np.ndarray:
        """Log-probabilities of every token in the middle of each row: (rows, V)."""
        middle, tried = around.shape[1] // 2, np.arange(self.unknown)
        filled = np.repeat(around[:, None], len(tried), axis=1)
        filled[:, :, middle] = tried
        flat = filled.reshape(-1, around.shape[1])
        # the first token of a row has no nats: one that is unknown takes its place
        first = np.full((len(flat), 1), self.unknown)
        nats = self.model.nats(np.concatenate([first, flat], axis=1))
        counts = around != self.unknown
        counts[:, :middle] = False
        counts[:, middle] = True
        log_p = -(nats.reshape(filled.shape) * counts[:, None]).sum(axis=2)
        log_p -= log_p.max(axis=1, keepdims=True)
        return log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))


def learn(tokens: np.ndarray, vocabulary: int, most: int) -> BothSides:
    """From tokens below `vocabulary`, with grams of up to `most`: as many as suit them best."""
    order = ngram.choose_order(tokens, vocabulary + 1, most)
    return BothSides(ngram.learn(tokens, vocabulary + 1, order))
