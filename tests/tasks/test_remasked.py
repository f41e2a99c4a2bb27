"""Pixels as tokens: how they are read and written, what is learned, and what a round changes."""

from functools import cache

import numpy as np
import pytest
import torch

from noiseloom.config import RunReference
from noiseloom.data.forms import Batch, ImageForm, PointForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.guidance import ClassifierFree
from noiseloom.diffusion.sampling import Sampling
from noiseloom.networks.dit import Config as Dit
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Draws, Guided, Refines, Request
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.image_refinement import Config
from noiseloom.tasks.remasked import Remasking, RemaskingRefinement
from noiseloom.tasks.unconditional_image_generation import Config as Generation

FORM = ImageForm(item_shape=(2, 4, 4), class_names=("dark", "light"))
STATISTICS = Statistics(torch.zeros(2, 4, 4), 1.0)
NETWORK = Dit(patch=2, width=16, depth=1, heads=2)
LABELS = torch.tensor([0, 1, 1, 0])
RANDOM = Random(0, range(4), 0, 4)


@cache
def base() -> ImageGeneration:
    config = Generation(
        preconditioning="edm",
        guidance=ClassifierFree(scale=2.0, interval=(0.5, 1.0)),
        sampler=Sampling(steps=3),
    )
    with fixed(0, "weights"):
        made = config.build(NETWORK, FORM, STATISTICS, {})
        for parameter in made.model.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    made.model.requires_grad_(False)
    return made


def build(**settings: float) -> RemaskingRefinement:
    config = Config(base=RunReference(run="runs/base"), kind=Remasking(**settings))
    with fixed(1, "weights"):
        refiner = config.build(NETWORK, FORM, STATISTICS, {"base": base()})
        for parameter in refiner.model.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    assert isinstance(refiner, RemaskingRefinement)
    return refiner


@pytest.fixture
def batch() -> Batch:
    chance = np.random.Generator(np.random.Philox(key=0))
    items = np.where(chance.random((4, 4, 4, 2)) < 0.5, 0, 255).astype(np.uint8)
    return Batch(items, LABELS.numpy())


def test_it_can_all_that_a_run_asks_for() -> None:
    for protocol in (Draws, Guided, Refines):
        assert isinstance(build(), protocol)


def test_the_network_sees_no_token_behind_a_mask() -> None:
    model = build().model
    draft = torch.linspace(-1, 1, 4 * 32).reshape(4, 2, 4, 4)
    tokens = torch.arange(4 * 32).reshape(4, 2, 4, 4) % 9
    said = model(draft, tokens, LABELS)
    assert said.shape == (4, 2, 4, 4, 9)
    seen: list[torch.Tensor] = []
    model.network.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    hidden = tokens.clone()
    hidden[:, 1, 2, 3] = 9
    model(draft, hidden, LABELS)
    draft_seen, value, told = seen[0].chunk(3, dim=1)
    assert torch.equal(draft_seen, draft)
    assert told.sum(dim=0).nonzero().tolist() == [[1, 2, 3]]
    assert (value[:, 1, 2, 3] == 0).all()


def test_the_loss_is_what_is_behind_the_tokens_and_falls(batch: Batch) -> None:
    refiner = build(levels=3)
    blank = build(levels=3)
    for parameter in blank.model.network.leave.parameters():
        parameter.data.zero_()
    torch.testing.assert_close(blank.losses(batch, RANDOM), torch.full((4,), np.log(3)))
    optimizer = torch.optim.Adam(refiner.model.parameters(), lr=1e-2)
    losses = []
    for step in range(40):
        total, count = refiner.loss(batch, RANDOM.at(step))["loss"]
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
        losses.append(total.item() / count)
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])
    assert all(parameter.grad is not None for parameter in refiner.model.parameters())
    assert all(parameter.grad is None for parameter in base().model.parameters())


def test_drafts_are_the_real_items_where_hardly_any_noise_is_added(batch: Batch) -> None:
    x0 = FORM.to_model(batch.items)
    near = build(noised=0.01).draft(x0, LABELS, RANDOM)
    far = build(noised=0.9).draft(x0, LABELS, RANDOM)
    assert (near - x0).square().mean() < 0.1 * (far - x0).square().mean()


def test_rounds_follow_the_bases_steps_and_change_their_share_alone() -> None:
    refiner = build(share=0.125, rounds=3)
    request = Request(labels=LABELS)
    steps = list(refiner.sample(request, RANDOM))
    own = list(base().sample(request, RANDOM))
    assert [step.index for step in steps] == [0, 1, 2, 3, 4, 5]
    for mine, theirs in zip(steps, own, strict=False):
        assert torch.equal(mine.x, theirs.x)
    before = own[-1].x0
    for step in steps[3:]:
        assert step.t == own[-1].t
        changed = (step.x0 != before).flatten(1).sum(dim=1)
        assert (changed <= 4).all()  # an eighth of 32
        before = step.x0
    assert (before != own[-1].x0).flatten(1).any(dim=1).all()
    described = refiner.describe(request)
    assert described["network_calls"] == base().describe(request)["network_calls"] + 6


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="levels is 8; allowed are multiples of 3"):
        Remasking(levels=8)
    with pytest.raises(ValueError, match="share is 0; allowed is above 0, up to 1"):
        Remasking(share=0)
    with pytest.raises(ValueError, match="drafting 2 and rounds 0 are given"):
        Remasking(rounds=0)
    with pytest.raises(ValueError, match="temperature is -1; allowed is 0 or more"):
        Remasking(temperature=-1)
    points = PointForm(item_shape=(2,), class_names=(), limit=3.0)
    config = Config(base=RunReference(run="runs/base"), kind=Remasking())
    with pytest.raises(ValueError, match="refines pixels, and the data has none"):
        config.build(Mlp(width=8, depth=1), points, STATISTICS, {"base": base()})
