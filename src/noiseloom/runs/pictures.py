"""The pictures a run shows: samples, how noise was added, how it was taken away.

Of several processes all draw them, since each may hold a share of the model; the first writes.
"""

from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image

from noiseloom import media
from noiseloom.data.dataset import Dataset
from noiseloom.data.forms import Form
from noiseloom.runs.drawing import Samples, choose_labels, draw
from noiseloom.seeds import Random
from noiseloom.tasks import Request, Task
from noiseloom.training.distributed import from_first

STRIP_ROWS = 5
STRIP_COLUMNS = 11


def is_image(form: Form) -> bool:
    """Whether items are pictures rather than points."""
    return len(form.item_shape) > 1


def columns_of(form: Form) -> int:
    """How many pictures stand side by side: one of each class, at most ten."""
    return min(10, len(form.class_names) or 8)


def sheet(form: Form, items: np.ndarray, labels: np.ndarray | None) -> Image:
    """The items on one sheet: a class a column, or points in their class's colour."""
    if is_image(form):
        return form.picture(items, columns=columns_of(form))
    return form.picture(items, labels)


def sample_rows(task: Task, rows: int, *, seed: int, keep_frames: bool = False) -> Samples:
    """`rows` rows of samples (of points 500 a row), the same noise every time."""
    num = rows * columns_of(task.form) if is_image(task.form) else 500 * rows
    labels = choose_labels(task.form.class_names, None, num)
    return draw(task, Request(), labels, num=num, seed=seed, keep_frames=keep_frames)


def save_preview(task: Task, path: Path, *, seed: int) -> None:
    """A small sheet of samples of the weights as they are."""
    samples = sample_rows(task, 4, seed=seed)
    picture = sheet(task.form, samples.items, samples.labels)
    from_first(lambda: media.save_png(picture, path))


def save_final_pictures(
    folder: Path, task: Task, dataset: Dataset, *, seed: int, recipe_text: str
) -> None:
    """final.png, denoising.gif, denoising.png and forward.png, of the weights as they are."""
    samples = sample_rows(task, 6, seed=seed, keep_frames=True)
    labels, form = samples.labels, task.form
    assert samples.frames is not None
    frames = samples.frames

    def write() -> None:
        final = sheet(form, samples.items, labels)
        media.save_png(final, folder / "final.png", {"recipe": recipe_text})
        sheets = [sheet(form, frame, labels) for frame in frames]
        media.save_gif(sheets, folder / "denoising.gif", hold_ms=1500)
        media.save_png(strip(form, frames), folder / "denoising.png")
        media.save_png(strip(form, forward_frames(task, dataset, seed)), folder / "forward.png")

    from_first(write)


@torch.no_grad()
def forward_frames(task: Task, dataset: Dataset, seed: int) -> list[np.ndarray]:
    """Held-out items at evenly spaced times of the forward process, from clean to noise."""
    num = STRIP_ROWS if is_image(task.form) else 1000
    items = dataset.reference.items[:num]
    times = torch.linspace(0, 1, STRIP_COLUMNS)
    random = Random(seed, range(len(items))).under("forward-strip")
    return [task.form.to_items(task.noised(items, float(t), random)) for t in times]


def strip(form: Form, frames: list[np.ndarray]) -> Image:
    """A row for each of the first items (points: one), a column for each of up to 11 frames."""
    places = np.linspace(0, len(frames) - 1, min(STRIP_COLUMNS, len(frames))).round().astype(int)
    chosen = [frames[place] for place in places]
    if is_image(form):
        cells = np.stack([frame[:STRIP_ROWS] for frame in chosen], axis=1)
        return form.picture(cells.reshape(-1, *cells.shape[2:]), columns=len(chosen))
    panels = [form.picture(frame).resize((240, 240)) for frame in chosen]
    pixels = np.stack([np.asarray(panel.convert("RGB")) for panel in panels])
    return media.grid(pixels, columns=len(panels), scale=1)
