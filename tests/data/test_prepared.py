"""Prepared once, found again, rebuilt when damaged, safe when two processes race."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from noiseloom.data import content, images
from noiseloom.data.prepared import DETAILS, MANIFEST, cache_root
from noiseloom.errors import MachineError
from tests.data.conftest import WriteImages

Settle = Callable[[Path], None]


class Work:
    """Counts what a data set does when it is opened."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    def __call__(self, what: str, done: int, total: int) -> None:
        self.done[what] += 1


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch) -> Settle:
    """Makes files written just now count as settled, in 0.1 s instead of 2 s."""
    monkeypatch.setattr(content, "SETTLED_NS", 100_000_000)

    def wait(folder: Path) -> None:
        newest = max(path.stat().st_ctime for path in folder.rglob("*"))
        time.sleep(max(0.0, newest + 0.2 - time.time()))

    return wait


@pytest.fixture
def config(tmp_path: Path, write_images: WriteImages) -> images.Config:
    write_images(tmp_path / "data", 12)
    return images.Config(path=str(tmp_path / "data"), cache=str(tmp_path / "cache"))


def prepared_folder(config: images.Config) -> Path:
    return config.open().cache.parent


def test_second_open_decodes_nothing(config: images.Config) -> None:
    first, second = Work(), Work()
    one = config.open(first)
    assert first.done["decoding images"] == 12
    two = config.open(second)
    assert "decoding images" not in second.done
    assert one.fingerprint == two.fingerprint
    np.testing.assert_array_equal(one.train.items, two.train.items)


def test_settled_files_are_not_even_hashed(config: images.Config, settle: Settle) -> None:
    settle(Path(config.path))
    config.open()
    work = Work()
    config.open(work)
    assert not work.done


def test_changed_bytes_are_noticed_though_name_size_and_time_stay(
    config: images.Config, settle: Settle
) -> None:
    settle(Path(config.path))
    before = config.open()
    a, b = sorted(Path(config.path).iterdir())[:2]
    stat = a.stat()
    swapped = bytearray(a.read_bytes())
    other = b.read_bytes()
    swapped[:] = other[: len(swapped)].ljust(len(swapped), b"\0")
    a.write_bytes(bytes(swapped))
    os.utime(a, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (a.stat().st_size, a.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert config.open().fingerprint != before.fingerprint


def test_same_content_elsewhere_is_the_same_data(config: images.Config, tmp_path: Path) -> None:
    before = config.open()
    Path(config.path).rename(tmp_path / "moved")
    work = Work()
    moved = images.Config(path=str(tmp_path / "moved"), cache=config.cache).open(work)
    assert "decoding images" not in work.done
    assert moved.fingerprint == before.fingerprint
    assert moved.report["source"] == str(tmp_path / "moved")


def test_other_preparation_is_other_data(config: images.Config) -> None:
    fingerprints = {config.open().fingerprint}
    for change in ({"size": 8}, {"channels": 1}, {"held_out": 0.5}):
        other = images.Config(path=config.path, cache=config.cache, **change)  # type: ignore[arg-type]
        fingerprints.add(other.open().fingerprint)
    assert len(fingerprints) == 4


@pytest.mark.parametrize("name", ["train_items.npy", DETAILS, MANIFEST])
@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "empty"])
def test_damaged_cache_is_rebuilt(config: images.Config, name: str, damage: str) -> None:
    before = config.open()
    wanted = np.array(before.train.items)
    path = prepared_folder(config) / name
    whole = path.read_bytes()
    middle = len(whole) // 2
    if damage == "delete":
        path.unlink()
    else:
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        path.write_bytes({"flip": flipped, "cut": whole[:-1], "empty": b""}[damage])
    work = Work()
    after = config.open(work)
    assert work.done["decoding images"] == 12
    np.testing.assert_array_equal(after.train.items, wanted)
    assert after.fingerprint == before.fingerprint
    assert not [left for left in path.parent.parent.iterdir() if left.name.startswith(".")]


def test_damage_is_noticed_after_it_was_found_whole(config: images.Config, settle: Settle) -> None:
    folder = prepared_folder(config)
    settle(folder)
    config.open()
    assert content.recall(folder / "verified.json", _signature(folder)) == "whole"
    path = folder / "train_items.npy"
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        byte = file.read(1)
        file.seek(-5, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    work = Work()
    config.open(work)
    assert work.done["decoding images"] == 12


def _signature(folder: Path) -> content.Signature:
    names = [*sorted(["train_items.npy", "reference_items.npy", DETAILS]), MANIFEST]
    return content.signature([(name, folder / name) for name in names])


OPEN = """
import sys
from noiseloom.data import images
dataset = images.Config(path=sys.argv[1], cache=sys.argv[2]).open()
print(dataset.fingerprint, int(dataset.train.items.sum()))
"""


def test_two_processes_race(config: images.Config, write_images: WriteImages) -> None:
    write_images(Path(config.path), 300, (16, 16, 3), seed=5)
    command = [sys.executable, "-c", OPEN, config.path, str(config.cache)]
    racers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    answers = [racer.communicate(timeout=120) for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0], answers
    assert len({out for out, _ in answers}) == 1
    left = sorted(path.name for path in Path(str(config.cache)).iterdir())
    assert len(left) == 2, left  # the data and "sources": nothing half built
    assert left[1] == "sources"


def test_half_built_folders_are_swept(config: images.Config) -> None:
    root = cache_root(config.cache)
    for name, old in ((".building-a-1-x", True), (".building-b-2-x", False)):
        (root / name).mkdir(parents=True)
        if old:
            os.utime(root / name, (0, 0))
    config.open()
    assert [path.name for path in root.glob(".building*")] == [".building-b-2-x"]


def test_failed_build_leaves_nothing(config: images.Config) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == "decoding images":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        config.open(stop)
    assert [path.name for path in cache_root(config.cache).iterdir()] == ["sources"]


def test_cache_that_cannot_be_written(config: images.Config, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked = images.Config(path=config.path, cache=str(tmp_path / "file" / "cache"))
    with pytest.raises(MachineError, match=r"Cannot write prepared data .*data\.cache=DIR"):
        blocked.open()


def test_place_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root(None) == tmp_path / "noiseloom"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root(None) == tmp_path / ".cache" / "noiseloom"
    assert cache_root("~/x") == tmp_path / "x"


def test_files_that_change_while_read_are_refused(config: images.Config) -> None:
    from noiseloom.errors import DataError

    first = sorted(Path(config.path).iterdir())[0]

    def meddle(what: str, done: int, total: int) -> None:
        if what == "decoding images" and done == 5:
            first.write_bytes(first.read_bytes() + b"x")

    with pytest.raises(DataError, match="changed while they were read"):
        config.open(meddle)
