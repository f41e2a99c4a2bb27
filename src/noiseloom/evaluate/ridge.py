"""What ridge regression estimates on the same data: the plain method that a model must beat.

Of series it reads all numbers. Of texts it reads TF-IDF of words, single and in pairs; of two texts
their sum, difference and product, and beside these how much of the words, and of the runs of 2 to 4
characters, the two share. The penalty is the one with which a fifth of the training items is
estimated best from the others: of series the last, which overlap least with these, of texts a hash
picks them, so that equal ones stay together.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.assembly import hash_of
from noiseloom.data.dataset import Dataset, TextDataset
from noiseloom.evaluate import store
from noiseloom.evaluate.progress import Progress

NAME = "ridge regression"
MOST_NUMBERS = 20_000_000  # of training series that it learns from
MOST_TEXTS = 50_000  # training items of texts that it learns from
STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)  # of the penalty on the squared weights
UTF8 = ("utf-8", "surrogateescape")
PARTS = 5  # of the training items, one judges the strength


def ridge(dataset: Dataset, progress: Progress) -> tuple[np.ndarray, dict[str, Any]]:
    """The numbers (N,) of held-out items by ridge regression, float64, and how it learned.

    Kept in the dataset's cache.
    """
    items = len(dataset.train)
    if isinstance(dataset, TextDataset):
        items = min(items, MOST_TEXTS)
    else:
        items = max(1, min(items, MOST_NUMBERS // int(np.prod(dataset.item_shape))))
    how = {"items": items, "scikit-learn": version("scikit-learn")}

    def make() -> dict[str, Tensor]:
        progress("learning the plain baseline", 0.0)
        estimates, strength = _regress(dataset, items)
        return {
            "estimates": torch.from_numpy(estimates),
            "strength": torch.tensor(strength, dtype=torch.float64),
        }

    kept = store.recall(dataset.cache, "ridge", {"data": dataset.fingerprint, **how}, make)
    progress("learning the plain baseline", 1.0)
    return kept["estimates"].numpy(), {**how, "strength": float(kept["strength"])}


def _regress(dataset: Dataset, items: int) -> tuple[np.ndarray, float]:
    chosen = np.linspace(0, len(dataset.train) - 1, items).round().astype(int)
    assert dataset.train.labels is not None  # the task saw to it
    labels = np.asarray(dataset.train.labels, np.float64)[chosen]
    if isinstance(dataset, TextDataset):
        train, held, judged = _of_texts(dataset, chosen)
    else:
        train, held = (
            dataset.to_model(part).flatten(1).double().numpy()
            for part in (dataset.train.items[chosen], dataset.reference.items)
        )
        judged = np.arange(items) >= items - items // PARTS
    strength = _choose_strength(train, labels, judged)
    return np.asarray(_fit(train, labels, strength).predict(held), np.float64), strength


def _choose_strength(x: Any, labels: np.ndarray, judged: np.ndarray) -> float:
    if not judged.any() or judged.all():
        return 1.0
    errors = []
    for strength in STRENGTHS:
        found = _fit(x[~judged], labels[~judged], strength).predict(x[judged])
        errors.append(np.mean(np.square(found - labels[judged])))
    return STRENGTHS[int(np.argmin(errors))]


def _fit(x: Any, labels: np.ndarray, strength: float) -> Any:
    from sklearn.linear_model import Ridge  # slow to import

    solver = "cholesky" if isinstance(x, np.ndarray) else "sparse_cg"
    return Ridge(alpha=strength, solver=solver).fit(x, labels)


def _of_texts(dataset: TextDataset, chosen: np.ndarray) -> tuple[Any, Any, np.ndarray]:
    """Sparse features of the chosen training items and of all held-out ones, and who judges."""
    from noiseloom.evaluate.pair_features import PairFeatures  # scikit-learn is slow to import

    train = [dataset.train_texts[int(place)] for place in chosen]
    held = [dataset.reference_texts[place] for place in range(len(dataset.reference))]
    features = PairFeatures(train)
    judged = np.array([hash_of("\0".join(row).encode(*UTF8)) % PARTS == 0 for row in train])
    return features(train), features(held), judged
