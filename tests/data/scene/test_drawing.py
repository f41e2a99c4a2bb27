"""Scenes are drawn as their geometry says: areas, places and masks are exact."""

from dataclasses import replace

import numpy as np
import pytest

from noiseloom.data.scene.arranging import RADII, Scenes, draw_scenes, fits
from noiseloom.data.scene.colours import COLOURS, GROUND
from noiseloom.data.scene.drawing import masks, pictures
from noiseloom.data.scene.places import has_clear_place
from noiseloom.data.scene.shapes import SHAPES
from noiseloom.data.scene.world import Pairs, World, world_of

SMALL = world_of(shapes=3, colours=6, sizes=1, objects=(2, 2), held_out=1 / 6)
FULL = world_of(shapes=5, colours=8, sizes=3, objects=(1, 4), held_out=1 / 6)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_has_the_area_of_the_circle_and_its_centre_of_mass_at_0(name: str) -> None:
    shape = SHAPES[name]
    lines = 400_000
    y = (np.arange(lines) + 0.5) / lines * 4 - 2
    width = 2 * np.maximum(shape.half_width(y), 0)
    assert not width[(y < -shape.up - 1e-5) | (y > shape.down + 1e-5)].any()
    assert width.sum() * 4 / lines == pytest.approx(np.pi, abs=1e-4)
    assert (width * y).sum() * 4 / lines == pytest.approx(0, abs=1e-4)
    assert width.max() / 2 == pytest.approx(shape.across, abs=1e-4)


def one_object(shape: int, size: int, x: float, y: float) -> Scenes:
    numbers = (np.array([[number]]) for number in (shape, 0, size))
    return Scenes(FULL, *numbers, np.array([[x]]), np.array([[y]]))


@pytest.mark.parametrize("side", [32, 48])
@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_a_mask_is_the_share_of_each_pixel_that_is_covered(shape: int, side: int) -> None:
    scene, fine = one_object(shape, 2, 0.413, 0.587), 32
    (mask,) = masks(scene, side)[0]
    at = (np.arange(side * fine) + 0.5) / fine
    radius = RADII[2] * side
    half = list(SHAPES.values())[shape].half_width((at - 0.587 * side) / radius) * radius
    inside = abs(at[None, :] - 0.413 * side) < half[:, None]
    expected = inside.reshape(side, fine, side, fine).mean(axis=(1, 3))
    np.testing.assert_allclose(mask, expected, atol=0.07)  # lines down a pixel: 8 here, 32 there
    assert abs(mask - expected).mean() < 1e-3


def test_masks_have_the_objects_areas_and_places() -> None:
    scenes = draw_scenes(FULL, 200, chance())
    drawn = masks(scenes, 32).astype(np.float64)
    there = scenes.shape >= 0
    area = drawn.sum(axis=(2, 3))
    assert not area[~there].any()
    expected = np.pi * (RADII[scenes.size] * 32) ** 2
    np.testing.assert_allclose(area[there], expected[there], rtol=0.02)
    middles = np.arange(32) + 0.5
    x = (drawn.sum(axis=2) @ middles)[there] / area[there]
    y = (drawn.sum(axis=3) @ middles)[there] / area[there]
    np.testing.assert_allclose(x, 32 * scenes.x[there], atol=0.02)
    np.testing.assert_allclose(y, 32 * scenes.y[there], atol=0.05)


def test_a_picture_is_its_objects_colours_by_their_masks() -> None:
    scenes = draw_scenes(FULL, 150, chance())
    drawn, seen = masks(scenes, 32), pictures(scenes, 32)
    assert seen.shape == (150, 32, 32, 3) and seen.dtype == np.uint8
    rgb = np.array(list(COLOURS.values()))
    expected = np.zeros((150, 32, 32, 3))
    for k in range(FULL.most):
        expected += drawn[:, k, ..., None] * rgb[scenes.colour[:, k]][:, None, None]
    expected += (1 - drawn.sum(axis=1))[..., None] * GROUND
    assert abs(seen - expected).max() <= 0.51
    assert (seen[scenes.shape[:, 0] >= 0].max(axis=(1, 2, 3)) > 150).all()


CROWDED = world_of(shapes=5, colours=8, sizes=3, objects=(5, 5))
LARGE = world_of(shapes=5, colours=8, sizes=1, objects=(4, 4))


@pytest.mark.parametrize("world", [SMALL, FULL, CROWDED, replace(CROWDED, fewest=6, most=6), LARGE])
def test_nothing_touches_and_every_place_is_clear(world: World) -> None:
    scenes = draw_scenes(world, 300, chance())
    assert fits(scenes).all()
    there = scenes.shape >= 0
    assert has_clear_place(scenes.x, scenes.y)[there].all()
    drawn = masks(scenes, 32)
    assert ((drawn > 0.01).sum(axis=1) <= 1).all()  # no pixel shows two objects
    counts = np.bincount(there.sum(axis=1), minlength=world.most + 1)
    assert not counts[: world.fewest].any()
    assert (counts[world.fewest :] > 300 / (world.most - world.fewest + 1) * 0.6).all()
    assert set(scenes.shape[there]) == set(range(len(world.shapes)))
    assert set(scenes.colour[there]) == set(range(len(world.colours)))
    assert set(scenes.size[there]) == set(world.size_numbers)


def test_what_does_not_fit_is_told_from_what_does() -> None:
    near = Scenes(
        FULL,
        shape=np.zeros((3, 2), int),
        colour=np.zeros((3, 2), int),
        size=np.full((3, 2), 2),
        x=np.array([[0.25, 0.75], [0.25, 0.56], [0.25, 0.95]]),
        y=np.array([[0.25, 0.25], [0.25, 0.3], [0.25, 0.75]]),
    )
    assert fits(near).tolist() == [True, False, False]


def number_held(world: World, pairs: Pairs) -> np.ndarray:
    """How many objects of each of some scenes are of a pair that is held out."""
    scenes, held = draw_scenes(world, 500, chance(), pairs), set(world.held_out)
    things = (scenes.things(index) for index in range(500))
    return np.array([sum((one.colour, one.shape) in held for one in scene) for scene in things])


def test_training_never_sees_a_held_out_pair_and_the_others_hold_one_each() -> None:
    for world in (SMALL, FULL):
        assert not number_held(world, "training").any()
        assert (number_held(world, "held-out") >= 1).all()


def test_held_out_pairs_are_spread_evenly_and_by_seed() -> None:
    assert len(SMALL.held_out) == 3 and len(FULL.held_out) == 7
    assert {shape for _, shape in SMALL.held_out} == set(SMALL.shapes)
    assert len({colour for colour, _ in SMALL.held_out}) == 3
    assert len({colour for colour, _ in FULL.held_out}) == 7
    settings = {"shapes": 3, "colours": 6, "sizes": 1, "objects": (2, 2), "held_out": 1 / 6}
    assert world_of(**settings, seed=0) == SMALL
    assert len({world_of(**settings, seed=seed).held_out for seed in range(5)}) > 1


def test_impossible_worlds_are_refused() -> None:
    settings = {"shapes": 3, "colours": 6, "sizes": 1, "objects": (2, 2)}
    for wrong, words in (
        ({"shapes": 6}, "shapes is 6; allowed is 1 to 5"),
        ({"colours": 9}, "colours is 9; allowed is 1 to 8"),
        ({"objects": (3, 2)}, "objects is 3; allowed is 1 to 2"),
        ({"objects": (1, 5)}, "objects is 5; allowed is 1 to 4"),
        ({"objects": (1, 6), "sizes": 3}, "objects is 6; allowed is 1 to 5"),
        ({"held_out": 0.9}, "hold out a smaller share"),
    ):
        with pytest.raises(ValueError, match=words):
            world_of(**{**settings, **wrong})
    with pytest.raises(ValueError, match="no pair is held out"):
        draw_scenes(world_of(**settings), 2, chance(), "held-out")


def test_the_same_seed_draws_the_same_scenes() -> None:
    one, two = (draw_scenes(FULL, 50, chance(3)) for _ in range(2))
    assert np.array_equal(pictures(one, 32), pictures(two, 32))
    assert not np.array_equal(pictures(one, 32), pictures(draw_scenes(FULL, 50, chance(4)), 32))
