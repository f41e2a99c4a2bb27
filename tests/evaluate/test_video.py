"""Evaluating clips: real ones score what is right, copies and others what they must."""

from dataclasses import replace

import numpy as np
import pytest

from noiseloom.data.dataset import VideoDataset
from noiseloom.data.moving_digits import Config as MovingDigits
from noiseloom.errors import DataError, InputError
from noiseloom.evaluate.bounces import MISSED
from noiseloom.evaluate.video import COPYING, Config

SMALL = Config(num=40, given=3, feature_clips=300, bootstrap=20, draws=5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    cache = str(tmp_path_factory.mktemp("cache"))
    return MovingDigits(num=400, num_reference=40, frames=6, captions=True, cache=cache).open()


def test_real_clips_are_right_beside_a_copied_frame(data: VideoDataset) -> None:
    """The truth put in for samples: every figure is that of real data."""
    items = np.array(data.reference.items)
    found = SMALL.measure(data, items, None, seed=0, protocol={"steps": 5})
    metrics, copied = found["metrics"], found["baselines"][COPYING]["metrics"]
    for name in ("trajectory_error_px", "identity_accuracy", "count_accuracy", "frame_error"):
        assert metrics[name] == found["floor"][name]
    assert metrics["frame_error"] == 0
    assert metrics["trajectory_error_px"] < 0.05 < 1.5 < copied["trajectory_error_px"]
    assert metrics["identity_accuracy"] > 0.9
    assert metrics["count_accuracy"] == 1
    assert metrics["frechet_video_distance"] == pytest.approx(0, abs=0.5)
    assert found["floor"]["frechet_video_distance"] > metrics["frechet_video_distance"]
    by_frame = found["checks"]["trajectory_error_px_by_frame"]
    assert by_frame["frames"] == [3, 4, 5]
    assert np.mean(by_frame["samples"]) == pytest.approx(metrics["trajectory_error_px"])
    errors = by_frame[COPYING]
    assert errors[0] < errors[2]
    assert found["protocol"]["digit_reader_accuracy"] > 0.9
    low, high = found["intervals"]["trajectory_error_px"]
    assert low <= metrics["trajectory_error_px"] <= high


def test_clips_follow_their_captions_and_not_those_of_others(data: VideoDataset) -> None:
    from_nothing = replace(SMALL, given=0)
    assert from_nothing.known(data, 40) is None
    labels = from_nothing.labels(data, 40)
    items = np.array(data.reference.items)
    found = from_nothing.measure(data, items, labels, seed=0, protocol={})
    metrics = found["metrics"]
    for name in ("digit_accuracy", "direction_accuracy", "speed_accuracy"):
        assert metrics[name] > 0.9, name
    assert metrics["digit_and_direction_accuracy"] > 0.9
    assert metrics["shuffled_prompt_accuracy"] < 0.15
    assert "trajectory_error_px" not in metrics
    assert "baselines" not in found


def test_turned_clips_go_the_other_way(data: VideoDataset) -> None:
    """Played backwards, every clip goes against its caption, with the digit it was."""
    labels = replace(SMALL, given=0).labels(data, 40)
    items = np.array(data.reference.items)[:, ::-1]
    calm = [i for i, one in enumerate(data.form.captions.decode(labels)) if "bouncing" not in one]
    assert len(calm) >= 10
    found = replace(SMALL, given=0).measure(data, items[calm], labels[calm], seed=0, protocol={})[
        "metrics"
    ]
    assert found["direction_accuracy"] == 0
    assert found["digit_accuracy"] > 0.85


def test_given_frames_are_those_of_held_out_clips(data: VideoDataset) -> None:
    known = SMALL.known(data, 12)
    assert known is not None
    assert known.frames == [0, 1, 2]
    np.testing.assert_array_equal(data.to_items(known.items), data.reference.items[:12])


def test_a_ruler_looks_at_one_half(data: VideoDataset) -> None:
    items = np.array(data.reference.items)
    items[1::2] = 0  # those of odd number are lost
    first, second = (SMALL.ruler(data, 40, half) for half in ("first", "second"))
    assert first.name == "trajectory_error_px"
    assert first.of(items) == first.floor < 0.05
    assert second.of(items) == pytest.approx(MISSED)
    assert replace(SMALL, given=0).ruler(data, 40, "first").name == "frechet_video_distance"


def test_what_cannot_be_measured_is_said(data: VideoDataset) -> None:
    with pytest.raises(InputError, match="clips have 6 frames"):
        replace(SMALL, given=6).known(data, 10)
    with pytest.raises(DataError, match="400 training and 40 held-out clips, and 41 samples"):
        SMALL.known(data, 41)
