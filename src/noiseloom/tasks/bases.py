"""The run whose samples a refiner makes more of: whether it is one, and the one it was made for."""

from copy import copy
from typing import Self

import torch

from noiseloom.data.caption_tokens import Captions
from noiseloom.data.forms import Form
from noiseloom.diffusion.guidance import Guidance
from noiseloom.tasks import Task
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.guides import read_alike


def fitting_base(other: Task, form: Form) -> ImageGeneration:
    """`other` as the base of a refiner of items of `form`; ValueError where it can be none."""
    if not isinstance(other, ImageGeneration):
        raise ValueError(
            "task.base walks from noise to no samples: it was trained for another task. Name a run "
            "that draws, such as one of task unconditional-image-generation"
        )
    if other.form.is_latent:
        raise ValueError(
            "task.base draws in the latents of an autoencoder, and refiners see the items "
            "themselves. Name a run without task.autoencoder"
        )
    check_items(other.form, form, "task.base", "the data")
    return other


class Refining:
    """What a refiner has of its base: its samples, which are refined, and what they are asked by.

    It was `made_for` the frozen run called `name`; `base` is that one, guided as is wanted.
    """

    def __init__(self, made_for: ImageGeneration, name: str) -> None:
        self.made_for = self.base = made_for
        self.name = name

    @property
    def guidance(self) -> Guidance:
        """See `Guided`: the base's."""
        return self.base.guidance

    @property
    def class_names(self) -> tuple[str, ...]:
        """See `Guided`."""
        return self.base.class_names

    @property
    def prompts(self) -> Captions | None:
        """See `Prompted`."""
        return self.base.prompts

    def refined(self, base: Task) -> Self:
        """See `Refines.refined`; `base` may be guided otherwise than this refiner's own."""
        return self._of(check_same_base(self.made_for, base, self.name))

    def guided(self, guidance: Guidance, guide: Task | None) -> Self:
        """See `Guided.guided`: the base is."""
        return self._of(self.base.guided(guidance, guide))

    def _of(self, base: ImageGeneration) -> Self:
        other = copy(self)
        other.base = base
        return other


def check_same_base(made_for: ImageGeneration, given: Task, name: str) -> ImageGeneration:
    """`given`, the base to be refined; ValueError where it is not the one a refiner was made for.

    That one is the run called `name`.
    """
    if not isinstance(given, ImageGeneration):
        raise ValueError(
            "this run draws in a way of its own that no refiner has learned to follow. Refine the "
            f"run that it was made for, {name}"
        )
    check_items(made_for.form, given.form, "the refiner", "this run")
    own, other = made_for.model.state_dict(), given.model.state_dict()
    same = own.keys() == other.keys() and all(
        value.shape == other[key].shape and torch.equal(value, other[key].to(value.device))
        for key, value in own.items()
    )
    if not same or made_for.config.schedule != given.config.schedule:
        raise ValueError(
            f"the refiner was made for another base, {name}: these weights are others. Refine that "
            "run, with the weights that the refiner's recipe names, or train a refiner for this one"
        )
    return given


def check_items(known: Form, asked: Form, who: str, whose: str) -> None:
    """Raise ValueError where the items that `who` knows are not those of `whose`."""
    if known.item_shape != asked.item_shape:
        raise ValueError(
            f"{who} knows items of shape {known.item_shape}, and those of {whose} are "
            f"{asked.item_shape}. Name a run of items like these"
        )
    if known.sizes != asked.sizes:
        raise ValueError(
            f"the images of {who} or of {whose} are of several sizes (data.buckets), and those of "
            "the other are not of the same. Name a run without data.buckets"
        )
    if known.class_names != asked.class_names:
        one, other = (", ".join(form.class_names) or "none" for form in (known, asked))
        raise ValueError(
            f"{who} knows the classes {one}, and {whose} {other}. Name a run of the same classes"
        )
    if not read_alike(known.captions, asked.captions):
        raise ValueError(
            f"{who} reads captions otherwise than {whose}. Name a run that was trained on the same "
            "data"
        )
