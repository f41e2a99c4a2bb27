"""How many samples are compared, how often, and which labels are asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.dataset import Dataset
from noiseloom.errors import DataError, InputError
from noiseloom.networks import Answer
from noiseloom.tasks import Known

LEAST = 10  # samples, training items and held-out items below which no figure means anything


@dataclass(frozen=True, kw_only=True)
class SamplingPlan:
    """What every evaluation of samples beside real items is told."""

    answers: ClassVar[Answer] = "items"

    num: Annotated[int, Ge(LEAST)] = option(1_000, "samples drawn and measured")
    draws: Annotated[int, Ge(1)] = option(20, "draws of real items behind each floor")
    bootstrap: Annotated[int, Ge(20)] = option(100, "resamples behind each interval")
    neighbours: Annotated[int, Ge(1)] = option(3, "k of precision and recall")

    def labels(self, dataset: Dataset, num: int) -> np.ndarray | None:
        """What to ask `num` samples for: labels, or captions' tokens; None without either."""
        return labels_like_reference(dataset, num)

    def known(self, dataset: Dataset, num: int) -> Known | None:
        """The frames that `num` samples are given; None: nothing of them is known before."""
        return None


def comparable_count(dataset: Dataset, given: int) -> int:
    """How many of `given` samples are compared: as many as there is training data for the floor.

    Raises DataError where there is too little data, InputError for too few samples.
    """
    if min(len(dataset.train), len(dataset.reference)) < LEAST:
        shapes = len(dataset.report.get("buckets", ()))
        of = f" of the commonest of {shapes} shapes" if shapes > 1 else ""
        fewer = ", allow fewer shapes with data.buckets" if of else ""
        raise DataError(
            f"There are {len(dataset.train)} training and {len(dataset.reference)} held-out items"
            f"{of}; an evaluation needs {LEAST} of each. Add data{fewer}, or train with "
            "--no-evaluate."
        )
    if given < LEAST:
        raise InputError(f"{given} samples were given; an evaluation needs at least {LEAST}.")
    return min(given, len(dataset.train))


def labels_like_reference(dataset: Dataset, num: int) -> np.ndarray | None:
    """Labels for `num` samples in the reference's proportions, shuffled; None without labels.

    Of items with captions, the captions of reference items, evenly taken. Samples are measured
    against the reference: asking for every class equally often where the data does not hold them so
    would charge the model for the difference.
    """
    if dataset.reference.captions is not None:
        places = np.linspace(0, len(dataset.reference) - 1, num).round().astype(int)
        return dataset.reference.asked(places)
    if dataset.reference.labels is None:
        return None
    counts = np.bincount(dataset.reference.labels, minlength=len(dataset.class_names))
    edges = np.cumsum(counts) / counts.sum()
    labels = np.searchsorted(edges, (np.arange(num) + 0.5) / num).astype(np.int64)
    return np.random.Generator(np.random.Philox(key=0)).permutation(labels)
