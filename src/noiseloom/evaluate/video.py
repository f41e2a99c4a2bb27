"""Evaluating clips: beside who copies the last given frame, and beside what real clips score.

With `given` frames, those of held-out clips, sample i goes on with held-out clip i and is measured
against what came there. Of clips made by a rule (`moving-digits`) that is the law: where the digit
must be, which, and one; with captions, whether the clips show what these tell. The distance of all
clips together is a Fréchet distance in features learned on the training clips (`clip_features`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.dataset import Dataset, VideoDataset
from noiseloom.data.motion_captions import read
from noiseloom.errors import DataError, InputError
from noiseloom.evaluate import bounces, clip_features, resampling
from noiseloom.evaluate.clip_features import ClipFeatures
from noiseloom.evaluate.digit_reading import DigitReader
from noiseloom.evaluate.frechet import FrechetDistance, moments
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.rulers import Half, Ruler, half_of
from noiseloom.evaluate.sampling_plan import LEAST, SamplingPlan
from noiseloom.evaluate.told_motion import followed
from noiseloom.networks.image_encoder import DIMENSION
from noiseloom.seeds import generator
from noiseloom.tasks import Known

COPYING = "copying the last given frame"
SHUFFLED = "shuffled_prompt_accuracy"

Figures = dict[str, np.ndarray]  # a number for each clip, by the name of the figure


@dataclass(frozen=True, kw_only=True)
class Config(SamplingPlan):
    """How clips are measured."""

    num: Annotated[int, Ge(LEAST)] = option(256, "clips made and measured")
    given: Annotated[int, Ge(0)] = option(
        0, "first frames of held-out clips that samples go on with; 0: they are made from nothing"
    )
    feature_clips: Annotated[int, Ge(1)] = option(
        20_000, "training clips seen while features are learned"
    )
    feature_seed: int = option(0, "seed the features are learned with")

    def labels(self, dataset: Dataset, num: int) -> np.ndarray | None:
        """What held-out clips would be asked by: sample i as clip i."""
        self._check(dataset, num)
        return dataset.reference.asked(np.arange(num))

    def known(self, dataset: Dataset, num: int) -> Known | None:
        """The first frames of held-out clips. Raises DataError where there are too few clips."""
        self._check(dataset, num)
        if not self.given:
            return None
        return Known.of(dataset.to_model(dataset.reference.items[:num]), range(self.given))

    def _check(self, dataset: Dataset, num: int) -> None:
        if not isinstance(dataset, VideoDataset):
            raise DataError(
                "evaluation 'video' measures clips, and the data holds none; use evaluation images"
            )
        if self.given >= dataset.form.frames:
            raise InputError(
                f"evaluation.given is {self.given}, and clips have {dataset.form.frames} frames; "
                "at least one must be left to be made"
            )
        if min(len(dataset.train), len(dataset.reference)) < max(num, LEAST):
            raise DataError(
                f"There are {len(dataset.train)} training and {len(dataset.reference)} held-out "
                f"clips, and {num} samples are to be compared with as many. Lower --num, to "
                f"{LEAST} at the least, or hold out more"
            )

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
        """The figures of clips `items` (N, T, H, W, C) uint8, of which i goes on with held-out i.

        `protocol` says how they were made, and is returned with how they were measured.
        """
        self._check(dataset, len(items))
        assert isinstance(dataset, VideoDataset)
        progress("measuring clips", 0.0)
        comparison = _Comparison(self, dataset, len(items), labels, seed)
        own = comparison.of(items)
        real = comparison.of(comparison.real)
        baselines = {}
        checks: dict[str, Any] = {}
        if self.given:
            copied = bounces.copied_last(comparison.real, range(self.given))
            baselines[COPYING] = comparison.summed(comparison.of(copied))
            checks = comparison.by_frame(items, copied)
        found, ceiling = comparison.summed(own), comparison.summed(real)
        distance, floor = comparison.distances(items, progress)
        for where, one in ((found, distance), (ceiling, floor)):
            where["metrics"] |= one["metrics"]
            where["intervals"] |= one["intervals"]
        progress("measuring clips", 1.0)
        return {
            "metrics": found["metrics"],
            "intervals": found["intervals"],
            **({"baselines": baselines} if baselines else {}),
            "floor": ceiling["metrics"],
            "floor_intervals": ceiling["intervals"],
            "protocol": {**protocol, **comparison.describe()},
            "checks": checks,
        }

    def ruler(
        self, dataset: Dataset, num: int, half: Half | None = None, progress: Progress = ignore
    ) -> Ruler:
        """How far `num` clips are from what they had to be, against one half of those held out.

        By the law of the motion where it is known, else by the frames that came; of clips made from
        nothing the Fréchet distance.
        """
        self._check(dataset, num)
        assert isinstance(dataset, VideoDataset)
        comparison = _Comparison(self, dataset, num, None, seed=0)
        if not self.given:
            features = comparison.features(progress)
            frechet = FrechetDistance(moments(half_of(features.reference, half)))
            floors = [frechet.of(features.pool[draw]) for draw in comparison.draws(features)]
            return Ruler(
                "frechet_video_distance",
                lambda items: frechet.of(features.embed(items)),
                sum(floors) / len(floors),
            )
        real = comparison.of(comparison.real)
        name = next(one for one in ("trajectory_error_px", "frame_error") if one in real)

        def mean(figures: Figures) -> float:
            return float(half_of(torch.from_numpy(figures[name]), half).mean())

        return Ruler(name, lambda items: mean(comparison.of(items)), mean(real))


class _Comparison:
    """Clips beside as many held-out ones."""

    def __init__(
        self,
        config: Config,
        dataset: VideoDataset,
        num: int,
        labels: np.ndarray | None,
        seed: int,
    ) -> None:
        self.config, self.dataset, self.num, self.seed = config, dataset, num, seed
        self.real = np.array(dataset.reference.items[:num])
        self.made = list(range(config.given, dataset.form.frames))
        self.truth, self.reader = dataset.reference_truth, None
        if dataset.train_truth is not None:
            self.reader = DigitReader(dataset.train.items, dataset.train_truth.digits)
        captions = dataset.form.captions
        self.said = None
        if captions is not None and labels is not None and self.reader is not None:
            self.said = [read(caption) for caption in captions.decode(labels)]

    def of(self, clips: np.ndarray) -> Figures:
        """What each clip scores."""
        found: Figures = {}
        if self.config.given:
            off = (clips[:, self.made].astype(np.float64) - self.real[:, self.made]) / 255
            found["frame_error"] = np.sqrt(np.square(off).mean(axis=(1, 2, 3, 4)))
        if self.reader is not None and self.truth is not None and self.config.given:
            found |= bounces.against_truth(clips, self.truth, self.reader, self.made)
        elif self.reader is not None:
            found |= bounces.by_themselves(clips, self.reader)
        if self.said is not None and self.reader is not None:
            found |= followed(clips, self.said, self.reader)
            others = followed(clips, _shifted(self.said), self.reader)
            found[SHUFFLED] = others["digit_and_direction_accuracy"]
        return found

    def summed(self, figures: Figures) -> dict[str, Any]:
        """The mean of each figure, with its 95 % interval."""
        metrics, intervals = {}, {}
        for name, values in figures.items():
            share = float(values.mean())
            metrics[name] = share
            if values.dtype == bool:
                intervals[name] = list(resampling.share_interval(share, len(values)))
            else:
                chance = generator(self.seed, f"evaluate {name}")
                each = torch.from_numpy(values.astype(np.float64))
                low, high = resampling.mean_interval(each, self.config.bootstrap, chance)
                intervals[name] = [low, high]
        return {"metrics": metrics, "intervals": intervals}

    def by_frame(self, clips: np.ndarray, copied: np.ndarray) -> dict[str, Any]:
        """How the error of the trajectory grows from frame to frame."""
        if self.truth is None:
            return {}
        return {
            "trajectory_error_px_by_frame": {
                "frames": self.made,
                "samples": bounces.error_by_frame(clips, self.truth, self.made),
                COPYING: bounces.error_by_frame(copied, self.truth, self.made),
                "real": bounces.error_by_frame(self.real, self.truth, self.made),
            }
        }

    def distances(
        self, clips: np.ndarray, progress: Progress
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The Fréchet distance of the clips to held-out ones, and of as many training clips."""
        config, name = self.config, "frechet_video_distance"
        features = self.features(progress)
        frechet = FrechetDistance(moments(features.reference))
        x = features.embed(clips)
        chance = generator(self.seed, "evaluate video frechet")
        low, high = frechet.interval(x, config.bootstrap, chance)
        floors = [frechet.of(features.pool[draw]) for draw in self.draws(features)]
        spread = resampling.spread(floors)
        return (
            {"metrics": {name: frechet.of(x)}, "intervals": {name: [low, high]}},
            {
                "metrics": {name: float(np.mean(floors))},
                "intervals": {} if spread is None else {name: list(spread)},
            },
        )

    def features(self, progress: Progress) -> ClipFeatures:
        """Learned features, and real clips in them."""
        config, reference = self.config, len(self.dataset.reference)
        return clip_features.learn(
            self.dataset, config.feature_clips, config.feature_seed, reference, progress
        )

    def draws(self, features: ClipFeatures) -> list[torch.Tensor]:
        """Which training clips each draw of the floor takes, as many as there are samples."""
        pool = len(features.pool)
        chance = generator(self.seed, "evaluate floor")
        return resampling.draws(pool, min(self.num, pool), self.config.draws, chance)

    def describe(self) -> dict[str, Any]:
        """The part of the protocol that says how the clips were measured."""
        reads = None
        if self.reader is not None and self.truth is not None:
            digits = np.asarray(self.truth.digits[: self.num])[:, None]
            reads = float((self.reader.read(self.real) == digits).mean())
        return {
            "num": self.num,
            "given": self.config.given,
            "frames_made": len(self.made),
            "reference": len(self.dataset.reference),
            "training_clips": len(self.dataset.train),
            "digit_reader_accuracy": reads,
            "features": {
                "of": "clips",
                "dimension": DIMENSION,
                "kind": "a classifier of digit and direction"
                if self.truth is not None
                else "self-supervised (VICReg)",
                "clips_seen": self.config.feature_clips,
                "seed": self.config.feature_seed,
            },
            "distance_draws": self.config.draws,
            "bootstrap": self.config.bootstrap,
            "evaluation_seed": self.seed,
            "data": self.dataset.fingerprint,
        }


def _shifted(said: Sequence[Any]) -> list[Any]:
    """Each clip beside the caption of another."""
    by = max(1, len(said) // 2)
    return [*said[by:], *said[:by]]
