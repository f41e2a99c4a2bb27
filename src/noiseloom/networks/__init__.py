"""Networks: each file is one, named as recipes name it, with its `Config` beside its class.

A network answers `forward(x, level, condition, random)`: `x` (items, *item_shape); `level`, the
noise level, one per item (or with x's axes, where it can); `condition` the labels (items,), or an
`embeddings.Condition` where there is more to say, or None. What it answers its `Config` says in
`answers`: "items", something of x's shape, as denoisers do; "classes", logits (items, classes). The
label after the last class means "no label". A network whose `Config` says `reads_captions` can be
built with `words`, and then takes rows of tokens (items, L) as labels. One that `takes_sizes` can
be built with `sizes`: the heights and widths that images come in, those of a batch in one. `random`
is None unless drop-out is wanted. Hidden layers lie in a ModuleList `blocks`, where there are any:
`muon` moves their matrices. Built with `outputs` of more than 1, a denoising network answers so
many numbers for each of the item's, as (items, outputs x first axis, …).

One that answers "reconstructions" is told nothing but x: `forward(x, random)` answers an
`autoencoder.Reconstruction`, and `encode` and `decode` go half the way.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

Answer = Literal[
    "items", "classes", "reconstructions", "numbers", "text", "masks", "translations", "spans"
]
"""What comes out of a task, and what an evaluation measures. A network may fit several."""

WRITTEN: frozenset[Answer] = frozenset({"text", "masks", "translations"})
"""Those that are text, written in answer to a text."""


@runtime_checkable
class Chooses(Protocol):
    """The config of a network that settles by the size of the items what it is made of."""

    def chosen(self, item_shape: Sequence[int]) -> str | None:
        """What it takes for items of this shape, in a sentence; None where nothing is settled."""


def answers_of(config: Any) -> tuple[Answer, ...]:
    """What a task, a network or an evaluation of this config answers: all that it may."""
    answers: Answer | tuple[Answer, ...] = config.answers
    return (answers,) if isinstance(answers, str) else answers
