"""Beam search: the likeliest texts, not the likeliest next token (Sutskever et al. 2014, 3.2).

It knows no model: it asks a function what may follow, and says with which rows of what was read so
far to go on (`Cache.select`, `Memory.select`).

Shapes: B texts to be written, K beams each, R = rows that the function is asked for, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

GoOn = Callable[[Tensor, Tensor], Tensor]
"""(rows (R,), tokens (R,)) to log-probabilities (R, V) of what follows.

Row r goes on from row `rows[r]` of the call before, by the token `tokens[r]`.
"""


@dataclass(frozen=True)
class Hypothesis:
    """A text that may be the one: its tokens without the end, and how likely they are.

    `score` is the log-probability over the number of tokens (the end counts) to the power of the
    length penalty. `is_finished`: it came to its end; else it was cut off.
    """

    tokens: tuple[int, ...]
    log_probability: float
    score: float
    is_finished: bool


def search(
    first_BV: Tensor,
    go_on: GoOn,
    *,
    beams: int,
    end: int,
    most: int,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """The texts found for each row of `first_BV`, log-probabilities of their first token.

    The best comes first: by score, the finished before those cut off at `most` tokens, of which
    there are some only where none is finished. A text's search ends when as many as `beams` are
    finished. An `end` counts as one where it is among the best `beams` ways to go on, so that one
    beam takes the likeliest token every time, and as many as there are texts try them all. Raises
    ValueError where there is nothing to search.
    """
    if beams < 1 or most < 1:
        raise ValueError(f"beams {beams} and most {most} are given; each must be at least 1")
    state = _Search(first_BV, beams=beams, end=end, penalty=length_penalty)
    while True:
        state.branch()
        state.settle(is_last=state.length == most)
        if not state.open:
            return state.ranked()
        state.next_RV = go_on(state.rows, state.newest)


class _Search:
    """The beams of the texts that are still open, and what was found of all of them."""

    def __init__(self, first_BV: Tensor, *, beams: int, end: int, penalty: float) -> None:
        self.beams, self.end, self.penalty = beams, end, penalty
        device = first_BV.device
        self.open = list(range(len(first_BV)))
        self.found: list[list[Hypothesis]] = [[] for _ in self.open]
        self.next_RV = first_BV
        self.log_probability_BK = torch.zeros(len(self.open), 1, device=device)
        self.tokens_BKL = torch.zeros(len(self.open), 1, 0, dtype=torch.long, device=device)
        self.rows_BK = torch.arange(len(self.open), device=device)[:, None]

    @property
    def length(self) -> int:
        """Tokens of every beam so far."""
        return self.tokens_BKL.shape[2]

    @property
    def rows(self) -> Tensor:
        """Which row of the last call each beam goes on from, (R,)."""
        return self.rows_BK.flatten()

    @property
    def newest(self) -> Tensor:
        """The last token of each beam, (R,)."""
        return self.tokens_BKL[:, :, -1].flatten()

    def branch(self) -> None:
        """Go on in the best ways: at most one in each beam ends, so twice as many are enough."""
        batch, width = self.log_probability_BK.shape
        ways_BKV = self.log_probability_BK[:, :, None] + self.next_RV.view(batch, width, -1)
        vocabulary = ways_BKV.shape[2]
        best = ways_BKV.flatten(1).topk(min(2 * self.beams, width * vocabulary))
        beam = best.indices // vocabulary
        token = best.indices % vocabulary
        before = self.tokens_BKL.gather(1, beam[:, :, None].expand(-1, -1, self.length))
        is_end = token == self.end
        self._finish(before, best.values, is_end)
        going = best.values.masked_fill(is_end, -torch.inf)
        kept = going.topk(min(self.beams, going.shape[1]))
        self.log_probability_BK = kept.values
        grown = torch.cat([before, token[:, :, None]], dim=2)
        self.tokens_BKL = grown.gather(1, kept.indices[:, :, None].expand(-1, -1, grown.shape[2]))
        self.rows_BK = (torch.arange(batch, device=beam.device)[:, None] * width + beam).gather(
            1, kept.indices
        )

    def settle(self, *, is_last: bool) -> None:
        """Close the texts whose search is over, all of them where this is the last token."""
        alive = self.log_probability_BK.isfinite()
        is_going = alive.any(dim=1).tolist()
        going = []
        for place, item in enumerate(self.open):
            is_over = len(self.found[item]) >= self.beams or not is_going[place]
            if is_last and not self.found[item]:
                for beam in alive[place].nonzero().flatten().tolist():
                    tokens = self.tokens_BKL[place, beam].tolist()
                    likely = float(self.log_probability_BK[place, beam])
                    self._keep(item, tokens, likely, is_finished=False)
            if not (is_over or is_last):
                going.append(place)
        if len(going) < len(self.open):
            kept = torch.tensor(going, dtype=torch.long, device=self.rows_BK.device)
            self.log_probability_BK = self.log_probability_BK[kept]
            self.tokens_BKL, self.rows_BK = self.tokens_BKL[kept], self.rows_BK[kept]
            self.open = [self.open[place] for place in going]

    def ranked(self) -> list[list[Hypothesis]]:
        """All that was found, the best of each text first."""
        return [sorted(found, key=lambda one: -one.score)[: self.beams] for found in self.found]

    def _finish(self, before: Tensor, values: Tensor, is_end: Tensor) -> None:
        """Keep the ways that end, where they are among the best."""
        is_end = is_end[:, : self.beams] & values[:, : self.beams].isfinite()
        for place, way in is_end.nonzero().tolist():
            tokens = before[place, way].tolist()
            self._keep(self.open[place], tokens, float(values[place, way]), is_finished=True)

    def _keep(
        self, item: int, tokens: list[int], log_probability: float, *, is_finished: bool
    ) -> None:
        length = len(tokens) + is_finished
        score = log_probability / length**self.penalty
        self.found[item].append(Hypothesis(tuple(tokens), log_probability, score, is_finished))
