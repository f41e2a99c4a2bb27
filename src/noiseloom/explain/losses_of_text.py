"""A language model's losses: training text beside held-out text, by place, and word by word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from noiseloom.data.dataset import TextDataset
from noiseloom.evaluate.charts import Line
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.resampling import ratio_interval
from noiseloom.evaluate.windows import text_of
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.surprisal import Surprise, most_surprising, surprises, text_bits, window_nats
from noiseloom.explain.tables import table
from noiseloom.explain.train_and_held_out import SIDES
from noiseloom.seeds import generator
from noiseloom.tasks import Scores

RESAMPLES = 200
WORDS, BEFORE = 20, 60  # most surprising words that are listed, and characters before each
FULL = 0.95  # share of words that are not coloured in full


def explain_text(
    task: Scores,
    dataset: TextDataset,
    texts: Sequence[str],
    *,
    num: int,
    shown: int,
    seed: int,
    progress: Progress = ignore,
) -> Explanation:
    """What view `losses` shows of a model of text: of `texts` or, without any, of held-out text."""
    form = dataset.text_form
    own_words = [
        surprises(form.tokenizer, tokens, text_bits(task, form, tokens, seed=seed))
        for tokens in _tokens(dataset, texts, shown)
    ]
    splits = {"train": dataset.train, "held_out": dataset.reference}
    windows = {name: np.asarray(split.items[split.evenly(num)]) for name, split in splits.items()}
    bits, sides = dict[str, np.ndarray](), dict[str, dict[str, Any]]()
    for name, items in windows.items():
        progress("scoring text", len(bits) / len(windows))
        nats = window_nats(task, items, seed=seed, purpose=f"explain losses {name}")
        bits[name] = nats / math.log(2)
        num_bytes = int(form.tokenizer.byte_lengths[items[:, 1:]].sum())
        sides[name] = _figures(bits[name], num_bytes, name, seed)
    first_given = np.pad(bits["held_out"], ((0, 0), (1, 0)))
    listed = most_surprising(form.tokenizer, windows["held_out"], first_given, WORDS, BEFORE)
    limit = float(np.quantile([one.bits for words in own_words for one in words], FULL))
    title = "Surprise, word by word" if texts else "Surprise in held-out text, word by word"
    figures = {
        **sides,
        "by_position": {
            name: values.mean(axis=0).round(5).tolist() for name, values in bits.items()
        },
        "texts": [_described(words) for words in own_words],
        "most_surprising": [
            {"word": one.word.text.strip(), "bits": round(one.bits, 4), "after": before}
            for one, before in listed
        ],
    }
    return Explanation(
        title="What is hard for it",
        lead=_lead(sides),
        sections=[
            Section(title, _coloured(own_words, limit)),
            Section("The most surprising words of held-out text", _listed(listed)),
            Section("Training text and held-out text", _beside(sides)),
            Section("By place in the window", _by_place(bits)),
        ],
        figures=figures,
        protocol={
            "windows": {name: len(items) for name, items in windows.items()},
            "context": form.context,
        },
        data={
            f"{name}_bits": ("window, token from the second on", values)
            for name, values in bits.items()
        },
    )


def _figures(bits: np.ndarray, num_bytes: int, name: str, seed: int) -> dict[str, Any]:
    above, below = bits.sum(axis=1), np.full(len(bits), float(bits.shape[1]))
    drawn = generator(seed, f"explain losses {name}")
    interval = ratio_interval(above, below, RESAMPLES, drawn)[0]
    return {
        "bits_per_token": float(above.sum() / below.sum()),
        "interval": list(interval),
        "bits_per_byte": float(above.sum() / max(1, num_bytes)),
    }


def _lead(sides: dict[str, dict[str, Any]]) -> str:
    held_out, train = (sides[name]["bits_per_token"] for name in ("held_out", "train"))
    return (
        f"A token of held-out text takes {held_out:.3g} bits, one of training text {train:.3g}: "
        f"{abs(held_out - train):.2g} {'fewer' if held_out > train else 'more'}."
    )


def _beside(sides: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name, words, _ in SIDES:
        own, (low, high) = sides[name], sides[name]["interval"]
        interval = f"{low:.4g} to {high:.4g}"
        rows.append((f"{words} text", own["bits_per_token"], interval, own["bits_per_byte"]))
    return table(("", "bits per token", "interval (95 %)", "bits per byte"), rows, "Bits")


def _tokens(dataset: TextDataset, texts: Sequence[str], shown: int) -> list[np.ndarray]:
    """The tokens of the texts, or the first `shown` of the held-out text."""
    if texts:
        return [dataset.text_form.tokenizer.encode(text) for text in texts]
    return [text_of(dataset.reference.items[: shown // dataset.text_form.context + 1])[:shown]]


def _described(words: Sequence[Surprise]) -> dict[str, Any]:
    return {
        "bits": float(sum(one.bits for one in words)),
        "tokens": words[-1].word.end - 1,  # the first is given
        "words": [[one.word.text, round(one.bits, 4)] for one in words],
    }


def _coloured(texts: Sequence[Sequence[Surprise]], limit: float) -> str:
    said = (
        "The stronger a word's colour, the more bits it took: 1 bit is a coin that fell, 10 bits "
        f"one guess in a thousand. The full colour is {limit:.3g} bits or more; what was first is "
        "given. Each word tells its bits where one points to it."
    )
    shown = [parts.text(said)]
    for words in texts:
        texts_of, bits = [one.word.text for one in words], [one.bits for one in words]
        shown.append(parts.marked(texts_of, bits, limit))
        tokens = words[-1].word.end - 1
        told = f"{sum(bits):.1f} bits in {tokens} tokens: {sum(bits) / tokens:.3g} each."
        shown.append(parts.text(told, "note"))
    return "".join(shown)


def _listed(words: Sequence[tuple[Surprise, str]]) -> str:
    rows = [
        (one.word.text.strip(), round(one.bits, 2), f"…{' '.join(before.split())}")
        for one, before in words
    ]
    return table(("word", "bits", "it came after"), rows, "Most surprising first")


def _by_place(bits: dict[str, np.ndarray]) -> str:
    lines = []
    for name, words, kind in SIDES:
        means = bits[name].mean(axis=0).tolist()
        lines.append(Line(f"{words} text", list(enumerate(means, start=1)), kind))
    said = (
        "How many bits a token takes by how many stand before it in its window. A curve that has "
        "flattened says that more context would help little."
    )
    return parts.text(said) + parts.chart("Bits per token", lines, across="token")
