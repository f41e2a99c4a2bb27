"""The checker accepts every real picture, notices every change, and reads nothing into noise."""

import numpy as np
import pytest
from scipy import ndimage

from noiseloom.data.scene.arranging import draw_scenes, fits
from noiseloom.data.scene.colours import COLOURS, GROUND
from noiseloom.data.scene.drawing import pictures
from noiseloom.data.scene.world import World, world_of
from noiseloom.evaluate.scene_changes import CHANGES
from noiseloom.evaluate.scene_check import check_checker, robustness
from noiseloom.evaluate.scene_reading import read_pictures

SMALL = world_of(shapes=3, colours=6, sizes=1, objects=(2, 2))
FULL = world_of(shapes=5, colours=8, sizes=3, objects=(1, 4))


def check(world: World, num: int, side: int = 32) -> None:
    found = check_checker(world, side, num, seed=0)
    assert found["informative"] and found["pictures"] == num
    assert found["accepted"] >= 0.999
    kinds = set(CHANGES) - ({"another size"} if len(world.sizes) == 1 else set())
    assert set(found["rejected"]) == kinds
    assert min(found["rejected"].values()) >= 0.999


@pytest.mark.parametrize(("world", "side"), [(SMALL, 32), (FULL, 32), (FULL, 64)])
def test_accepts_real_pictures_and_rejects_changed_ones(world: World, side: int) -> None:
    check(world, 60 if side == 32 else 15, side)


@pytest.mark.slow
@pytest.mark.parametrize("world", [SMALL, FULL])
def test_accepts_and_rejects_999_of_1000(world: World) -> None:
    check(world, 5_000)


def test_reads_what_is_there_to_a_tenth_of_a_pixel() -> None:
    scenes = draw_scenes(FULL, 100, np.random.default_rng(0))
    for index, found in enumerate(read_pictures(pictures(scenes, 32))):
        things = sorted(scenes.things(index), key=lambda thing: (thing.x, thing.y))
        found = sorted(found, key=lambda thing: (thing.x, thing.y))
        assert [(t.shape, t.colour, t.size) for t in things] == [
            (t.shape, t.colour, t.size) for t in found
        ]
        for thing, read in zip(things, found, strict=True):
            assert abs(thing.x - read.x) < 0.1 / 32 and abs(thing.y - read.y) < 0.1 / 32


def test_some_noise_and_soft_edges_do_not_matter() -> None:
    found = robustness(FULL, 32, 60, seed=0)
    assert len(found) == 5
    assert found["noise of 5 levels"] == found["noise of 10 levels"] == 1
    assert min(found.values()) >= 0.95


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_scene_is_another_in_one_thing(name: str) -> None:
    scenes = draw_scenes(FULL, 100, np.random.default_rng(0))
    changed, chosen = CHANGES[name](scenes, np.random.default_rng(1))
    assert chosen.sum() > 50 and fits(changed.part(chosen)).all()
    before = {"shape": 0, "colour": 0, "size": 0, "x": 0}
    for key in before:
        was = np.pad(getattr(scenes, key), ((0, 0), (0, changed.shape.shape[1] - FULL.most)))
        if key == "shape":
            was[:, FULL.most :] = -1
        before[key] = (was != getattr(changed, key))[chosen].sum(axis=1)
    one = {"another shape": "shape", "another colour": "colour", "another size": "size"}
    if name in one:
        assert (before.pop(one[name]) == 1).all() and not any(x.any() for x in before.values())
    elif name == "another place":
        assert (before.pop("x") == 1).all() and not any(x.any() for x in before.values())
    elif name != "another relation":
        assert (before["shape"] == 1).all()


def test_there_is_nothing_on_the_ground_nor_in_noise() -> None:
    empty = np.broadcast_to(GROUND.astype(np.uint8), (1, 32, 32, 3))
    assert read_pictures(empty) == [[]]
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3)).astype(np.uint8)
    read = [thing for found in read_pictures(noise) for thing in found]
    assert not any(thing.shape and thing.colour for thing in read)


def test_a_dot_on_what_is_darker_than_the_ground_is_nothing() -> None:
    black = np.zeros((2, 32, 32, 3), np.uint8)
    black[0, 16, 16] = (150, 40, 45)  # less is covered round it than by it
    assert read_pictures(black) == [[], []]


def test_what_is_no_shape_and_no_colour_has_none() -> None:
    picture = np.empty((3, 32, 32, 3), np.float32)
    picture[:] = GROUND
    picture[0, 8:20, 8:12], picture[0, 16:20, 8:20] = COLOURS["red"], COLOURS["red"]  # an L
    picture[1, 4:28, 4:28] = COLOURS["blue"]  # a square, larger than any
    picture[2, 10:18, 10:18] = (120, 60, 20)  # a brown square
    bent, blot, brown = read_pictures(np.rint(picture).astype(np.uint8))
    assert [(thing.shape, thing.colour) for thing in bent] == [(None, "red")]
    assert [(thing.shape, thing.colour) for thing in blot] == [(None, "blue")]
    assert [thing.colour for thing in brown] in ([], [None])


def test_a_speck_is_no_object_and_a_blurred_blob_is_no_square() -> None:
    picture = np.empty((2, 32, 32, 3), np.float32)
    picture[:] = GROUND
    picture[0, 5:7, 5:7] = COLOURS["white"]
    picture[1, 10:18, 10:18] = COLOURS["green"]
    picture[1] = ndimage.gaussian_filter(picture[1], (2, 2, 0))
    speck, blob = read_pictures(np.rint(picture).astype(np.uint8))
    assert speck == []
    assert all(thing.shape is None for thing in blob)
