"""diffusers: UNet2DModel, trained to predict the noise of a linear DDPM of 1,000 steps.

`example` has the settings of its examples/unconditional_image_generation/train_unconditional.py;
`small` a network that fits the data and the machine.
"""

from collections.abc import Iterable
from functools import partial

import diffusers
import torch
import torch.nn.functional as F
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    UNet2DModel,
)
from torch import Tensor, nn

from peers import CLASSES, SIDE, Contestant, cosine, power_average, warm_down

TRAINED = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear")
SAMPLERS = {"dpm++-20": 20, "dpm++-20-karras": 20, "ddim-50": 50, "ddpm-1000": 1000}


def small() -> Contestant:
    """About a million parameters; attention in the middle only."""
    return in_this_loop(partial(_unet, (32, 64, 64), side=SIDE, layers_per_block=1, groups=8))


def in_this_loop(network: partial[nn.Module]) -> Contestant:
    """`small` with any network that is called as UNet2DModel is."""
    return Contestant(
        package=f"diffusers {diffusers.__version__}",
        network=network,
        loss=partial(_loss, SIDE),
        sample=partial(_sample, SIDE),
        samplers=SAMPLERS,
        optimizer=_adamw,
        rate_plan=warm_down,
        average_plan=power_average,
    )


def example() -> Contestant:
    """The training example's settings; its five halvings need 32 pixels.

    Its 500 warm-up steps are kept, also where 20 minutes hold fewer: the rate then never peaks.
    """
    attention = ("DownBlock2D",) * 4 + ("AttnDownBlock2D", "DownBlock2D")
    widths = (128, 128, 256, 256, 512, 512)
    return Contestant(
        package=f"diffusers {diffusers.__version__}",
        network=partial(_unet, widths, side=32, layers_per_block=2, down=attention),
        loss=partial(_loss, 32),
        sample=partial(_sample, 32),
        samplers=SAMPLERS,
        optimizer=_adamw,
        rates=(1e-4,),
        rate_plan=cosine,
        average_plan=power_average,
        batch_size=16,
        only_float32=True,
        weights=("average", "raw"),
    )


def _unet(
    widths: tuple[int, ...],
    *,
    side: int,
    layers_per_block: int,
    groups: int = 32,
    down: tuple[str, ...] | None = None,
) -> UNet2DModel:
    down = down or ("DownBlock2D",) * len(widths)
    return UNet2DModel(
        sample_size=side,
        in_channels=1,
        out_channels=1,
        layers_per_block=layers_per_block,
        block_out_channels=widths,
        down_block_types=down,
        up_block_types=tuple(kind.replace("Down", "Up") for kind in reversed(down)),
        norm_num_groups=groups,
        num_class_embeds=CLASSES,
    )


def _adamw(parameters: Iterable[Tensor], rate: Tensor) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        parameters,
        lr=rate,
        betas=(0.95, 0.999),
        weight_decay=1e-6,
        eps=1e-8,
        fused=True,
        capturable=rate.is_cuda,
    )


def _loss(side: int, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    border = (side - SIDE) // 2
    x0 = F.pad(images, (border,) * 4) * 2 - 1
    noise = torch.randn_like(x0)
    t = torch.randint(0, len(TRAINED), (len(x0),), device=x0.device)
    predicted = network(TRAINED.add_noise(x0, noise, t), t, labels).sample
    return F.mse_loss(predicted.float(), noise)


def _sample(side: int, network: nn.Module, labels: Tensor, sampler: str) -> Tensor:
    scheduler = _scheduler(sampler)
    scheduler.set_timesteps(SAMPLERS[sampler], device=labels.device)
    x = torch.randn(len(labels), 1, side, side, device=labels.device)
    for t in scheduler.timesteps:
        predicted = network(scheduler.scale_model_input(x, t), t, labels).sample
        x = scheduler.step(predicted.float(), t, x).prev_sample
    border = (side - SIDE) // 2
    return (x[..., border : side - border, border : side - border] + 1) / 2


def _scheduler(sampler: str) -> DDPMScheduler | DDIMScheduler | DPMSolverMultistepScheduler:
    if sampler.startswith("dpm++"):
        karras = sampler.endswith("karras")
        return DPMSolverMultistepScheduler.from_config(TRAINED.config, use_karras_sigmas=karras)
    kind = DDIMScheduler if sampler.startswith("ddim") else DDPMScheduler
    return kind.from_config(TRAINED.config)
