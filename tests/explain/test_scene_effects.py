"""What is read off scenes: one object in another colour is told from any other change."""

import numpy as np
import pytest

from noiseloom.data.scene.arranging import draw_scenes
from noiseloom.data.scene.drawing import pictures
from noiseloom.data.scene.parsing import parse_caption
from noiseloom.data.scene.world import Thing, world_of
from noiseloom.evaluate.scene_changes import CHANGES
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.explain.head_effects import effect
from noiseloom.explain.scene_effects import changed_kinds, held, only_recoloured, share_of_way

WORLD = world_of(shapes=3, colours=6, sizes=3, objects=(2, 2))


@pytest.mark.parametrize("name", CHANGES)
def test_of_all_changes_only_another_colour_is_one(name: str) -> None:
    random = np.random.default_rng(3)
    scenes = draw_scenes(WORLD, 60, random)
    changed, could_be = CHANGES[name](scenes, random)
    before, after = read_pictures(pictures(scenes, 32)), read_pictures(pictures(changed, 32))
    found = tried = 0
    for number in np.flatnonzero(could_be):
        one, two = scenes.things(number)
        then = changed.things(number)
        pairs = [(a.colour, b.colour) for a, b in zip((one, two), then, strict=False)]
        old, new = next((pair for pair in pairs if pair[0] != pair[1]), (one.colour, "white"))
        if one.colour == two.colour:  # which of them?
            continue
        tried += 1
        found += only_recoloured(before[number], after[number], str(old), str(new), sizes=True)
    assert tried > 10
    assert found / tried > 0.95 if name == "another colour" else found == 0


def test_what_has_moved_or_is_not_there_is_not_the_same() -> None:
    red = Thing(shape="circle", colour="red", size="large", x=0.3, y=0.3)
    blue = Thing(shape="square", colour="blue", size="large", x=0.7, y=0.7)

    def moved(thing: Thing, x: float, colour: str | None = None) -> Thing:
        return Thing(shape=thing.shape, colour=colour or thing.colour, size="large", x=x, y=thing.y)

    green = moved(red, 0.35, "green")
    assert only_recoloured([red, blue], [green, blue], "red", "green", sizes=True)
    assert only_recoloured([red, blue], [blue, green], "red", "green", sizes=True)  # in any order
    assert not only_recoloured(
        [red, blue], [moved(red, 0.45, "green"), blue], "red", "green", sizes=True
    )
    assert not only_recoloured([red, blue], [green, moved(blue, 0.55)], "red", "green", sizes=True)
    assert not only_recoloured([red, blue], [green], "red", "green", sizes=True)
    assert not only_recoloured([red, blue], [red, blue], "red", "green", sizes=True)
    assert not only_recoloured(
        [red, red], [green, red], "red", "green", sizes=True
    )  # which of them?


def test_what_two_captions_differ_in() -> None:
    first = parse_caption("a red circle left of a blue square")
    for other, kinds in (
        ("a green circle left of a blue square", ["colour"]),
        ("a red triangle left of a blue square", ["shape"]),
        ("a red circle above a blue square", ["relation"]),
        ("a red square left of a blue circle", ["shape"]),
        ("a red circle top left and a blue square top right", ["position", "relation"]),
    ):
        assert changed_kinds(first, parse_caption(other)) == kinds


def test_what_pictures_hold_is_told_by_kind() -> None:
    scenes = draw_scenes(WORLD, 2, np.random.default_rng(0))
    found = read_pictures(pictures(scenes, 32))
    things = [scenes.things(0)[0], *scenes.things(0)[1:]]
    true = " and ".join(f"a {thing.colour} {thing.shape}" for thing in things)
    false = true.replace(str(things[0].shape), "cross")
    values = held([parse_caption(true), parse_caption(false)], [found[0], found[0]])
    assert set(values) == {"shape", "colour", "count", "all"}  # nothing is said of places
    assert values["shape"].tolist() == [1, 0] and values["all"].tolist() == [1, 0]
    assert values["colour"].tolist() == [1, 1] and values["count"].tolist() == [1, 1]


def test_the_way_is_the_part_of_the_change_that_leads_there() -> None:
    base, other = np.zeros((1, 2, 2, 1), np.uint8), np.zeros((1, 2, 2, 1), np.uint8)
    other[0, 0] = 200
    half = other // 2
    aside = base.copy()
    aside[0, 1] = 200  # a change that has nothing to do with it
    assert [share_of_way(base, other, one) for one in (base, other, half, aside)] == [0, 1, 0.5, 0]
    assert share_of_way(base, base, other) == 0


def test_an_effect_is_of_items_against_themselves() -> None:
    before = np.array([1.0, 2.0, 3.0, np.nan])
    found = effect(before, before + np.array([1.0, 2.0, 3.0, 4.0]))
    assert (found.before, found.change, found.num) == (2.0, 2.0, 3)
    assert found.error == pytest.approx(1 / 3**0.5) and found.is_clear
    assert not effect(before, before - np.array([-1.0, 0.0, 1.0, 0.0])).is_clear
