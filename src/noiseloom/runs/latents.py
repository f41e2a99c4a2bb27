"""The latents of a data set, computed once and kept beside its prepared arrays, memory-mapped.

    <prepared data>/learned/latents/<key>/    train_items.npy, reference_items.npy, …

`<key>` is a hash of the data, of the autoencoder's weights and of the code that encodes. Where
training sees images mirrored too, the mirrored ones follow the others: every item then stands there
twice, which comes to the same as mirroring it with probability 1/2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from noiseloom.data.content import source_digest
from noiseloom.data.dataset import Dataset, Split
from noiseloom.data.prepared import key_of, open_prepared
from noiseloom.runs.building import seen_form
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import Task
from noiseloom.tasks.latent_form import LatentForm
from noiseloom.training.distributed import first_then_rest
from noiseloom.training.loop import Working

CODE = (  # modules of noiseloom
    "data/forms/form",
    "data/forms/pictures",
    "networks/autoencoder",
    "networks/bottlenecks",
    "networks/residual_block",
    "runs/latents",
    "tasks/image_reconstruction",
)
CHUNK = 256  # items encoded together


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentDataset(Dataset):
    """The latents of a data set's items, float32 (N, C, H, W), with its labels and words."""

    latent_form: LatentForm

    @cached_property
    def form(self) -> LatentForm:
        return self.latent_form


def seen_data(
    run: Run, dataset: Dataset, others: Mapping[str, Task], on_event: OnEvent = ignore
) -> Dataset:
    """The data as the run's model sees it: `dataset`, or its latents, encoded now if not yet.

    `others` are the frozen tasks that the run needs. Raises InputError where the autoencoder does
    not fit, MachineError where latents cannot be written.
    """
    form = seen_form(run.recipe, dataset.form, others)
    return latents(dataset, form, on_event) if isinstance(form, LatentForm) else dataset


def latents(dataset: Dataset, form: LatentForm, on_event: OnEvent = ignore) -> LatentDataset:
    """The latents of `dataset`, from its cache or encoded now; `form` learns to whiten them."""
    mirrored = dataset.form.flip
    key = key_of(
        data=dataset.fingerprint,
        autoencoder=form.digest.hex(),
        mirrored=mirrored,
        code=source_digest(CODE),
    )

    def build(folder: Path) -> dict[str, Any]:
        moments = _Moments(form.item_shape[0])
        total = len(dataset.train) * (2 if mirrored else 1) + len(dataset.reference)
        done = 0
        for name, split, ways in (
            ("train", dataset.train, (False, True) if mirrored else (False,)),
            ("reference", dataset.reference, (False,)),
        ):
            shape = (len(split) * len(ways), *form.item_shape)
            path = folder / f"{name}_items.npy"
            array = np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), shape)
            start = 0
            for items in _chunks(split, ways):
                encoded = form.coder.encode(items)
                array[start : start + len(items)] = encoded.numpy()
                start += len(items)
                done += len(items)
                if name == "train":
                    moments.add(encoded)
                on_event(Working("Encoding", done, total))
            array.flush()
            for kind, beside in (("labels", split.labels), ("captions", split.captions)):
                if beside is not None:
                    again = np.concatenate([beside] * len(ways))
                    np.save(folder / f"{name}_{kind}.npy", again)
        mean, std = moments.result()
        return {"class_names": dataset.class_names, "mean": mean.tolist(), "std": std.tolist()}

    prepared = first_then_rest(lambda: open_prepared(dataset.cache / "latents", key, build))
    mean, std = (torch.tensor(prepared.details[name]) for name in ("mean", "std"))
    form.whitening.learn(mean, std, form.digest)
    return LatentDataset(
        train=prepared.train,
        reference=prepared.reference,
        class_names=dataset.class_names,
        fingerprint=prepared.fingerprint,
        report=dataset.report,
        cache=prepared.learned,
        latent_form=form,
    )


def _chunks(split: Split, ways: tuple[bool, ...]) -> Iterator[np.ndarray]:
    """Stored images (N, H, W, C) in order, as they are and, where asked, mirrored left-right."""
    for is_mirrored in ways:
        for start in range(0, len(split), CHUNK):
            items = split.items[start : start + CHUNK]
            yield items[:, :, ::-1] if is_mirrored else items


class _Moments:
    """Mean and standard deviation of each channel, taken in bit by bit in float64."""

    def __init__(self, channels: int) -> None:
        self.total = torch.zeros(channels, dtype=torch.float64)
        self.squares = torch.zeros_like(self.total)
        self.count = 0

    def add(self, latents: torch.Tensor) -> None:
        values = latents.double().movedim(1, 0).flatten(1)
        self.total += values.sum(1)
        self.squares += values.square().sum(1)
        self.count += values.shape[1]

    def result(self) -> tuple[torch.Tensor, torch.Tensor]:
        mean = self.total / self.count
        return mean, (self.squares / self.count - mean.square()).clamp(min=0).sqrt()
