"""Linear probes: what can be read off states by a linear map, beside a control (arXiv:1909.03368).

A probe is a ridge regression on standardised states, its strength chosen on what it is learned from
by leaving one out; classes are regressed as one number each, and the largest is what is read. It is
learned on some items and scored on others. A control task has the same labels, dealt out at random
to the types of items (Hewitt & Liang 2019): what a probe scores there it owes to its own power to
remember types, and only what it scores above that, its selectivity, speaks for the states.
Shapes: N items, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import RidgeCV

STRENGTHS = np.logspace(-2, 5, 15)
LEAST_SPREAD = 1e-6  # a feature that varies less is left out


@dataclass(frozen=True)
class Fact:
    """What is true of each of N items: `values`, classes that `names` name, or else numbers.

    `types` (N,), whole numbers, say which items are alike for the control task.
    """

    name: str
    values: np.ndarray
    names: tuple[str, ...]
    types: np.ndarray

    @property
    def chance(self) -> float:
        """What is scored without looking: the share of the commonest class; of numbers, 0."""
        if not self.names:
            return 0.0
        return float(np.bincount(self.values).max() / len(self.values))

    def taken(self, chosen: np.ndarray) -> Fact:
        """Of some of the items."""
        return Fact(self.name, self.values[chosen], self.names, self.types[chosen])


@dataclass(frozen=True)
class Reading:
    """How well a fact is read: the share of right classes or, of numbers, R²; and its control."""

    score: float
    control: float

    @property
    def selectivity(self) -> float:
        """What the score owes to the states alone."""
        return self.score - self.control


def control_of(fact: Fact, random: np.random.Generator) -> Fact:
    """The fact with a value for each type that is drawn from all of the values."""
    known, type_of = np.unique(fact.types, return_inverse=True)
    drawn = random.choice(fact.values, len(known))
    return Fact(fact.name, drawn[type_of], fact.names, fact.types)


def probe(
    states_NF: np.ndarray, facts: Sequence[Fact], is_test: np.ndarray, *, seed: int
) -> list[Reading]:
    """How well each fact, and its control, is read off the states of the items in `is_test`."""
    random = np.random.default_rng([seed, 1])
    asked = [one for fact in facts for one in (fact, control_of(fact, random))]
    columns = [_columns(fact) for fact in asked]
    ends = np.cumsum([column.shape[1] for column in columns])
    said = _regressed(states_NF, np.concatenate(columns, axis=1), is_test)
    scores = [
        _score(fact.taken(is_test), part)
        for fact, part in zip(asked, np.split(said, ends[:-1], axis=1), strict=True)
    ]
    return [Reading(*pair) for pair in zip(scores[::2], scores[1::2], strict=True)]


def _columns(fact: Fact) -> np.ndarray:
    if fact.names:
        return np.eye(len(fact.names))[fact.values]
    return np.asarray(fact.values, np.float64)[:, None]


def _regressed(states_NF: np.ndarray, wanted: np.ndarray, is_test: np.ndarray) -> np.ndarray:
    """What is said of the test items."""
    known = states_NF[~is_test].astype(np.float64)
    mean, spread = known.mean(axis=0), known.std(axis=0)
    kept = spread > LEAST_SPREAD
    if not kept.any():
        return np.repeat(wanted[~is_test].mean(axis=0, keepdims=True), is_test.sum(), axis=0)
    regression = RidgeCV(STRENGTHS, alpha_per_target=True)
    regression.fit((known[:, kept] - mean[kept]) / spread[kept], wanted[~is_test])
    asked = (states_NF[is_test].astype(np.float64)[:, kept] - mean[kept]) / spread[kept]
    said: np.ndarray = regression.predict(asked)
    return said.reshape(len(asked), -1)


def _score(fact: Fact, said: np.ndarray) -> float:
    if fact.names:
        return float((said.argmax(axis=1) == fact.values).mean())
    off = np.square(said[:, 0] - fact.values).sum()
    spread = np.square(fact.values - fact.values.mean()).sum()
    return float(1 - off / spread) if spread else 0.0
