"""The plain way to model text: how often each token came after the few before it.

Interpolated Kneser-Ney smoothing with three discounts an order (Chen & Goodman 1999, "An empirical
study of smoothing techniques for language modeling", eqs. 26 to 28): what is taken off the counts
goes to the next shorter context, in which a token counts as often as there are different tokens
before it. A context that never occurred leaves it all to the shorter one, and the shortest to all
tokens alike. How many tokens are looked back at is chosen on the last part of the training text.

A gram of n tokens is a number: that of its first n - 1 times the vocabulary, plus the last token,
which is looked up among those that occurred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

JUDGED_SHARE, MOST_JUDGED = 0.05, 100_000  # of the training tokens: the order is chosen on these
SPAN = 256  # tokens of them in a row
FEW = 0.75  # the discount where there is too little text to estimate it


@dataclass(frozen=True)
class Counts:
    """How often each gram of n tokens counts; of each context, the n - 1 before the last, the sum.

    `taken` is what is taken off a count of 0, 1, 2, and 3 or more, `kept` the sum of it by context.
    """

    counts: np.ndarray
    taken: np.ndarray
    totals: np.ndarray
    kept: np.ndarray

    def interpolated(
        self, grams: np.ndarray, contexts: np.ndarray, shorter: np.ndarray
    ) -> np.ndarray:
        """Probabilities of the last tokens of `grams` (-1: never seen) in `contexts` (seen).

        `shorter` are those given one token less (eq. 27).
        """
        counts = np.where(grams >= 0, self.counts[grams], 0)
        own = counts - self.taken[np.minimum(counts, 3)]
        return (own + self.kept[contexts] * shorter) / self.totals[contexts]


@dataclass(frozen=True)
class Order:
    """Grams of n tokens: `keys`, sorted; counted by occurrence, and by different tokens before."""

    keys: np.ndarray
    occurring: Counts
    continuing: Counts

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The numbers of grams, -1 for those that never occurred."""
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)


@dataclass(frozen=True)
class NGram:
    """A model of tokens from up to `order` - 1 before them."""

    orders: tuple[Order, ...]
    vocabulary: int

    @property
    def order(self) -> int:
        """The longest gram's number of tokens."""
        return len(self.orders)

    def nats(self, windows: np.ndarray) -> np.ndarray:
        """Of each token of `windows` (N, L + 1) but the first, given those before it there: (N, L).

        float64.
        """
        return self.nats_by_order(windows)[-1]

    def nats_by_order(self, windows: np.ndarray) -> list[np.ndarray]:
        """The same of this model and of its shorter ones, the shortest first."""
        tokens = np.asarray(windows, np.int64)
        contexts = np.zeros_like(tokens)  # of no tokens there is one
        lower = top = np.full(tokens.shape, 1 / self.vocabulary)
        found = []
        for order in self.orders:
            grams = np.where(contexts >= 0, order.find(contexts * self.vocabulary + tokens), -1)
            top = _stepped(order.occurring, grams, contexts, shorter=lower, otherwise=top)
            lower = _stepped(order.continuing, grams, contexts, shorter=lower, otherwise=lower)
            found.append(-np.log(top[:, 1:]))
            contexts = np.full_like(tokens, -1)
            contexts[:, 1:] = grams[:, :-1]
        return found


def _stepped(
    counts: Counts,
    grams: np.ndarray,
    contexts: np.ndarray,
    *,
    shorter: np.ndarray,
    otherwise: np.ndarray,
) -> np.ndarray:
    """Probabilities given one token more; `otherwise` where that context never occurred."""
    seen = contexts >= 0
    seen[seen] = counts.totals[contexts[seen]] > 0
    result = otherwise.copy()
    result[seen] = counts.interpolated(grams[seen], contexts[seen], shorter[seen])
    return result


def learn(tokens: np.ndarray, vocabulary: int, order: int) -> NGram:
    """The model of grams of up to `order` tokens, from at least as many."""
    if len(tokens) < order:
        raise ValueError(f"{len(tokens)} tokens are given; {order} in a row need at least so many")
    tokens = np.asarray(tokens, np.int64)
    level = _level(tokens, np.zeros(len(tokens), np.int64), 1, vocabulary)
    orders = []
    for length in range(2, order + 1):
        longer = _level(tokens[length - 1 :], level.grams, len(level.keys), vocabulary)
        orders.append(level.counted(longer))
        level = longer
    return NGram((*orders, level.counted(None)), vocabulary)


@dataclass(frozen=True)
class _Level:
    """Grams of n tokens on the way to an `Order`: which ends where, and where each first does.

    Ends are counted from the end of the text's first gram of n tokens.
    """

    keys: np.ndarray
    grams: np.ndarray
    first: np.ndarray
    occurred: np.ndarray
    contexts: np.ndarray
    contexts_count: int

    def counted(self, longer: _Level | None) -> Order:
        """With counts; of the longest, whose own continuations nobody asks for, twice the same."""
        occurring = self._counts(self.occurred)
        if longer is None:
            return Order(self.keys, occurring, occurring)
        ends = self.grams[longer.first + 1]  # a gram of one token more ends one later
        continued = np.bincount(ends, minlength=len(self.keys))
        return Order(self.keys, occurring, self._counts(continued))

    def _counts(self, counts: np.ndarray) -> Counts:
        taken = discounts(counts)
        kept = taken[np.minimum(counts, 3)]
        return Counts(
            counts=counts.astype(np.int32),
            taken=taken,
            totals=np.bincount(self.contexts, counts, minlength=self.contexts_count),
            kept=np.bincount(self.contexts, kept, minlength=self.contexts_count),
        )


def _level(ends: np.ndarray, contexts: np.ndarray, contexts_count: int, vocabulary: int) -> _Level:
    """Grams that end with each of `ends`; before it stands the context of the same place."""
    keys, first, grams, occurred = np.unique(
        contexts[: len(ends)] * vocabulary + ends,
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    return _Level(keys, grams, first, occurred, keys // vocabulary, contexts_count)


def discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken off a count of 0, 1, 2, and 3 or more (eq. 26), never more than the count."""
    once, twice, thrice, often = (int((counts == number).sum()) for number in (1, 2, 3, 4))
    if not min(once, twice, thrice, often):
        return np.array([0, FEW, FEW, FEW])
    share = once / (once + 2 * twice)
    found = [
        1 - 2 * share * twice / once,
        2 - 3 * share * thrice / twice,
        3 - 4 * share * often / thrice,
    ]
    return np.array([0.0, *np.clip(found, 0.0, [1.0, 2.0, 3.0])])


def choose_order(tokens: np.ndarray, vocabulary: int, most: int) -> int:
    """The order up to `most` that models the last part of `tokens` best, learned from the rest."""
    judged = min(round(len(tokens) * JUDGED_SHARE), MOST_JUDGED)
    span = min(SPAN, judged)
    if span < 2 or len(tokens) - judged < most:
        return 1
    windows = tokens[len(tokens) - judged // span * span :].reshape(-1, span)
    model = learn(tokens[:-judged], vocabulary, most)
    means = [float(nats.mean()) for nats in model.nats_by_order(windows)]
    return 1 + int(np.argmin(means))
