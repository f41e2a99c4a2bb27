"""How fast text is written: tokens a second beside `transformers`, at equal shape.

    python benchmarks/generation.py [--batch 1 16] [--vocabulary 65 5000] [--threads 1]

Greedy, cached, float32, random weights (which tokens come out does not matter, how many does).
Ours goes through `CausalText.write`, drafts and spelling included; GPT-2 and Llama of
`transformers` through `generate`, which answers token numbers. All have 4 layers of width 128 with
4 heads and write as many tokens after a prompt of 16. They take turns, so that a noisy machine is
noisy for all of them; medians and quartiles are printed as JSON, in tokens a second. With
`--processor-time` those are seconds of the processor, for one thread on a machine that others use.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from noiseloom.data.forms import TextForm
from noiseloom.data.tokenizer import END, Characters
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks.language_model import Config as Network
from noiseloom.seeds import Random
from noiseloom.tasks import Writing
from noiseloom.tasks.text_generation import Config as Task

WIDTH, DEPTH, HEADS, PROMPT = 128, 4, 4, 16


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast text is written.")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--vocabulary", type=int, nargs="+", default=[65, 5000])
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processor-time", action="store_true")
    given = parser.parse_args()
    clock = time.process_time if given.processor_time else time.perf_counter
    torch.set_num_threads(given.threads)
    rows = [
        measure(batch, vocabulary, given.context, given.tokens, given.rounds, clock)
        for vocabulary in given.vocabulary
        for batch in given.batch
    ]
    print(
        json.dumps({"threads": given.threads, "torch": torch.__version__, "rows": rows}, indent=1)
    )


def measure(
    batch: int,
    vocabulary: int,
    context: int,
    tokens: int,
    rounds: int,
    clock: Callable[[], float],
) -> dict[str, object]:
    """Tokens a second of each, for `batch` texts at once."""
    writers = {
        "noiseloom": ours(batch, vocabulary, context, tokens),
        "gpt2": theirs(GPT2LMHeadModel(gpt2(vocabulary, context)), batch, tokens),
        "llama": theirs(LlamaForCausalLM(llama(vocabulary, context)), batch, tokens),
    }
    seen: dict[str, list[float]] = {name: [] for name in writers}
    for round_ in range(rounds + 1):
        for name, write in writers.items():
            began = clock()
            written = write()
            if round_:  # the first is a warm-up
                seen[name].append(written / (clock() - began))
    rates = {name: statistics.quantiles(one, n=4) for name, one in seen.items()}
    return {
        "batch": batch,
        "vocabulary": vocabulary,
        "context": context,
        "tokens_per_second": {name: [round(one) for one in rate] for name, rate in rates.items()},
        "times_as_fast": {
            name: round(rates["noiseloom"][1] / rate[1], 2)
            for name, rate in rates.items()
            if name != "noiseloom"
        },
    }


def ours(batch: int, vocabulary: int, context: int, tokens: int) -> Callable[[], int]:
    """Writes once; answers how many tokens."""
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + vocabulary - 1)))  # and the END
    form = TextForm(item_shape=(context + 1,), tokenizer=Characters((END,), letters))
    network = Network(width=WIDTH, depth=DEPTH, heads=HEADS)
    task = Task().build(network, form, Statistics(torch.zeros(()), 1.0), {})
    scatter(task.model)
    prompts = [letters[place : place + PROMPT] for place in range(batch)]
    writing = Writing(max_tokens=tokens, temperature=0.0)

    def write() -> int:
        *_, last = task.write(prompts, writing, Random(0, range(batch)))
        return last.tokens

    return write


def theirs(model: nn.Module, batch: int, tokens: int) -> Callable[[], int]:
    """The same through `generate`."""
    scatter(model.eval())
    prompts = torch.arange(batch)[:, None] + torch.arange(PROMPT)

    @torch.inference_mode()
    def write() -> int:
        answer: Tensor = model.generate(  # type: ignore[operator]
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=tokens,
            do_sample=False,
            pad_token_id=0,
        )
        return batch * (answer.shape[1] - PROMPT)

    return write


def scatter(model: nn.Module) -> None:
    """Random weights, so that no part is idle."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.05)


def gpt2(vocabulary: int, context: int) -> GPT2Config:
    return GPT2Config(
        vocab_size=vocabulary,
        n_positions=context,
        n_embd=WIDTH,
        n_layer=DEPTH,
        n_head=HEADS,
        bos_token_id=None,
        eos_token_id=None,
    )


def llama(vocabulary: int, context: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH * 2 // 3,  # three maps for the two of the others
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        max_position_embeddings=context,
        bos_token_id=None,
        eos_token_id=None,
    )


if __name__ == "__main__":
    main()
