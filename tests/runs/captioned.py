"""A small run on captioned pictures, for tests that need one."""

from pathlib import Path

import numpy as np
from PIL import Image

from noiseloom.runs import Recipe, Run

NETWORK = ("network.width=16", "network.heads=1")
SMALL = (
    *NETWORK,
    "network.depth=1",
    "network.text_depth=1",
    "training.steps=6",
    "training.batch_size=8",
    "training.snapshots=0",
    "task.sampler.steps=3",
    "data.size=8",
    "data.longest=14",
    "data.held_out=0.4",
    "evaluation.feature_images=64",
    "evaluation.draws=2",
    "evaluation.bootstrap=20",
)


def captioned_run(folder: Path, *overrides: str) -> Run:
    """Train on 40 pictures of 8x8 that are written into `folder`, light ones and dark ones."""
    pictures = folder / "captioned"
    pictures.mkdir()
    random = np.random.default_rng(0)
    for number in range(40):
        pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(pictures / f"{number}.png")
        shade = "light" if number % 2 else "dark"
        (pictures / f"{number}.txt").write_text(f"a {shade} picture")
    recipe = Recipe.load("captioned-folder", [f"data.path={pictures}", *SMALL, *overrides])
    run = Run.create(recipe, folder / "run")
    run.train(evaluate=False)
    return run
