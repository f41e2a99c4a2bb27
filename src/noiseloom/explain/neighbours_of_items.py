"""Samples beside the training items nearest to them, as a page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from noiseloom import media
from noiseloom.data.dataset import Dataset
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.item_pictures import called, sheet
from noiseloom.explain.neighbours import Compared
from noiseloom.explain.tables import table

CELL = 84  # pixels of a picture among several
CLIP = 640  # pixels of a clip's frames in a row
BY_FEATURES = "sample, place: numbers of training items, nearest first"
POINTS = 2_000  # training points that are drawn


def explain_items(
    dataset: Dataset,
    samples: np.ndarray,
    found: Compared,
    alike: np.ndarray | None,
    names: Sequence[str],
) -> Explanation:
    """What view `neighbours` shows of samples, as stored; `names` say what each was asked to be.

    `alike` (N, k) are the training images nearest in features, None where nobody looked.
    """
    rows = rows_of(found, names)
    return Explanation(
        title="The nearest training items",
        lead=_said(found),
        sections=[
            Section(
                "Samples and what is nearest to them",
                _sheets(dataset, samples, found, alike, names),
            ),
            Section("How near that is", _table(rows, found)),
        ],
        protocol={
            "training_items": len(dataset.train),
            "held_out_items": len(found.held_out.distance),
            "training_items_mirrored_too": dataset.form.flip,
            "by_learned_features": alike is not None,
        },
        figures={
            "copies": int(found.is_copy.sum()),
            "held_out_called_copies": found.held_out_copies,
            "usual_distance": found.usual,
            "samples": rows,
        },
        data={
            "samples": ("sample, as the data is stored", samples),
            "nearest": (
                "sample: the number of the nearest training item",
                found.samples.index.numpy(),
            ),
            "distance": ("sample", found.samples.distance.numpy()),
            **({} if alike is None else {"nearest_by_features": (BY_FEATURES, alike)}),
        },
    )


def rows_of(found: Compared, names: Sequence[str]) -> list[dict[str, Any]]:
    """Each sample's nearest training item, how far that is, and whether it is a copy."""
    near = found.samples
    return [
        {
            "asked": name,
            "nearest": int(near.index[place]),
            "mirrored": bool(near.mirrored[place]),
            "distance": float(near.distance[place]),
            "over_usual": float(near.distance[place]) / max(found.usual, 1e-12),
            "standing_out": float(near.standing_out[place]),
            "is_copy": bool(found.is_copy[place]),
        }
        for place, name in enumerate(names)
    ]


def _said(found: Compared) -> str:
    copies, num = int(found.is_copy.sum()), len(found.is_copy)
    mean = float(found.samples.distance.mean()) / max(found.usual, 1e-12)
    how = "No" if not copies else f"{copies} of {num}"
    noun = "sample is a copy" if copies < 2 else "samples are copies"
    return (
        f"{how} {noun} of a training item. Samples are {mean:.2f} times as far from theirs as "
        f"held-out items are; of {len(found.held_out.distance):,} of these the same rule calls "
        f"{found.held_out_copies} a copy."
    )


def _sheets(
    dataset: Dataset,
    samples: np.ndarray,
    found: Compared,
    alike: np.ndarray | None,
    names: Sequence[str],
) -> str:
    train = dataset.train.items
    near = np.asarray(train[found.samples.index.numpy()])
    mirrored = found.samples.mirrored.numpy()
    if mirrored.any():
        near = near.copy()
        near[mirrored] = near[mirrored, :, ::-1]
    if samples.ndim == 2:
        picture = sheet(dataset.form, [np.asarray(train[:POINTS]), samples, near])
        alt = f"{len(samples)} samples among training points, and the nearest of these"
        words = "In blue training points, in orange samples, in green what is nearest to each."
        return parts.text(words) + parts.shown(picture, alt)
    figures = []
    for place, name in enumerate(names):
        verdict = "a copy" if found.is_copy[place] else "new"
        title = f"{called(place, name)}: {verdict}"
        number = int(found.samples.index[place])
        if samples.ndim == 5:
            picture = sheet(
                dataset.form, [samples[place : place + 1], near[place : place + 1]], CLIP
            )
            figures.append(parts.shown(picture, f"{title}; below it training clip {number}", title))
            continue
        row, captions = [samples[place], near[place]], ["sample", "pixels"]
        if alike is not None:
            row += list(np.asarray(train[alike[place]]))
            captions += ["features", *[""] * (len(alike[place]) - 1)]
        scale = max(1, round(CELL / samples.shape[2]))
        picture = media.grid(np.stack(row), len(row), scale, captions)
        alt = f"{title}; beside it training image {number}, the nearest in pixels"
        figures.append(parts.shown(picture, alt, title))
    words = (
        "On the left the sample, beside it the training image that is nearest pixel by pixel"
        + ("" if alike is None else ", then those nearest in features learned on the data")
        + "."
    )
    if samples.ndim == 5:
        words = "Above the sample, below the training clip that is nearest frame by frame."
    return parts.text(words) + parts.row(figures, wide=True)


def _table(rows: Sequence[dict[str, Any]], found: Compared) -> str:
    cells = [
        (
            called(place, row["asked"]),
            row["nearest"],
            row["over_usual"],
            row["standing_out"],
            "a copy" if row["is_copy"] else "new",
        )
        for place, row in enumerate(rows)
    ]
    usual = float(found.held_out.standing_out.median())
    words = (
        "The distance is of how far held-out items are from theirs; it stands out by the distance "
        f"over that of the next neighbours (of held-out items {usual:.2f} in the middle). A copy "
        "stands out twice as much as 99 % of held-out items do."
    )
    heads = ("sample", "training item", "distance, of the usual", "over the next", "it is")
    return parts.text(words) + table(heads, cells, "Samples and their nearest training items")
