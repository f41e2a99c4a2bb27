"""Items that a model sees as the latents of an autoencoder (Rombach et al. 2022, arXiv:2112.10752).

Each channel is brought to mean 0 and standard deviation 1 over the training items: what diffusion
expects of data, and what latents are not by themselves. (The paper scales all by one number.)
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn
from torch.types import Device

from noiseloom.data.caption_tokens import Captions
from noiseloom.data.forms import Form
from noiseloom.errors import InputError
from noiseloom.tasks import Reconstructs, Task

LEAST_STD = 1e-6  # of a channel that is the same everywhere


class Whitening(nn.Module):
    """Latents (N, C, H, W) to mean 0 and standard deviation 1 in each channel, and back.

    It is a part of the model's state: weights trained on latents mean nothing without it, nor with
    another autoencoder, whose hash (SHA-256) it keeps.
    """

    mean: Tensor
    std: Tensor
    autoencoder: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))
        self.register_buffer("autoencoder", torch.zeros(32, dtype=torch.uint8))

    def learn(self, mean: Tensor, std: Tensor, autoencoder: bytes) -> None:
        """Take over each channel's mean and standard deviation (C,), and whose latents they are."""
        self.mean.copy_(mean[:, None, None])
        self.std.copy_(std.clamp(min=LEAST_STD)[:, None, None])
        self.autoencoder.copy_(torch.tensor(list(autoencoder), dtype=torch.uint8))

    def forward(self, latents: Tensor) -> Tensor:
        """Latents, on any device, as the model sees them."""
        return (latents - self.mean.to(latents)) / self.std.to(latents)

    def inverse(self, x: Tensor) -> Tensor:
        """What a model made, as latents."""
        return x * self.std.to(x) + self.mean.to(x)


@dataclass(frozen=True, kw_only=True, eq=False)
class LatentForm(Form):
    """Items of the form `items` by way of the frozen autoencoder `coder`.

    `to_model` takes items as they are stored, or latents float32 (N, C, H, W) as they are cached;
    `to_items` gives items. `digest` is the hash of the coder's weights.
    """

    items: Form
    coder: Reconstructs
    digest: bytes
    whitening: Whitening

    @property
    def is_latent(self) -> bool:
        """See `Form.is_latent`."""
        return True

    @property
    def captions(self) -> Captions | None:
        """See `Form.captions`."""
        return self.items.captions

    @property
    def state(self) -> nn.Module:
        """See `Form.state`."""
        return self.whitening

    def to_model(self, items: np.ndarray, device: Device = "cpu") -> Tensor:
        """Whitened latents of stored items, which are encoded, or of cached latents."""
        self._check()
        if items.dtype == np.float32 and items.shape[1:] == self.item_shape:
            return self.whitening(torch.from_numpy(np.array(items))).to(device)
        return self.whitening(self.coder.encode(items)).to(device)

    def to_items(self, x0: Tensor) -> np.ndarray:
        """Whitened latents decoded to items; MachineError where they are not finite."""
        self._check()
        latents = self.whitening.inverse(x0.detach().to("cpu", torch.float32))
        return self.items.to_items(self.coder.decode(latents))

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image:
        """The items' own form's sheet."""
        return self.items.picture(items, labels, columns, scale)

    def to_mapping(self) -> dict[str, Any]:
        """The items' own form: the rest follows from the recipe and the autoencoder."""
        return self.items.to_mapping()

    def _check(self) -> None:
        """InputError where the weights were trained on another autoencoder's latents."""
        if bytes(self.whitening.autoencoder.tolist()) != self.digest:
            raise InputError(
                "The autoencoder in the run's others/ is not the one on whose latents the weights "
                "were trained. Restore that folder, or train the recipe as a new run"
            )


def latents_of(form: Form, coder: Task, *, key: str, run: str) -> LatentForm:
    """What a model sees of items of `form` through the autoencoder `coder`, the run named by `key`.

    Its whitening is to be learned, or read from a checkpoint. Raises ValueError where the other run
    is no autoencoder of such items, and where the data changes items in ways it knows nothing of.
    """
    if not isinstance(coder, Reconstructs):
        raise ValueError(
            f"{key}.run is {run}, which has no latents; name a run of an image-reconstruction "
            "recipe, such as mnist-autoencoder"
        )
    if coder.form.item_shape != form.item_shape:
        raise ValueError(
            f"{key}.run is {run}, an autoencoder of items of shape {coder.form.item_shape}; the "
            f"data's are {form.item_shape}. Name one that was trained on items of that shape"
        )
    if form.sizes:
        raise ValueError(
            f"the data's images are of {len(form.sizes)} sizes (data.buckets), and an autoencoder "
            "packs images of one. Leave data.buckets out, or task.autoencoder"
        )
    if form.told:
        raise ValueError(
            "data.augment changes images in every step, and latents are computed once; set "
            "data.augment=0. data.flip=true can stay: mirrored images have latents, too"
        )
    return LatentForm(
        item_shape=coder.latent_shape,
        class_names=form.class_names,
        items=form,
        coder=coder,
        digest=digest_of(coder.model),
        whitening=Whitening(coder.latent_shape[0]),
    )


def digest_of(model: nn.Module) -> bytes:
    """The SHA-256 of a model's names, shapes and numbers."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.digest()
