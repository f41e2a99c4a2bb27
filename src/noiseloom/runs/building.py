"""A recipe's task for items of a form: what the model sees of them, and the model, placed."""

from collections.abc import Mapping

from noiseloom import seeds
from noiseloom.config import word_of
from noiseloom.data.forms import Form
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import InputError
from noiseloom.runs.environment import choose_device
from noiseloom.runs.recipe import Recipe
from noiseloom.tasks import Task, Views
from noiseloom.training.engines import Sharding, place
from noiseloom.training.loop import Device


def seen_form(recipe: Recipe, form: Form, others: Mapping[str, Task]) -> Form:
    """What the recipe's model sees of items of `form`; InputError where `others` do not fit it."""
    if not isinstance(recipe.task, Views):
        return form
    try:
        return recipe.task.view(form, others)
    except ValueError as error:
        raise InputError(f"Recipe '{recipe.name}' does not fit its data: {error}") from error


def build_task(
    recipe: Recipe,
    form: Form,
    statistics: Statistics,
    device: Device | None = None,
    *,
    sharding: Sharding = "none",
    others: Mapping[str, Task] | None = None,
) -> Task:
    """The recipe's task for items of `form`; InputError where network and data do not fit.

    It is put on `device`, by default the recipe's: whole, or as `sharding` says. `others` are the
    frozen tasks of the runs that the task's config refers to, by dotted key.
    """
    try:
        if form.sizes and not getattr(recipe.task, "takes_sizes", False):
            raise ValueError(
                f"the data's images are of {len(form.sizes)} sizes (data.buckets), and task "
                f"'{word_of(recipe, 'task')}' takes images of one. Use task text-to-image, or "
                "leave data.buckets out"
            )
        with seeds.fixed(recipe.training.seed, "weights"):
            task: Task = recipe.task.build(recipe.network, form, statistics, others or {})
    except ValueError as error:
        seen = " x ".join(map(str, form.item_shape))
        data = f"its data, which it sees as latents of {seen}" if form.is_latent else "its data"
        raise InputError(f"Recipe '{recipe.name}' does not fit {data}: {error}") from error
    place(task.model, choose_device(device or recipe.training.device), sharding)
    return task
