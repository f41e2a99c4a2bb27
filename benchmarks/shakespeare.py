"""Seconds of training to a held-out loss on tiny Shakespeare, beside nanoGPT's recipe for a CPU.

    python benchmarks/shakespeare.py FILE [--steps 90 400 900] [--json OUT]

nanoGPT's settings (karpathy/nanoGPT, README, "I only have a macbook": 4 layers, 4 heads, width 128,
context 64, batch 12, 2,000 steps, no drop-out; AdamW 1e-3 falling as a cosine to 1e-4 after 100
steps, betas 0.9 and 0.99, weight decay 0.1, clipping at 1) re-created in plain PyTorch, and the
recipe `shakespeare` for each of the given numbers of steps, whose plan then ends there. Characters,
the same first 90 % to train on, the whole of the last 10 % to judge on in windows of 64, float32 or
what the recipe's `precision` settles on. All train in one process by turns of a second each, so
that an uneven machine is uneven to all; what counts is seconds inside training steps.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.diffusion.denoiser import Statistics
from noiseloom.runs import Recipe
from noiseloom.runs.building import build_task
from noiseloom.runs.environment import choose_device
from noiseloom.seeds import Random
from noiseloom.training.loop import Training
from noiseloom.training.precision import settle

CONTEXT, BATCH, STEPS, WIDTH, DEPTH, HEADS = 64, 12, 2000, 128, 4, 4
GOAL = 1.88  # nats a character: what nanoGPT's README says of that recipe
TURN = 1.0  # seconds


class TheirBlock(nn.Module):
    """A GPT-2 block without biases."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH, bias=False) for _ in range(2))
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.down = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(self.norms[0](x)).view(batch, tokens, 3, HEADS, WIDTH // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, WIDTH))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


class TheirGPT(nn.Module):
    """GPT-2 with learned positions and tied weights."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, WIDTH)
        self.places = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(TheirBlock() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * DEPTH) if residual else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.places.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.embed.weight.T


@dataclass
class Contestant:
    """One training: how it takes a step, what it scores, when it has looked."""

    name: str
    parameters: int
    steps: int
    advance: Callable[[int], None]
    held_out: Callable[[], float]
    looks: int
    seconds: float = 0.0
    step: int = 0
    curve: list[tuple[int, float, float]] = field(default_factory=list)

    def turn(self) -> None:
        """Train for about a second, and look where it is time to."""
        until = time.perf_counter() + TURN
        every = math.ceil(self.steps / self.looks)
        while self.step < self.steps and time.perf_counter() < until:
            start = time.perf_counter()
            self.advance(self.step)
            self.seconds += time.perf_counter() - start
            self.step += 1
            if self.step % every == 0 or self.step == self.steps:
                self.curve.append((self.step, self.seconds, self.held_out()))

    def seconds_to(self, goal: float) -> float | None:
        """Seconds until the held-out loss was `goal`, along straight lines; None: never."""
        before = None
        for _, seconds, loss in self.curve:
            if loss <= goal:
                if before is None:
                    return seconds
                share = (before[1] - goal) / (before[1] - loss)
                return before[0] + share * (seconds - before[0])
            before = (seconds, loss)
        return None


def theirs(train: np.ndarray, held_out: np.ndarray, vocabulary: int) -> Contestant:
    """nanoGPT's recipe; its batches are drawn with replacement."""
    torch.manual_seed(1337)
    model = TheirGPT(vocabulary)
    decayed = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=True)
    draw = np.random.default_rng(1337)

    def losses(windows: np.ndarray) -> Tensor:
        tokens = torch.from_numpy(windows.astype(np.int64))
        logits = model(tokens[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")

    def advance(step: int) -> None:
        if step < 100:
            rate = 1e-3 * (step + 1) / 101
        else:
            rate = 1e-4 + 0.5 * 9e-4 * (1 + math.cos(math.pi * (step - 100) / (STEPS - 100)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses(train[draw.integers(len(train), size=BATCH)]).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def judge() -> float:
        parts = [losses(part).double().sum() for part in np.array_split(held_out, 9)]
        return float(sum(parts)) / (len(held_out) * CONTEXT)

    numbers = sum(p.numel() for p in model.parameters())
    return Contestant("nanoGPT's recipe", numbers, STEPS, advance, judge, 40)


def ours(recipe: Recipe, form: Any, split: Any, held_out: np.ndarray) -> Contestant:
    """Noiseloom's recipe, its whole training step and its averaged weights."""
    task: Any = build_task(recipe, form, Statistics(torch.zeros(()), 1.0))
    steps = recipe.training.steps
    assert steps is not None
    precision = settle(recipe.training.precision, choose_device(recipe.training.device))
    training = Training(recipe.training, task, split, precision, steps)

    def judge() -> float:
        with training.averaged():
            parts = [
                task.score(part, Random(0, range(len(part)))).double().sum()
                for part in np.array_split(held_out, 9)
            ]
        return float(sum(parts)) / (len(held_out) * CONTEXT)

    numbers = sum(p.numel() for p in task.model.parameters())
    name = f"shakespeare, {steps} steps ({precision})"
    return Contestant(name, numbers, steps, lambda step: _ignore(training.advance()), judge, 8)


def _ignore(answer: object) -> None:
    """A step's loss and norm are of no use here."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", help="tiny Shakespeare, 1,115,394 bytes")
    parser.add_argument("--steps", type=int, nargs="+", default=[90, 400, 900])
    parser.add_argument("--json", help="where the curves go")
    parser.add_argument(
        "overrides", nargs="*", help="changes to the recipe, such as network.width=96"
    )
    args = parser.parse_args()
    recipes = [
        Recipe.load(
            "shakespeare", [f"data.path={args.file}", f"training.steps={steps}", *args.overrides]
        )
        for steps in args.steps
    ]
    dataset = recipes[0].data.open()
    held_out = dataset.reference.items
    contestants = [
        theirs(dataset.train.items, held_out, dataset.form.tokenizer.pieces),
        *(ours(recipe, dataset.form, dataset.train, held_out) for recipe in recipes),
    ]
    while any(one.step < one.steps for one in contestants):
        for one in contestants:
            one.turn()
    peer = contestants[0]
    peer_goal = peer.seconds_to(GOAL)
    print(
        f"{torch.get_num_threads()} threads; held-out nats a character, seconds in training steps"
    )
    for one in contestants:
        loss, goal = one.curve[-1][2], one.seconds_to(GOAL)
        share = f"{one.seconds / peer.seconds:.3f} of its time"
        to_goal = "never" if goal is None else f"{goal:.1f} s"
        if goal is not None and peer_goal is not None:
            to_goal += f" (1/{peer_goal / goal:.1f})"
        print(
            f"{one.name:36} {one.parameters:>9,} parameters {one.steps:>5} steps "
            f"{one.seconds:7.1f} s ({share})  {loss:.4f} nats; to {GOAL}: {to_goal}"
        )
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({one.name: one.curve for one in contestants}, file, indent=1)


if __name__ == "__main__":
    main()
