"""Texts as language models read them: their tokens, what these are called, and what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.forms import TextForm
from noiseloom.data.tokenizer import Tokenizer
from noiseloom.errors import InputError
from noiseloom.networks.language_model import LanguageModel
from noiseloom.tasks import Fills, Task
from noiseloom.tasks.holes import HOLE, read_prompt

FIRST_HOLE, HOLE_EVERY = 3, 7  # where a held-out text of no prompt is asked for what is hidden


@dataclass(frozen=True)
class ReadText:
    """A text that a language model is asked about.

    `tokens` (1, L) are what it sees, `places` where it is asked: what comes next there or, of one
    that fills in masks, what stands there. `pieces` are the tokens as text.
    """

    tokens: Tensor
    places: list[int]
    pieces: list[str]


def language_model(task: Task) -> LanguageModel | None:
    """The language model of a task whose answer is one; None: it has none."""
    return task.model if isinstance(task.model, LanguageModel) else None


def read_text(task: Task, text: str) -> ReadText:
    """A text as the task's language model reads it; of one that fills in masks, with its holes.

    Raises InputError for a text that is empty, too long, cannot be spelled, or has no holes where
    they are what is asked.
    """
    model, form = language_model(task), task.form
    assert model is not None and isinstance(form, TextForm)
    if model.causal:
        tokens = form.tokenizer.encode(text).tolist()
    else:
        tokens = read_prompt(form.tokenizer, text, model.context)
    if not 1 <= len(tokens) <= model.context:
        raise InputError(
            f"{text[:40]!r} is {len(tokens):,} tokens long, and this run reads 1 to "
            f"{model.context:,} at once; give another text"
        )
    if not model.causal and not HOLE.search(text):
        raise InputError(
            f"{text[:40]!r} has no mask, and this run says what stands behind masks. Write <mask> "
            'for a token that it shall say, such as "To be, or <mask> to be"'
        )
    return _asked(task, tokens)


def held_out_text(task: Task, items: np.ndarray) -> ReadText:
    """The first half of the first of held-out windows, with holes where holes are asked."""
    model = language_model(task)
    assert model is not None
    tokens = items[0, : max(2, model.context // 2)].tolist()
    if not model.causal:
        for place in range(min(FIRST_HOLE, len(tokens) - 1), len(tokens), HOLE_EVERY):
            tokens[place] = model.vocabulary
    return _asked(task, tokens)


def answers(model: LanguageModel, tokens_BL: Tensor, places: Sequence[int]) -> Tensor:
    """Logits (B, P, V) at these places."""
    logits: Tensor = model(tokens_BL)
    return logits[:, list(places)].float()


def piece(tokenizer: Tokenizer, token: int) -> str:
    """A token as text; spaces and ends of lines are made visible, what has no spelling is named."""
    if token >= tokenizer.pieces:
        number = token - tokenizer.pieces
        return tokenizer.specials[number] if number < len(tokenizer.specials) else "<mask>"
    shown = tokenizer.decode([token])
    return shown.replace("\n", "⏎").replace("\t", "⇥").replace(" ", "␣")


def _asked(task: Task, tokens: list[int]) -> ReadText:
    model, form = language_model(task), task.form
    assert model is not None and isinstance(form, TextForm)
    mask = form.tokenizer.vocabulary
    pieces = [piece(form.tokenizer, token) for token in tokens]
    places = list(range(len(tokens)))
    if not model.causal:
        places = [place for place in places if tokens[place] == mask]
        if not isinstance(task, Fills):  # it has learned to see whole windows
            tokens = tokens + [mask] * (model.context - len(tokens))
    device = next(model.parameters()).device
    return ReadText(torch.tensor([tokens], device=device), places, pieces)
