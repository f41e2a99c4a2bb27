"""A run that draws in latents: guided by its earlier self, not by what sees pixels; no edits."""

from pathlib import Path

import numpy as np
import pytest

from noiseloom.errors import InputError
from noiseloom.runs import Editor, Recipe, Run

from .autoencoders import autoencoder, latent_recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("latent")
    recipe = latent_recipe(folder, autoencoder(folder / "autoencoder"))
    run = Run.create(recipe, folder / "latent")
    run.train(evaluate=False)
    return run


def test_an_earlier_self_guides_in_latents(run: Run) -> None:
    assert run.checkpoints.steps() == [3, 6]
    plain = run.sample(num=2, guidance=1.0)
    guided = run.sample(num=2, autoguide=0.5, guidance=3.0)
    assert guided.items.shape == plain.items.shape
    assert not np.array_equal(guided.items, plain.items)
    off = run.sample(num=2, autoguide=3, guidance=1.0)
    np.testing.assert_array_equal(off.items, plain.items)


def test_what_sees_pixels_does_not_guide_it_and_pixels_are_not_edited(
    run: Run, tmp_path: Path
) -> None:
    tiny = ("network.depth=1", "network.width=24", "network.heads=2", "training.batch_size=8")
    pixels = Run.create(Recipe.load("digits", [*tiny, "training.steps=1"]), tmp_path / "pixels")
    pixels.train(evaluate=False)
    with pytest.raises(InputError, match="The guide does not fit"):
        run.sample(num=2, autoguide=pixels.folder)
    with pytest.raises(InputError, match="draws in the latents.*draws pixels"):
        Editor(run)
