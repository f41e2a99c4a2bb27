"""A data set by its name on the hub, without ever asking the hub."""

import time
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest

from noiseloom.data import huggingface, images
from noiseloom.errors import InputError
from tests.data.test_parquet import write

Snapshot = Callable[..., str]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None, str]]:
    """A hub that has `tmp_path/main` and, converted, `tmp_path/converted`; notes what is asked."""
    asked = []

    def snapshot(name: str, revision: str | None, pattern: str) -> str:
        asked.append((name, revision, pattern))
        return str(tmp_path / ("converted" if revision == huggingface.CONVERTED else "main"))

    monkeypatch.setattr(huggingface, "_snapshot", snapshot)
    return asked


def test_a_name_stands_for_its_parquet_files(tmp_path: Path, hub: list[object]) -> None:
    write(tmp_path / "main" / "data" / "train-0.parquet", range(30))
    write(tmp_path / "main" / "data" / "test-0.parquet", range(30, 34))
    dataset = images.Config(path="hf://someone/pictures").open()
    assert (len(dataset.train), len(dataset.reference)) == (30, 4)
    assert dataset.report["source"] == "hf://someone/pictures"
    assert hub == [("someone/pictures", None, "*.parquet")]


def test_revision_and_folder(tmp_path: Path, hub: list[object]) -> None:
    write(tmp_path / "main" / "small" / "train-0.parquet", range(3))
    found = huggingface.fetch("hf://datasets/someone/pictures@v1.0/small")
    assert found == tmp_path / "main" / "small"
    assert hub == [("someone/pictures", "v1.0", "small/*.parquet")]


def test_other_forms_are_taken_from_the_hubs_conversion(tmp_path: Path, hub: list[object]) -> None:
    (tmp_path / "main").mkdir()
    write(tmp_path / "converted" / "default" / "train" / "0000.parquet", range(3))
    assert huggingface.fetch("hf://someone/pictures") == tmp_path / "converted"
    with pytest.raises(InputError, match="has no Parquet files"):
        huggingface.fetch("hf://someone/pictures@v1.0")


@pytest.mark.parametrize("name", ["hf://", "hf://pictures", "hf://a b/c", "hf:///x"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(InputError, match=r"names no data set\. Write data\.path=hf://OWNER/NAME"):
        images.Config(path=name).open()


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **how: object) -> str:
        raise ConnectionError("Name or service not known.\nmore lines")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(InputError, match=r"someone/pictures cannot be fetched: Name or") as error:
        images.Config(path="hf://someone/pictures").open()
    assert "\n" not in str(error.value)


def test_a_refused_connection_is_told_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Snapshot = huggingface_hub.snapshot_download
    where = {"endpoint": "http://127.0.0.1:9", "cache_dir": tmp_path}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *names, **how: real(*names, **how, **where)
    )
    start = time.perf_counter()
    with pytest.raises(InputError, match="someone/pictures cannot be fetched: .*Check the name"):
        images.Config(path="hf://someone/pictures").open()
    assert time.perf_counter() - start < 10
