"""Which words of a text stand in another, and where many of them stand close together.

A model that has read little learns slowly that the same word in two texts is the same word. It can
be told instead (Chen et al. 2017, arXiv:1704.00051, section 3.2, "exact match").

Shapes: B batch, L tokens of the context, Q tokens of the question, F numbers told of each token.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.data.tokenizer import Tokenizer

REACHES = (3, 8, 20)  # tokens to either side that are looked at together
TOLD = 3 + len(REACHES)
"""How many numbers are told of each token."""


class SharedWords(nn.Module):
    """What is told of each token of two texts, from the tokens alone.

    Tokens that differ in case, or in the space before them, are the same here; those without a
    letter or a digit are shared with nobody. Nothing is learned.
    """

    spelling: Tensor

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        numbers: dict[str, int] = {}
        spelled = [
            tokenizer.piece(token).decode("utf-8", "replace").strip().lower()
            for token in range(tokenizer.vocabulary)
        ]
        known = [
            numbers.setdefault(one, len(numbers)) if any(map(str.isalnum, one)) else -1
            for one in spelled
        ]
        self.register_buffer("spelling", torch.tensor(known), persistent=False)

    def forward(self, context_BL: Tensor, question_BQ: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers told of the context's tokens, (B, L, F), and of the question's, (B, Q, F).

        Of each: is it in the other text; how rare it is there; does it follow there what it
        follows here; and how many rare shared tokens stand around it, within each of `REACHES`.
        """
        context, question = self.spelling[context_BL], self.spelling[question_BQ]
        same_BLQ = (context[:, :, None] == question[:, None, :]) & (context >= 0)[:, :, None]
        return _told(context, same_BLQ), _told(question, same_BLQ.mT)


def _told(spelling_BL: Tensor, same_BLQ: Tensor) -> Tensor:
    shared = same_BLQ.any(dim=2).float()
    # as often as it stands in this text (Rajpurkar et al. 2016, section 4: inverse count)
    count = (spelling_BL[:, :, None] == spelling_BL[:, None, :]).sum(dim=2)
    rare = shared * torch.log1p(1 / count)
    both = (same_BLQ[:, 1:, 1:] & same_BLQ[:, :-1, :-1]).any(dim=2)
    follows = F.pad(both, (1, 0)) | F.pad(both, (0, 1))
    around = [
        F.avg_pool1d(rare[:, None], 2 * reach + 1, stride=1, padding=reach)[:, 0] * reach**0.5
        for reach in REACHES
    ]
    return torch.stack([shared, rare, follows.float(), *around], dim=2)
