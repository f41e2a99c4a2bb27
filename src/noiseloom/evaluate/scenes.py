"""Evaluating pictures of scenes: does each hold what its prompt asks for, and only that?

Half of the prompts are like those of training, the others each ask for a pair of colour and shape
that training never saw. Pictures are read by rule and judged claim by claim. Beside the figures
stand those of real pictures of the same prompts, read by the same rules (the ceiling), and of real
pictures of other prompts (chance); the rules themselves are tried on changed pictures first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.dataset import Dataset
from noiseloom.data.scene.arranging import draw_scenes
from noiseloom.data.scene.captions import write_caption
from noiseloom.data.scene.drawing import pictures
from noiseloom.data.scene.parsing import Asked, parse_caption
from noiseloom.data.scene.world import Thing, World
from noiseloom.data.scenes import SceneDataset
from noiseloom.errors import InputError
from noiseloom.evaluate.beside import Figures, beside
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.rulers import Half, Ruler
from noiseloom.evaluate.sampling_plan import LEAST
from noiseloom.evaluate.scene_check import check_checker
from noiseloom.evaluate.scene_examples import example
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.evaluate.scene_scores import Judged, judge, shares
from noiseloom.networks import Answer

PROMPT_SEED = 7  # the prompts are the same for every run
SHOWN = 24  # prompts in the report


@dataclass(frozen=True)
class Prompts:
    """What samples are asked for, in words, and real pictures of the same."""

    captions: list[str]
    pictures: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Config:
    """How pictures of scenes are judged."""

    answers: ClassVar[Answer] = "items"
    made_for: ClassVar[tuple[str, ...]] = ("scenes",)
    judges_prompts: ClassVar[bool] = True

    num: Annotated[int, Ge(LEAST)] = option(
        1_000, "prompts drawn and judged; half ask for a pair of colour and shape never seen"
    )
    checked: Annotated[int, Ge(1)] = option(
        300, "real pictures, and as many of each kind of change, that the rules are tried on"
    )

    def labels(self, dataset: Dataset, num: int) -> np.ndarray:
        """The tokens of `num` prompts; the first half is like those of training."""
        scenes = _scenes(dataset)
        return scenes.captions.encode(draw_prompts(scenes, num).captions).tokens

    def measure(
        self,
        dataset: Dataset,
        items: np.ndarray,
        labels: np.ndarray | None,
        *,
        seed: int,
        protocol: dict[str, Any],
        progress: Progress = ignore,
    ) -> dict[str, Any]:
        """The figures of pictures `items` (N, H, W, 3) uint8, asked for by `labels` of N.

        `protocol` says how they were made, and is returned with how they were measured. Raises
        InputError where they were asked for by something else, or are too few.
        """
        scenes = _scenes(dataset)
        if len(items) < LEAST:
            raise InputError(f"{len(items)} samples were given; an evaluation needs {LEAST}")
        prompts = draw_prompts(scenes, len(items))
        tokens = scenes.captions.encode(prompts.captions).tokens
        if labels is None or not np.array_equal(labels, tokens):
            raise InputError(
                "evaluation scenes judges what its own prompts ask for, and these pictures were "
                "not drawn by them; use task text-to-image"
            )
        progress("trying the rules", 0.0)
        checker = check_checker(scenes.world, items.shape[1], self.checked, seed)
        progress("reading pictures", 0.0)
        asked = [parse_caption(caption) for caption in prompts.captions]
        is_held_out = np.array([_holds(one, scenes.world) for one in asked])
        others = _shifted(asked, is_held_out)
        found, real = read_pictures(items), read_pictures(prompts.pictures)
        progress("reading pictures", 1.0)
        judged, chance = _judged(asked, found), figures(_judged(others, real), is_held_out)
        own = figures(judged, is_held_out, shuffled=_judged(others, found))
        ceiling = figures(_judged(asked, real), is_held_out, shuffled=_judged(others, real))
        result = beside(
            own,
            {"chance": chance},
            protocol={
                **protocol,
                "num": len(items),
                "prompts_with_a_held_out_pair": int(is_held_out.sum()),
                "held_out_pairs": [" ".join(pair) for pair in scenes.world.held_out],
                "evaluation_seed": seed,
                "data": dataset.fingerprint,
            },
            checks={
                "checker": checker,
                "joint_by_count": _joint_by_count(asked, judged),
                "prompts": [
                    {
                        **example(prompts.captions[at], judged[at], found[at]),
                        "is_held_out": bool(is_held_out[at]),
                        "item": at,
                    }
                    for at in _shown(is_held_out)
                ],
            },
        )
        real_data = ceiling.to_mapping()
        return {**result, "floor": real_data["metrics"], "floor_intervals": real_data["intervals"]}

    def ruler(
        self, dataset: Dataset, num: int, half: Half | None = None, progress: Progress = ignore
    ) -> Ruler:
        """The share of `num` pictures that are not right in all, by one half of the prompts or all.

        They must have been asked for by `labels`, in this order.
        """
        prompts = draw_prompts(_scenes(dataset), num)
        chosen = slice(None) if half is None else slice(0 if half == "first" else 1, None, 2)
        asked = [parse_caption(caption) for caption in prompts.captions[chosen]]

        def of(items: np.ndarray) -> float:
            found = zip(asked, read_pictures(items[chosen]), strict=True)
            return float(np.mean([not judge(one, things).is_right for one, things in found]))

        return Ruler("joint_error", of, of(prompts.pictures))


def draw_prompts(dataset: SceneDataset, num: int) -> Prompts:
    """`num` prompts in the words of the captions; the second half with pairs never seen, if any."""
    random, world = np.random.default_rng(PROMPT_SEED), dataset.world
    number_held = num // 2 if world.held_out else 0
    captions: list[str] = []
    drawn = []
    for number, pairs in ((num - number_held, "training"), (number_held, "held-out")):
        if number:
            scenes = draw_scenes(world, number, random, pairs)  # type: ignore[arg-type]
            drawn.append(pictures(scenes, dataset.train.items.shape[1]))
            captions += [write_caption(scenes.things(i), random, world) for i in range(number)]
    return Prompts(captions, np.concatenate(drawn))


def figures(
    judged: Sequence[Judged], is_held_out: np.ndarray, *, shuffled: Sequence[Judged] | None = None
) -> Figures:
    """The shares of prompts like those of training, and the joint one of those never seen.

    `shuffled` are the same pictures judged by other prompts.
    """
    whole = shares([one for one, held in zip(judged, is_held_out, strict=True) if not held])
    metrics, intervals = dict(whole.metrics), dict(whole.intervals)
    for name, by, chosen in (
        ("held_out_joint_accuracy", judged, is_held_out),
        ("shuffled_prompt_joint_accuracy", shuffled or (), ~is_held_out),
    ):
        some = shares([one for one, wanted in zip(by, chosen, strict=False) if wanted])
        if "joint_accuracy" in some.metrics:
            metrics[name] = some.metrics["joint_accuracy"]
            intervals[name] = some.intervals["joint_accuracy"]
    return Figures(metrics, intervals)


def _judged(asked: Sequence[Asked], found: Sequence[Sequence[Thing]]) -> list[Judged]:
    return [judge(one, things) for one, things in zip(asked, found, strict=True)]


def _scenes(dataset: Dataset) -> SceneDataset:
    if not isinstance(dataset, SceneDataset):
        raise InputError("evaluation scenes judges pictures of data scenes; use evaluation images")
    return dataset


def _holds(asked: Asked, world: World) -> bool:
    """Whether a prompt asks for a pair that training never saw."""
    return any((wanted.colour, wanted.shape) in world.held_out for wanted in asked.things)


def _shifted(asked: Sequence[Asked], is_held_out: np.ndarray) -> list[Asked]:
    """To each picture the prompt of the next one of its kind."""
    following = np.arange(len(asked))
    for kind in (is_held_out, ~is_held_out):
        following[kind] = np.roll(following[kind], -1)
    return [asked[place] for place in following.tolist()]


def _joint_by_count(asked: Sequence[Asked], judged: Sequence[Judged]) -> dict[str, float]:
    """The share of pictures right in all, by how many objects were asked for."""
    counts = np.array([len(one.things) for one in asked])
    right = np.array([one.is_right for one in judged])
    return {str(count): float(right[counts == count].mean()) for count in np.unique(counts)}


def _shown(is_held_out: np.ndarray) -> list[int]:
    """At most `SHOWN` pictures, of either kind in turn, each kind evenly taken."""
    kinds = [np.flatnonzero(kind) for kind in (~is_held_out, is_held_out) if kind.any()]
    most = min(SHOWN // len(kinds), *map(len, kinds))
    even = [kind[np.linspace(0, len(kind) - 1, most).round().astype(int)] for kind in kinds]
    shown: list[int] = np.stack(even, axis=1).ravel().tolist()
    return shown
