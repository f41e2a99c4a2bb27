"""States of one text exchanged for those of another while it is read: causal tracing.

After one block, at one place, the state is what it is when the other text is read; all that comes
after follows from it (Meng et al. 2022, arXiv:2202.05262, section 2, with another text in the place
of noise). Shapes: S layers, P places, L tokens, W width, V what may be answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.explain.interventions import Layer, exchanged
from noiseloom.explain.states import watched

Answer = Callable[[int], Tensor]
"""From how often a text is read at once to logits (times, V)."""


@dataclass(frozen=True)
class Traced:
    """What is answered: `base` and `other` (V,) plainly, `exchanged` (S, P, V); log-probabilities.

    `told` is the answer that the other text makes likelier more than any, weighted by how likely it
    then is: the largest term of the Kullback-Leibler divergence of `other` from `base`.
    """

    base: Tensor
    other: Tensor
    exchanged: Tensor
    told: int

    @property
    def effect(self) -> Tensor:
        """How far each exchange leads from the base's log-probability of `told` to the other's.

        (S, P): 0 is no effect, 1 is all of it.
        """
        start, end = self.base[self.told], self.other[self.told]
        return (self.exchanged[..., self.told] - start) / (end - start)


@torch.no_grad()
def traced(layers: Sequence[Layer], base: Answer, other: Answer, places: Sequence[int]) -> Traced:
    """Every layer's state exchanged at each of the places, one at a time.

    The texts must have as many tokens as each other. Raises ValueError where they are answered the
    same: then nothing can be traced.
    """
    with watched([layer[-1] for layer in layers]) as states:
        plain_other = other(1)[0].double().log_softmax(dim=-1)
    plain_base = base(1)[0].double().log_softmax(dim=-1)
    terms = plain_other.exp() * (plain_other - plain_base)
    told = int(terms.argmax())
    if not terms[told] > 0:
        raise ValueError("both texts are answered the same, so that nothing can be traced")
    found = []
    for layer, state in zip(layers, states, strict=True):
        with exchanged(layer, _at_each(places, state)):
            found.append(base(len(places)).double().log_softmax(dim=-1))
    return Traced(plain_base.cpu(), plain_other.cpu(), torch.stack(found).cpu(), told)


def _at_each(places: Sequence[int], state_1LW: Tensor) -> Callable[[Tensor], Tensor]:
    """In each row of a batch one of the places is taken from the state."""
    rows, columns = torch.arange(len(places)), torch.tensor(places)

    def change(said_PLW: Tensor) -> Tensor:
        changed = said_PLW.clone()
        changed[rows, columns] = state_1LW[0, columns]
        return changed

    return change
