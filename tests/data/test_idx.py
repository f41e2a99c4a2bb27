"""IDX files: parity with their raw bytes, the folders they come in, and every way they can lie."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from noiseloom.data import images
from noiseloom.data.idx import CHUNK_BYTES, IdxFile, find_idx, read_idx
from noiseloom.errors import DataError, InputError
from tests.data.conftest import WriteIdx

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (40, 6, 5), dtype=np.uint8)
LABELS = (np.arange(40) % 4).astype(np.uint8)


@pytest.fixture
def mnist_like(tmp_path: Path, write_idx: WriteIdx) -> Path:
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", PIXELS)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", LABELS)
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", PIXELS[:10] ^ 255)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", LABELS[:10])
    return tmp_path


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32"])
@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_values_are_read_as_written(
    tmp_path: Path, write_idx: WriteIdx, dtype: str, name: str
) -> None:
    values = RANDOM.integers(-100, 100, (7, 3)).astype(dtype)
    read = read_idx(write_idx(tmp_path / name, values))
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)


def test_files_of_several_chunks(tmp_path: Path, write_idx: WriteIdx) -> None:
    values = RANDOM.integers(0, 256, (3 * CHUNK_BYTES // 10_000, 100, 100), dtype=np.uint8)
    file = IdxFile(write_idx(tmp_path / "a", values))
    chunks = list(file.chunks())
    assert len(chunks) > 2
    np.testing.assert_array_equal(np.concatenate(chunks), values)


def test_train_is_trained_on_and_t10k_is_the_reference(mnist_like: Path) -> None:
    dataset = images.Config(path=str(mnist_like)).open()
    np.testing.assert_array_equal(dataset.train.items[..., 0], PIXELS)
    np.testing.assert_array_equal(dataset.reference.items[..., 0], PIXELS[:10] ^ 255)
    np.testing.assert_array_equal(dataset.train.labels, LABELS)
    assert dataset.train.labels is not None
    assert dataset.train.labels.dtype == np.int64
    assert dataset.class_names == ("0", "1", "2", "3")
    assert dataset.item_shape == (1, 6, 5)
    assert isinstance(dataset.train.items, np.memmap)
    assert dataset.report["reference"] == "the data's own test part"


def test_other_names_and_prefixes(tmp_path: Path, write_idx: WriteIdx) -> None:
    write_idx(tmp_path / "letters-train-images.idx3-ubyte", PIXELS)
    write_idx(tmp_path / "letters-test-images-idx3-ubyte", PIXELS[:3])
    write_idx(tmp_path / "digits-train-images", PIXELS)
    dataset = images.Config(path=str(tmp_path / "letters-")).open()
    assert (len(dataset.train), len(dataset.reference)) == (40, 3)
    assert dataset.class_names == ()
    assert dataset.train.labels is None
    with pytest.raises(InputError, match="is a file"):
        images.Config(path=str(tmp_path / "digits-train-images")).open()


def test_images_called_alike_are_no_idx_files(tmp_path: Path) -> None:
    for name in ("train-images.png", "train-images-idx3-ubyte.gz.part", "train-labels.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert find_idx(tmp_path) is None


def test_plain_file_stands_for_its_gz(mnist_like: Path, write_idx: WriteIdx) -> None:
    write_idx(mnist_like / "train-images-idx3-ubyte", PIXELS)
    dataset = images.Config(path=str(mnist_like)).open()
    assert len(dataset.train) == 40
    assert "train-images-idx3-ubyte.gz is not used" in dataset.report["notes"][0]


def test_without_t10k_a_part_is_held_out(mnist_like: Path) -> None:
    for name in ("images-idx3", "labels-idx1"):
        (mnist_like / f"t10k-{name}-ubyte.gz").unlink()
    dataset = images.Config(path=str(mnist_like), held_out=0.25).open()
    assert len(dataset.train) + len(dataset.reference) == 40
    assert set(dataset.reference.labels.tolist()) == {0, 1, 2, 3}  # type: ignore[union-attr]


def test_t10k_alone_is_refused(mnist_like: Path) -> None:
    (mnist_like / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match="never trained on: add the training images"):
        images.Config(path=str(mnist_like)).open()


def test_classes_size_and_channels(mnist_like: Path) -> None:
    config = images.Config(path=str(mnist_like), classes=(3, "1"), size=4, channels=3)
    dataset = config.open()
    assert dataset.class_names == ("1", "3")
    assert dataset.item_shape == (3, 4, 4)
    assert len(dataset.train) == 20
    with pytest.raises(DataError, match=r"'7', of which there is no image. There are: 0, 1, 2, 3"):
        images.Config(path=str(mnist_like), classes=("7",)).open()
    assert images.Config(path=str(mnist_like), labels="none").open().class_names == ()


def test_labels_with_gaps_are_counted_anew(tmp_path: Path, write_idx: WriteIdx) -> None:
    write_idx(tmp_path / "train-images", PIXELS)
    write_idx(tmp_path / "train-labels", LABELS.astype(np.int32) * 1_000_000 + 5)
    dataset = images.Config(path=str(tmp_path)).open()
    assert dataset.class_names == ("5", "1000005", "2000005", "3000005")
    assert set(dataset.train.labels.tolist()) == {0, 1, 2, 3}  # type: ignore[union-attr]


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_floating_point_pixels(tmp_path: Path, write_idx: WriteIdx, top: float) -> None:
    values = (PIXELS / 255 * top).astype(np.float32)
    write_idx(tmp_path / "train-images", values)
    write_idx(tmp_path / "t10k-images", PIXELS[:2])
    dataset = images.Config(path=str(tmp_path)).open()
    np.testing.assert_array_equal(dataset.train.items[..., 0], PIXELS)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_name_their_image(
    tmp_path: Path, write_idx: WriteIdx, value: float
) -> None:
    values = PIXELS.astype(np.float32)
    values[17, 2, 2] = value
    write_idx(tmp_path / "train-images", values)
    with pytest.raises(DataError, match=r"Image 17 .*not finite"):
        images.Config(path=str(tmp_path)).open()


def test_values_out_of_range_name_their_image(tmp_path: Path, write_idx: WriteIdx) -> None:
    values = PIXELS.astype(np.int16)
    values[3, 0, 0] = 256
    write_idx(tmp_path / "train-images", values)
    with pytest.raises(DataError, match=r"Image 3 .*outside 0\.\.255"):
        images.Config(path=str(tmp_path)).open()


@pytest.mark.parametrize("name", ["train-images", "train-images.gz"])
@pytest.mark.parametrize("cut", [1, 100, 1206])
def test_truncated_files(tmp_path: Path, write_idx: WriteIdx, name: str, cut: int) -> None:
    write_idx(tmp_path / name, PIXELS, cut=cut)
    with pytest.raises(DataError, match="cut short"):
        images.Config(path=str(tmp_path)).open()


def test_truncated_gzip_and_flipped_bit(mnist_like: Path) -> None:
    path = mnist_like / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(DataError, match="cut short or damaged"):
        images.Config(path=str(mnist_like)).open()
    path.write_bytes(whole[:700] + bytes([whole[700] ^ 4]) + whole[701:])
    with pytest.raises(DataError, match="damaged"):
        images.Config(path=str(mnist_like)).open()


def test_more_than_the_header_says(tmp_path: Path, write_idx: WriteIdx) -> None:
    write_idx(tmp_path / "train-images", PIXELS, extra=b"?")
    with pytest.raises(DataError, match="goes on after the 40 items"):
        images.Config(path=str(tmp_path)).open()


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"\0\0\x07\x03", b"\0\0\x08\0"])
def test_wrong_magic(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train-images").write_bytes(content)
    with pytest.raises(DataError, match="is not an IDX file"):
        images.Config(path=str(tmp_path)).open()


def test_empty_gzip(tmp_path: Path) -> None:
    (tmp_path / "train-images.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match="is not an IDX file"):
        images.Config(path=str(tmp_path)).open()


def test_counts_that_disagree(mnist_like: Path, write_idx: WriteIdx) -> None:
    write_idx(mnist_like / "train-labels-idx1-ubyte.gz", LABELS[:39])
    with pytest.raises(DataError, match=r"40 images, .* has 39 labels"):
        images.Config(path=str(mnist_like)).open()


def test_labels_of_another_shape_or_kind(mnist_like: Path, write_idx: WriteIdx) -> None:
    for bad in (PIXELS, LABELS.astype(np.float32), LABELS.astype(np.int8) - 1):
        write_idx(mnist_like / "train-labels-idx1-ubyte.gz", bad)
        with pytest.raises(DataError, match="one list of whole numbers from 0"):
            images.Config(path=str(mnist_like)).open()


def test_label_never_trained_on(mnist_like: Path, write_idx: WriteIdx) -> None:
    write_idx(mnist_like / "t10k-labels-idx1-ubyte.gz", LABELS[:10] + 1)
    with pytest.raises(DataError, match="Label 4 stands in t10k-labels"):
        images.Config(path=str(mnist_like)).open()


def test_reference_without_labels(mnist_like: Path) -> None:
    (mnist_like / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"no labels file .* data\.labels=none"):
        images.Config(path=str(mnist_like)).open()
    assert len(images.Config(path=str(mnist_like), labels="none").open().reference) == 10


def test_parts_of_two_sizes(mnist_like: Path, write_idx: WriteIdx) -> None:
    write_idx(mnist_like / "t10k-images-idx3-ubyte.gz", PIXELS[:10, :5])
    with pytest.raises(DataError, match=r"2 different sizes: 5 x 6 \(40\), 5 x 5 \(10\)"):
        images.Config(path=str(mnist_like)).open()


def test_images_of_another_shape(tmp_path: Path, write_idx: WriteIdx) -> None:
    write_idx(tmp_path / "train-images", PIXELS.reshape(40, 30))
    with pytest.raises(DataError, match="has the shape"):
        images.Config(path=str(tmp_path)).open()


def test_real_mnist_byte_for_byte(shared_data: Path) -> None:
    folder = shared_data / "mnist"
    dataset = images.Config(path=str(folder)).open()
    for split, part in ((dataset.train, "train"), (dataset.reference, "t10k")):
        raw = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
        assert split.items.tobytes() == raw[16:]
        raw = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        np.testing.assert_array_equal(split.labels, np.frombuffer(raw[8:], np.uint8))
    assert dataset.item_shape == (1, 28, 28)
    assert dataset.class_names == tuple("0123456789")
