"""Series made up, for who has none at hand: shapes of waves, and a chaotic signal to go on with."""

from __future__ import annotations

import numpy as np

from noiseloom.data.measurements import Measurements

SHAPES = ("sawtooth", "sine", "square", "triangle")
PERIODS = (1.5, 6.0)  # in a series, the fewest and the most
NOISE = 0.5  # standard deviation beside a wave from -1 to 1, before its size is drawn
SIZES = (0.5, 2.0)
DELAY, PACE = 17, 10  # of the Mackey-Glass equation, in its time; its steps of 1/PACE
SPIN_UP = 300  # of its time, until it has forgotten where it began


def waves(num: int, steps: int, *, frequencies: bool, seed: int = 0) -> Measurements:
    """`num` waves in noise, of random frequency, phase and size; a row each.

    The label is the shape, or the frequency, in periods a series.
    """
    random = np.random.default_rng([seed, 0])
    shape = random.integers(0, len(SHAPES), num)
    frequency = random.uniform(*PERIODS, num)
    phase = (frequency[:, None] * np.arange(steps) / steps + random.random((num, 1))) % 1
    every = np.stack(
        [
            2 * phase - 1,
            np.sin(2 * np.pi * phase),
            np.where(phase < 0.5, 1.0, -1.0),
            4 * np.abs(phase - 0.5) - 1,
        ]
    )
    wave = every[shape, np.arange(num)] + NOISE * random.standard_normal((num, steps))
    values = random.uniform(*SIZES, (num, 1)) * wave
    columns = tuple(f"step{step}" for step in range(steps))
    if frequencies:
        return Measurements(columns, "label", values, frequency)
    return Measurements(columns, "label", values, shape.astype(np.float64), SHAPES)


def mackey_glass(num: int, *, seed: int = 0) -> Measurements:
    """`num` values in time order of a chaotic signal, which is label and only column.

    x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x (Mackey & Glass 1977, Science 197), read once
    each unit of its time. It follows from its past alone, but by no linear rule.
    """
    lag = DELAY * PACE
    total = (num + SPIN_UP) * PACE
    x = np.empty(total + lag)
    x[:lag] = 1.2 + 0.1 * np.random.default_rng([seed, 1]).standard_normal()
    for now in range(lag, len(x)):
        late, last = x[now - lag], x[now - 1]
        x[now] = last + (0.2 * late / (1 + late**10) - 0.1 * last) / PACE
    values = x[lag + SPIN_UP * PACE :: PACE]
    return Measurements(("x",), "x", values[:, None], values.copy())
