"""Each mode's rule, and each way a file can be bad."""

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseloom.data.decode import (
    MAX_PIXELS,
    UPRIGHT,
    BadImageError,
    fit_pixels,
    read_header,
    read_image,
)

RAMP = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3) * 3


def saved(tmp_path: Path, image: Image.Image, name: str = "a.png", **how: object) -> Path:
    image.save(tmp_path / name, **how)
    return tmp_path / name


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pixels_of_the_size_asked_for_are_kept_exactly(tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    pixels = pixels if mode == "RGB" else pixels[:, :, 0]
    path = saved(tmp_path, Image.fromarray(pixels))
    channels = 3 if mode == "RGB" else 1
    for size in (None, 9):
        np.testing.assert_array_equal(read_image(path, size, channels), pixels.reshape(9, 9, -1))
    assert read_header(path).grey == (mode == "L")


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_noted_by_the_camera_is_applied(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.fromarray(RAMP)
    turn = UPRIGHT.get(orientation)
    expected = np.asarray(upright if turn is None else upright.transpose(turn))
    path = saved(tmp_path, upright, f"a.{suffix}", exif=exif, lossless=True)
    header = read_header(path)
    assert (header.height, header.width) == expected.shape[:2]
    np.testing.assert_array_equal(read_image(path, None, 3), expected)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.array([[[255, 0, 0, 255], [0, 0, 255, 0]]], dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(rgba))
    np.testing.assert_array_equal(read_image(path, None, 3), [[[255, 0, 0], [255, 255, 255]]])
    grey = saved(tmp_path, Image.fromarray(np.array([[[7, 255], [7, 0]]], np.uint8), "LA"), "b.png")
    assert read_header(grey).grey
    np.testing.assert_array_equal(read_image(grey, None, 1)[:, :, 0], [[7, 255]])


def test_transparent_colour_of_a_grey_png_is_laid_on_white(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[7, 9]], np.uint8)), transparency=9)
    np.testing.assert_array_equal(read_image(path, None, 1)[:, :, 0], [[7, 255]])


def test_palette_becomes_colour(tmp_path: Path) -> None:
    palette = Image.fromarray(RAMP[:2, :2]).quantize(4)
    path = saved(tmp_path, palette)
    assert not read_header(path).grey
    np.testing.assert_array_equal(read_image(path, None, 3), np.asarray(palette.convert("RGB")))


def test_transparent_palette_is_laid_on_white(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    path = saved(tmp_path, palette, transparency=0)
    np.testing.assert_array_equal(read_image(path, None, 3), [[[255, 255, 255], [40, 50, 60]]])


def test_16_bit_grey_is_divided_by_257(tmp_path: Path) -> None:
    values = np.array([[0, 257, 65535, 128]], dtype=np.uint16)
    path = saved(tmp_path, Image.fromarray(values))
    assert read_header(path).grey
    np.testing.assert_array_equal(read_image(path, None, 1)[:, :, 0], [[0, 1, 255, 0]])


def png(colour: int, depth: int, row: bytes, width: int, transparent: bytes = b"") -> bytes:
    """A PNG of one row, of kinds Pillow cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0))
    clear = chunk(b"tRNS", transparent) if transparent else b""
    body = chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + header + clear + body + chunk(b"IEND", b"")


def test_16_bit_colour_keeps_its_high_byte() -> None:
    rgb = png(2, 16, struct.pack(">6H", 0x12FF, 0x3480, 0x00FF, 0, 0xFFFF, 0x8000), 2)
    np.testing.assert_array_equal(read_image(rgb, None, 3), [[[18, 52, 0], [0, 255, 128]]])
    rgba = png(6, 16, struct.pack(">8H", 0x1234, 0, 0, 0xFFFF, 0x1234, 0, 0, 0), 2)
    np.testing.assert_array_equal(read_image(rgba, None, 3), [[[18, 0, 0], [255, 255, 255]]])


def test_one_transparent_value_of_16_and_1_bit_grey_is_white() -> None:
    deep = png(0, 16, struct.pack(">3H", 257, 9, 65535), 3, transparent=struct.pack(">H", 9))
    np.testing.assert_array_equal(read_image(deep, None, 1)[:, :, 0], [[1, 255, 255]])
    bits = png(0, 1, b"\x80", 2, transparent=struct.pack(">H", 0))
    np.testing.assert_array_equal(read_image(bits, None, 1)[:, :, 0], [[255, 255]])
    bits = png(0, 1, b"\x80", 2, transparent=struct.pack(">H", 1))
    np.testing.assert_array_equal(read_image(bits, None, 1)[:, :, 0], [[255, 0]])


def test_half_transparent_is_mixed_with_white(tmp_path: Path) -> None:
    rgba = np.array([[[255, 0, 0, 51], [0, 0, 100, 204]]], dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(rgba))
    np.testing.assert_array_equal(read_image(path, None, 3), [[[255, 204, 204], [51, 51, 131]]])


def test_one_transparent_colour_of_rgb_is_white(tmp_path: Path) -> None:
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(pixels), transparency=(4, 5, 6))
    np.testing.assert_array_equal(read_image(path, None, 3), [[[1, 2, 3], [255, 255, 255]]])


def test_palette_with_alpha_of_its_own(tmp_path: Path) -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60, 0, 0, 0])
    palette.putdata([0, 1, 2])
    path = saved(tmp_path, palette, transparency=bytes([255, 0, 51]))
    expected = [[[10, 20, 30], [255, 255, 255], [204, 204, 204]]]
    np.testing.assert_array_equal(read_image(path, None, 3), expected)


def test_palette_of_greys_counts_as_colour(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[5, 200]], np.uint8)), "a.gif")
    assert not read_header(path).grey
    np.testing.assert_array_equal(read_image(path, None, 3), [[[5, 5, 5], [200, 200, 200]]])
    np.testing.assert_array_equal(read_image(path, None, 1)[:, :, 0], [[5, 200]])


def test_32_bit_grey_is_read_within_16_bits(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[0, 514, 65535]], np.int32)), "a.tiff")
    np.testing.assert_array_equal(read_image(path, None, 1)[:, :, 0], [[0, 2, 255]])
    for value in (-1, 65536):
        path = saved(tmp_path, Image.fromarray(np.array([[value]], np.int32)), "b.tiff")
        assert refusal(path).reason == "grey values beyond 16 bits"


def test_cmyk_in_figures(tmp_path: Path) -> None:
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255], [0, 255, 255, 51]]], np.uint8)
    path = saved(tmp_path, Image.fromarray(inks, "CMYK"), "a.tiff")
    expected = [[[255, 255, 255], [0, 255, 255], [0, 0, 0], [204, 0, 0]]]
    np.testing.assert_array_equal(read_image(path, None, 3), expected)
    assert not read_header(path).grey


def test_bytes_are_read_as_their_file_is(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RAMP))
    assert read_header(path.read_bytes()) == read_header(path)
    np.testing.assert_array_equal(read_image(path.read_bytes(), None, 3), RAMP)
    for content, reason in ((b"", "empty"), (b"<html>", "not an image")):
        with pytest.raises(BadImageError, match=reason):
            read_header(content)


@pytest.mark.parametrize(("shape", "columns"), [((4, 9), slice(2, 6)), ((5, 8), slice(1, 6))])
def test_middle_square_exactly(shape: tuple[int, int], columns: slice) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for turned in (False, True):
        image = pixels.transpose(1, 0, 2) if turned else pixels
        expected = image[columns] if turned else image[:, columns]
        content = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image)).save(content, "PNG")
        found = read_image(content.getvalue(), min(shape), 3)
        np.testing.assert_array_equal(found, expected)


def test_cmyk_and_black_and_white(tmp_path: Path) -> None:
    cmyk = Image.fromarray(RAMP).convert("CMYK")
    path = saved(tmp_path, cmyk, "a.tiff")
    np.testing.assert_array_equal(read_image(path, None, 3), np.asarray(cmyk.convert("RGB")))
    bits = saved(tmp_path, Image.fromarray(np.array([[True, False]])), "b.png")
    np.testing.assert_array_equal(read_image(bits, None, 1)[:, :, 0], [[255, 0]])


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff"])
def test_first_frame_of_an_animation_is_taken(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    how = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path, frames[0], f"a.{suffix}", save_all=True, append_images=frames[1:], **how)
    with Image.open(path) as image:
        assert image.n_frames == 2
    np.testing.assert_array_equal(read_image(path, None, 3), np.asarray(frames[0]))


def test_channels_asked_for(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RAMP))
    grey = read_image(path, None, 1)
    np.testing.assert_array_equal(grey[:, :, 0], np.asarray(Image.fromarray(RAMP).convert("L")))
    again = saved(tmp_path, Image.fromarray(grey[:, :, 0]), "b.png")
    np.testing.assert_array_equal(read_image(again, None, 3), np.repeat(grey, 3, axis=2))


def test_middle_square_is_cut_and_shrunk_smoothly(tmp_path: Path) -> None:
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = np.indices((8, 8)).sum(0)[:, :, None] % 2 * 255  # a fine checkerboard
    small = read_image(saved(tmp_path, Image.fromarray(wide)), 2, 3)
    assert small.shape == (2, 2, 3)
    assert np.abs(small.astype(int) - 127).max() < 40  # its mean, not one of its squares


def test_large_jpeg_is_close_to_its_full_decode(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 512, dtype=np.uint8)
    photo = np.stack([np.tile(ramp, (512, 1)), np.tile(ramp[:, None], (1, 512))], axis=2)
    photo = np.concatenate([photo, photo[:, :, :1]], axis=2)
    path = saved(tmp_path, Image.fromarray(photo), "a.jpg", quality=95)
    full = np.asarray(Image.open(path).resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(read_image(path, 32, 3).astype(int) - full).max() <= 4


def test_fit_pixels_agrees_with_reading_a_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 1), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(pixels[:, :, 0]))
    np.testing.assert_array_equal(fit_pixels(pixels, 6, 3), read_image(path, 6, 3))
    assert fit_pixels(pixels, None, 1) is pixels


def refusal(path: Path) -> BadImageError:
    try:
        read_header(path)
        read_image(path, 8, 3)
    except BadImageError as error:
        return error
    pytest.fail(f"{path.name} was read without complaint")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tiff"])
def test_truncated_files(tmp_path: Path, suffix: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, {"jpg": "jpeg"}.get(suffix, suffix))
    whole = content.getvalue()
    path = tmp_path / f"a.{suffix}"
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert refusal(path).reason in ("cut short or damaged", "not an image")


def test_html_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("<!DOCTYPE html><html>404</html>")
    error = refusal(path)
    assert error.reason == "not an image"
    assert "<!DOCTYPE" in error.detail


def test_huge_png_is_refused_from_its_header(tmp_path: Path, huge_png: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(huge_png)
    start = time.perf_counter()
    assert refusal(path).reason == "too many pixels"
    assert time.perf_counter() - start < 1


def test_limit_is_ours_and_pillows_stays(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    side = int(MAX_PIXELS**0.5) + 1
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 %d %d 255\n" % (side, side))
    error = refusal(path)
    assert error.reason == "too many pixels"
    assert f"{side:,} x {side:,}" in error.detail
    assert before == Image.MAX_IMAGE_PIXELS


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.zeros((4, 4), np.float32)), "a.tiff")
    assert refusal(path).reason == "floating-point pixels"


def test_missing_file_and_random_bytes(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.png").reason == "unreadable"
    random = np.random.default_rng(0)
    for index in range(50):
        path = tmp_path / f"{index}.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + random.bytes(200))
        assert refusal(path).reason in ("cut short or damaged", "not an image", "too many pixels")
