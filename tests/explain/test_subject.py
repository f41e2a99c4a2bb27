"""What a view is given to look at: items of every class, of one size, as the model sees them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from noiseloom.data.captions import Config as Captioned
from noiseloom.data.dataset import Split
from noiseloom.data.forms import ImageForm, TextForm
from noiseloom.data.tokenizer import PAD, Bytes
from noiseloom.errors import InputError
from noiseloom.explain import explain
from noiseloom.explain.read_items import LOOKED_AT, held_out_items
from noiseloom.explain.subject import Subject
from noiseloom.runs import Run
from tests.runs.autoencoders import autoencoder, latent_recipe


def test_of_images_of_several_sizes_those_of_the_commonest_are_looked_at(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(90):
        height, width = (8, 16) if number < 50 else (16, 8)
        pixels = random.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
        (tmp_path / f"{number:02d}.txt").write_text("a picture")
    config = Captioned(
        path=str(tmp_path), size=12, buckets=3, bucket_step=4, longest=14, held_out=0.4
    )
    every = config.open()
    run = SimpleNamespace(open_data=lambda on_event: every)
    subject = Subject(run=run, task=None, inputs=(), seed=0, on_event=print)  # type: ignore[arg-type]
    assert len(subject.dataset.train) < len(every.train) and every.form.sizes
    assert subject.dataset.reference.items.shape[1:3] == every.form.sizes[0] == (8, 16)


def test_texts_of_an_item_that_has_several_follow_one_another() -> None:
    form = TextForm(item_shape=(2, 16), tokenizer=Bytes((PAD,)), columns=("question", "text"))

    def subject(*inputs: str) -> Subject:
        task = SimpleNamespace(form=form)
        return Subject(run=None, task=task, inputs=inputs, seed=0, on_event=print)  # type: ignore[arg-type]

    given = subject("is a rose", "a rose is red", "red", "a rose").read_inputs()
    assert given.names == ["is a rose | a rose is red", "red | a rose"]
    assert form.texts(given.items) == given.names and not given.said
    assert subject("red", "a rose is red, too").read_inputs().said.startswith("1 of 1 are longer")
    with pytest.raises(InputError, match="given are 3, and an item of this run is 2: question and"):
        subject("is a rose", "a rose is red", "red").read_inputs()


class Sure:
    """Reads every item as the first of three classes."""

    form = ImageForm(item_shape=(1, 2, 2), class_names=("a", "b", "c"))

    def predict(self, items: np.ndarray) -> torch.Tensor:
        return torch.tensor([2.0, 0.0, 0.0]).expand(len(items), -1)

    def losses(self) -> None: ...

    def loss(self) -> None: ...

    model = None


def test_held_out_items_are_of_every_class_though_they_come_by_class() -> None:
    """The first thousand are of class a: all right."""
    labels = np.repeat([0, 1, 2], LOOKED_AT + 200)
    split = Split(np.zeros((len(labels), 2, 2, 1), np.uint8), labels)
    chosen = held_out_items(Sure(), split, 6, seed=0)  # type: ignore[arg-type]
    truths = [title.rsplit(" ", 1)[1] for title in chosen.titles]
    assert truths[:3] == ["a"] * 3 and set(truths[3:]) <= {"b", "c"}


@pytest.fixture(scope="module")
def latent(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("latent")
    packs = autoencoder(folder / "autoencoder", "training.steps=2")
    small = ("training.steps=2", "network.width=8", "training.snapshots=0")
    run = Run.create(latent_recipe(folder, packs, *small), folder / "run")
    run.train(evaluate=False)
    return run


def test_a_denoiser_of_latents_is_looked_into_by_way_of_its_latents(latent: Run) -> None:
    lens = explain(latent, "lens", (), ["num=2", "times=[0.5]"])
    assert lens.arrays["x0"].shape == (1, 2, 2, 8, 8, 1)
    heads = explain(latent, "ablation", (), ["num=8", "times=[0.5]"])
    losses = explain(latent, "losses", (), ["num=8", "times=3"])
    assert set(heads.figures["before"]) == {"error at t = 0.5"}
    # the mean is known to a head that says nothing and to one that does: both are of latents
    assert heads.figures["before"]["error at t = 0.5"] == pytest.approx(
        losses.figures["held_out"][1], rel=0.5
    )
    assert lens.arrays["to_truth"][0, -1] == pytest.approx(losses.figures["held_out"][1], rel=0.9)
