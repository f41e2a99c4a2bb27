"""Every command of the page on clips is run, one after the other."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from noiseloom import cli, media

PAGE = Path(__file__).resolve().parents[1] / "docs" / "video.md"
TINY = (
    "network.width=16",
    "network.depth=1",
    "network.heads=2",
    "training.steps=2",
    "training.batch_size=4",
    "--no-evaluate",
)
FEW = ("num=60", "num_reference=20", "frames=5")
QUICK = {"sample": ["--num=2", "--steps=2"], "evaluate": ["--num=10", "--steps=2"]}


@pytest.mark.slow
def test_every_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(0)
    for number in range(24):
        frames = chance.integers(0, 256, (16, 32, 32, 1), dtype=np.uint8)
        path = tmp_path / "FOLDER" / f"{number}.gif"
        media.save_gif([media.picture_of(frame) for frame in frames], path)
    media.save_gif([media.picture_of(frame) for frame in frames[:5]], tmp_path / "clip.gif", 120)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert {kind for kind, _ in blocks} == {"bash"}
    commands = [line for _, block in blocks for line in block.splitlines()]
    assert len(commands) >= 7
    for command in commands:
        verb, *words = shlex.split(command.removeprefix("noiseloom "))
        of = "data.of" if words[0].endswith("frames") else "data"
        few = [f"{of}.{one}" for one in FEW]
        if not words[0].startswith("moving"):
            few = ["data.held_out=0.5"]
        extra = [*TINY, *few] if verb == "train" else QUICK[verb]
        assert cli.main([verb, *words, *extra]) == 0, command
