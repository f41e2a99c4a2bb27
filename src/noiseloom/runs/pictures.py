"""The pictures a run shows: samples, how noise was added and taken away; what is read in items.

Of several processes all draw them, since each may hold a share of the model; the first writes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from noiseloom import media
from noiseloom.data.buckets import in_words
from noiseloom.data.dataset import Dataset, Split, VideoDataset
from noiseloom.data.forms import Form, SeriesForm, TextForm, VideoForm
from noiseloom.runs.drawing import Samples, draw, usually_asked
from noiseloom.runs.predicting import predictions_of
from noiseloom.runs.reconstructing import save_reconstructions
from noiseloom.runs.writing import save_texts
from noiseloom.seeds import Random
from noiseloom.tasks import Draws, Noises, Predicts, Reconstructs, Request, Task, Writes
from noiseloom.training.checkpoints import write_text
from noiseloom.training.distributed import from_first

OTHER_ROWS = 2  # of the sheets of sizes that are not the usual one
STRIP_ROWS = 5
STRIP_COLUMNS = 11
PREDICTED_ROWS, MISTAKEN_ROWS, CONTINUED_ROWS = 4, 2, 8
CAPTIONED_CELL = 84  # pixels: two short class names
CAPTIONED_COLUMNS = 6  # pictures side by side over what was asked for in words


def is_image(form: Form) -> bool:
    """Whether items are pictures: channels, height, width."""
    return len(form.item_shape) == 3


def columns_of(form: Form) -> int:
    """How many pictures stand side by side: one of each class, at most ten; few with captions."""
    if form.captions is not None:
        return CAPTIONED_COLUMNS
    return min(10, len(form.class_names) or 8)


def is_clips(form: Form) -> bool:
    """Whether items are clips: channels, frames, height, width."""
    return len(form.item_shape) == 4


def items_of_a_row(form: Form) -> int:
    """How many items make one row of a sheet: of clips one, of points as many as one can see."""
    return columns_of(form) if is_image(form) else 1 if is_clips(form) else 500


def sheet(form: Form, items: np.ndarray, labels: np.ndarray | None) -> Image:
    """The items on one sheet: a class a column, each over its caption, or points in colours."""
    if is_image(form):
        captions = None if form.captions is None else labels
        return form.picture(items, captions, columns=columns_of(form))
    return form.picture(items, labels)


def sample_rows(
    task: Draws,
    rows: int,
    *,
    seed: int,
    size: tuple[int, int] | None = None,
    keep_frames: bool = False,
) -> Samples:
    """`rows` rows of samples (of points 500 a row), the same noise every time."""
    num = rows * items_of_a_row(task.form)
    labels = usually_asked(task, num)
    return draw(task, Request(size=size), labels, num=num, seed=seed, keep_frames=keep_frames)


def save_preview(task: Draws, path: Path, *, seed: int) -> None:
    """A small sheet of samples of the weights as they are."""
    samples = sample_rows(task, 4, seed=seed)
    picture = sheet(task.form, samples.items, samples.labels)
    from_first(lambda: media.save_png(picture, path))


def save_final_pictures(
    folder: Path, task: Task, dataset: Dataset, *, seed: int, recipe_text: str
) -> None:
    """What the task can show of the weights as they are: samples, texts, what it makes of items."""
    if isinstance(task, Draws):
        save_samples(folder, task, dataset, seed=seed, recipe_text=recipe_text)
    if isinstance(task, Predicts):
        save_predictions(folder, task, dataset.reference)
    if isinstance(task, Reconstructs):
        save_reconstructions(task, dataset.reference, folder / "reconstructions.png")
    if isinstance(task, Writes):
        save_texts(task, dataset.reference, folder / "final.txt", seed=seed)


def save_samples(
    folder: Path, task: Draws, dataset: Dataset, *, seed: int, recipe_text: str
) -> None:
    """final.png, denoising.gif and denoising.png of the weights as they are.

    And forward.png, of a task that has learned on noisy items; where items come in several sizes
    final-HEIGHTxWIDTH.png of each but the usual one.
    """
    others = {
        f"final-{in_words(size)}.png": sample_rows(task, OTHER_ROWS, seed=seed, size=size)
        for size in task.form.sizes[1:]
    }
    samples = sample_rows(task, 6, seed=seed, keep_frames=True)
    labels, form = samples.labels, task.form
    assert samples.frames is not None
    frames = samples.frames

    def write() -> None:
        final = sheet(form, samples.items, labels)
        media.save_png(final, folder / "final.png", {"recipe": recipe_text})
        for name, other in others.items():
            picture = sheet(form, other.items, other.labels)
            media.save_png(picture, folder / name, {"recipe": recipe_text})
        sheets = [sheet(form, frame, labels) for frame in frames]
        media.save_gif(sheets, folder / "denoising.gif", hold_ms=1500)
        media.save_png(strip(form, frames), folder / "denoising.png")
        if isinstance(form, VideoForm):
            moving = media.sheets(samples.items, columns=len(samples.items))
            media.save_gif(moving, folder / "final.gif", media.milliseconds(form.rate))
        if isinstance(task, Noises):
            forward = forward_frames(task, dataset, seed)
            media.save_png(strip(form, forward), folder / "forward.png")

    from_first(write)


def save_predictions(folder: Path, task: Predicts, held_out: Split) -> None:
    """predictions.png: held-out items, evenly taken, with the class read in each.

    Of texts predictions.txt: a line for each, the class read, the right one, the text.
    """
    num = min(len(held_out), PREDICTED_ROWS * columns_of(task.form))
    chosen = np.linspace(0, len(held_out) - 1, num).round().astype(int)  # files come by class
    found = predictions_of(task, held_out.items[chosen])
    assert held_out.labels is not None  # the task saw to it
    if isinstance(task.form, TextForm):
        texts = [" ".join(text.split()) for text in task.form.texts(held_out.items[chosen])]
        right = [task.form.class_names[label] for label in held_out.labels[chosen]]
        lines = ["read\tright\ttext", *map("\t".join, zip(found.names, right, texts, strict=True))]

        def write() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / "predictions.txt", "\n".join(lines) + "\n")

        from_first(write)
        return
    picture = predictions_sheet(
        task.form, held_out.items[chosen], found.labels, held_out.labels[chosen]
    )
    from_first(lambda: media.save_png(picture, folder / "predictions.png"))


def save_mistakes(folder: Path, form: Form, held_out: Split, logits: Tensor) -> None:
    """mistakes.png: the held-out items read wrong with the most confidence, if there are any.

    `logits` (N, classes) are those of all held-out items. Texts stand in evaluation.json instead.
    """
    if isinstance(form, TextForm):
        return
    assert held_out.labels is not None  # the task saw to it
    path = folder / "mistakes.png"
    confidence, read = (one.numpy() for one in logits.softmax(dim=1).max(dim=1))
    wrong = np.flatnonzero(read != held_out.labels)
    if not len(wrong):
        path.unlink(missing_ok=True)
        return
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")]
    surest = surest[: MISTAKEN_ROWS * columns_of(form)]
    items, truth = held_out.items[surest], held_out.labels[surest]
    media.save_png(predictions_sheet(form, items, read[surest], truth), path)


def save_continuations(
    folder: Path, dataset: VideoDataset, made: np.ndarray, given: Sequence[int]
) -> None:
    """continued.png and .gif: held-out clips, each over how the run went on with its frames."""
    num = min(len(made), CONTINUED_ROWS)
    real = np.asarray(dataset.reference.items[:num])
    both = np.stack([real, made[:num]], axis=1)
    rows = both.reshape(-1, *made.shape[1:])
    captions = ["as it was", "as it was made"] * num
    media.save_png(media.strip(rows, captions, given=given), folder / "continued.png")
    turned = both.swapaxes(0, 1).reshape(-1, *made.shape[1:])
    moving = media.sheets(turned, columns=num)
    media.save_gif(moving, folder / "continued.gif", media.milliseconds(dataset.rate))


def predictions_sheet(form: Form, items: np.ndarray, read: np.ndarray, truth: np.ndarray) -> Image:
    """Items with the class read in each; those read wrong are marked, the right one in brackets."""
    names, wrong = form.class_names, read != truth
    captions = [
        names[one] if one == right else f"{names[one]} ({names[right]})"
        for one, right in zip(read, truth, strict=True)
    ]
    if isinstance(form, SeriesForm):
        return form.strips(items, captions, marked=wrong.tolist())
    if not is_image(form):
        return form.picture(items, read)
    scale = max(1, round(CAPTIONED_CELL / max(items.shape[1:3])))
    columns = min(columns_of(form), len(items))
    return media.grid(items, columns, scale, captions, marked=wrong.tolist())


@torch.no_grad()
def forward_frames(task: Noises, dataset: Dataset, seed: int) -> list[np.ndarray]:
    """Held-out items, of the usual size, at even times of the forward process to noise."""
    num = STRIP_ROWS if is_image(task.form) or is_clips(task.form) else 1000
    items = dataset.alike().reference.items[:num]
    times = torch.linspace(0, 1, STRIP_COLUMNS)
    random = Random(seed, range(len(items))).under("forward-strip")
    return [task.form.to_items(task.noised(items, float(t), random)) for t in times]


def strip(form: Form, frames: list[np.ndarray]) -> Image:
    """A row for each of the first items (points: one), a column for each of up to 11 frames.

    Of clips the first alone, a row for each.
    """
    places = np.linspace(0, len(frames) - 1, min(STRIP_COLUMNS, len(frames))).round().astype(int)
    chosen = [frames[place] for place in places]
    if is_image(form):
        cells = np.stack([frame[:STRIP_ROWS] for frame in chosen], axis=1)
        return form.picture(cells.reshape(-1, *cells.shape[2:]), columns=len(chosen))
    if is_clips(form):
        return form.picture(np.stack([frame[0] for frame in chosen]))
    panels = [form.picture(frame).resize((240, 240)) for frame in chosen]
    pixels = np.stack([np.asarray(panel.convert("RGB")) for panel in panels])
    return media.grid(pixels, columns=len(panels), scale=1)
