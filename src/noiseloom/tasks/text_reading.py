"""Rows of text as a network of them sees them."""

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.data.forms import Form, TextForm
from noiseloom.data.tokenizer import PAD, Tokenizer
from noiseloom.seeds import Random
from noiseloom.tasks import Task

FOLDABLE = ("bytes", "characters")


def rows_form(form: Form, task: str) -> TextForm:
    """The form of rows of text that it is; ValueError where it is another, for the task named."""
    if isinstance(form, TextForm) and form.columns:
        return form
    raise ValueError(f"task {task} reads rows of text: use data table")


class RowReader:
    """What a network says of stored rows, (B, outputs) float32: a `Read`.

    With `fold_case` it sees small letters for capitals; ValueError where a token may be several
    letters.
    """

    def __init__(self, model: nn.Module, form: TextForm, *, fold_case: bool = False) -> None:
        self.model, self.form = model, form
        self.small = small_letters(form.tokenizer) if fold_case else None
        self.pad = form.tokenizer.special(PAD)

    def __call__(self, items: np.ndarray, random: Random | None) -> Tensor:
        tokens_BCL = self.seen(items)
        numbers: Tensor = self.model(tokens_BCL, tokens_BCL != self.pad, random=random)
        return numbers.float()

    def seen(self, items: np.ndarray) -> Tensor:
        """The tokens of stored rows as the network sees them, where it is."""
        tokens_BCL = self.form.to_model(items)
        if self.small is not None:
            tokens_BCL = self.small[tokens_BCL]
        return tokens_BCL.to(next(self.model.parameters()).device)


def row_reader(task: Task) -> RowReader | None:
    """What a task says of stored rows of text with; None: it reads none, or in another way."""
    read = getattr(task, "read", None)
    return read if isinstance(read, RowReader) else None


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
