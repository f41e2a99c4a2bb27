"""Milliseconds of a training step of text: our language model beside transformers' GPT-2 and Llama.

    python benchmarks/text_steps.py [--shapes 4x128 6x384] [--batches 12 64] [--json OUT]

Forward, backward and a fused AdamW step on the same random tokens, with the same cross entropy on
the logits, without drop-out. `ours` is `language-model` as recipes have it by default (rotary,
RMSNorm, normalised queries and keys, squared ReLU); `ours as GPT-2` and `ours as Llama` are set to
compute what those two compute (tests/networks/test_transformers.py). All have the same layers,
width, heads and, within a few per cent, number of parameters. One step of each is taken in turn,
round after round, so that an uneven machine is uneven to all; medians over the rounds count.
`products` is the floor: the matrix products of such a network, forward and backward, and nothing
else. `--clock processor` counts what one thread computes, for a machine that others use too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn

from noiseloom.networks.language_model import Config
from noiseloom.training.precision import autocast

HEAD = 32  # numbers a head
CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    "processor": time.process_time,
}


@dataclass(frozen=True)
class Shape:
    """What all the models have in common."""

    depth: int
    width: int
    vocabulary: int
    context: int

    @property
    def heads(self) -> int:
        return self.width // HEAD

    @property
    def gated(self) -> int:
        """Hidden width of a gated feed-forward of as many parameters as one of 4 x width."""
        return 8 * self.width // 3


def ours(shape: Shape) -> nn.Module:
    return Config(width=shape.width, depth=shape.depth, heads=shape.heads).build(
        shape.vocabulary, shape.context
    )


def ours_as_gpt2(shape: Shape) -> nn.Module:
    return Config(
        width=shape.width,
        depth=shape.depth,
        heads=shape.heads,
        activation="gelu-tanh",
        norm="layer",
        learned_norm=True,
        bias=True,
        qk_norm=False,
        positions="learned",
        tied=True,
    ).build(shape.vocabulary, shape.context)


def ours_as_llama(shape: Shape) -> nn.Module:
    return Config(
        width=shape.width,
        depth=shape.depth,
        heads=shape.heads,
        feed_forward=shape.gated / shape.width,
        activation="swiglu",
        learned_norm=True,
        qk_norm=False,
    ).build(shape.vocabulary, shape.context)


def gpt2(shape: Shape) -> nn.Module:
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=shape.vocabulary,
            n_positions=shape.context,
            n_embd=shape.width,
            n_layer=shape.depth,
            n_head=shape.heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            use_cache=False,
            bos_token_id=0,
            eos_token_id=0,
            attn_implementation="sdpa",
        )
    )


def llama(shape: Shape) -> nn.Module:
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=shape.vocabulary,
            max_position_embeddings=shape.context,
            hidden_size=shape.width,
            intermediate_size=shape.gated,
            num_hidden_layers=shape.depth,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.heads,
            use_cache=False,
            attn_implementation="sdpa",
        )
    )


MODELS: dict[str, Callable[[Shape], nn.Module]] = {
    "ours": ours,
    "GPT-2": gpt2,
    "Llama": llama,
    "ours as GPT-2": ours_as_gpt2,
    "ours as Llama": ours_as_llama,
}
BESIDE = {"GPT-2": ("ours", "ours as GPT-2"), "Llama": ("ours", "ours as Llama")}


class Step:
    """A training step of one model, to be called as often as wanted."""

    def __init__(self, name: str, shape: Shape, batch: int, precision: str) -> None:
        torch.manual_seed(0)
        self.model = MODELS[name](shape).train()
        self.parameters = sum(one.numel() for one in self.model.parameters())
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, fused=True)
        self.precision = precision
        generator = torch.Generator().manual_seed(0)
        windows = torch.randint(shape.vocabulary, (batch, shape.context + 1), generator=generator)
        self.read, self.asked = windows[:, :-1].contiguous(), windows[:, 1:].flatten()

    def __call__(self) -> None:
        with autocast(self.precision, torch.device("cpu")):
            answer = self.model(self.read)
        logits: Tensor = answer if isinstance(answer, Tensor) else answer.logits
        F.cross_entropy(logits.float().flatten(0, 1), self.asked).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class Products:
    """The matrix products no step can do without: of blocks of 12 x width², and of the head."""

    def __init__(self, shape: Shape, batch: int, precision: str) -> None:
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        width, tokens = shape.width, batch * shape.context
        block = [(3 * width, width), (width, width), (4 * width, width), (width, 4 * width)]
        self.maps = [
            (
                torch.randn(out, into, dtype=dtype),
                *(torch.randn(tokens, n, dtype=dtype) for n in (into, out)),
            )
            for out, into in [*block * shape.depth, (shape.vocabulary, width)]
        ]

    def __call__(self) -> None:
        for weight, x, gradient in self.maps:
            x @ weight.T, gradient @ weight, gradient.T @ x


def measure(
    shape: Shape, batch: int, precision: str, clock: str, seconds: float
) -> dict[str, object]:
    """Medians of each model's step, in milliseconds, of as many rounds as fit into `seconds`."""
    now = CLOCKS[clock]
    models = {name: Step(name, shape, batch, precision) for name in MODELS}
    parameters = {name: step.parameters for name, step in models.items()}
    steps: dict[str, Callable[[], None]] = {**models}
    steps["products"] = Products(shape, batch, precision)
    for step in steps.values():
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    began = now()
    while now() - began < seconds or len(times["ours"]) < 5:
        for name, step in steps.items():
            start = now()
            step()
            times[name].append(now() - start)
    medians = {name: 1e3 * statistics.median(taken) for name, taken in times.items()}
    return {
        "shape": f"{shape.depth}x{shape.width}",
        "batch": batch,
        "precision": precision,
        "rounds": len(times["ours"]),
        "parameters": parameters,
        "milliseconds": {name: round(one, 2) for name, one in medians.items()},
        "times_faster": {
            f"{mine} than {theirs}": round(
                statistics.median(a / b for a, b in zip(times[theirs], times[mine], strict=True)),
                3,
            )
            for theirs, own in BESIDE.items()
            for mine in own
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=["4x128", "6x384"], metavar="DEPTHxWIDTH")
    parser.add_argument("--batches", nargs="+", type=int, default=[12, 64])
    parser.add_argument("--context", type=int, default=64, help="tokens read at once")
    parser.add_argument("--vocabulary", type=int, default=65, help="different tokens")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--seconds", type=float, default=30, help="for each shape and batch")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--json", type=Path, help="where the figures go, too")
    given = parser.parse_args()
    rows = []
    print(
        f"{torch.get_num_threads()} threads, {given.precision}, {given.clock} clock; milliseconds"
    )
    print(" ".join(f"{head:>14}" for head in ("shape, batch", *MODELS, "products")))
    for text in given.shapes:
        depth, width = map(int, text.split("x"))
        shape = Shape(depth, width, given.vocabulary, given.context)
        for batch in given.batches:
            row = measure(shape, batch, given.precision, given.clock, given.seconds)
            rows.append(row)
            cells = [f"{text}, {batch}", *(f"{ms:.1f}" for ms in row["milliseconds"].values())]
            print(" ".join(f"{cell:>14}" for cell in cells), flush=True)
            print("  " + ", ".join(f"{what}: {n:.2f}" for what, n in row["times_faster"].items()))
    if given.json:
        facts = {"threads": torch.get_num_threads(), "clock": given.clock, "rows": rows}
        given.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
