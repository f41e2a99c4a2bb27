"""Integrated gradients: what each number of an input adds to an answer (arXiv:1703.01365).

The gradient is averaged along the straight way from a baseline to the input, and multiplied by the
difference of the two (Sundararajan et al. 2017, equation 1). All of it then adds up to what the
answer differs by; how far a sum over finitely many steps is off that says how far it can be
trusted. The only file that imports captum, an extra of noiseloom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.errors import InputError

try:
    from captum.attr import IntegratedGradients  # type: ignore[import-untyped]
except ImportError as error:
    raise InputError(
        "Integrated gradients need the package captum, which is not installed. Install it with: "
        "pip install 'noiseloom[explain]'"
    ) from error

Score = Callable[[Tensor], Tensor]
"""The answer that is explained, (B,), for inputs (B, …)."""

FEWEST_STEPS = 32
ROWS = 64  # inputs that are answered at once


@dataclass(frozen=True)
class Integrated:
    """What each number of an input adds, of its shape; and how well it adds up.

    `difference` is what the answer at the input exceeds that at the baseline by, `error` how far
    the sum is off it, after `steps`.
    """

    values: Tensor
    difference: float
    error: float
    steps: int

    @property
    def share(self) -> float:
        """The error as a share of the difference; of no difference, 0 or infinite."""
        if self.difference == 0:
            return 0.0 if self.error == 0 else float("inf")
        return self.error / abs(self.difference)


def integrate(
    score: Score, given: Tensor, baseline: Tensor, *, within: float, most_steps: int
) -> Integrated:
    """What each number of `given` (1, …) adds to its score, counted from `baseline` (1, …).

    The steps are doubled until the error is at most `within` of the difference, or there would be
    more than `most_steps`.
    """
    with torch.no_grad():
        difference = float(score(given).double() - score(baseline).double())
    steps = min(FEWEST_STEPS, most_steps)
    while True:
        values = IntegratedGradients(score).attribute(
            given, baseline, n_steps=steps, internal_batch_size=ROWS
        )
        found = Integrated(
            values.detach(), difference, abs(float(values.double().sum()) - difference), steps
        )
        if found.share <= within or 2 * steps > most_steps:
            return found
        steps *= 2
