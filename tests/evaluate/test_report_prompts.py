"""The report of a run that draws by prompts: each beside its picture, right or wrong."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseloom.evaluate.facts import read_facts
from noiseloom.evaluate.page_prompts import MOST_SHOWN, prompts
from noiseloom.evaluate.report import write_report
from noiseloom.evaluate.verdicts import verdicts

NUM, SIDE = 14, 8


def evaluation(joint: float) -> dict[str, object]:
    """What measuring such a run writes."""
    examples = [
        {
            "prompt": f"a red circle & square {number}",
            "is_right": number % 2 == 0,
            "wrong": [] if number % 2 == 0 else ["shape", "count"],
            "found": "small red circle top left",
            "kind": ("training", "held out", "one more")[number % 3],
            "item": number,
        }
        for number in range(NUM)
    ]
    return {
        "metrics": {"joint_accuracy": joint, "held_out_joint_accuracy": 0.3, "count_accuracy": 1.0},
        "intervals": {"joint_accuracy": [joint - 0.01, min(1.0, joint + 0.01)]},
        "floor": {"joint_accuracy": 1.0, "held_out_joint_accuracy": 0.999},
        "baselines": {"chance": {"metrics": {"joint_accuracy": 0.002}, "intervals": {}}},
        "protocol": {
            "num": NUM,
            "prompts_with_a_held_out_pair": 7,
            "held_out_pairs": ["red circle"],
        },
        "checks": {"prompts": examples, "checker": {"informative": True}},
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run whose i-th picture is of level 10 i."""
    (tmp_path / "recipe.yaml").write_text("name: scenes\ntask: text-to-image\ndata: scenes\n")
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation(0.97)))
    (tmp_path / "samples").mkdir()
    levels = np.repeat(10 * np.arange(NUM, dtype=np.uint8), SIDE)[:, None, None]
    strip = np.broadcast_to(levels, (NUM * SIDE, SIDE, 3))
    Image.fromarray(np.ascontiguousarray(strip)).save(tmp_path / "samples" / "prompts.png")
    return tmp_path


def test_each_prompt_stands_beside_its_picture(run: Path) -> None:
    section = prompts(read_facts(run))
    rows = re.findall(r"<tr><td>.*?</tr>", section, re.DOTALL)
    assert len(rows) == NUM and section.count("2 more") == 1 and MOST_SHOWN == NUM - 2
    for number, row in enumerate(rows):
        assert f"a red circle &amp; square {number}<" in row
        (encoded,) = re.findall(r"base64,([^\"]*)", row)
        picture = np.array(Image.open(io.BytesIO(base64.b64decode(encoded))))
        assert picture.shape == (SIDE, SIDE, 3) and (picture == 10 * number).all()
        assert ("✓" in row and "all" in row) == (number % 2 == 0)
        assert ("wrong: shape, count" in row) == (number % 2 == 1)
        assert ("never seen in training" in row) == (number % 3 == 1)
        assert ("one object more" in row) == (number % 3 == 2)


def test_without_the_right_pictures_nothing_is_shown(run: Path) -> None:
    path = run / "samples" / "prompts.png"
    Image.new("RGB", (SIDE, 3 * SIDE)).save(path)
    assert prompts(read_facts(run)) == ""
    path.write_bytes(b"no picture")
    assert prompts(read_facts(run)) == ""
    path.unlink()
    assert prompts(read_facts(run)) == ""


def test_the_page_and_the_card_say_what_it_comes_to(run: Path) -> None:
    write_report(run)
    page = (run / "report.html").read_text()
    assert "97.0% of its pictures hold all that was asked for" in page
    assert "<b>97.0%</b><span>of pictures hold all that was asked for</span>" in page
    assert "7 of the prompts ask for a pair" in page and "never saw (red circle)" in page
    assert "against – held-out" not in page
    assert "Right in all, pairs never seen" in (run / "README.md").read_text()


@pytest.mark.parametrize(("joint", "level"), [(0.97, "good"), (0.7, "fair"), (0.2, "bad")])
def test_verdicts_stand_beside_real_pictures_and_chance(
    run: Path, joint: float, level: str
) -> None:
    (run / "evaluation.json").write_text(json.dumps(evaluation(joint)))
    first, second = verdicts(read_facts(run))
    assert first.level == level and "(real pictures: 100.0%, chance: 0.2%)" in first.text
    assert second.level == "bad" and "never seen together in training" in second.text


def test_rules_that_fail_on_real_pictures_are_said_first(run: Path) -> None:
    found = evaluation(0.97)
    found["checks"] = {"checker": {"informative": False}}
    (run / "evaluation.json").write_text(json.dumps(found))
    assert verdicts(read_facts(run))[0].text.startswith("The rules that judge pictures fail")
