"""A network of clips that begins with the weights of one of images, of another run.

What both have, by name and shape, is taken over. What a clip needs beside starts as in every
network of clips: its frames' places and the layers through time at 0, so that a factorised one
answers at first what the image network says of each frame (`networks/space_time.py`).
"""

from dataclasses import fields

from torch import nn

from noiseloom.data.forms import Form, ImageForm
from noiseloom.networks.dit import Config as DiT
from noiseloom.tasks import Task
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.guides import read_alike

KEY = "task.begins_as"
OF_CLIPS = {"space_time", "joint_tokens", "dropout"}
"""Settings of a network in which the two may differ: none of an image's weights depend on them."""
OF_CAPTIONS = {"text_depth", "text_width"}
"""Those of what reads captions, which may be new."""
ALIKE = ("target", "preconditioning", "told_log_snr")
"""What a task says of its network's answers and of its input."""


def begin_as(clips: ImageGeneration, other: Task, run: str) -> None:
    """Give the network of `clips` the weights of that of `other`, which is the run at `run`.

    Raises ValueError where that draws no images like the frames, or its network is another.
    """
    image = _fitting(other, clips.form, run)
    for name in ALIKE:
        theirs, own = getattr(image.config, name), getattr(clips.config, name)
        if theirs != own:
            raise ValueError(
                f"{KEY} is {run}, whose task.{name} is {theirs}, and here it is {own}: its network "
                f"has learned to answer something else. Set task.{name} to {theirs}"
            )
    network, begun = clips.model.network, image.model.network
    _check_settings(network, begun, run, free=set() if image.form.captions else OF_CAPTIONS)
    try:
        unplaced = network.load_state_dict(begun.state_dict(), strict=False).unexpected_keys
    except RuntimeError as error:
        raise ValueError(
            f"{KEY} is {run}, whose network has weights of other shapes than that of the clips "
            "(task.learned_variance would do that). Name a run that was trained without"
        ) from error
    if unplaced:
        raise ValueError(
            f"{KEY} is {run}, whose network has weights that one of clips has no place for "
            f"({', '.join(unplaced)}). Name a run that was trained without classes and data.augment"
        )


def _fitting(other: Task, form: Form, run: str) -> ImageGeneration:
    """`other` as one that draws images like the frames of `form`; ValueError where it does not."""
    is_image = isinstance(other.form, ImageForm) and not other.form.is_latent
    if not isinstance(other, ImageGeneration) or not is_image:
        raise ValueError(
            f"{KEY} is {run}, which draws no images from noise; name a run of task "
            "unconditional-image-generation or text-to-image without an autoencoder, such as one "
            "of recipe moving-digits-frames"
        )
    channels, _, *sides = form.item_shape
    if other.form.item_shape != (channels, *sides):
        raise ValueError(
            f"{KEY} is {run}, which draws images of shape {other.form.item_shape}, and frames of "
            f"the clips have {(channels, *sides)}. Name a run that was trained on frames like these"
        )
    if other.form.sizes:
        raise ValueError(
            f"{KEY} is {run}, which draws images of {len(other.form.sizes)} sizes (data.buckets), "
            "and a clip's frames are of one. Name a run without data.buckets"
        )
    if other.form.class_names and other.form.class_names != form.class_names:
        raise ValueError(
            f"{KEY} is {run}, which knows the classes {', '.join(other.form.class_names)}, and the "
            f"clips {', '.join(form.class_names) or 'none'}. Name a run of the same classes"
        )
    if other.form.captions is not None and not read_alike(other.form.captions, form.captions):
        raise ValueError(
            f"{KEY} is {run}, which reads captions in other tokens than these clips have. Name a "
            "run that was trained without captions, or on the same"
        )
    return other


def _check_settings(network: nn.Module, begun: nn.Module, run: str, free: set[str]) -> None:
    """ValueError where the two networks are not of the same settings, but for those that are free.

    Not all of these show in the weights' shapes: the number of heads does not.
    """
    own, theirs = getattr(network, "config", None), getattr(begun, "config", None)
    if not isinstance(own, DiT) or not isinstance(theirs, DiT):
        raise ValueError(
            f"{KEY} is {run}, and a network of clips begins as one of images where both are dit. "
            "Use network dit here, and name a run that has it"
        )
    if others := _differences(own, theirs, OF_CLIPS | free):
        raise ValueError(
            f"{KEY} is {run}, whose network is another: {', '.join(others)}. Give both the same"
        )


def _differences(own: DiT, theirs: DiT, free: set[str]) -> list[str]:
    names = [field.name for field in fields(own) if field.name not in free]
    values = [(name, getattr(theirs, name), getattr(own, name)) for name in names]
    return [f"{name} {there}, here {here}" for name, there, here in values if there != here]
