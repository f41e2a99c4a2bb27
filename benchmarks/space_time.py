"""What a clip's tokens cost that look at one another, joint and in turns, by how many there are.

    python benchmarks/space_time.py [--rounds 5] [--threads 1]

Seconds of the processor for a forward and a backward of one clip, the least of the rounds, of `dit`
at the shape of the recipe moving-digits (patch 8, width 128, 6 blocks) in float32. Prints JSON.
"""

import argparse
import json
import time
from typing import Literal

import torch

from noiseloom.networks.dit import Config

CLIPS = ((11, 32, 8), (8, 64, 4), (16, 64, 2), (32, 64, 1))
"""Frames, pixels a side, and clips at once."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Joint and factorised attention of clips.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(json.dumps([row(*clip, given.rounds) for clip in CLIPS], indent=1))


def row(frames: int, side: int, batch: int, rounds: int) -> dict[str, float]:
    """Both ways on clips of this size."""
    joint, factorised = (
        seconds(way, frames, side, batch, rounds) for way in ("joint", "factorised")
    )
    return {
        "frames": frames,
        "side": side,
        "tokens": Config(patch=8).tokens((1, frames, side, side)),
        "joint_seconds": round(joint, 4),
        "factorised_seconds": round(factorised, 4),
        "factorised_of_joint": round(factorised / joint, 2),
    }


def seconds(
    way: Literal["joint", "factorised"], frames: int, side: int, batch: int, rounds: int
) -> float:
    """Of the processor, for a clip."""
    config = Config(patch=8, border=2, width=128, depth=6, heads=4, space_time=way)
    network = config.build((1, frames, side, side), 0)
    x, level = torch.randn(batch, 1, frames, side, side), torch.rand(batch, 1, frames, 1, 1)
    took = []
    for _ in range(rounds):
        began = time.process_time()
        network(x, level).square().mean().backward()
        took.append(time.process_time() - began)
    return min(took) / batch


if __name__ == "__main__":
    main()
