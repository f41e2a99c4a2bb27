"""What a model of masked text says behind its masks, by how much of the text they hide."""

from __future__ import annotations

import math

import numpy as np
import torch

from noiseloom.data.dataset import TextDataset
from noiseloom.diffusion.discrete import hide_some
from noiseloom.evaluate.charts import Line
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.tables import table
from noiseloom.explain.train_and_held_out import SIDES
from noiseloom.seeds import Random
from noiseloom.tasks import Uncovers

SHARES = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
NUMBERS_AT_ONCE = 20_000_000  # log-probabilities that are held together


def bits_behind(
    task: Uncovers,
    vocabulary: int,
    windows: np.ndarray,
    share: float,
    *,
    seed: int,
    purpose: str,
) -> np.ndarray:
    """Bits of each hidden token where `share` of a window is hidden, at random: (N, hidden).

    `vocabulary` is how many tokens there are.
    """
    number = max(1, round(share * windows.shape[1]))
    step = max(1, NUMBERS_AT_ONCE // (number * vocabulary))
    found = []
    for start in range(0, len(windows), step):
        items = windows[start : start + step]
        random = Random(seed, range(start, start + len(items))).under(f"{purpose} {share}")
        anywhere = torch.ones(items.shape, dtype=torch.bool)
        is_hidden = hide_some(anywhere, torch.full((len(items),), number), random).numpy()
        said = task.behind(items, is_hidden).double()
        hidden = torch.from_numpy(items[is_hidden].astype(np.int64))
        nats = -said.gather(1, hidden[:, None])[:, 0]
        found.append(nats.view(len(items), number).numpy() / math.log(2))
    return np.concatenate(found)


def explain_behind_masks(
    task: Uncovers, dataset: TextDataset, *, num: int, seed: int, progress: Progress = ignore
) -> Explanation:
    """What view `losses` shows of a model that says what is behind masks."""
    vocabulary = dataset.text_form.tokenizer.vocabulary
    splits = {"train": dataset.train, "held_out": dataset.reference}
    means = dict[str, list[float]]()
    for name, split in splits.items():
        windows = np.asarray(split.items[split.evenly(num)])
        means[name] = []
        for share in SHARES:
            done = (len(means) - 1 + len(means[name]) / len(SHARES)) / len(splits)
            progress("looking behind masks", done)
            purpose = f"explain losses {name}"
            bits = bits_behind(task, vocabulary, windows, share, seed=seed, purpose=purpose)
            means[name].append(float(bits.mean()))
    progress("looking behind masks", 1.0)
    lines = [
        Line(f"{words} text", list(zip(SHARES, means[name], strict=True)), kind)
        for name, words, kind in SIDES
    ]
    rows = [
        (f"{share:.0%}", means["train"][place], means["held_out"][place])
        for place, share in enumerate(SHARES)
    ]
    said = (
        "Where much is hidden there is little to go by, and a token takes about as many bits as "
        "one of its frequency does; where little is, what stands round it tells most of it. "
        "Held-out text above training text is what was learned by heart."
    )
    told = table(("hidden", "training text", "held-out text"), rows, "Bits of a hidden token")
    chart = parts.chart("Bits of a hidden token", lines, across="share hidden")
    held_out = means["held_out"]
    return Explanation(
        title="What is hard for it",
        lead=(
            f"A hidden token of held-out text takes {held_out[0]:.3g} bits where almost nothing "
            f"else is hidden, and {held_out[-1]:.3g} where everything is."
        ),
        sections=[Section("By the share that is hidden", parts.text(said) + chart + told)],
        figures={"share_hidden": list(SHARES), "bits_of_a_hidden_token": means},
        protocol={"windows": {name: min(num, len(split)) for name, split in splits.items()}},
    )
