"""Step time of `unet` and `dit` beside diffusers' UNet2DModel and DiTTransformer2DModel.

    python benchmarks/networks.py [--rounds 30] [--precision auto|float32|bfloat16]

Equal shapes, data, precision and optimiser (torch's fused AdamW), one process, in turn, medians. A
step is forward, backward and update of one batch. The U-Nets agree in sides, channels, residual
blocks a level on the way down and attention; diffusers' has one block more a level on the way up,
so the ratio is also given per floating-point operation, counted by torch. Its DiT has a modulation
map of its own in every block, Noiseloom's one for all. Run it in the environment of
`peers/requirements.txt` with Noiseloom on PYTHONPATH. Prints JSON.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DiTTransformer2DModel, UNet2DModel
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from noiseloom.networks import dit, unet
from noiseloom.training.precision import autocast, settle

CLASSES = 10


@dataclass(frozen=True)
class Shape:
    """Two networks of equal shape, and the batch they are timed on."""

    name: str
    item: tuple[int, int, int]
    batch: int
    ours: Callable[[], nn.Module]
    theirs: Callable[[], nn.Module]


def unet_shape(item: tuple[int, int, int], channels: int, blocks: int, batch: int) -> Shape:
    """Three levels (1, 2, 2 times `channels`), attention at the smallest side."""
    colours, side, _ = item
    widths = (channels, 2 * channels, 2 * channels)
    config = unet.Config(channels=channels, multipliers=(1, 2, 2), blocks=blocks)

    def theirs() -> nn.Module:
        return UNet2DModel(
            sample_size=side,
            in_channels=colours,
            out_channels=colours,
            block_out_channels=widths,
            layers_per_block=blocks,
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            attention_head_dim=config.head_width,
            norm_num_groups=8,
            num_class_embeds=CLASSES + 1,
        )

    name = f"unet {channels} channels, {blocks} blocks, {side} px, batch {batch}"
    return Shape(name, item, batch, lambda: config.build(item, CLASSES), theirs)


def dit_shape(
    item: tuple[int, int, int], patch: int, width: int, depth: int, heads: int, batch: int
) -> Shape:
    colours, side, _ = item
    config = dit.Config(patch=patch, width=width, depth=depth, heads=heads, activation="gelu")

    def theirs() -> nn.Module:
        return DiTTransformer2DModel(
            num_attention_heads=heads,
            attention_head_dim=width // heads,
            in_channels=colours,
            out_channels=colours,
            num_layers=depth,
            sample_size=side,
            patch_size=patch,
            num_embeds_ada_norm=CLASSES,
        )

    tokens = (side // patch) ** 2
    name = f"dit {width} wide, {depth} blocks, {tokens} tokens, batch {batch}"
    return Shape(name, item, batch, lambda: config.build(item, CLASSES), theirs)


SHAPES = (
    unet_shape((1, 28, 28), channels=32, blocks=1, batch=64),
    unet_shape((3, 32, 32), channels=64, blocks=2, batch=32),
    dit_shape((1, 28, 28), patch=7, width=128, depth=4, heads=4, batch=64),
    dit_shape((1, 28, 28), patch=4, width=128, depth=4, heads=4, batch=64),
    dit_shape((3, 32, 32), patch=2, width=192, depth=6, heads=3, batch=16),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Step times beside diffusers' networks.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    given = parser.parse_args()
    precision = settle(given.precision, torch.device("cpu"))
    print(json.dumps({"precision": precision, "threads": torch.get_num_threads()}), flush=True)
    for shape in SHAPES:
        print(json.dumps(compare(shape, precision, given.rounds), indent=1), flush=True)


def compare(shape: Shape, precision: Any, rounds: int) -> dict[str, Any]:
    """Medians of both, and how many times as long diffusers' takes."""
    torch.manual_seed(0)
    x = torch.randn(shape.batch, *shape.item)
    labels = torch.arange(shape.batch) % CLASSES
    steps = {
        "noiseloom": Step(shape.ours(), precision, lambda net: net(x, torch.rand(len(x)), labels)),
        "diffusers": Step(shape.theirs(), precision, lambda net: _ask(net, x, labels)),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - began)
    seconds = {name: statistics.median(seen[rounds // 6 :]) for name, seen in times.items()}
    operations = {name: step.operations() for name, step in steps.items()}
    ratio = seconds["diffusers"] / seconds["noiseloom"]
    return {
        "shape": shape.name,
        "milliseconds": {name: round(1e3 * value, 1) for name, value in seconds.items()},
        "parameters": {name: step.parameters for name, step in steps.items()},
        "gigaflop": {name: round(value / 1e9, 2) for name, value in operations.items()},
        "gigaflop_a_second": {
            name: round(operations[name] / seconds[name] / 1e9, 1) for name in steps
        },
        "times_as_fast": round(ratio, 2),
        "times_as_fast_per_operation": round(
            ratio * operations["noiseloom"] / operations["diffusers"], 2
        ),
    }


def _ask(network: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    return network(x, torch.randint(1000, (len(x),)), class_labels=labels).sample


class Step:
    """One training step of a network, to be called as often as wanted."""

    def __init__(
        self, network: nn.Module, precision: Any, ask: Callable[[nn.Module], Tensor]
    ) -> None:
        self.network, self.precision, self.ask = network, precision, ask
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
        self.parameters = sum(parameter.numel() for parameter in network.parameters())

    def __call__(self) -> None:
        self._forward_and_backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def operations(self) -> int:
        """Floating-point operations of the matrix products and convolutions of a step."""
        with FlopCounterMode(display=False) as counter:
            self._forward_and_backward()
        self.optimizer.zero_grad(set_to_none=True)
        return counter.get_total_flops()

    def _forward_and_backward(self) -> None:
        with autocast(self.precision, torch.device("cpu")):
            output = self.ask(self.network)
        output.float().square().mean().backward()


if __name__ == "__main__":
    main()
