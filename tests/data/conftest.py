"""Tiny data sets on disk."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

IDX_TYPES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D}

WriteImages = Callable[..., list[Path]]
WriteIdx = Callable[..., Path]


@pytest.fixture
def write_images() -> WriteImages:
    """Writes `num` different PNGs into a folder, from random pixels of a seed."""

    def write(
        folder: Path,
        num: int,
        size: tuple[int, ...] = (12, 12, 3),
        seed: int = 0,
        suffix: str = ".png",
    ) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(seed)
        paths = [folder / f"{index:04d}{suffix}" for index in range(num)]
        for path in paths:
            Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(path)
        return paths

    return write


@pytest.fixture
def write_idx() -> WriteIdx:
    """Writes an array as an IDX file, gzipped where the name ends in .gz."""

    def write(path: Path, values: np.ndarray, *, cut: int = 0, extra: bytes = b"") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        header = struct.pack(">BBBB", 0, 0, IDX_TYPES[values.dtype.name], values.ndim)
        header += struct.pack(f">{values.ndim}I", *values.shape)
        content = header + values.astype(values.dtype.newbyteorder(">")).tobytes() + extra
        content = content[: len(content) - cut]
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    return write


@pytest.fixture
def huge_png() -> bytes:
    """A PNG of 300 bytes whose header declares 50,000 x 50,000 pixels."""
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
