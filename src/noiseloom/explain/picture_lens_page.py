"""What each block of a denoiser has come to of pictures with noise, as a page shows it.

Shapes: T times, S stages (before the first block, and after each), N items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noiseloom.evaluate.charts import Line
from noiseloom.evaluate.loss_by_time import items_evenly
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.interventions import Layer
from noiseloom.explain.item_pictures import middle
from noiseloom.explain.lens_stages import AXIS, TITLE, stage_names
from noiseloom.explain.picture_lens import stages_of
from noiseloom.explain.subject import Subject
from noiseloom.explain.tables import Cell, Filled, table
from noiseloom.tasks import Denoises

WIDE = 640  # screen pixels of an item's pictures side by side, about


def explain_pictures(
    subject: Subject, layers: Sequence[Layer], *, num: int, times: Sequence[float]
) -> Explanation:
    """What view `lens` shows of a denoiser: `num` held-out items with noise at each of `times`."""
    task, data = subject.task, subject.seen
    assert isinstance(task, Denoises)  # the view saw to it
    chosen, x0, labels = items_evenly(data, data.reference, num, subject.device)
    found = stages_of(task.judged(labels), layers, x0, times, seed=subject.seed)
    expected = np.stack(
        [[middle(task.form.to_items(stage.cpu())) for stage in stages] for stages in found.x0]
    )
    noisy = np.stack([middle(task.form.to_items(xt.cpu())) for xt in found.xt])
    errors = {"to_end": found.to_end, "to_truth": found.to_truth}
    return Explanation(
        title=TITLE,
        lead=(
            f"Pictures with noise, and the clean picture that the state after each of "
            f"{len(layers)} blocks comes to when the final head reads it."
        ),
        sections=[
            Section("Block by block", _pictures(noisy, expected, times)),
            Section("How far from the end", _distances(found.to_end, found.to_truth, times)),
        ],
        protocol={"times": list(times), "num": len(chosen)},
        figures={
            "times": list(times),
            **{
                f"error_{name}_by_t_and_stage": values.round(5).tolist()
                for name, values in errors.items()
            },
        },
        data={
            "x0": (f"time; {AXIS}; item; height; width; channel", expected),
            "xt": ("time; item; height; width; channel", noisy),
            **{
                f"to_{name}": (
                    f"time; {AXIS}: mean square of x0 less the {name}, over variance",
                    errors[f"to_{name}"],
                )
                for name in ("end", "truth")
            },
        },
    )


def _pictures(noisy_TN: np.ndarray, expected_TSN: np.ndarray, times: Sequence[float]) -> str:
    """A sheet of each item: a row for each time, what the network is given, then each stage."""
    told, depth = ", ".join(f"{t:g}" for t in times), expected_TSN.shape[1] - 1
    words = (
        f"Rows are t = {told}. The first column is what the network is given; the others are what "
        f"it would answer after 0, 1, … {depth} blocks. The last column is its answer."
    )
    shown = []
    for item in range(noisy_TN.shape[1]):
        rows = [
            [noisy[item], *expected[:, item]]
            for noisy, expected in zip(noisy_TN, expected_TSN, strict=True)
        ]
        alt = (
            f"held-out item {item + 1}: with noise, then what is expected after 0 to {depth} "
            f"blocks, a row for each t = {told}"
        )
        shown.append(parts.shown(parts.tiled(rows, WIDE), alt))
    return parts.text(words) + parts.row(shown, wide=True)


def _distances(to_end_TS: np.ndarray, to_truth_TS: np.ndarray, times: Sequence[float]) -> str:
    rows: list[Sequence[Filled]] = []
    for t, to_end, to_truth in zip(times, to_end_TS, to_truth_TS, strict=True):
        cells = [
            Cell(f"{value:.3f}", -min(1.0, float(value)), more=f"to the truth {truth:.3f}")
            for value, truth in zip(to_end, to_truth, strict=True)
        ]
        rows.append((f"{t:g}", *cells))
    mean = Line("mean of all t", list(enumerate(to_end_TS.mean(axis=0).tolist())))
    chart = parts.chart("Distance from the answer, mean of all t", [mean], across="blocks")
    words = (
        "The mean square distance between what is expected after so many blocks and the network's "
        "answer, as a share of the data's variance. Deep orange is far from it."
    )
    heads = ["t", *stage_names(to_end_TS.shape[1] - 1)]
    return parts.text(words) + table(heads, rows, "distance from the answer") + chart
