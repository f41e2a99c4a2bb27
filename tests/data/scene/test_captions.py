"""Captions say what is true of their scene and nothing else, and are read back as it."""

import numpy as np
import pytest

from noiseloom.data.scene.arranging import draw_scenes
from noiseloom.data.scene.captions import write_caption
from noiseloom.data.scene.parsing import Asked, Wanted, parse_caption
from noiseloom.data.scene.places import place_of, relation_of
from noiseloom.data.scene.world import Thing, World, world_of
from noiseloom.evaluate.scene_scores import judge

SMALL = world_of(shapes=3, colours=6, sizes=1, objects=(2, 2))
FULL = world_of(shapes=5, colours=8, sizes=3, objects=(1, 5))


@pytest.mark.parametrize("world", [SMALL, FULL])
def test_what_a_caption_claims_is_true_of_its_scene(world: World) -> None:
    random = np.random.default_rng(0)
    scenes = draw_scenes(world, 300, random)
    said = set()
    for index in range(300):
        things = scenes.things(index)
        caption = write_caption(things, random, world)
        asked = parse_caption(caption)
        judged = judge(asked, things)
        assert judged.is_right, (caption, things)
        assert judged.asked[:2] == (len(things), len(things))  # shape and colour of every object
        assert judged.asked[2] == (len(things) if len(world.sizes) > 1 else 0)
        said |= {
            "relation" if asked.relations else "no relation",
            "places" if any(wanted.place for wanted in asked.things) else "no place",
            caption.split()[0],
        }
    assert {"relation", "no relation", "places", "no place", "a", "there"} <= said


def test_the_same_scene_is_put_in_different_words() -> None:
    random = np.random.default_rng(1)
    things = draw_scenes(FULL, 1, random).things(0)
    scenes = draw_scenes(SMALL, 1, random).things(0)
    for one, world in ((things, FULL), (scenes, SMALL)):
        captions = {write_caption(one, random, world) for _ in range(60)}
        assert len(captions) >= 9  # openings by ways to say a place, at least


def thing(shape: str, colour: str, size: str, x: float, y: float) -> Thing:
    return Thing(shape=shape, colour=colour, size=size, x=x, y=y)


def test_like_objects_are_counted_where_they_stand_together() -> None:
    things = [thing("cross", "orange", "small", x, y) for x, y in ((0.2, 0.2), (0.4, 0.2))]
    things.append(thing("square", "white", "large", 0.7, 0.8))
    captions = {write_caption(things, np.random.default_rng(seed), FULL) for seed in range(60)}
    assert (
        "two small orange crosses in the top left and a large white square in the bottom right"
        in captions
    )
    assert "there are two small orange crosses and a large white square" in captions
    assert "a picture of a large white square and two small orange crosses" in captions
    assert not any("there is two" in caption for caption in captions)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            "a red circle left of a blue square",
            Asked(
                (Wanted("circle", "red", None, None), Wanted("square", "blue", None, None)),
                ((0, "left", 1),),
            ),
        ),
        (
            "There are two small orange crosses and a large white triangle, top right.",
            None,
        ),
        (
            "There are two small orange crosses, and a white large triangle top right.",
            Asked(
                (
                    *[Wanted("cross", "orange", "small", None)] * 2,
                    Wanted("triangle", "white", "large", "top right"),
                )
            ),
        ),
        (
            "a picture of a circle under a green diamond and one cyan square at the bottom left",
            Asked(
                (
                    Wanted("circle", None, None, None),
                    Wanted("diamond", "green", None, None),
                    Wanted("square", "cyan", None, "bottom left"),
                ),
                ((0, "below", 1),),
            ),
        ),
        (
            "two red circles to the right of a blue square",
            Asked(
                (*[Wanted("circle", "red", None, None)] * 2, Wanted("square", "blue", None, None)),
                ((0, "right", 2), (1, "right", 2)),
            ),
        ),
    ],
)
def test_a_caption_is_read(caption: str, expected: Asked | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="from 'top right' on"):
            parse_caption(caption)
    else:
        assert parse_caption(caption) == expected


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("a teal circle", "'teal' in 'a teal circle' is no word that scenes"),
        ("a read circle", "Did you mean 'red'"),
        ("red circle", "'a', 'an' or a number up to 'six' goes there"),
        ("a red left of a blue square", "a shape .circle, square, triangle, diamond, cross. goes"),
        ("a red circle a blue square", "',' or 'and' goes there"),
        ("a red circle and", "cannot be read from 'its end' on"),
        ("", "cannot be read from 'its end' on"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_words(caption: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_caption(caption)


def test_places_and_relations() -> None:
    assert place_of(0.2, 0.7) == "bottom left" and place_of(0.51, 0.49) == "top right"
    assert relation_of(-0.3, 0.2) == "left" and relation_of(0.3, -0.2) == "right"
    assert relation_of(0.2, -0.3) == "above" and relation_of(0.2, 0.3) == "below"
