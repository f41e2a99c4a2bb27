"""Rows of text as a network of them sees them."""

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.data.forms import Form, TextForm
from noiseloom.data.tokenizer import PAD, Tokenizer
from noiseloom.seeds import Random
from noiseloom.tasks.estimation import Read

FOLDABLE = ("bytes", "characters")


def rows_form(form: Form, task: str) -> TextForm:
    """The form of rows of text that it is; ValueError where it is another, for the task named."""
    if isinstance(form, TextForm) and form.columns:
        return form
    raise ValueError(f"task {task} reads rows of text: use data table")


def reader(model: nn.Module, form: TextForm, *, fold_case: bool = False) -> Read:
    """What a network says of stored rows, (B, outputs) float32.

    With `fold_case` it sees small letters for capitals; ValueError where a token may be several
    letters.
    """
    small = small_letters(form.tokenizer) if fold_case else None
    pad = form.tokenizer.special(PAD)

    def read(items: np.ndarray, random: Random | None) -> Tensor:
        tokens_BCL = form.to_model(items)
        if small is not None:
            tokens_BCL = small[tokens_BCL]
        tokens_BCL = tokens_BCL.to(next(model.parameters()).device)
        numbers: Tensor = model(tokens_BCL, tokens_BCL != pad, random=random)
        return numbers.float()

    return read


def small_letters(tokenizer: Tokenizer) -> Tensor:
    """For each token itself or, of a capital whose small letter is a token, that one."""
    if tokenizer.kind not in FOLDABLE:
        raise ValueError(
            f"task.fold_case is on, and a token of data.tokenizer={tokenizer.kind} is several "
            f"letters. Set data.tokenizer to {' or '.join(FOLDABLE)}, or task.fold_case=false"
        )
    small = torch.arange(tokenizer.vocabulary)
    spelled = {tokenizer.piece(token): token for token in range(tokenizer.pieces)}
    for piece, token in spelled.items():
        letter = piece.decode("utf-8", "replace").lower().encode()
        small[token] = spelled.get(letter, token)
    return small
