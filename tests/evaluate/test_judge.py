"""The outside judge of benchmarks/, on digits drawn for the test."""

import gzip
import importlib.util
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.evaluate.frechet import FrechetDistance, moments

PATH = Path(__file__).parents[2] / "benchmarks" / "judge.py"


@pytest.fixture(scope="module")
def judge():
    spec = importlib.util.spec_from_file_location("judge", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["judge"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["judge"]


def test_knows_nothing_of_the_package():
    assert "import noiseloom" not in PATH.read_text()
    assert "from noiseloom" not in PATH.read_text()


def test_agrees_with_ours_on_the_distance(judge):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(300, 6, generator=generator), torch.randn(200, 6, generator=generator) * 2
    ours = FrechetDistance(moments(y)).of(x)
    assert judge.frechet(x, y) == pytest.approx(ours, rel=1e-6)


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def test_judges_real_and_copied_samples(judge, shapes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(judge, "EPOCHS", 30)
    for part, count, seed in (("train", 240, 1), ("t10k", 120, 2)):
        images, labels = shapes(count, seed)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images[..., 0])
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    verdicts = {}
    for name, seed in (("new", 3), ("copied", 1)):
        images, labels = shapes(120, seed)
        np.savez(tmp_path / f"{name}.npz", images=images, labels=labels)
        arguments = ["judge.py", "--data", str(tmp_path), "--cache", str(tmp_path / "cache")]
        monkeypatch.setattr(sys, "argv", [*arguments, str(tmp_path / f"{name}.npz")])
        with torch.random.fork_rng():
            judge.main()
        verdicts[name] = json.loads(capsys.readouterr().out)
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 1
    new, copied = verdicts["new"], verdicts["copied"]
    assert new["frechet_over_floor"] == pytest.approx(1, abs=0.7)
    assert new["label_agreement"] > 0.9
    assert new["nearest_train_ratio"] == pytest.approx(1, abs=0.2)
    assert copied["nearest_train_ratio"] < 1e-3
    assert new["real"] == copied["real"]
