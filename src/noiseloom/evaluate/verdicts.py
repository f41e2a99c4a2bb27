"""What the figures come to: conclusions in words, for the report and the model card."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from noiseloom.evaluate.columns import Column, columns
from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.wording import figure, meaning

Level = Literal["good", "fair", "bad"]

DAMAGES = {
    "blur": "blur",
    "noise": "noise",
    "dropped_class": "a missing class",
    "replayed_training_images": "replayed training images",
}


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
    return [
        *trust,
        *compared,
        *_prompts(evaluation, metrics, floor),
        *_reconstruction(evaluation, metrics),
        *_labels(metrics, floor),
        *_memory(checks, metrics),
        *_beside(evaluation),
        *_calibration(metrics),
        *_written(evaluation, metrics, floor),
    ]


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
            made = "reconstructions" if "squared_error" in metrics else "samples"
            text = f"By {title}, the {made} cannot be told from {real} ({ratio:.2f} × their mean)."
            return [Verdict("good", text)]
        level: Level = "good" if ratio < 1.5 else "fair" if ratio < 4 else "bad"
        return [Verdict(level, f"{title} is {ratio:.2g} × what {real} score.")]
    return []


def _reconstruction(evaluation: dict[str, Any], metrics: dict[str, float]) -> list[Verdict]:
    """The error of pixels beside that of the plain way to as many places."""
    if "squared_error" not in metrics:
        return []
    found = []
    for other in columns(evaluation)[1]:
        if "squared_error" in other.metrics:
            share = metrics["squared_error"] / max(other.metrics["squared_error"], 1e-12)
            level: Level = "good" if share < 0.5 else "fair" if share < 1 else "bad"
            plain = f"{other.title.lower()} and stretching"
            text = f"The squared error of what comes back is {share:.2g} × that of {plain}."
            found.append(Verdict(level, text))
    if metrics.get("codes_used", 1) < 0.5:
        share = figure("codes_used", metrics["codes_used"])
        text = f"Only {share} of the codes are in use: fewer would do (network.bottleneck.codes)."
        found.append(Verdict("fair", text))
    return found


def _recall(metrics: dict[str, float], floor: dict[str, float]) -> list[Verdict]:
    if "recall" not in metrics or not floor.get("recall"):
        return []
    ratio = metrics["recall"] / floor["recall"]
    text = f"Variety: the samples cover {ratio:.0%} of what as much real data covers."
    return [Verdict("good" if ratio >= 0.9 else "fair" if ratio >= 0.6 else "bad", text)]


def _prompts(
    evaluation: dict[str, Any], metrics: dict[str, float], floor: dict[str, float]
) -> list[Verdict]:
    """How far pictures hold what their prompts ask for, beside real pictures and chance."""
    if "joint_accuracy" not in metrics:
        return []
    chance = columns(evaluation)[1][0].metrics
    found = []
    for name, which in (
        ("joint_accuracy", "of its pictures hold all that was asked for"),
        ("held_out_joint_accuracy", "where colour and shape were never seen together in training"),
    ):
        if name in metrics:
            level: Level = (
                "good" if metrics[name] >= 0.9 else "fair" if metrics[name] >= 0.5 else "bad"
            )
            real, other = (figure(name, one.get(name)) for one in (floor, chance))
            text = (
                f"{figure(name, metrics[name])} {which} (real pictures: {real}, chance: {other})."
            )
            found.append(Verdict(level, text))
    checker = (evaluation.get("checks") or {}).get("checker") or {}
    if checker.get("informative") is False:
        text = "The rules that judge pictures fail on real ones: these figures say little."
        found.insert(0, Verdict("bad", text))
    return found


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


@dataclass(frozen=True)
class Compared:
    """A figure that a model is for, in a sentence with a place for it, and what is to be done.

    `lower`: less of it is better. `remedy` is for a model that a plain method beats.
    """

    metric: str
    sentence: str
    lower: bool = False
    remedy: str = ""


LONGER = " Train longer, with a larger network, or on more data."
COMPARED = (
    Compared("accuracy", "It reads {} of held-out items right"),
    Compared("bits_per_byte", "It takes {} bits for a byte of held-out text", True, LONGER),
    Compared("masked_accuracy", "It names {} of hidden tokens", False, LONGER),
    Compared("pearson", "Its estimates go with the truth at a correlation of {}", False, LONGER),
    Compared("sacrebleu", "Its translations score {} BLEU", False, LONGER),
    Compared("f1", "Its answers share {} of their words with the right ones", False, LONGER),
)


def _beside(evaluation: dict[str, Any]) -> list[Verdict]:
    """Figures beside the baselines'; good is what lies beyond the interval of the best of them."""
    own, others = columns(evaluation)
    found = []
    for compared in COMPARED:
        beside = [other for other in others if _is_number(other.metrics.get(compared.metric))]
        if evaluation.get("baselines") and compared.metric in own.metrics and beside:
            found.append(_compare(compared, own, beside, evaluation.get("checks") or {}))
    return found


def _compare(
    compared: Compared, own: Column, beside: list[Column], checks: dict[str, Any]
) -> Verdict:
    name, sign = compared.metric, -1 if compared.lower else 1
    value = own.metrics[name]
    best = max(beside, key=lambda other: sign * other.metrics[name])
    ends = best.intervals.get(name) or [best.metrics[name]] * 2
    low, high = sorted(sign * end for end in ends)
    at = sign * value
    if name in (ahead := checks.get("ahead") or {}):  # the same windows: more is known
        at, low, high = 0.0, *sorted(-end for end in ahead["interval"])
    level: Level = "good" if at > high else "fair" if at >= low else "bad"
    shown = {one.title.lower(): figure(name, one.metrics[name]) for one in beside}
    listed = ", ".join(f"{title}: {value}" for title, value in shown.items())
    said = ("at most " if checks.get("is_bound") else "") + figure(name, value)
    text = f"{compared.sentence.format(said)} ({listed})."
    if level != "good":
        text += f" That is {'no better than' if level == 'fair' else 'worse than'} the plain way."
        text += compared.remedy
    return Verdict(level, text)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _written(
    evaluation: dict[str, Any], metrics: dict[str, float], floor: dict[str, float]
) -> list[Verdict]:
    """Copying and going in circles, measured by how much of either real text does."""
    own, usual = evaluation.get("intervals") or {}, evaluation.get("floor_intervals") or {}
    found = []
    for name, bad, good in (
        ("copied_share", "It copies", "No sign of copying"),
        ("repeated_share", "It goes in circles", ""),
    ):
        if name not in metrics or name not in floor:
            continue
        share, real = figure(name, metrics[name]), figure(name, floor[name])
        text = f"{TOLD[name].format(share)} (of held-out text: {real})"
        low = (own.get(name) or [metrics[name]])[0]
        high = (usual.get(name) or [floor[name]])[-1]
        if low > high:
            found.append(Verdict("bad", f"{bad}: {text}."))
        elif good:
            found.append(Verdict("good", f"{good}: {text}."))
    return found


TOLD = {
    "copied_share": "{} of what it writes, 20 characters in a row, stands in the training text",
    "repeated_share": "{} of the times that it writes four words in a row, the text has had them",
}


def _calibration(metrics: dict[str, float]) -> list[Verdict]:
    if "expected_calibration_error" not in metrics:
        return []
    error = metrics["expected_calibration_error"]
    text = f"Its confidence is off by {100 * error:.1f} percentage points on average."
    return [Verdict("good" if error < 0.03 else "fair" if error < 0.1 else "bad", text)]


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
