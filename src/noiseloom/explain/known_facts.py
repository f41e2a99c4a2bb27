"""What is known of the items of a data set, and may be looked for in a network's states.

Of labelled items the label; of scenes what stands where, as it is read off the picture by rule; of
bouncing digits which digit, where and how fast; of tokens of a text where they stand and what comes
next. Each fact says of which type an item is, for the control task: the token, the pair of colour
and shape, the very digit; of others whose words begin alike, or that look alike from afar.
"""

from __future__ import annotations

import numpy as np

from noiseloom.data.dataset import Dataset, VideoDataset
from noiseloom.data.forms import TextForm
from noiseloom.data.scene.world import Thing
from noiseloom.data.scenes import SceneDataset
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.explain.probing import Fact

LOOKS = 6  # random directions whose signs say how an item looks from afar: 64 types
NEXT = ("letter or digit", "space", "line break", "other sign")


def facts_of(dataset: Dataset, chosen: np.ndarray) -> list[Fact]:
    """What is known of the held-out items of these numbers, and is not the same of all."""
    facts = _labels(dataset, chosen)
    if isinstance(dataset, SceneDataset):
        facts += _scenes(dataset, chosen)
    if isinstance(dataset, VideoDataset) and dataset.reference_truth is not None:
        facts += _motions(dataset, chosen)
    return [fact for fact in facts if len(np.unique(fact.values)) > 1]


def token_facts(form: TextForm, windows_NL: np.ndarray, *, causal: bool) -> list[Fact]:
    """What is known of each token of windows but the last, window after window.

    Of a model that is not `causal` what comes next is no secret, and left out.
    """
    tokenizer = form.tokenizer
    pieces = [tokenizer.piece(token) for token in range(tokenizer.vocabulary)]
    is_break = np.array([b"\n" in piece for piece in pieces])
    opens = np.array([_kind(piece) for piece in pieces])
    here, ahead = windows_NL[:, :-1], windows_NL[:, 1:]
    places = np.arange(here.shape[1])
    broken = np.maximum.accumulate(np.where(is_break[here], places, -1), axis=1)
    types = here.reshape(-1)
    facts = [Fact("tokens since the last line break", (places - broken).reshape(-1), (), types)]
    if causal:
        facts.append(Fact("what comes next begins with", opens[ahead].reshape(-1), NEXT, types))
    before = opens[np.concatenate([here[:, :1], here[:, :-1]], axis=1)].reshape(-1)
    facts.append(Fact("what came before begins with", before, NEXT, types))
    return [fact for fact in facts if len(np.unique(fact.values)) > 1]


def _kind(piece: bytes) -> int:
    first = piece[:1]
    if first.isalnum() or first >= b"\x80":
        return 0
    return 2 if first == b"\n" else 1 if first.isspace() else 3


def _labels(dataset: Dataset, chosen: np.ndarray) -> list[Fact]:
    split = dataset.reference
    if split.labels is None or split.labels.ndim != 1:
        return []
    labels = np.asarray(split.labels[chosen])
    items = np.asarray(split.items[chosen])
    form = dataset.form
    if isinstance(form, TextForm):
        types = items.reshape(len(items), -1)[:, 0].astype(np.int64)
    else:
        types = looks(form.to_model(items).flatten(1).numpy())
    name = "class" if dataset.class_names else "number"
    return [Fact(name, labels, tuple(dataset.class_names), types)]


def looks(numbers_NF: np.ndarray) -> np.ndarray:
    """Which of 64 an item looks like from afar: the signs of a few random projections, (N,)."""
    directions = np.random.default_rng(0).standard_normal((numbers_NF.shape[1], LOOKS))
    centred = numbers_NF - numbers_NF.mean(axis=0)
    return ((centred @ directions > 0) @ (1 << np.arange(LOOKS))).astype(np.int64)


def _scenes(dataset: SceneDataset, chosen: np.ndarray) -> list[Fact]:
    """Facts of the leftmost and the topmost object, and how many there are.

    A picture that the rules cannot read, one in a thousand, counts as the first of each.
    """
    world = dataset.world
    read = read_pictures(np.asarray(dataset.reference.items[chosen]))
    unread = Thing(shape=world.shapes[0], colour=world.colours[0], size=None, x=0.5, y=0.5)
    whole = [[one for one in things if one.shape and one.colour] or [unread] for things in read]
    facts = []
    for side, place in (("leftmost", "x"), ("topmost", "y")):
        first = [min(things, key=lambda one: float(getattr(one, place))) for things in whole]
        colours, shapes = (
            np.array([names.index(getattr(one, noun)) for one in first])
            for noun, names in (("colour", world.colours), ("shape", world.shapes))
        )
        types = colours * len(world.shapes) + shapes
        along = np.array([getattr(one, place) for one in first])
        facts += [
            Fact(f"colour of the {side} object", colours, world.colours, types),
            Fact(f"shape of the {side} object", shapes, world.shapes, types),
            Fact(f"{place} of the {side} object", along, (), types),
        ]
    count = np.array([len(things) for things in whole])
    kinds = tuple(str(number) for number in range(count.max() + 1))
    return [*facts, Fact("number of objects", count, kinds, facts[0].types)]


def _motions(dataset: VideoDataset, chosen: np.ndarray) -> list[Fact]:
    """Facts of the one digit of each clip: itself, where it starts, how it moves."""
    truth = dataset.reference_truth
    assert truth is not None
    glyphs = np.asarray(truth.glyphs[chosen]).reshape(len(chosen), -1)
    types = np.unique(glyphs, axis=0, return_inverse=True)[1].reshape(-1)
    digits = np.asarray(truth.digits[chosen]).astype(np.int64)
    start, velocity = truth.motion.start[chosen], truth.motion.velocity[chosen]
    numbers = {
        "x at the beginning": start[:, 0],
        "y at the beginning": start[:, 1],
        "speed across, pixels a frame": velocity[:, 0],
        "speed down, pixels a frame": velocity[:, 1],
    }
    return [
        Fact("digit", digits, tuple(str(digit) for digit in range(10)), types),
        *(Fact(name, values, (), types) for name, values in numbers.items()),
    ]
