"""Pictures on disk: exact where they can be, whole or not there at all."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from noiseloom import media
from noiseloom.errors import InputError, MachineError

RANDOM = np.random.default_rng(0)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def images(num: int = 6, channels: int = 3, size: int = 8) -> np.ndarray:
    return RANDOM.integers(0, 256, (num, size, size, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_holds_every_pixel(channels: int) -> None:
    items = images(5, channels)
    sheet = np.asarray(media.grid(items, columns=3, scale=2)).reshape(38, 56, channels)
    for index, item in enumerate(items):
        top, left = 2 + index // 3 * 18, 2 + index % 3 * 18
        cell = sheet[top : top + 16, left : left + 16]
        np.testing.assert_array_equal(cell, item.repeat(2, axis=0).repeat(2, axis=1))
    assert (sheet[20:, 38:] == 255).all()  # the empty place


def test_grid_is_about_square_and_cells_about_one_size() -> None:
    assert media.grid(images(9, 1, 28)).size == (3 * 58 + 2, 3 * 58 + 2)
    assert media.grid(images(1, 1, 8)).size == (60, 60)
    assert media.grid(images(1, 1, 200)).size == (204, 204)
    small, tall = media.grid(images(4)), media.grid(images(4), captions=["one", "two", "3", "4"])
    assert tall.height > small.height
    assert tall.width == small.width


def test_marked_cells_are_framed_and_the_others_as_they_were() -> None:
    items, captions = images(3, 1), ["one", "two", "three"]
    plain = np.asarray(media.grid(items, columns=3, scale=4, captions=captions).convert("RGB"))
    sheet = np.asarray(
        media.grid(items, columns=3, scale=4, captions=captions, marked=[False, True, False])
    )
    left, right = 2 + 34, 2 + 34 + 32
    assert (sheet[:34, left - 2 : left] == media.MARK).all()
    assert (sheet[:34, right : right + 2] == media.MARK).all()
    assert (sheet[2:34, left:right] == plain[2:34, left:right]).all()
    for others in (slice(0, left - 2), slice(right + 2, None)):
        np.testing.assert_array_equal(sheet[:, others], plain[:, others])


def test_captions_are_cut_to_their_cells() -> None:
    items = images(2, 1, 28)
    long = np.asarray(media.grid(items, columns=2, scale=2, captions=["x" * 40, ""]))
    assert (long[60:, 60:] == 255).all()
    assert (long[60:, :58] < 255).any()
    tiny = np.asarray(media.grid(items[:, :2, :2], columns=2, scale=1, captions=["xx", "x"]))
    assert (tiny[4:] == 255).all()  # no room for a letter


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((0, 2, 2, 1), np.uint8), np.zeros((1, 2, 2, 2), np.uint8), np.zeros((1, 2, 2, 1))],
)
def test_grid_refuses_what_is_no_picture(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="given"):
        media.grid(wrong)


def test_scatter_puts_points_where_they_are() -> None:
    picture = media.scatter(np.array([[1.0, 1.0], [-1.0, 0.0]]), np.array([0, 1]), 160, limit=2.0)
    reach = 70
    assert picture.getpixel((80 + reach // 2, 80 - reach // 2)) == media.COLOURS[0]
    assert picture.getpixel((80 - reach // 2, 80)) == media.COLOURS[1]


def test_scatter_leaves_out_what_is_not_finite() -> None:
    points = np.array([[np.nan, 0.0], [np.inf, 1.0], [1.0, 1.0]])
    assert media.scatter(points).size == (480, 480)
    assert media.scatter(points[:2]).size == (480, 480)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_pixels_and_text(tmp_path: Path, channels: int) -> None:
    item = images(1, channels)[0]
    text = {"recipe": "data: {name: images}\nvõrk: „dit“ ∂x/∂t\n" * 500, "Software": "noiseloom"}
    path = media.save_png(media.picture_of(item), tmp_path / "new" / "deep" / "a.png", text)
    np.testing.assert_array_equal(pixels(path).reshape(item.shape), item)
    assert media.read_png_text(path) == text
    assert os.listdir(path.parent) == ["a.png"]


def test_grey_gif_is_exact_and_loops(tmp_path: Path) -> None:
    items = images(5, 1)
    frames = [media.grid(items[index : index + 1], scale=1) for index in range(5)]
    path = media.save_gif(frames, tmp_path / "a.gif", duration_ms=50, hold_ms=900, text="recipe")
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0
        assert gif.info["comment"] == b"recipe"
        durations = []
        for index, frame in enumerate(ImageSequence.Iterator(gif)):
            durations.append(frame.info["duration"])
            grey = np.asarray(frame.convert("L"))[2:-2, 2:-2]
            np.testing.assert_array_equal(grey, items[index, :, :, 0])
        assert durations == [50, 50, 50, 50, 900]


def test_colour_gif_is_exact_up_to_256_colours_and_close_beyond(tmp_path: Path) -> None:
    few = images(4, 3, 8)
    path = media.save_gif([media.picture_of(item) for item in few], tmp_path / "few.gif")
    with Image.open(path) as gif:
        for index, frame in enumerate(ImageSequence.Iterator(gif)):
            np.testing.assert_array_equal(np.asarray(frame.convert("RGB")), few[index])
    ramp = np.linspace(0, 255, 96, dtype=np.uint8)
    red, green = np.meshgrid(ramp, ramp)
    many = np.stack([red, green, 255 - red], axis=2)
    path = media.save_gif([media.picture_of(many)], tmp_path / "many.gif")
    with Image.open(path) as gif:
        read = np.asarray(gif.convert("RGB")).astype(int)
    seen = (read - many).reshape(24, 4, 24, 4, 3).mean(axis=(1, 3))
    assert np.abs(seen).mean() < 3  # dithering keeps what the eye sees, the local mean


def test_gif_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        media.save_gif([], Path("a.gif"))


@pytest.mark.parametrize("channels", [1, 3])
def test_npz_keeps_every_byte(tmp_path: Path, channels: int) -> None:
    items, labels = images(6, channels), np.arange(6, dtype=np.int32)
    path = media.save_samples(items, labels, tmp_path / "a.npz")
    with np.load(path, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["images", "labels"]
        np.testing.assert_array_equal(arrays["images"], items)
        assert arrays["images"].dtype == np.uint8
        np.testing.assert_array_equal(arrays["labels"], labels)
        assert arrays["labels"].dtype == np.int64
    again = media.save_samples(items, labels, tmp_path / "b.npz")
    assert path.read_bytes() == again.read_bytes()


def test_npz_without_labels_and_of_points(tmp_path: Path) -> None:
    with np.load(media.save_samples(images(), None, tmp_path / "a.npz")) as arrays:
        assert sorted(arrays) == ["images"]
    points = RANDOM.standard_normal((5, 2))
    with np.load(media.save_samples(points, None, tmp_path / "p.npz")) as arrays:
        assert arrays["points"].dtype == np.float32
        np.testing.assert_array_equal(arrays["points"], points.astype(np.float32))


def test_folder_of_pngs(tmp_path: Path) -> None:
    items, labels = images(3), np.array([2, 0, 1])
    names = ["a/b", "dog", "7"]
    for out in (f"{tmp_path}/new/deep/", str(tmp_path / "plain")):
        folder = media.save_samples(items, labels, out, recipe_text="r: 1", class_names=names)
        assert sorted(os.listdir(folder)) == ["00000_7.png", "00001_a-b.png", "00002_dog.png"]
        for path, item in zip(sorted(folder.iterdir()), items, strict=True):
            np.testing.assert_array_equal(pixels(path), item)
            assert media.read_png_text(path)["recipe"] == "r: 1"
    (tmp_path / "empty").mkdir()
    media.save_samples(items, None, tmp_path / "empty")
    assert sorted(os.listdir(tmp_path / "empty")) == ["00000.png", "00001.png", "00002.png"]
    assert sorted(os.listdir(tmp_path)) == ["empty", "new", "plain"]


def test_folder_that_holds_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(InputError, match="already holds files"):
        media.save_samples(images(), None, f"{tmp_path}/")


def test_png_and_gif_of_samples(tmp_path: Path) -> None:
    items = images(4, 1)
    path = media.save_samples(items, None, tmp_path / "a.png", recipe_text="r: 1", columns=4)
    assert media.read_png_text(path) == {"Software": "noiseloom", "recipe": "r: 1"}
    assert pixels(path).shape[::-1] == media.grid(items, 4).size
    frames = [images(4, 1) for _ in range(3)]
    with Image.open(media.save_samples(items, None, tmp_path / "a.gif", frames=frames)) as gif:
        assert gif.n_frames == 3  # type: ignore[attr-defined]
        assert gif.size == media.grid(items).size
    with Image.open(media.save_samples(items, None, tmp_path / "b.gif")) as gif:
        assert gif.n_frames == 4  # type: ignore[attr-defined]


def test_points_as_pictures(tmp_path: Path) -> None:
    points, labels = RANDOM.standard_normal((50, 2)), np.arange(50) % 3
    assert pixels(media.save_samples(points, labels, tmp_path / "p.png")).shape == (480, 480, 3)
    frames = [points * 3, points * 2, points]
    with Image.open(media.save_samples(points, labels, tmp_path / "p.gif", frames=frames)) as gif:
        assert gif.n_frames == 3  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"Points cannot be written as the folder"):
        media.save_samples(points, labels, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("name", ["a.jpg", "a.npy", "samples.v2", "a.PNGX"])
def test_unknown_suffix_names_the_allowed_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"Allowed: FILE\.png .* FILE\.gif, FILE\.npz .* DIR/"):
        media.sample_kind(tmp_path / name)


def test_kinds(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    assert media.sample_kind("a.PNG") == "png"
    assert media.sample_kind("a.gif") == "gif"
    assert media.sample_kind("x/a.npz") == "npz"
    assert media.sample_kind("new/") == "folder"
    assert media.sample_kind("new.v2/") == "folder"
    assert media.sample_kind(tmp_path / "folder.png") == "folder"
    with pytest.raises(InputError, match="is a file"):
        media.sample_kind(tmp_path / "file")


def test_existing_file_is_replaced_whole_or_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    media.save_png(media.picture_of(images(1)[0]), path)
    before = path.read_bytes()
    writing = media.aside(path)
    writing.__enter__().write_bytes(b"half")
    assert not writing.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert path.read_bytes() == before
    media.save_png(media.picture_of(images(1)[0]), path)
    assert path.read_bytes() != before
    assert os.listdir(tmp_path) == ["a.png"]


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match=r"Cannot write .*a\.png"):
        media.save_png(media.picture_of(images(1)[0]), tmp_path / "file" / "a.png")
    with pytest.raises(MachineError, match=r"Cannot write /dev/full/x\.npz"):
        media.save_samples(images(), None, "/dev/full/x.npz")


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    writing = media.aside(path)
    writing.__enter__().symlink_to("/dev/full")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(MachineError, match=r"Cannot write .*a\.png: No space left"):
        writing.__exit__(OSError, full, None)
    assert os.listdir(tmp_path) == []
