"""The law of bouncing, and frames drawn by it: exact answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseloom.data.bouncing import FRAME, SCALE, SIDE, Motion, reach_of, render

LOW, HIGH = 0.0, 18.0
NUMBER = st.floats(-3, 3, allow_nan=False)
PLACE = st.floats(LOW, HIGH, allow_nan=False)


def motion(start: tuple[float, float], velocity: tuple[float, float]) -> Motion:
    low, high = np.full((1, 2), LOW), np.full((1, 2), HIGH)
    return Motion(np.array([start]), np.array([velocity]), low, high)


def stepped(place: float, speed: float, steps: int) -> list[float]:
    """The law again, as one would play it: a step, and what is beyond a wall is turned back."""
    places = [place]
    for _ in range(steps):
        place += speed
        while not LOW <= place <= HIGH:
            place, speed = (2 * LOW if place < LOW else 2 * HIGH) - place, -speed
        places.append(place)
    return places


@given(start=st.tuples(PLACE, PLACE), velocity=st.tuples(NUMBER, NUMBER))
def test_the_folded_path_is_the_one_that_is_played_step_by_step(
    start: tuple[float, float], velocity: tuple[float, float]
) -> None:
    found = motion(start, velocity).positions(np.arange(12))[0]
    for axis in (0, 1):
        np.testing.assert_allclose(
            found[:, axis], stepped(start[axis], velocity[axis], 11), atol=1e-9
        )


def test_bounces_are_counted_on_both_axes() -> None:
    assert motion((9, 9), (1, 0)).bounces(8).item() == 0
    assert motion((9, 9), (1, 0)).bounces(10).item() == 1
    assert motion((9, 9), (-2, 3)).bounces(10).item() == 3  # left at 4.5; below at 3 and 9
    assert motion((0, 0), (0, 0)).bounces(10).item() == 0


def test_walls_are_met_by_ink() -> None:
    digit = np.zeros((1, 8, 8), np.uint8)
    digit[0, 2:5, 1:7] = 255  # rows 2 to 4, columns 1 to 6
    low, high = reach_of(digit)
    np.testing.assert_allclose(low[0], [-1 * SCALE, -2 * SCALE])
    np.testing.assert_allclose(high[0], [FRAME - 7 * SCALE, FRAME - 5 * SCALE])


def test_a_digit_is_drawn_where_it_is() -> None:
    """The centre of the ink moves by exactly what the digit moves, at any part of a pixel."""
    digit = np.zeros((1, 8, 8), np.uint8)
    digit[0, 3:5, 3:5] = 240
    places = np.array([[[4.0, 6.0], [4.3, 6.0], [4.3, 6.7], [11.25, 9.5]]])
    frames = render(digit, places)[0, ..., 0].astype(np.float64)
    middles = np.arange(FRAME) + 0.5
    total = frames.sum(axis=(1, 2))
    x = (frames * middles).sum(axis=(1, 2)) / total
    y = (frames * middles[:, None]).sum(axis=(1, 2)) / total
    np.testing.assert_allclose(x - SIDE / 2, places[0, :, 0], atol=0.05)
    np.testing.assert_allclose(y - SIDE / 2, places[0, :, 1], atol=0.05)


def test_a_pixel_is_the_cell_at_its_middle() -> None:
    digit = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    # at -SCALE/2 + 0.5 - k·SCALE the middle of pixel 0 is that of cell k
    corner = 0.5 - (3 + 0.5) * SCALE
    frame = render(digit, np.full((1, 1, 2), corner))[0, 0, :, :, 0]
    assert frame[0, 0] == digit[0, 3, 3]
    assert render(digit, np.full((1, 1, 2), 100.0)).max() == 0


@pytest.mark.parametrize("times", [np.arange(3), np.array([0.5])])
def test_shapes(times: np.ndarray) -> None:
    assert motion((1, 2), (1, 1)).positions(times).shape == (1, len(times), 2)
