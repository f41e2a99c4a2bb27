"""Folders of clips: how files become items, and what becomes of those that cannot be used."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseloom.data.clip_files import ClipFile, Frames, find_clips, read_clip
from noiseloom.data.video import Config
from noiseloom.errors import DataError, InputError
from noiseloom.media import picture_of, save_gif

RANDOM = np.random.default_rng(0)


def frames(num: int, size: int = 8) -> np.ndarray:
    return RANDOM.integers(0, 256, (num, size, size, 1), dtype=np.uint8)


def gif(path: Path, pixels: np.ndarray, milliseconds: int = 100) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_gif([picture_of(one) for one in pixels], path, duration_ms=milliseconds)
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve clips of ten frames at ten a second, a folder of frames among them."""
    root = tmp_path / "clips"
    for number in range(11):
        gif(root / f"{number:02d}.gif", frames(10))
    stills = root / "walk"
    stills.mkdir()
    for number, pixels in enumerate(frames(10)):
        picture_of(pixels).save(stills / f"frame{number}.png")
    return root


def config(root: Path, **changes: object) -> Config:
    plain = Config(path=str(root), size=8, frames=4, channels=1, cache=str(root.parent / "cache"))
    return replace(plain, **changes)


def test_clips_become_items_and_nothing_is_lost_or_mixed(folder: Path) -> None:
    data = config(folder).open()
    assert data.train.items.shape[1:] == (4, 8, 8, 1)
    assert len(data.train) + len(data.reference) == 24  # two of each clip, two frames left of each
    report = data.report
    assert (report["clips"], report["rate"], report["frames_left"]) == (12, 10, 24)
    wanted = [read_clip(clip, 8, 1).pixels for clip in find_clips(folder).clips]
    items = {item.tobytes() for split in (data.train, data.reference) for item in split.items}
    assert items == {clip[at : at + 4].tobytes() for clip in wanted for at in (0, 4)}
    sides = [{item.tobytes() for item in split.items} for split in (data.train, data.reference)]
    for clip in wanted:  # all of a clip on one side
        assert sum(clip[0:4].tobytes() in side for side in sides) == 1
        assert [clip[4:8].tobytes() in side for side in sides] == [
            clip[0:4].tobytes() in side for side in sides
        ]


def test_frames_of_a_folder_go_by_their_numbers(folder: Path) -> None:
    last = frames(1)[0]
    picture_of(last).save(folder / "walk" / "frame10.png")
    clip = next(clip for clip in find_clips(folder).clips if clip.is_folder)
    np.testing.assert_array_equal(read_clip(clip, 8, 1).pixels[10], last)


def test_another_rate_is_brought_to_the_commonest(folder: Path) -> None:
    slow = gif(folder / "slow.gif", frames(8), 200)  # five a second: each frame twice
    data = config(folder, bad_files="refuse").open()
    assert data.report["resampled"] == 1
    assert data.report["rates"] == {"10": 11, "5": 1}
    assert any("another rate" in warning for warning in data.report["warnings"])
    items = {item.tobytes() for split in (data.train, data.reference) for item in split.items}
    assert slow[[0, 0, 1, 1]].tobytes() in items
    assert slow[[6, 6, 7, 7]].tobytes() in items


def test_what_is_shown_at_each_moment() -> None:
    pixels = np.arange(4, dtype=np.uint8)[:, None, None, None]
    even = Frames(pixels, np.array([0.1, 0.2, 0.3, 0.4]))
    assert even.at_rate(10).ravel().tolist() == [0, 1, 2, 3]
    assert even.at_rate(20).ravel().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert even.at_rate(5).ravel().tolist() == [1, 3]
    held = Frames(pixels, np.array([0.1, 0.2, 0.3, 0.6]))
    assert held.at_rate(10).ravel().tolist() == [0, 1, 2, 3, 3, 3]
    assert even.at_rate(9.8).ravel().tolist() == [0, 1, 2]
    of_gif = Frames(pixels, even.ends, tick=0.01)  # which cannot say 9.8
    assert of_gif.at_rate(9.8).ravel().tolist() == [0, 1, 2, 3]
    assert Frames(pixels, None).at_rate(3).ravel().tolist() == [0, 1, 2, 3]


def test_bad_clips_are_counted_by_why(folder: Path) -> None:
    (folder / "empty.gif").write_bytes(b"")
    whole = (folder / "00.gif").read_bytes()
    (folder / "cut.gif").write_bytes(whole[: len(whole) // 2])
    (folder / "text.gif").write_text("no picture at all")
    gif(folder / "short.gif", frames(3))
    data = config(folder, max_bad=0.5).open()
    reasons = data.report["skipped"]["reasons"]
    assert data.report["skipped"]["count"] == 4
    assert reasons["empty"] == 1
    assert reasons["shorter than data.frames"] == 1
    files = {one["file"] for one in data.report["skipped"]["files"]}
    assert files == {"empty.gif", "cut.gif", "text.gif", "short.gif"}
    assert data.report["counts"]["used"] == 24
    with pytest.raises(DataError, match=r"4 of the 16 clips .* data.bad_files=skip"):
        config(folder, bad_files="refuse").open()
    with pytest.raises(DataError, match="more than data.max_bad=0.1 allows"):
        config(folder, max_bad=0.1).open()


def test_sizes_are_brought_to_one(folder: Path) -> None:
    wide = np.zeros((6, 10, 20, 1), np.uint8)
    wide[:, :, 5:15] = 200  # the middle square
    gif(folder / "wide.gif", wide)
    clip = ClipFile("wide.gif", (folder / "wide.gif",))
    assert (read_clip(clip, 8, 1).pixels == 200).all()
    data = config(folder).open()
    assert data.report["clips"] == 13


def test_what_cannot_be_used_is_said_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no folder at .*nowhere"):
        config(tmp_path / "nowhere").open()
    lonely = tmp_path / "stills"
    lonely.mkdir()
    Image.new("L", (8, 8)).save(lonely / "a.png")
    with pytest.raises(DataError, match="a single image, not in a folder of frames"):
        config(lonely).open()
    with pytest.raises(DataError, match="shorter than data.frames"):
        config(folder, frames=11).open()


def test_video_files_need_av(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.mp4").write_bytes(b"not really")
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(InputError, match=r"noiseloom\[video\]"):
        config(folder).open()
