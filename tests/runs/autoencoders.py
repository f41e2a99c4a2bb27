"""Small autoencoder runs on the bundled 8x8 digits, for tests that need one."""

from pathlib import Path

from noiseloom.runs import Recipe, Run

AUTOENCODER = """
name: digits-autoencoder
task: image-reconstruction
data: digits
network: {name: autoencoder, downsample: 2, latent_channels: 2, channels: 8}
training:
  steps: 20
  batch_size: 16
  checkpoint_every: 10
  sample_every: 10
  optimizer: {name: adamw, learning_rate: 3e-3}
  precision: float32
evaluation: {name: reconstruction, num: 100, draws: 5, bootstrap: 20, feature_images: 500}
"""
LATENT = """
name: digits-latent
task:
  name: unconditional-image-generation
  autoencoder: {run: RUN}
  sampler: {steps: 2}
data: digits
network: {name: dit, patch: 1, width: 16, depth: 1, heads: 1}
training:
  steps: 6
  batch_size: 8
  precision: float32
  checkpoint_every: 3
evaluation: {name: images, num: 50, draws: 2, bootstrap: 20, feature_images: 500}
"""


def recipe_of(text: str, folder: Path, *overrides: str) -> Recipe:
    """The recipe written as `text`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "written.yaml"
    path.write_text(text)
    return Recipe.load(path, overrides)


def autoencoder(folder: Path, *overrides: str, evaluate: bool = False) -> Run:
    """A trained autoencoder run in `folder`."""
    run = Run.create(recipe_of(AUTOENCODER, folder, *overrides), folder / "run")
    run.train(evaluate=evaluate)
    return run


def latent_recipe(folder: Path, other: Run, *overrides: str) -> Recipe:
    """A recipe that draws in the latents of `other`."""
    return recipe_of(LATENT, folder, f"task.autoencoder.run={other.folder}", *overrides)
