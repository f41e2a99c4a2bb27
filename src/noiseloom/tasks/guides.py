"""The other model that a guidance needs: what it is called, and whether it fits."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from noiseloom.config import Earlier
from noiseloom.data.caption_tokens import Captions
from noiseloom.data.forms import Form
from noiseloom.diffusion.denoiser import Denoiser
from noiseloom.diffusion.guidance import Autoguidance, ClassifierGuidance, Guidance
from noiseloom.diffusion.guidance.guidance import Guide
from noiseloom.tasks import Task
from noiseloom.tasks.image_classification import ImageClassification
from noiseloom.tasks.latent_form import LatentForm


@dataclass(frozen=True)
class Unlabelled:
    """A denoiser that knows no labels, asked as one that does."""

    model: Denoiser

    @property
    def schedule(self) -> Any:
        """The denoiser's own."""
        return self.model.schedule

    def __call__(self, xt: Tensor, t: Tensor, condition: Any = None, /) -> Any:
        """What it says, whatever the condition."""
        return self.model(xt, t)


def fitting_guide(guidance: Guidance, guide: Task, form: Form) -> Guide:
    """The model of `guide`, for samples of `form`; ValueError where it cannot guide them so."""
    if guide.form.item_shape != form.item_shape:
        raise ValueError(
            f"the guide knows items of shape {guide.form.item_shape}, and this run draws "
            f"{form.item_shape}. Name a run of items like these"
        )
    if set(form.sizes) - set(guide.form.sizes):
        raise ValueError(
            f"this run draws in {len(form.sizes)} sizes (data.buckets), and the guide knows "
            "others. Name a run that was trained on the same data"
        )
    if isinstance(guide.form, LatentForm) and isinstance(form, LatentForm):
        if guide.form.digest != form.digest:
            raise ValueError(
                "the guide draws in the latents of another autoencoder than this run. Name a run "
                "that was trained with the same one"
            )
    elif guide.form.is_latent or form.is_latent:
        raise ValueError(
            "one of the guide and this run draws in the latents of an autoencoder, the other does "
            "not. Name a run of the same kind"
        )
    if form.captions is not None and isinstance(guidance, ClassifierGuidance):
        raise ValueError(
            "a classifier leads to a class, and this run draws what captions say. Leave it out, or "
            "guide with --autoguide"
        )
    if guide.form.captions is not None and not read_alike(guide.form.captions, form.captions):
        raise ValueError(
            "the guide reads captions in other tokens than this run. Name a run that was trained "
            "on the same data"
        )
    known, own = guide.form.class_names, form.class_names
    if known and own and known != own:
        raise ValueError(
            f"the guide knows the classes {', '.join(known)}, and this run {', '.join(own)}. Name "
            "a run of the same classes"
        )
    if isinstance(guidance, ClassifierGuidance):
        return _fitting_classifier(guide)
    if isinstance(guidance, Autoguidance):
        return _fitting_denoiser(guide, form)
    raise ValueError(
        "classifier-free guidance compares the model with itself and was given another; leave the "
        "other run out"
    )


def _fitting_classifier(guide: Task) -> Guide:
    if not isinstance(guide, ImageClassification):
        raise ValueError(
            "the guide is no classifier: it was trained for another task. Name a run of task "
            "image-classification, trained with task.noise={}"
        )
    if guide.model.schedule is None:
        raise ValueError(
            "the guide reads clean images only, and guidance asks it about noisy ones. Train the "
            "classifier with task.noise={}"
        )
    return guide.model


def _fitting_denoiser(guide: Task, form: Form) -> Guide:
    if not isinstance(guide.model, Denoiser):
        raise ValueError(
            "the guide denoises nothing: it was trained for another task. Autoguidance needs a run "
            "that draws samples; a classifier guides with --classifier"
        )
    if guide.form.class_names and not form.class_names:
        raise ValueError(
            "the guide draws by class, and this run knows no classes. Name a run without labels"
        )
    knows_more = bool(form.class_names) or form.captions is not None
    is_asked = bool(guide.form.class_names) or guide.form.captions is not None
    return Unlabelled(guide.model) if knows_more and not is_asked else guide.model


def read_alike(one: Captions | None, other: Captions | None) -> bool:
    """Whether a caption is the same tokens to both, or neither reads any."""
    if one is None or other is None:
        return one is other
    same = one.tokenizer.to_json() == other.tokenizer.to_json()
    return same and one.longest == other.longest


def guide_words(guidance: Guidance) -> str:
    """Which model guides, in words; empty where none does."""
    reference = getattr(guidance, "guide", None)
    if reference is None:
        return ""
    if isinstance(reference, Earlier):
        return f"step {reference.at:g} of this run"
    return f"{reference.run}" + (f", step {reference.checkpoint}" if reference.checkpoint else "")
