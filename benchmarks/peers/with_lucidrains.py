"""denoising-diffusion-pytorch: its class-conditional Unet and GaussianDiffusion, own defaults.

`as_shipped` is its Trainer's Adam and rate, constant; `tuned` has the rates and the plan of the
others.
"""

from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version

import torch
from denoising_diffusion_pytorch.classifier_free_guidance import GaussianDiffusion, Unet
from torch import Tensor, nn

from peers import CLASSES, SIDE, Contestant, warm_down

# name: steps, guidance scale (6 is its default)
SAMPLERS = {
    "ddim-50": (50, 1.0),
    "ddim-100": (100, 1.0),
    "ddim-50-guided": (50, 6.0),
    "ddim-100-guided": (100, 6.0),
    "ddpm-1000": (1000, 1.0),
    "ddpm-1000-guided": (1000, 6.0),
}


def as_shipped() -> Contestant:
    """The settings of its Trainer, with the batch of the others."""
    return Contestant(
        package=f"denoising-diffusion-pytorch {version('denoising-diffusion-pytorch')}",
        network=_diffusion,
        loss=lambda network, images, labels: network(images, classes=labels),
        sample=_sample,
        samplers={name: n * (1 if scale == 1 else 2) for name, (n, scale) in SAMPLERS.items()},
        optimizer=_adam,
        rates=(1e-4,),
        rate_plan=torch.ones,
        average_plan=stepped_average,
    )


def tuned() -> Contestant:
    """Higher rates, down to 0."""
    return replace(as_shipped(), rates=(1e-3, 2e-3), rate_plan=warm_down)


def stepped_average(steps: int) -> Tensor:
    """Its Trainer's `EMA`: every 10 steps, copies up to step 100, decay rising to 0.995."""
    step = torch.arange(steps)
    weight = (1.0 + (step - 100).clamp(min=0)).pow(-2 / 3).clamp(min=1 - 0.995)
    return torch.where(step % 10 == 0, weight, 0.0)


class PairedUnet(Unet):
    """Without guidance Unet answers one tensor where GaussianDiffusion (2.3.4) unpacks two."""

    def forward_with_cond_scale(self, *inputs: Tensor, cond_scale: float, **how: float) -> object:
        answer = super().forward_with_cond_scale(*inputs, cond_scale=cond_scale, **how)
        return (answer, answer) if cond_scale == 1 else answer


def _diffusion() -> GaussianDiffusion:
    network = PairedUnet(dim=32, num_classes=CLASSES, dim_mults=(1, 2, 4), channels=1)
    return GaussianDiffusion(network, image_size=SIDE, timesteps=1000)


def _adam(parameters: Iterable[Tensor], rate: Tensor) -> torch.optim.Optimizer:
    return torch.optim.Adam(
        parameters, lr=rate, betas=(0.9, 0.99), fused=True, capturable=rate.is_cuda
    )


def _sample(network: nn.Module, labels: Tensor, sampler: str) -> Tensor:
    steps, scale = SAMPLERS[sampler]
    network.sampling_timesteps = steps
    network.is_ddim_sampling = steps < network.num_timesteps
    return network.sample(labels, cond_scale=scale)
