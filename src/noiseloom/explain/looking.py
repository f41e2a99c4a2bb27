"""The states of items, layer by layer: at every noise level, of whole items or of each token.

A denoiser is asked for nothing (no class, no caption), so that what its states hold of an item they
have from its noisy numbers. Beside the states stands the raw input that they were made from.
Shapes: N items, F features, L tokens, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from noiseloom.errors import InputError
from noiseloom.explain.read_texts import language_model
from noiseloom.explain.states import layers_of, watched
from noiseloom.seeds import Random
from noiseloom.tasks import Denoises, Estimates, Noises, Predicts, Task, Walks
from noiseloom.tasks.text_reading import row_reader

Pooling = Literal["auto", "mean", "all"]
MOST = 16_384  # numbers of an item's tokens that auto keeps side by side
BATCH = 100


@dataclass(frozen=True)
class Look:
    """What was seen of N items: the input (N, F), and what each layer left (N, W or L x W).

    `t` is the noise level; None where there is none. `kept` is what was kept of an item's tokens.
    """

    t: float | None
    raw: np.ndarray
    states: list[np.ndarray]
    kept: str


def misfit(task: Task) -> str | None:
    """Why the states of a task cannot be looked at, if so: the end of a sentence."""
    if layers_of(task.model) is None:
        return "the layers of its network do not lie in a list that can be watched"
    if language_model(task) is not None or row_reader(task) is not None:
        return None
    if not task.form.is_numeric:
        return "it neither goes on with a text nor reads a class or a number in one"
    if isinstance(task, Walks) and not task.learned_unlabelled:
        return "it has learned nothing without being asked for a class or in words, as probes ask"
    if is_noisy(task) or isinstance(task, Predicts | Estimates):
        return None
    return "it neither denoises items nor reads a class or a number in them"


def looks_of(
    task: Task,
    items: np.ndarray,
    *,
    times: Sequence[float],
    pooling: Pooling,
    seed: int,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Look]:
    """Items as they are stored, seen at each of the `times` by a denoiser, else once.

    Of windows of text each token but the last is an item of its own. `pooling` says what is kept of
    other items' tokens: their mean, all of them side by side, or the latter where these are no more
    than `MOST` numbers. Raises InputError for "all" where the tokens of items differ in number.
    """
    if pooling == "all" and not task.form.is_numeric:
        raise InputError(
            "pooling is all, and the tokens of texts differ in number; allowed are auto and mean"
        )
    layers = layers_of(task.model)
    assert layers is not None  # whoever looks saw to it
    levels: Sequence[float | None] = times if is_noisy(task) else [None]
    kept = ""
    for number, t in enumerate(levels):
        raws, states = [], []
        for first in range(0, len(items), BATCH):
            part = items[first : first + BATCH]
            with torch.no_grad(), watched(layers) as left:
                raw, is_real = _answer(task, part, t, Random(seed, range(first, first + len(part))))
            raws.append(_numpy(raw))
            if language_model(task) is not None:
                kept = "each token"
                states.append([_numpy(state.flatten(0, 1)) for state in left])
            else:
                kept = _kept(pooling, left, is_real, len(part))
                states.append([_pooled(state, is_real, len(part), kept) for state in left])
            on_step(number * len(items) + first + len(part), len(levels) * len(items))
        whole = [np.concatenate(each) for each in zip(*states, strict=True)]
        yield Look(t, np.concatenate(raws), whole, kept)


def _answer(
    task: Task, items: np.ndarray, t: float | None, random: Random
) -> tuple[Tensor, Tensor | None]:
    """Have the model answer; what it was given, a row an item, and which tokens are real."""
    model, device = task.model, next(task.model.parameters()).device
    if (writer := language_model(task)) is not None:
        tokens_NL = task.form.to_model(items, device)[:, :-1]
        writer(tokens_NL)
        rows = F.one_hot(tokens_NL, writer.vocabulary)
        return rows.flatten(0, 1), None
    if (read := row_reader(task)) is not None:
        tokens_NCL = read.seen(items)
        read(items, None)
        counts = torch.zeros(len(items), read.form.tokenizer.vocabulary, device=device)
        is_real = tokens_NCL != read.pad
        counts.scatter_add_(1, tokens_NCL.flatten(1), is_real.flatten(1).float())
        return counts, is_real
    if t is None:
        x = task.form.to_model(items, device)
        model(x)
    else:
        assert isinstance(task, Denoises) and isinstance(task, Noises)
        x = task.noised(items, t, random).to(device)
        task.judged(None).denoise(x, torch.full((len(x),), t, device=device))
    return x.flatten(1), None


def _kept(pooling: Pooling, states: list[Tensor], is_real: Tensor | None, num: int) -> str:
    """What `pooling` comes to."""
    if pooling != "auto":
        return pooling
    largest = max(state.numel() // num for state in states)
    return "mean" if is_real is not None or largest > MOST else "all"


def _pooled(state: Tensor, is_real: Tensor | None, num: int, kept: str) -> np.ndarray:
    """A layer's state of `num` items as (num, W) or, of all tokens, (num, L x W)."""
    if is_real is not None:
        real_RL = is_real.reshape(len(state), -1)
        seen_RL = real_RL[:, real_RL.any(dim=0)]  # the network reads no others
        summed = (state * seen_RL[..., None]).sum(dim=1).view(num, -1, state.shape[-1])
        return _numpy(summed.sum(dim=1) / is_real.flatten(1).sum(dim=1, keepdim=True))
    if state.ndim == 4:  # of convolutions: channels, height, width
        state = state.flatten(2).transpose(1, 2)
    state = state.reshape(num, -1, state.shape[-1])
    return _numpy(state.mean(dim=1) if kept == "mean" else state.flatten(1))


def _numpy(x: Tensor) -> np.ndarray:
    return x.float().cpu().numpy()


def is_noisy(task: Task) -> bool:
    """Whether items can be looked at with noise in them."""
    return isinstance(task, Denoises) and isinstance(task, Noises)
