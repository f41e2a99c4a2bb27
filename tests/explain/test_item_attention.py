"""What is kept of a diffusion transformer's looks, beside the same written out."""

from functools import cache

import numpy as np
import pytest
import torch

from noiseloom.data.forms import ImageForm, VideoForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.sampling import Sampling
from noiseloom.explain.item_attention import attention_at, item_layers, tokens_of
from noiseloom.explain.watching import Looks, watching
from noiseloom.explain.way import way_of
from noiseloom.networks.dit import Config as DiT
from noiseloom.seeds import Random
from noiseloom.tasks import Request
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.unconditional_image_generation import Config as Images
from noiseloom.tasks.video_generation import Config as Clips

STEPS = 3
NETWORK = DiT(patch=2, width=16, depth=2, heads=2)


@cache
def task(kind: str) -> ImageGeneration:
    sampler = Sampling(name="euler", steps=STEPS)
    if kind == "images":
        form = ImageForm(item_shape=(1, 4, 6))
        made = Images(sampler=sampler).build(NETWORK, form, Statistics(torch.zeros(()), 1.0), {})
    else:
        network = DiT(patch=2, width=16, depth=2, heads=2, space_time="factorised")
        clips = VideoForm(item_shape=(1, 3, 4, 6), rate=8.0)
        made = Clips(sampler=sampler).build(network, clips, Statistics(torch.zeros(()), 1.0), {})
    generator = torch.Generator().manual_seed(0)
    for parameter in made.model.parameters():
        parameter.data.normal_(0.0, 0.3, generator=generator)
    return made


def whole(made: ImageGeneration, looks: Looks, rows: int) -> torch.Tensor:
    """Weights of one layer among all tokens of `rows` items, (rows, heads, L, L)."""
    tokens = tokens_of(made)
    frames, each = tokens.frames, tokens.each
    found = torch.zeros(rows, looks.weights.shape[1], frames, each, frames, each)
    if "space_time" in looks.layer.name:
        for row, weights in enumerate(looks.weights):
            item, place = divmod(row, each)
            found[item, :, :, place, :, place] = weights
    elif frames > 1:
        for row, weights in enumerate(looks.weights):
            item, frame = divmod(row, frames)
            found[item, :, frame, :, frame] = weights
    else:
        found[:, :, 0, :, 0] = looks.weights
    return found.flatten(4, 5).flatten(2, 3)


@pytest.mark.parametrize("kind", ["images", "clips in turns"])
def test_maps_and_rollout_are_those_of_all_weights_at_once(kind: str) -> None:
    made, rows, token = task(kind), 2, 4
    way = way_of(made, Request(), Random(0, range(rows)))
    found = attention_at(made, way.states, None, token=token)
    layers, tokens = item_layers(made), tokens_of(made)
    assert found.maps.shape == (STEPS, len(layers), rows, 2, tokens.number)
    assert len(layers) == (2 if kind == "images" else 4)
    state = way.states[1]
    seen: list[Looks] = []
    with watching(made.model, seen.append), torch.no_grad():
        made.judged(None).denoise(state.x, state.times)
    rollout = torch.eye(tokens.number).expand(rows, -1, -1)
    by_name = {looks.layer.name: looks for looks in seen}
    for number, layer in enumerate(layers):
        weights = whole(made, by_name[layer.layer.name], rows)
        np.testing.assert_allclose(found.maps[1, number], weights[:, :, token], atol=1e-6)
        own = (weights.mean(dim=1) + torch.eye(tokens.number)) / 2
        rollout = own @ rollout
    np.testing.assert_allclose(found.rollout[1], rollout, atol=1e-5)
    np.testing.assert_allclose(found.rollout.sum(axis=-1), 1, atol=1e-5)
    assert [one.layer.number for one in layers] == [looks.layer.number for looks in seen]


def test_the_way_is_that_of_the_samples() -> None:
    made = task("images")
    way = way_of(made, Request(), Random(3, range(2)))
    *_, last = made.sample(Request(), Random(3, range(2)))
    np.testing.assert_array_equal(way.items, made.form.to_items(last.x0))
    assert len(way.states) == STEPS and way.states[0].t > way.states[-1].t > 0
