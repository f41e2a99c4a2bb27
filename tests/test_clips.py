"""Clips on disk: strips, sheets that move, GIF to the pixel, MP4 where there is av."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from noiseloom import media
from noiseloom.errors import InputError

RANDOM = np.random.default_rng(0)


def clips(num: int = 3, channels: int = 1, frames: int = 4) -> np.ndarray:
    return RANDOM.integers(0, 256, (num, frames, 8, 6, channels), dtype=np.uint8)


def frames_of(path: Path) -> tuple[np.ndarray, list[int]]:
    with Image.open(path) as file:
        read = [
            (np.asarray(one.convert("RGB")), one.info["duration"])
            for one in ImageSequence.Iterator(file)
        ]
    return np.stack([pixels for pixels, _ in read]), [shown for _, shown in read]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_holds_every_frame_in_order(channels: int) -> None:
    items = clips(2, channels)
    sheet = np.asarray(media.strip(items, scale=2))
    assert sheet.shape == (2 * 20, 4 * 14 + 2, 3)
    for (row, column), frame in np.ndenumerate(np.empty((2, 4))):
        del frame
        top, left = 2 + row * 20, 2 + column * 14
        cell = sheet[top : top + 16, left : left + 12]
        wanted = items[row, column].repeat(2, axis=0).repeat(2, axis=1)
        np.testing.assert_array_equal(cell, np.broadcast_to(wanted, cell.shape))


def test_given_frames_are_framed_and_captions_stand_above() -> None:
    items = clips(2)
    sheet = np.asarray(media.strip(items, scale=4, given=[0, 1]))
    assert (sheet[0, :52] == media.MARK).all()
    assert not (sheet[0, 58:] == media.MARK).all(axis=-1).any()
    above = np.asarray(media.strip(items, ["a seven moving up and left, then bouncing"] * 2, 4))
    assert above.shape[0] == sheet.shape[0] + 2 * 16
    np.testing.assert_array_equal(
        above[16 : 16 + 36, 56:], np.asarray(media.strip(items, None, 4))[:36, 56:]
    )


def test_a_gif_shows_all_clips_moving_at_their_rate(tmp_path: Path) -> None:
    items = clips(4)
    path = media.save_samples(items, None, tmp_path / "clips.gif", rate=8, recipe_text="r")
    read, shown = frames_of(path)
    assert len(read) == 4
    assert shown == [120] * 4  # 12.5 hundredths of a second; a GIF knows 12
    sheets = media.sheets(items)
    for frame, sheet in zip(read, sheets, strict=True):
        np.testing.assert_array_equal(frame, np.asarray(sheet.convert("RGB")))


def test_a_folder_holds_a_gif_of_each_clip_to_the_pixel(tmp_path: Path) -> None:
    items = clips(2)
    names = ("up and left", "down")
    path = media.save_samples(
        items, np.array([0, 1]), f"{tmp_path / 'clips'}/", class_names=names, rate=10
    )
    assert sorted(one.name for one in path.iterdir()) == ["00000_up-and-left.gif", "00001_down.gif"]
    read, shown = frames_of(path / "00001_down.gif")
    assert shown == [100] * 4
    np.testing.assert_array_equal(read[:, 2:-2, 2:-2, :1], items[1])


def test_arrays_and_strips(tmp_path: Path) -> None:
    items = clips(2)
    with np.load(media.save_samples(items, np.array([3, 4]), tmp_path / "a.npz")) as arrays:
        np.testing.assert_array_equal(arrays["clips"], items)
        assert arrays["labels"].tolist() == [3, 4]
    path = media.save_samples(items, None, tmp_path / "a.png", recipe_text="recipe")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(media.strip(items)))
    assert media.read_png_text(path)["recipe"] == "recipe"


def test_mp4_is_for_clips_and_needs_av(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in '.mp4'. Allowed: FILE.png \(a grid\)"):
        media.sample_kind("a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"pip install 'noiseloom\[video\]'"):
        media.sample_kind("a.mp4", clips=True)
    with pytest.raises(InputError, match=r"FILE.png \(strips of frames\)"):
        media.sample_kind("a.avi", clips=True)


def test_mp4_comes_back(tmp_path: Path) -> None:
    pytest.importorskip("av")
    from noiseloom.data.clip_files import ClipFile, read_clip

    items = np.repeat(np.arange(0, 250, 50, dtype=np.uint8), 32 * 32).reshape(1, 5, 32, 32, 1)
    path = media.save_samples(items, None, tmp_path / "a.mp4", rate=8)
    frames = read_clip(ClipFile("a.mp4", (path,)), 32, 1)
    assert frames.rate == 8
    assert frames.pixels.shape == (5, 32, 32, 1)
    middles = frames.pixels[:, 16, 16, 0].astype(int)
    assert np.abs(middles - np.arange(0, 250, 50)).max() <= 6


def test_what_is_no_clip() -> None:
    with pytest.raises(ValueError, match=r"allowed is \(N, T, H, W, 1 or 3\)"):
        media.strip(clips()[0])
    with pytest.raises(ValueError, match="no clip was given"):
        media.strip(clips(0))
