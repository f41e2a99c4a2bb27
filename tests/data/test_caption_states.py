"""What a frozen model says of captions: kept on disk, found again, and the same when asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data.caption_states import CaptionStates
from noiseloom.data.caption_tokens import Captions, caption_arrays, learn_captions
from noiseloom.data.dataset import CaptionedDataset, Split
from noiseloom.data.raw_texts import texts_in_memory
from noiseloom.data.text_model import TextModel
from tests.data.text_models import write_model

pytest.importorskip("transformers", reason="text models need transformers")
CPU = torch.device("cpu")
TRAIN = [["a red", "red of a"], ["a green left of a blue", ""], ["a red", "blue"]]
HELD_OUT = [["a dark red", ""]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model(folder)
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> CaptionedDataset:
    every = [one for row in [*TRAIN, *HELD_OUT] for one in row if one]
    captions = learn_captions("bpe", every, longest=9, vocabulary=400)
    splits = [
        Split(np.zeros((len(rows), 2, 2, 1), np.uint8), captions=caption_arrays(captions, rows)[0])
        for rows in (TRAIN, HELD_OUT)
    ]
    return CaptionedDataset(
        train=splits[0],
        reference=splits[1],
        class_names=(),
        fingerprint="few",
        report={},
        cache=tmp_path / "learned",
        captions=captions,
        train_captions=texts_in_memory(TRAIN),
        reference_captions=texts_in_memory(HELD_OUT),
    )


def reads(captions: Captions, folder: Path, longest: int = 16) -> CaptionStates:
    return CaptionStates(captions, TextModel(str(folder), longest))


def refuse(*given: object) -> None:
    raise AssertionError("the model was asked")


def test_captions_are_read_once_and_found_without_the_model(
    dataset: CaptionedDataset, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = reads(dataset.captions, model)
    told: list[tuple[str, int, int]] = []
    kept = asked.keep(dataset, CPU, lambda *progress: told.append(progress))
    assert len(kept.rows) == 5 and kept.cut == 0  # "a red" stands there twice
    assert told[-1] == ("reading captions", 5, 5)
    assert isinstance(kept.states, np.memmap) and kept.states.dtype == np.float16
    np.testing.assert_allclose(kept.mean, kept.states.astype(float).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(kept.deviation, kept.states.astype(float).std(axis=0), rtol=1e-5)
    assert asked.text_model._model is None  # its weights are let go of
    monkeypatch.setattr(TextModel, "_load", refuse)
    found = reads(dataset.captions, model)
    found.keep(dataset, CPU, None)
    rows = torch.from_numpy(np.array(dataset.train.captions[:, 0], np.int64))
    states, is_real = found.states(rows, CPU, 4)
    assert states.shape == (3, 8, 16) and is_real.sum(dim=1).tolist() == [3, 7, 3]
    assert states[~is_real].count_nonzero() == 0
    assert states[0].equal(states[2]) and not states[0].equal(states[1])
    monkeypatch.undo()
    fresh, also_real = reads(dataset.captions, model).states(rows, CPU, 4)
    assert fresh.equal(states) and also_real.equal(is_real)
    longer = torch.nn.functional.pad(rows, (0, 3), value=dataset.captions.padding)[:, :9]
    assert found.states(longer, CPU, 4)[0].equal(states)


def test_prompts_are_read_once_and_no_caption_never(
    dataset: CaptionedDataset, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = reads(dataset.captions, model)
    read: list[int] = []
    real = TextModel.read

    def reading(self: TextModel, tokens: list[np.ndarray], device: torch.device):  # type: ignore[no-untyped-def]
        read.append(len(tokens))
        return real(self, tokens, device)

    monkeypatch.setattr(TextModel, "read", reading)
    prompts = ["a dark blue", "a dark green", "a dark blue", ""]
    rows = torch.from_numpy(dataset.captions.encode(prompts).tokens)
    for _ in range(3):
        states, is_real = asked.states(rows, CPU, 8)
    assert read == [2]
    assert is_real.sum(dim=1).tolist() == [4, 4, 4, 0]
    assert states[0].equal(states[2]) and states[3].count_nonzero() == 0
    nothing, is_real = asked.states(rows[3:], CPU, 8)
    assert nothing.shape == (1, 0, 16) and is_real.shape == (1, 0)
    assert read == [2]


def test_only_the_last_prompts_are_remembered(
    dataset: CaptionedDataset, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noiseloom.data.caption_states.REMEMBERED", 2)
    asked = reads(dataset.captions, model)
    rows = torch.from_numpy(dataset.captions.encode(["a", "red", "of"]).tokens)
    together, _ = asked.states(rows, CPU, 8)
    assert len(asked._known) == 2
    torch.testing.assert_close(asked.states(rows[:1], CPU, 8)[0], together[:1])


def test_what_is_kept_belongs_to_data_model_and_length(
    dataset: CaptionedDataset, model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write_model(other, seed=1)
    for asked, data in (
        (reads(dataset.captions, model), dataset),
        (reads(dataset.captions, other), dataset),
        (reads(dataset.captions, model, longest=4), dataset),
        (reads(dataset.captions, model), replace(dataset, fingerprint="other")),
    ):
        kept = asked.keep(data, CPU, None)
    folders = sorted((dataset.cache / "captions").iterdir())
    assert len(folders) == 4
    assert reads(dataset.captions, model, longest=4).keep(dataset, CPU, None).cut == 1
    (folders[0] / "states.npy").write_bytes(b"damaged")
    for asked in (reads(dataset.captions, model), reads(dataset.captions, other)):
        assert len(asked.keep(dataset, CPU, None).states) == len(kept.states)
