"""Words: which pixels each word of a prompt drew, all in all and step by step.

Two readings of it, compared with the truth by `benchmarks/explain.py heat-maps`: `word_maps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le

from noiseloom.config import option
from noiseloom.data.caption_tokens import Captions
from noiseloom.errors import InputError
from noiseloom.explain import parts
from noiseloom.explain.caption_words import chosen_words, words_in
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.item_attention import transformer_of
from noiseloom.explain.item_pictures import lying
from noiseloom.explain.subject import MOST_SAMPLES, Subject
from noiseloom.explain.way import Way, way_of
from noiseloom.explain.word_maps import READINGS, By, WordOf, over_steps, shared
from noiseloom.tasks import Task
from noiseloom.tasks.generating import ImageGeneration

WIDE = 240  # screen pixels of a picture, about


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which pixels each word of a prompt drew."""

    about: ClassVar[str] = "which pixels each word of the prompt drew, and when"

    num: Annotated[int, Ge(1), Le(MOST_SAMPLES)] = option(1, "samples; prompts take turns")
    word: str | None = option(None, "words to look at, split by commas; null: all of the prompt")
    by: By = option(
        "leaving-out",
        "leaving-out: what changes without the word; attention: which patches look at it",
    )
    alike: bool = option(
        True, "over all steps, near pixels that look alike in the picture share what a word drew"
    )
    steps: Annotated[int, Ge(1)] | None = option(None, "moves from noise to data; null: the run's")
    guidance: float | None = option(None, "how strongly samples are guided; null: as the run's")

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if not isinstance(task, ImageGeneration) or task.prompts is None:
            return "it draws nothing by prompts"
        if transformer_of(task) is None:
            return "its network is no transformer that looks at words"
        return None

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: inputs are prompts."""
        task = subject.task
        assert isinstance(task, ImageGeneration) and task.prompts is not None
        wanted = subject.wanted(self.num, steps=self.steps, guidance=self.guidance)
        request, tokens = wanted.request, wanted.request.labels
        if tokens is None:
            raise InputError("No prompt is given, and the run knows no examples; give one")
        self._check_reader(task.prompts)
        words = self._words(task.prompts, tokens.numpy())
        way = way_of(task, request, wanted.random)
        maps = READINGS[self.by](task, way, tokens, words)
        total = self._total(maps, way, words)
        times = [state.t for state in way.states]
        prompts = wanted.names
        return Explanation(
            title="What each word drew",
            lead=_lead(words, total),
            sections=_sections(way, prompts, words, maps, total, times),
            protocol={
                **task.describe(request),
                "by": self.by,
                "alike": self.alike,
                "prompts": prompts,
                "prediction_watched": "for what is asked, unguided, at each state of drawing",
            },
            figures={
                "words": [{"sample": one.sample, "word": one.word.text} for one in words],
                "times": [round(t, 4) for t in times],
                "strength_by_step": maps.reshape(*maps.shape[:2], -1).mean(axis=2).T.tolist(),
            },
            data={
                "maps": ("step, word, [frame,] height, width: how strongly", maps),
                "total": (
                    "word, height, width (frames side by side): over all steps, 1 at most",
                    total,
                ),
                "items": ("sample, [frame,] height, width, channel", way.items),
                "t": ("step: where the prediction was watched", np.array(times)),
            },
        )

    def _total(self, maps: np.ndarray, way: Way, words: Sequence[WordOf]) -> np.ndarray:
        """The map of each word over all steps, in the picture's pixels, frames side by side."""
        pictures = lying(way.items)[[one.sample for one in words]]
        flat = lying(over_steps(maps)[..., None])[..., 0]
        size = pictures.shape[1] // flat.shape[1]  # pixels of what a number of latents stands for
        total = flat.repeat(size, axis=1).repeat(size, axis=2)
        return shared(total, pictures) if self.alike else total

    def _check_reader(self, captions: Captions) -> None:
        if self.by == "attention" and captions.model is not None:
            raise InputError(
                f"by=attention is given, and the prompts are read by {captions.model.given} in "
                "pieces of its own, which are not those of words; give by=leaving-out"
            )

    def _words(self, captions: Captions, labels: np.ndarray) -> list[WordOf]:
        """The words of all prompts; InputError where none, or not those asked for, are there."""
        found = []
        for sample, row in enumerate(labels):
            words = words_in(captions, row)
            found += [WordOf(sample, word) for word in chosen_words(words, self.word)]
        if not found:
            raise InputError("The prompt has no words; give one that has")
        return found


def _lead(words: Sequence[WordOf], total: np.ndarray) -> str:
    sizes = [float((one > 0.5).mean()) for one in total]
    narrow = int(np.argmin(sizes))
    return (
        f"Of {len(words)} words, '{words[narrow].word.text}' drew the smallest part: "
        f"{sizes[narrow]:.0%} of the picture is above half of its strongest mark."
    )


def _sections(
    way: Way,
    prompts: Sequence[str],
    words: Sequence[WordOf],
    maps: np.ndarray,
    total: np.ndarray,
    times: Sequence[float],
) -> list[Section]:
    """A section for each sample: its picture, and a film of each of its words."""
    said = (
        "What a word drew is light. The first picture of each is over all steps; the others, by "
        "the slider, are each step's, over what was expected then. All words are turned together."
    )
    labels = ["all steps", *(f"t = {t:.3f}" for t in times)]
    sections = []
    for sample, prompt in enumerate(prompts):
        picture = lying(way.items[sample : sample + 1])[0]
        figures = [
            parts.shown(parts.enlarged(picture, WIDE), f"the picture drawn for: {prompt}", "drawn")
        ]
        for number, one in enumerate(words):
            if one.sample != sample:
                continue
            frames = [_over(picture, total[number])]
            for step, expected in enumerate(way.expected):
                then = lying(expected[sample : sample + 1])[0]
                frames.append(_over(then, maps[step, number]))
            alt = f"what the word {one.word.text} drew"
            films = [parts.enlarged(frame, WIDE) for frame in frames]
            figures.append(parts.turned(films, labels, alt, one.word.text))
        sections.append(
            Section(f"'{prompt}'", parts.text(said) + parts.row(figures, together=True))
        )
    return sections


def _over(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    flat = lying(values[None, ..., None])[0, ..., 0]
    size = picture.shape[0] // flat.shape[0]  # of what a number of latents stands for
    return parts.overlay(picture, np.kron(flat, np.ones((size, size))))
