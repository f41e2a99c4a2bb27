"""Images told pixel by pixel: a likelihood that is exact, and samples that follow it."""

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch

from noiseloom.data.digits import Config as Digits
from noiseloom.data.forms import Batch, ImageForm, PointForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import InputError
from noiseloom.networks.pixel_transformer import Config as Network
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Draws, Guided, HasExactLikelihood, HasLikelihood, Request, Walks
from noiseloom.tasks.autoregressive_image_generation import (
    AutoregressiveImages,
    Config,
    chosen,
)

FORM = ImageForm(item_shape=(1, 2, 2), class_names=("dark", "bright"))
NETWORK = Network(patch=2, width=8, depth=1, heads=2, inner_width=8, inner_depth=1, inner_heads=2)
EVERY = np.array(list(product((0, 255), repeat=4)), np.uint8).reshape(16, 2, 2, 1)
"""All images of two levels."""


def build(levels: int = 2, form: ImageForm = FORM) -> AutoregressiveImages:
    """A task whose network has moved away from equal likelihoods."""
    statistics = Statistics(torch.zeros(form.item_shape), 1.0)
    with fixed(0, "weights"):
        task = Config(levels=levels).build(NETWORK, form, statistics, {})
    with torch.no_grad():
        for index, parameter in enumerate(task.model.parameters()):
            nudge = Random(index, [0]).normal("nudge", parameter.shape)[0]
            parameter.add_(nudge, alpha=0.3)
    return task


@cache
def task() -> AutoregressiveImages:
    return build()


def labels(number: int, of: int = 16) -> np.ndarray:
    return np.full(of, number)


@pytest.mark.parametrize("label", [0, 1])
def test_the_probabilities_of_all_images_add_up_to_one(label: int) -> None:
    chance = (-task().nats(EVERY, labels(label))).exp()
    assert float(chance.sum()) == pytest.approx(1, abs=1e-6)
    assert chance.max() > 1.5 * chance.min()


def test_samples_come_as_often_as_they_are_likely() -> None:
    num = 4000
    *_, step = task().sample(
        Request(labels=torch.from_numpy(labels(1, num))), Random(0, range(num))
    )
    drawn = task().form.to_items(step.x0)
    which = (drawn.reshape(num, 4) // 255 * [8, 4, 2, 1]).sum(axis=1)
    found = np.bincount(which, minlength=16) / num
    chance = (-task().nats(EVERY, labels(1))).exp().numpy()
    error = np.sqrt(chance * (1 - chance) / num)
    assert (np.abs(found - chance) < 4 * error).all()


def test_the_loss_is_the_nats_of_a_number() -> None:
    batch = Batch(EVERY, labels(0))
    losses = task().losses(batch, Random(0, range(16)), training=False)
    torch.testing.assert_close(losses.double() * 4, task().nats(EVERY, labels(0)))
    summed, count = task().loss(batch, Random(0, range(16)))["loss"]
    assert count == 16 and summed.item() == pytest.approx(losses.sum().item())


def test_images_form_row_by_row_and_do_not_depend_on_their_batch() -> None:
    form = ImageForm(item_shape=(3, 4, 4))
    made = build(levels=7, form=form)
    steps = list(made.sample(Request(), Random(0, range(3))))
    assert [step.t for step in steps] == pytest.approx([0.75, 0.5, 0.25, 0])
    final = steps[-1].x0
    assert final.shape == (3, 3, 4, 4)
    for row, step in enumerate(steps):
        assert torch.equal(step.x[:, :, : row + 1], final[:, :, : row + 1])
        assert (step.x[:, :, row + 1 :] == -1).all()
    *_, alone = made.sample(Request(), Random(0, range(2, 3)))
    assert torch.equal(alone.x0, final[2:])
    assert set(((final + 1) * 3).unique().round().tolist()) <= set(range(7))


def test_digits_are_whole_in_their_17_levels_and_all_in_256() -> None:
    dataset = Digits().open()
    items = dataset.reference.items[:50]
    form = dataset.form
    assert np.array_equal(build(17, form).kept(items), items)
    assert np.array_equal(build(256, form).kept(items), items)
    every = np.arange(256, dtype=np.uint8).reshape(16, 4, 4, 1)
    small = ImageForm(item_shape=(1, 4, 4))
    assert np.array_equal(build(256, small).kept(every), every)
    coarse = build(17, small).kept(every)
    assert len(np.unique(coarse)) == 17
    assert np.abs(coarse.astype(int) - every).max() <= 8  # half a level


def test_mirrored_images_are_seen_in_training_alone() -> None:
    form = ImageForm(item_shape=(1, 2, 2), flip=True)
    made, random = build(form=form), Random(0, range(16))
    batch = Batch(EVERY, None)
    plain = made.losses(batch, random, training=False)
    seen = made.losses(batch, random)
    mirrored = made.losses(Batch(EVERY[:, :, ::-1], None), random, training=False)
    either = torch.isclose(seen, plain) | torch.isclose(seen, mirrored)
    assert either.all() and not torch.isclose(seen, plain).all()


def test_a_level_is_chosen_where_the_cumulated_probability_passes_chance() -> None:
    logits = torch.tensor([0.25, 0.5, 0.25]).log().expand(5, 3)
    chance = torch.tensor([0.0, 0.249, 0.251, 0.751, 1 - 2.0**-24])
    assert chosen(logits, chance).tolist() == [0, 0, 1, 2, 2]
    never = torch.tensor([[0.0, -torch.inf, 0.0, -torch.inf]])  # no chance, no choice
    assert chosen(never.expand(3, 4), torch.tensor([0.0, 0.5, 0.99])).tolist() == [0, 2, 2]


def test_it_can_what_it_says_and_refuses_the_rest() -> None:
    for protocol in (Draws, HasExactLikelihood):
        assert isinstance(task(), protocol)
    for protocol in (Guided, Walks, HasLikelihood):
        assert not isinstance(task(), protocol)
    with pytest.raises(InputError, match=r"--steps, --guidance would say how noise becomes"):
        task().sample(Request(steps=4, guidance=2.0), Random(0, range(1)))
    with pytest.raises(ValueError, match="tells pixels, and the data has none"):
        points = PointForm(item_shape=(2,), limit=1.0)
        Config().build(NETWORK, points, Statistics(torch.zeros(2), 1.0), {})
    with pytest.raises(ValueError, match="levels is 1; allowed is 2 to 256"):
        Config(levels=1)
