"""What the figures mean, in words: shared by the report and the model card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from noiseloom.evaluate.facts import Facts

Level = Literal["good", "fair", "bad"]


@dataclass(frozen=True)
class Meaning:
    """A metric's name and what it says, in a sentence; `unit_share` marks those between 0 and 1."""

    title: str
    sentence: str
    unit_share: bool = False


MEANINGS = {
    "frechet_distance": Meaning(
        "Fréchet distance",
        "How far the samples as a whole lie from held-out images, quality and variety together. "
        "Lower is better; what real images score is as good as it gets.",
    ),
    "frechet_distance_extrapolated": Meaning(
        "Fréchet distance, endless samples",
        "The same with the error of a limited number of samples taken off.",
    ),
    "kernel_distance": Meaning(
        "Kernel distance",
        "The same question asked another way. Lower is better; around 0, where it may be slightly "
        "negative, samples and held-out images cannot be told apart.",
    ),
    "energy_distance": Meaning(
        "Energy distance",
        "How far the samples as a whole lie from held-out points. Lower is better, 0 is the same.",
    ),
    "sliced_wasserstein": Meaning(
        "Sliced Wasserstein distance",
        "How far samples must be moved, on average over directions, to become held-out points.",
    ),
    "precision": Meaning(
        "Precision", "The share of samples that look like something real.", unit_share=True
    ),
    "recall": Meaning(
        "Recall",
        "The share of real data that some sample comes close to: low when the model leaves "
        "things out.",
        unit_share=True,
    ),
    "label_agreement": Meaning(
        "Label agreement",
        "How often a classifier reads in a sample the label that was asked for; beside it, how "
        "often it reads real held-out data right.",
        unit_share=True,
    ),
    "nearest_train_ratio": Meaning(
        "Distance to training data",
        "How far samples are from the nearest training item, measured by how far unseen real "
        "items are. About 1 for new work, near 0 for copies.",
    ),
}

DAMAGES = {
    "blur": "blur",
    "noise": "noise",
    "dropped_class": "a missing class",
    "replayed_training_images": "replayed training images",
}


def meaning(name: str) -> Meaning:
    """Of any metric, also one this file does not know."""
    return MEANINGS.get(name) or Meaning(name.replace("_", " ").capitalize(), "")


@dataclass(frozen=True)
class Verdict:
    """One conclusion, and whether it is good news."""

    level: Level
    text: str


def verdicts(facts: Facts) -> list[Verdict]:
    """What the figures come to, most important first; empty where nothing was measured."""
    evaluation = facts.evaluation
    metrics, floor = evaluation.get("metrics") or {}, evaluation.get("floor") or {}
    checks = evaluation.get("checks") or {}
    trust = _trust(checks)
    compared = [*_distance(evaluation, metrics, floor), *_recall(metrics, floor)]
    if any(verdict.level == "bad" for verdict in trust):  # features that miss faults praise nothing
        compared = [
            replace(verdict, level="fair") if verdict.level == "good" else verdict
            for verdict in compared
        ]
    return [*trust, *compared, *_labels(metrics, floor), *_memory(checks, metrics)]


def _trust(checks: dict[str, Any]) -> list[Verdict]:
    if "informative" not in checks:
        return []
    missed = [DAMAGES.get(name, str(name)) for name in checks.get("not_registered") or []]
    if missed:
        return [
            Verdict(
                "bad",
                f"The features do not register {_list(missed)}: the distances below say little. "
                "Raise evaluation.feature_images, or judge by eye.",
            )
        ]
    return [
        Verdict(
            "good",
            "The figures can be trusted to notice faults: blur, noise, a missing class and "
            "replayed training images, tried on real data, all moved them.",
        )
    ]


def _distance(
    evaluation: dict[str, Any], metrics: dict[str, float], floor: dict[str, float]
) -> list[Verdict]:
    for name, noun in (("frechet_distance", "images"), ("sliced_wasserstein", "points")):
        if name not in metrics or not floor.get(name, 0) > 0:
            continue
        title, ratio = meaning(name).title, metrics[name] / floor[name]
        usual = (evaluation.get("floor_intervals") or {}).get(name)
        count = (evaluation.get("protocol") or {}).get("num")
        real = f"{count:,} real {noun}" if isinstance(count, int) else f"real {noun}"
        if usual and metrics[name] <= usual[1]:
            text = f"By {title}, the samples cannot be told from {real} ({ratio:.2f} × their mean)."
            return [Verdict("good", text)]
        level: Level = "good" if ratio < 1.5 else "fair" if ratio < 4 else "bad"
        return [Verdict(level, f"{title} is {ratio:.2g} × what {real} score.")]
    return []


def _recall(metrics: dict[str, float], floor: dict[str, float]) -> list[Verdict]:
    if "recall" not in metrics or not floor.get("recall"):
        return []
    ratio = metrics["recall"] / floor["recall"]
    text = f"Variety: the samples cover {ratio:.0%} of what as much real data covers."
    return [Verdict("good" if ratio >= 0.9 else "fair" if ratio >= 0.6 else "bad", text)]


def _labels(metrics: dict[str, float], floor: dict[str, float]) -> list[Verdict]:
    if "label_agreement" not in metrics:
        return []
    share, real = metrics["label_agreement"], floor.get("label_agreement")
    text = f"A classifier reads {share:.1%} of the samples as the label asked for"
    if real is None:
        return [Verdict("fair", f"{text}.")]
    level: Level = "good" if share >= real - 0.02 else "fair" if share >= real - 0.15 else "bad"
    return [Verdict(level, f"{text} (real held-out data: {real:.1%}).")]


def _memory(checks: dict[str, Any], metrics: dict[str, float]) -> list[Verdict]:
    found, ratio = checks.get("memorisation"), metrics.get("nearest_train_ratio")
    if found is None and ratio is None:
        return []
    if found is None:
        level: Level = "good" if ratio is not None and 0.9 <= ratio <= 1.5 else "fair"
        text = f"Samples are {ratio:.2f} × as far from training data as unseen real data is."
        return [Verdict(level, text)]
    if found.get("alarm"):
        return [
            Verdict(
                "bad",
                "Memorisation: samples are nearer to training images than unseen real images are. "
                f"{found.get('near_copies', 0):,} samples are near-copies; look at them before "
                "sharing, and train shorter or on more images.",
            )
        ]
    return [
        Verdict(
            "good",
            "No sign of memorisation: samples are as new to the training images as unseen real "
            "images are.",
        )
    ]


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# Numbers -----------------------------------------------------------------------------------------


def number(value: object) -> str:
    """Three significant digits; a dash for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return "0" if value == 0 else f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.2g}"


def figure(name: str, value: object) -> str:
    """A metric's value: shares as percentages."""
    if meaning(name).unit_share and isinstance(value, int | float):
        return f"{value:.1%}"
    return number(value)


def duration(seconds: float) -> str:
    """`45 s`, `2 min 5 s`, `1 h 3 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def items_in_words(facts: Facts) -> str:
    """`10,000 images of 28 × 28 in grey, 10 classes`; what is not known is left out."""
    shape, counts = facts.data.get("item_shape") or [], facts.data.get("counts") or {}
    count = f"{counts['train']:,} " if isinstance(counts.get("train"), int) else ""
    words = f"{count}points" if facts.is_points else f"{count}images"
    if len(shape) == 3:
        height, width, channels = shape
        words += f" of {width} × {height} in {'grey' if channels == 1 else 'colour'}"
    classes = len(facts.class_names)
    return f"{words}, {classes} classes" if classes > 1 else words


def task_in_words(facts: Facts) -> str:
    """`image generation by class`."""
    task = str(facts.recipe.get("task.name") or facts.recipe.get("task") or "an unnamed task")
    words = task.replace("-", " ").removeprefix("unconditional ")
    if facts.is_points:
        words = words.replace("image", "point")
    return f"{words} by class" if len(facts.class_names) > 1 else words


def network_in_words(facts: Facts) -> str:
    """`dit (patch 7, width 128, depth 4)`: the network's word and its settings."""
    network = facts.recipe.get("network")
    if not isinstance(network, dict):
        return str(network or "")
    settings = [
        f"{key.replace('_', ' ')} {value}"
        for key, value in network.items()
        if key in ("patch", "width", "depth", "heads")
    ]
    name = str(network.get("name", "network"))
    return f"{name} ({', '.join(settings)})" if settings else name
