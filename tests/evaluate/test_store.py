import logging

import pytest
import torch

from noiseloom.evaluate.store import recall


def test_made_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"x": torch.arange(3.0), "y": torch.eye(2).T}

    for _ in range(2):
        tensors = recall(tmp_path / "cache", "things", {"seed": 1}, make)
        assert tensors["x"].tolist() == [0, 1, 2]
    assert len(made) == 1


def test_another_key_is_another_file(tmp_path):
    for seed in (1, 2):
        value = recall(tmp_path, "things", {"seed": seed}, lambda s=seed: {"x": torch.tensor(s)})
        assert int(value["x"]) == seed
    assert len(list(tmp_path.glob("things-*.safetensors"))) == 2


@pytest.mark.parametrize("content", [b"", b"not safetensors", None])
def test_a_damaged_file_is_made_again(tmp_path, caplog, content):
    recall(tmp_path, "things", {}, lambda: {"x": torch.zeros(50)})
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100] if content is None else content)
    with caplog.at_level(logging.WARNING):
        again = recall(tmp_path, "things", {}, lambda: {"x": torch.ones(50)})
    assert again["x"].tolist() == [1.0] * 50
    assert "making it again" in caplog.text
    assert recall(tmp_path, "things", {}, dict)["x"].tolist() == [1.0] * 50


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        made = recall(tmp_path / "file" / "cache", "things", {}, lambda: {"x": torch.ones(1)})
    assert made["x"].tolist() == [1.0]
    assert "learn things again" in caplog.text
