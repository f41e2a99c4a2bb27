"""What is said at the end: figures beside their floors, and only files that exist."""

from __future__ import annotations

from pathlib import Path

from noiseloom.cli.summary import figures, next_steps


def test_figures_stand_beside_their_floors() -> None:
    evaluation = {
        "metrics": {"frechet_distance": 14.23456, "recall": 0.9, "label_agreement": None},
        "floor": {"frechet_distance": 10.7},
    }
    assert figures(evaluation).splitlines() == [
        "                    samples  real data",
        "  frechet distance    14.23       10.7",
        "  recall                0.9          –",
    ]
    assert figures({}) == ""


def test_next_steps_name_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("")
    said = next_steps(tmp_path)
    assert f"{tmp_path}/report.html  everything on one page" in said
    assert "curves.png" not in said
    assert f"noiseloom sample {tmp_path}" in said
