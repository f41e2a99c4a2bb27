"""Score matching without noise levels: where diffusion began, and why it did not stay there.

A model s(x) of the score ∇ log p(x) is fitted to samples alone, since
    E ½|s(x) - ∇ log p(x)|² = E[tr(∂s/∂x) + ½|s(x)|²] + what does not depend on s
(Hyvärinen 2005, "Estimation of non-normalized statistical models by score matching", theorem 1).
The trace is seen along random directions v (Song et al. 2019, arXiv:1905.07088, section 3.2, with
their reduction of variance: of v only the first term is taken). Samples come from Langevin's walk
along the score. Where there is no data the score is not learned, and walks that begin there err:
noise at many levels fills these places, which is what diffusion adds.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from noiseloom.diffusion.samplers import Step
from noiseloom.seeds import Random

Score = Callable[[Tensor], Tensor]
"""From x to ∇ log p(x), of its shape; items do not see one another."""

MOST_FRAMES = 40


def sliced_score_matching(score: Score, x: Tensor, directions: Tensor) -> Tensor:
    """v · (∂s/∂x) v + ½|s|² of each item, (items,); `directions` v of mean 0 and covariance 1.

    It may be below 0: the optimum's value is minus half the mean square of the score. A gradient
    reaches what `score` is made of.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        answer = score(x)
        along = (answer * directions).flatten(1).sum()
        (pulled,) = torch.autograd.grad(along, x, create_graph=True)
    return ((pulled * directions) + 0.5 * answer.square()).flatten(1).sum(dim=1)


def langevin(
    score: Score, x: Tensor, *, steps: int, step_size: float, random: Random
) -> Iterator[Step]:
    """x + (step_size / 2) score + sqrt(step_size) z, `steps` times, z fresh at every one.

    (Song & Ermon 2019, arXiv:1907.05600, eq. 4, at a single level.) A `Step` is yielded at most
    `MOST_FRAMES` times, last after the last move; its t falls to 0 with the moves that are left.
    """
    stride = math.ceil(steps / MOST_FRAMES)
    for index in range(steps):
        with torch.no_grad():
            z = random.at(index).normal_like("langevin", x)
            x = x + 0.5 * step_size * score(x) + math.sqrt(step_size) * z
        if (steps - 1 - index) % stride == 0:
            yield Step(index, 1 - (index + 1) / steps, x, x)
