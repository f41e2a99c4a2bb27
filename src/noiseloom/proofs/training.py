"""Training: averages of the weights, orthogonal updates, random numbers."""

import torch
from torch import nn

from noiseloom.proofs import Check
from noiseloom.seeds import Random
from noiseloom.training.averaging import Average
from noiseloom.training.snapshots import LENGTHS, Kept, combine

STEPS = 200


class _Number(nn.Module):
    """One weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))


def average_of_a_line() -> float:
    """The average of weights that equal their step, over its closed form.

    With weights k^(g + 1) - (k - 1)^(g + 1) the mean of k is n - n^-(g + 1) sum_{k<n} k^(g + 1).
    """
    model = _Number()
    average = Average(model, 0.1)
    for step in range(1, STEPS + 1):
        model.weight.data.fill_(step)
        average.update(model, step)
    power = average.gamma + 1
    below = torch.arange(1, STEPS, dtype=torch.float64)
    exact = STEPS - float(((below / STEPS) ** power).sum())
    return float(average.values["weight"]) / exact


def other_length() -> float:
    """An average of width 0.15 from kept ones of 0.05 and 0.10, over the one that was tracked."""
    model = _Number()
    averages = {length: Average(model, length) for length in (*LENGTHS, 0.15)}
    values: dict[Kept, float] = {}
    for step in range(1, STEPS + 1):
        model.weight.data.fill_(float(step) ** 0.5)
        for average in averages.values():
            average.update(model, step)
        if step % (STEPS // 10) == 0:
            values |= {Kept(step, one): float(averages[one].values["weight"]) for one in LENGTHS}
    made = combine(list(values), 0.15, STEPS)
    summed = sum(share * values[kept] for kept, share in made.shares.items())
    return summed / float(averages[0.15].values["weight"])


def same_numbers() -> float:
    """The largest difference between an item's noise alone and within a batch."""
    together = Random(7, range(64), step=3).normal("noise", (5,))
    alone = torch.cat([Random(7, [item], step=3).normal("noise", (5,)) for item in range(64)])
    return float((together - alone).abs().max())


def noise_variance() -> float:
    """The variance of drawn noise."""
    return float(Random(0, range(400)).normal("noise", (500,)).double().var())


CHECKS = (
    Check("average", "of a rising weight, over its closed form", 1.0, 1e-9, average_of_a_line),
    Check("average, chosen later", "from snapshots, over the one tracked", 1.0, 1e-3, other_length),
    Check("noise: by item", "alone against within a batch", 0.0, 0.0, same_numbers),
    Check("noise: variance", "of 200,000 numbers", 1.0, 0.015, noise_variance),
)
