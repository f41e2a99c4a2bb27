"""Pixels told in order: who knows whom, that a walk says the same, and what begins equal."""

import math
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseloom.networks.pixel_transformer import Config, PixelTransformer
from noiseloom.seeds import Random, fixed

LEVELS, SHAPE, CLASSES = 5, (2, 3, 4), 3
CONFIG = Config(
    patch=2, width=16, depth=2, heads=2, inner_width=8, inner_depth=2, inner_heads=2, dropout=0.3
)
LABELS = torch.tensor([0, 2])


def build(seed: int = 0, num_classes: int = CLASSES) -> PixelTransformer:
    """One that has moved away from where it starts, at levels that are equally likely."""
    with fixed(seed, "weights"):
        network = CONFIG.build(LEVELS, SHAPE, num_classes)
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            nudge = Random(index, [seed]).normal("nudge", parameter.shape)[0]
            parameter.add_(nudge, alpha=0.2)
    return network


@cache
def network() -> PixelTransformer:
    return build()


def pixels(seed: int = 0) -> torch.Tensor:
    made = network()
    uniform = Random(seed, range(2)).uniform("pixels", (made.strips, made.numbers))
    return (LEVELS * uniform).long()


def test_a_number_knows_those_before_it_and_no_other() -> None:
    levels = pixels()
    said = network()(levels, LABELS).flatten(1, 2)
    for place in range(levels[0].numel()):
        changed = levels.clone()
        changed.flatten(1)[:, place] = (changed.flatten(1)[:, place] + 1) % LEVELS
        other = network()(changed, LABELS).flatten(1, 2)
        assert torch.equal(other[:, : place + 1], said[:, : place + 1])
        later = (other != said)[:, place + 1 :].flatten(2).any(dim=2)
        assert later.all(), place  # all that follow know of it


def test_a_walk_says_what_reading_all_at_once_says() -> None:
    levels = pixels()
    said, seen = network()(levels, LABELS), torch.zeros_like(levels)
    places = []
    for strip, number, logits in network().walk(seen, LABELS):
        torch.testing.assert_close(logits, said[:, strip, number], rtol=1e-5, atol=1e-5)
        seen[:, strip, number] = levels[:, strip, number]
        places.append((strip, number))
    assert places == [(s, k) for s in range(6) for k in range(4)]


def test_every_level_begins_equally_likely() -> None:
    with fixed(0, "weights"):
        fresh = CONFIG.build(LEVELS, SHAPE, CLASSES)
    chance = fresh(pixels(), LABELS).softmax(dim=-1)
    torch.testing.assert_close(chance, torch.full_like(chance, 1 / LEVELS))


def test_images_are_alone_know_their_class_and_teach_every_weight() -> None:
    made, levels = build(), pixels()
    said = made(levels, LABELS)
    torch.testing.assert_close(made(levels[1:], LABELS[1:]), said[1:])
    assert not torch.allclose(made(levels, LABELS.flip(0)), said)
    said.square().sum().backward()
    unseen = {name for name, p in made.named_parameters() if p.grad is None or not p.grad.any()}
    assert not unseen
    with pytest.raises(ValueError, match="pixels of 3 classes, and must know which"):
        made(levels, None)
    unlabelled = build(num_classes=0)
    assert unlabelled(levels, None).equal(unlabelled(levels, None))


def test_drop_out_is_repeated_and_of_each_image_alone() -> None:
    levels, random = pixels(), Random(0, range(2))
    dropped = network()(levels, LABELS, random)
    assert dropped.equal(network()(levels, LABELS, random))
    assert not torch.allclose(dropped, network()(levels, LABELS))
    alone = network()(levels[1:], LABELS[1:], Random(0, range(1, 2)))
    torch.testing.assert_close(alone, dropped[1:])


def test_saves_and_loads(tmp_path: Path) -> None:
    first, second = build(), build(seed=1)
    assert not first(pixels(), LABELS).equal(second(pixels(), LABELS))
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    second.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert first(pixels(), LABELS).equal(second(pixels(), LABELS))


def test_levels_that_are_close_are_read_alike() -> None:
    with fixed(0, "weights"):
        values = CONFIG.build(256, SHAPE, 0).value.weight.detach()
    apart = (values[1:] - values[:-1]).norm(dim=1)
    assert 0 < apart.max() < (values[0] - values[-1]).norm() / 2
    assert math.isclose(float(apart.max()), float(apart.min()), rel_tol=1e-2)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="images 4 pixels wide; allowed is 1, 2, 4"):
        Config(patch=3).build(LEVELS, SHAPE)
    with pytest.raises(ValueError, match="items are 2. Use data such as images"):
        Config().build(LEVELS, (2,))
    with pytest.raises(ValueError, match="inner_width 9, inner_depth 1 and inner_heads 3"):
        Config(inner_width=9, inner_heads=3)
    with pytest.raises(ValueError, match="patch is 0; allowed is 1 or more"):
        Config(patch=0)
    with pytest.raises(ValueError, match="dropout is 1; allowed is 0 to below 1"):
        Config(dropout=1)
