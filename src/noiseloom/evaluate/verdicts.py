"""What the figures come to: conclusions in words, for the report and the model card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from noiseloom.evaluate.columns import columns
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
        *_reconstruction(evaluation, metrics),
        *_labels(metrics, floor),
        *_memory(checks, metrics),
        *_accuracy(evaluation),
        *_calibration(metrics),
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


def _accuracy(evaluation: dict[str, Any]) -> list[Verdict]:
    """Accuracy beside the baselines'; good is what lies above the interval of the best of them."""
    own, others = columns(evaluation)
    beside = [other for other in others if "accuracy" in other.metrics]
    if "accuracy" not in own.metrics or not beside:
        return []
    accuracy = own.metrics["accuracy"]
    best = max(beside, key=lambda other: other.metrics["accuracy"])
    reach = best.intervals.get("accuracy") or [best.metrics["accuracy"]] * 2
    level: Level = "good" if accuracy > reach[1] else "fair" if accuracy >= reach[0] else "bad"
    shares = {one.title.lower(): figure("accuracy", one.metrics["accuracy"]) for one in beside}
    listed = ", ".join(f"{title}: {share}" for title, share in shares.items())
    text = f"It reads {figure('accuracy', accuracy)} of held-out items right ({listed})."
    if level != "good":
        text += f" That is {'no better than' if level == 'fair' else 'worse than'} the plain way."
    return [Verdict(level, text)]


def _calibration(metrics: dict[str, float]) -> list[Verdict]:
    if "expected_calibration_error" not in metrics:
        return []
    error = metrics["expected_calibration_error"]
    text = f"Its confidence is off by {100 * error:.1f} percentage points on average."
    return [Verdict("good" if error < 0.03 else "fair" if error < 0.1 else "bad", text)]


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
