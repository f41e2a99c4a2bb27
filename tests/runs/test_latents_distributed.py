"""Two processes train an autoencoder, and draw in its latents, as one does."""

import subprocess
from pathlib import Path

import pytest

from noiseloom.runs import Recipe, Run
from tests.runs.autoencoders import AUTOENCODER, autoencoder, latent_recipe, recipe_of
from tests.runs.processes import ENVIRONMENT, assert_close, torchrun

VQ = ("network.bottleneck=vq", "network.bottleneck.codes=16", "network.bottleneck.patience=3")
SHORT = ("training.steps=8", "training.log_every=1")

pytestmark = pytest.mark.slow


def together(recipe: Recipe, folder: Path) -> Run:
    """What two processes make of a recipe."""
    path = folder / "together.yaml"
    path.write_text(recipe.to_yaml())
    out = folder / "together"
    words = ["-m", "noiseloom", "train", str(path), "--no-evaluate", "--out", str(out)]
    done = subprocess.run(torchrun(*words), env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Run.open(out)


@pytest.mark.parametrize("overrides", [(), VQ, ("training.sharding=full",)])
def test_two_processes_train_an_autoencoder_as_one(
    overrides: tuple[str, ...], tmp_path: Path
) -> None:
    shared = together(recipe_of(AUTOENCODER, tmp_path, *SHORT, *overrides), tmp_path)
    alone = autoencoder(tmp_path, *SHORT, *overrides)
    assert_close(alone, shared)


def test_a_codebook_in_shares_is_refused(tmp_path: Path) -> None:
    recipe = recipe_of(AUTOENCODER, tmp_path, *SHORT, *VQ, "training.sharding=full")
    with pytest.raises(AssertionError, match=r"set training\.sharding=none or network\.bottleneck"):
        together(recipe, tmp_path)


def test_two_processes_draw_in_latents_as_one(tmp_path: Path) -> None:
    other = autoencoder(tmp_path, *SHORT)
    short = ("training.steps=4", "training.log_every=1")
    recipe = latent_recipe(tmp_path / "latent", other, *short)
    alone = Run.create(recipe, tmp_path / "alone")
    alone.train(evaluate=False)
    assert_close(alone, together(recipe, tmp_path))
