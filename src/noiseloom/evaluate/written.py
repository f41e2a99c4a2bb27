"""What a model writes, beside how held-out text goes on from the same beginnings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from noiseloom import seeds
from noiseloom.data.dataset import TextDataset
from noiseloom.evaluate import copying
from noiseloom.evaluate.beside import Figures
from noiseloom.evaluate.progress import Progress
from noiseloom.evaluate.resampling import Interval, ratio_interval
from noiseloom.evaluate.windows import text_of
from noiseloom.tasks import Writes, WritesUsually, Writing


@dataclass(frozen=True)
class Asked:
    """How many texts are written, how long, and how many resamples are behind an interval."""

    num: int
    max_tokens: int
    bootstrap: int


@dataclass(frozen=True)
class Written:
    """Figures of what was written and of real text, and all of it: input, expected, output."""

    own: Figures
    real: Figures
    examples: list[dict[str, str]]


def measure_written(
    task: Writes, dataset: TextDataset, asked: Asked, *, seed: int, progress: Progress
) -> Written:
    """Have the task go on from held-out text, at even places of it, and measure what it writes."""
    prompts, real = beginnings(dataset, asked.num, asked.max_tokens)
    random = seeds.Random(seed, range(len(prompts))).under("evaluate text samples")
    texts: Sequence[str] = ()
    usual = task.usual if isinstance(task, WritesUsually) else Writing()
    for draft in task.write(prompts, replace(usual, max_tokens=asked.max_tokens), random):
        texts = draft.texts
        progress("writing", draft.tokens / (len(prompts) * asked.max_tokens))
    progress("writing", 1.0)
    content = dataset.train_texts.content[: 4 * copying.MOST_SEARCHED].tobytes()
    source = content.decode("utf-8", "replace")
    own, held = (_figures(found, source, asked.bootstrap, seed) for found in (texts, real))
    rows = zip(prompts, real, texts, strict=True)
    return Written(own, held, [{"input": a, "expected": b, "output": c} for a, b, c in rows])


def beginnings(dataset: TextDataset, num: int, length: int) -> tuple[list[str], list[str]]:
    """Held-out text, half a window of it, at even places; and the `length` tokens that follow."""
    form, tokens = dataset.text_form, text_of(dataset.reference.items)
    half = max(1, form.context // 2)
    places = np.linspace(0, max(0, len(tokens) - half - length), num).round().astype(int)
    read = form.tokenizer.decode
    prompts = [read(tokens[place : place + half]).strip("\ufffd") for place in places]
    follow = [read(tokens[place + half : place + half + length]) for place in places]
    return prompts, follow


def _figures(texts: Sequence[str], source: str, bootstrap: int, seed: int) -> Figures:
    metrics = {"distinct_share": copying.distinct_share(texts)}
    intervals: dict[str, Interval] = {}
    kinds: dict[str, Callable[[], copying.Shares]] = {
        "copied_share": lambda: copying.copied(texts, source),
        "repeated_share": lambda: copying.repeated(texts),
    }
    for name, count in kinds.items():
        above, below = count()
        above, below = above[below > 0], below[below > 0]  # of texts as long as what is looked for
        if len(below):
            metrics[name] = float(above.sum() / below.sum())
            drawn = seeds.generator(seed, f"evaluate {name}")
            (low, high), _ = ratio_interval(above, below, bootstrap, drawn)
            intervals[name] = max(0.0, low), min(1.0, high)
    return Figures(metrics, intervals)
