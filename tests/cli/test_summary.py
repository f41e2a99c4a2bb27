"""What is said at the end: figures beside their floors, and only files that exist."""

from __future__ import annotations

from pathlib import Path

from noiseloom.cli.summary import figures, next_steps


def test_figures_stand_beside_their_floors() -> None:
    evaluation = {
        "metrics": {"frechet_distance": 14.23456, "recall": 0.9},
        "floor": {"frechet_distance": 10.7, "recall": 0.95},
        "intervals": {"frechet_distance": [13, 15.5]},
        "protocol": {"num": 1000, "weights": "ema", "seed": 0, "data": "ab12"},
    }
    assert figures(evaluation).splitlines() == [
        "Measured (num 1000, weights ema, seed 0):",
        "                    samples        95 %  real data",
        "  frechet distance    14.23  13 to 15.5       10.7",
        "  recall                0.9                   0.95",
    ]
    assert figures({}) == ""


def test_alarms_are_said() -> None:
    checks = {
        "informative": False,
        "not_registered": ["blur", "dropped_class"],
        "memorisation": {"alarm": True},
    }
    said = figures({"metrics": {"recall": 1.0}, "floor": {"recall": 1.0}, "checks": checks})
    assert "! The features do not register blur, dropped class" in said
    assert "! Samples lie closer to training images" in said


def test_next_steps_name_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("")
    said = next_steps(tmp_path, "items")
    assert f"{tmp_path}/report.html  everything on one page" in said
    assert "curves.png" not in said
    assert f"noiseloom sample {tmp_path}" in said
    assert f"noiseloom predict {tmp_path} picture.png" in next_steps(tmp_path, "classes")


def test_predictions_stand_beside_the_plain_baselines() -> None:
    evaluation = {
        "metrics": {"accuracy": 0.99},
        "intervals": {"accuracy": [0.98, 1.0]},
        "baselines": {
            "logistic regression": {"metrics": {"accuracy": 0.96}},
            "most frequent class": {"metrics": {"accuracy": 0.1}},
        },
        "protocol": {"held_out": 357, "weights": "ema", "seed": 0},
    }
    assert figures(evaluation).splitlines() == [
        "Measured (held out 357, weights ema, seed 0):",
        "            this model       95 %  logistic regression  most frequent class",
        "  accuracy        0.99  0.98 to 1                 0.96                  0.1",
    ]
