"""What plain methods score on the same data: no figure of a classifier says much without them.

Logistic regression on the numbers of the items, as the model sees them, or on plain features of
texts (`pair_features`: TF-IDF of words and characters); and the answer that needs no item: always
the most frequent class, as sure as it is frequent.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.dataset import Dataset, Split, TextDataset
from noiseloom.evaluate import store
from noiseloom.evaluate.features import chunks
from noiseloom.evaluate.progress import Progress

REGRESSION, FREQUENCY = "logistic regression", "most frequent class"
MOST_NUMBERS = 8_000_000  # of training items that regression learns from: seconds, 32 MB
MOST_ITERATIONS = 200
STRENGTHS = (1.0, 10.0, 100.0)  # of the penalty on the squared weights
TRIED = 2_000  # training items that the strength is chosen on
MOST_TEXTS = 100_000  # training items of texts that regression learns from
TEXT_STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)  # features of texts are small and many
TEXTS_TRIED = 20_000


def frequency(dataset: Dataset) -> Tensor:
    """Probabilities (N, classes) of held-out items: each class's share of the training items."""
    counts = np.bincount(_labels(dataset.train), minlength=len(dataset.class_names))
    shares = torch.from_numpy(counts / counts.sum())
    return shares.expand(len(dataset.reference), -1)


def regression(dataset: Dataset, progress: Progress) -> tuple[Tensor, dict[str, Any]]:
    """Probabilities (N, classes) of held-out items by logistic regression, and how it learned.

    It learns from as many training items, evenly taken, as `MOST_NUMBERS` allow, with the penalty
    that suits a part of them best; of texts from `MOST_TEXTS`. Kept in the dataset's cache. At
    least two classes must have training items.
    """
    most = MOST_NUMBERS // math.prod(dataset.item_shape)
    if isinstance(dataset, TextDataset):
        most = MOST_TEXTS
    items = max(1, min(len(dataset.train), most))
    how = {
        "items": items,
        "most_iterations": MOST_ITERATIONS,
        "scikit-learn": version("scikit-learn"),
    }

    def make() -> dict[str, Tensor]:
        progress("learning the plain baseline", 0.0)
        return _regress(dataset, items)

    kept = store.recall(dataset.cache, "baseline", {"data": dataset.fingerprint, **how}, make)
    progress("learning the plain baseline", 1.0)
    iterations = int(kept["iterations"])
    learned = {
        "strength": float(kept["strength"]),
        "iterations": iterations,
        "converged": iterations < MOST_ITERATIONS,
    }
    return kept["probabilities"], {**how, **learned}


def _regress(dataset: Dataset, items: int) -> dict[str, Tensor]:
    chosen = np.linspace(0, len(dataset.train) - 1, items).round().astype(int)
    labels = _labels(dataset.train)[chosen]
    if isinstance(dataset, TextDataset):
        held_out: Iterable[Any]
        x, held_out = _text_features(dataset, chosen)
        strength = _choose_strength(x, labels, TEXT_STRENGTHS, TEXTS_TRIED)
    else:
        x = _numbers(dataset, dataset.train.items[chosen])
        mean, scale = x.mean(axis=0), max(float(x.std()), 1e-12)
        x = (x - mean) / scale
        held_out = (
            (_numbers(dataset, part) - mean) / scale for part in chunks(dataset.reference.items)
        )
        strength = _choose_strength(x, labels, STRENGTHS, TRIED)
    model = _fit(x, labels, strength)
    found = np.zeros((len(dataset.reference), len(dataset.class_names)))
    probabilities = np.concatenate([model.predict_proba(part) for part in held_out])
    found[:, model.classes_] = probabilities  # a class may have no training items
    return {
        "probabilities": torch.from_numpy(found),
        "iterations": torch.tensor(int(np.max(model.n_iter_))),
        "strength": torch.tensor(strength, dtype=torch.float64),
    }


def _choose_strength(x: Any, labels: np.ndarray, strengths: Sequence[float], tried: int) -> float:
    """The penalty with which a fifth of some training items is read best from the others."""
    items = len(labels)
    some = np.linspace(0, items - 1, min(items, tried)).round().astype(int)
    judged = np.arange(len(some)) % 5 == 4
    learned, judging = some[~judged], some[judged]
    if len(np.unique(labels[learned])) < 2 or not len(judging):
        return strengths[0]
    shares = [
        _fit(x[learned], labels[learned], strength).score(x[judging], labels[judging])
        for strength in strengths
    ]
    return strengths[int(np.argmax(shares))]


def _fit(x: Any, labels: np.ndarray, strength: float) -> Any:
    from sklearn.exceptions import ConvergenceWarning  # slow to import
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # whether it did is recorded
        return LogisticRegression(C=1 / strength, max_iter=MOST_ITERATIONS).fit(x, labels)


def _text_features(dataset: TextDataset, chosen: np.ndarray) -> tuple[Any, list[Any]]:
    """Sparse features of the chosen training items, and parts of those of all held-out ones."""
    from noiseloom.evaluate.pair_features import PairFeatures  # scikit-learn is slow to import

    train = [dataset.train_texts[int(place)] for place in chosen]
    features = PairFeatures(train)
    held = [dataset.reference_texts[place] for place in range(len(dataset.reference))]
    return features(train), [features(held)]


def _numbers(dataset: Dataset, items: np.ndarray) -> np.ndarray:
    return dataset.to_model(items).flatten(1).numpy()


def _labels(split: Split) -> np.ndarray:
    assert split.labels is not None  # the task saw to it
    return np.asarray(split.labels, dtype=np.int64)
