"""Evaluating pictures of scenes: does each hold what its prompt asks for, and only that?

Pictures are read by rule and judged claim by claim. Beside the figures stand those of real pictures
of the same prompts, read by the same rules (the ceiling), and of real pictures of other prompts
(chance); the rules themselves are tried on changed pictures first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.dataset import Dataset
from noiseloom.data.scene.parsing import Asked
from noiseloom.data.scene.world import Thing, World
from noiseloom.data.scenes import SceneDataset
from noiseloom.errors import InputError
from noiseloom.evaluate.beside import Figures, beside
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.rulers import Half, Ruler
from noiseloom.evaluate.sampling_plan import LEAST
from noiseloom.evaluate.scene_check import check_checker
from noiseloom.evaluate.scene_examples import example
from noiseloom.evaluate.scene_prompts import Kind, Prompts, draw_prompts
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.evaluate.scene_scores import Judged, judge, shares
from noiseloom.networks import Answer

SHOWN = 24  # prompts in the report
JOINT: dict[Kind, str] = {  # the figure of pictures that are right in all, by the kind of prompt
    "training": "joint_accuracy",
    "held out": "held_out_joint_accuracy",
    "one more": "one_more_joint_accuracy",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """How pictures of scenes are judged."""

    answers: ClassVar[Answer] = "items"
    made_for: ClassVar[tuple[str, ...]] = ("scenes",)
    judges_prompts: ClassVar[bool] = True

    num: Annotated[int, Ge(LEAST)] = option(
        1_000, "prompts drawn and judged, as many with a pair of colour and shape never seen"
    )
    one_more: bool = option(
        False, "a third of the prompts ask for one object more than training ever shows"
    )
    checked: Annotated[int, Ge(1)] = option(
        300, "real pictures, and as many of each kind of change, that the rules are tried on"
    )

    def misfit(self, data: Any) -> str | None:
        """What cannot be asked for of the data with the config `data`, if anything."""
        world: World = data.world
        if self.one_more and world.most >= world.room:
            return (
                f"evaluation.one_more asks for {world.most + 1} objects, and {world.room} of "
                f"data.sizes={len(world.sizes)} find room; set it to false, or data.sizes to 3"
            )
        return None

    def labels(self, dataset: Dataset, num: int) -> np.ndarray:
        """The tokens of `num` prompts."""
        scenes = _scenes(dataset)
        return scenes.captions.encode(self._prompts(scenes, num).captions).tokens

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
        prompts = self._prompts(scenes, len(items))
        tokens = scenes.captions.encode(prompts.captions).tokens
        if labels is None or not np.array_equal(labels, tokens):
            raise InputError(
                "evaluation scenes judges what its own prompts ask for, and these pictures were "
                "not drawn by them; use task text-to-image"
            )
        progress("trying the rules", 0.0)
        checker = check_checker(scenes.world, items.shape[1], self.checked, seed)
        progress("reading pictures", 0.0)
        found, real = read_pictures(items), read_pictures(prompts.pictures)
        progress("reading pictures", 1.0)
        judged = _judged(prompts.asked, found)
        own = figures(prompts, judged, shuffled=_judged(prompts.others, found))
        by_others = _judged(prompts.others, real)
        ceiling = figures(prompts, _judged(prompts.asked, real), shuffled=by_others).to_mapping()
        result = beside(
            own,
            {"chance": figures(prompts, by_others)},
            protocol={
                **protocol,
                "num": len(items),
                "prompts_with_a_held_out_pair": int(prompts.are("held out").sum()),
                "held_out_pairs": [" ".join(pair) for pair in scenes.world.held_out],
                "evaluation_seed": seed,
                "data": dataset.fingerprint,
            },
            checks={
                "checker": checker,
                "joint_by_count": _joint_by_count(prompts, judged),
                "prompts": [_shown(prompts, judged, found, at) for at in _chosen_to_show(prompts)],
            },
        )
        return {**result, "floor": ceiling["metrics"], "floor_intervals": ceiling["intervals"]}

    def ruler(
        self, dataset: Dataset, num: int, half: Half | None = None, progress: Progress = ignore
    ) -> Ruler:
        """The share of `num` pictures that are not right in all, by one half of the prompts or all.

        They must have been asked for by `labels`, in this order.
        """
        prompts = self._prompts(_scenes(dataset), num)
        chosen = slice(None) if half is None else slice(0 if half == "first" else 1, None, 2)

        def of(items: np.ndarray) -> float:
            judged = _judged(prompts.asked[chosen], read_pictures(items[chosen]))
            return float(np.mean([not one.is_right for one in judged]))

        return Ruler("joint_error", of, of(prompts.pictures))

    def _prompts(self, scenes: SceneDataset, num: int) -> Prompts:
        side = scenes.train.items.shape[1]
        return draw_prompts(scenes.world, side, num, one_more=self.one_more)


def figures(
    prompts: Prompts, judged: Sequence[Judged], *, shuffled: Sequence[Judged] | None = None
) -> Figures:
    """The shares of prompts like those of training, and the joint one of each other kind.

    `shuffled` are the same pictures judged by other prompts.
    """
    training = prompts.are("training")
    whole = shares(_chosen(judged, training))
    metrics, intervals = dict(whole.metrics), dict(whole.intervals)
    parts = [(name, _chosen(judged, prompts.are(kind))) for kind, name in JOINT.items()]
    if shuffled is not None:
        parts.append(("shuffled_prompt_joint_accuracy", _chosen(shuffled, training)))
    for name, part in parts:
        if part:
            found = shares(part)
            metrics[name] = found.metrics["joint_accuracy"]
            intervals[name] = found.intervals["joint_accuracy"]
    return Figures(metrics, intervals)


def _chosen(judged: Sequence[Judged], chosen: np.ndarray) -> list[Judged]:
    return [judged[place] for place in np.flatnonzero(chosen).tolist()]


def _judged(asked: Sequence[Asked], found: Sequence[Sequence[Thing]]) -> list[Judged]:
    return [judge(one, things) for one, things in zip(asked, found, strict=True)]


def _scenes(dataset: Dataset) -> SceneDataset:
    if not isinstance(dataset, SceneDataset):
        raise InputError("evaluation scenes judges pictures of data scenes; use evaluation images")
    return dataset


def _joint_by_count(prompts: Prompts, judged: Sequence[Judged]) -> dict[str, float]:
    """The share of pictures right in all, by how many objects were asked for."""
    counts = np.array([len(one.things) for one in prompts.asked])
    right = np.array([one.is_right for one in judged])
    return {str(count): float(right[counts == count].mean()) for count in np.unique(counts)}


def _chosen_to_show(prompts: Prompts) -> list[int]:
    """At most `SHOWN` pictures, of every kind in turn, each kind evenly taken."""
    kinds = [places for kind in JOINT if len(places := np.flatnonzero(prompts.are(kind)))]
    most = min(SHOWN // len(kinds), *map(len, kinds))
    even = [places[np.linspace(0, len(places) - 1, most).round().astype(int)] for places in kinds]
    shown: list[int] = np.stack(even, axis=1).ravel().tolist()
    return shown


def _shown(
    prompts: Prompts, judged: Sequence[Judged], found: Sequence[Sequence[Thing]], at: int
) -> dict[str, Any]:
    """One picture as the report shows it."""
    said = example(prompts.captions[at], judged[at], found[at])
    return {**said, "kind": str(prompts.kinds[at]), "item": at}
