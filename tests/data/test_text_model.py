"""A frozen text model: it says what transformers says, and what is no such model is refused."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseloom.data import huggingface
from noiseloom.data.text_model import TextModel
from noiseloom.errors import InputError
from tests.data.text_models import CLIP_LONGEST, WORDS, write_model, write_tokenizer

pytest.importorskip("transformers", reason="text models need transformers")
CPU = torch.device("cpu")
TEXTS = ["a red", "green left of a blue", "blue", "a green", "a red left of a dark green blue red"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in ("t5", "clip")}
    for kind, folder in folders.items():
        write_model(folder, kind)
    return folders


@pytest.fixture
def folder(made: dict[str, Path], tmp_path: Path) -> Path:
    """A T5 of one's own, to be spoilt."""
    return Path(shutil.copytree(made["t5"], tmp_path / "model"))


@pytest.mark.parametrize("kind", ["t5", "clip"])
@torch.no_grad()
def test_it_says_what_transformers_says(kind: str, tmp_path: Path) -> None:
    theirs = write_model(tmp_path, kind)
    model = TextModel(str(tmp_path), longest=10)
    assert (model.width, model.longest) == (16, 10 if kind == "t5" else CLIP_LONGEST)
    tokens = model.tokens(TEXTS)
    said = dict(model.read(tokens, CPU))
    assert [len(said[place]) for place in range(5)] == [len(one) for one in tokens]
    longest = max(map(len, tokens))
    filled = torch.tensor([[*one, *[0] * (longest - len(one))] for one in tokens])
    is_real = torch.arange(longest) < torch.tensor([len(one) for one in tokens])[:, None]
    expected = theirs(input_ids=filled, attention_mask=is_real.long()).last_hidden_state
    for place, one in said.items():
        assert one.dtype == np.float16
        there = expected[place, : len(one)].numpy()
        np.testing.assert_allclose(one, there, rtol=2e-3, atol=2e-3)
        assert np.abs(there).max() > 0.3


def test_texts_are_cut_at_the_longest_with_what_ends_them(made: dict[str, Path]) -> None:
    model = TextModel(str(made["clip"]), longest=100)
    assert model.too_long(TEXTS) == [4]
    (cut,) = model.tokens(TEXTS[4:])
    assert [WORDS[one] for one in cut] == ["<s>", "a", "red", "left", "of", "a", "dark", "</s>"]
    assert TextModel(str(made["t5"]), longest=4).too_long(TEXTS) == [1, 4]


def test_the_hash_is_of_settings_tokenizer_and_weights(folder: Path) -> None:
    seen = [TextModel(str(folder), 8).digest]
    write_tokenizer(folder, words=(*WORDS[:-2], "dark", "light"))
    seen.append(TextModel(str(folder), 8).digest)
    weights = load_file(folder / "model.safetensors")
    weights["encoder.final_layer_norm.weight"][0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    seen.append(TextModel(str(folder), 8).digest)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "num_layers": 1}))
    seen.append(TextModel(str(folder), 8).digest)
    assert len(set(seen)) == 4 and len(seen[0]) == 32


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def settings(content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(content)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without("config.json"), r"holds no text model: its config\.json cannot be read \(No such"),
        (settings("{"), r"its config\.json cannot be read \(Expecting"),
        (settings("[]"), "holds no settings of a model"),
        (settings('{"model_type": "bert"}'), "a model of type bert; texts are read by .* t5, mt5"),
        (without("tokenizer.json"), r"has no tokenizer\.json, which says how it reads a text"),
        (without("model.safetensors"), "has no weights as safetensors, and no others are read"),
    ],
)
def test_what_is_no_text_model_is_refused_at_once(
    folder: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(folder)
    with pytest.raises(InputError, match=said):
        TextModel(str(folder), 8)


def less(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.final_layer_norm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def huge(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["encoder.final_layer_norm.weight"] *= 1e6
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (less, r"are not those of its config\.json: encoder\.final_layer_norm\.weight is missing"),
        (huge, "says numbers that are not finite in 16 bits"),
        (
            lambda folder: write_tokenizer(folder, words=(*WORDS[:4], *map(str, range(20)), "red")),
            "has a token of number 24, and the model knows 13: they do not belong together",
        ),
        (
            lambda folder: (folder / "tokenizer.json").write_text("{}"),
            r"tokenizer\.json cannot be read as a tokenizer",
        ),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"no weights at all"),
            "cannot be loaded: ",
        ),
    ],
)
def test_what_cannot_be_read_with_is_said(
    folder: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(folder)
    model = TextModel(str(folder), 8)
    with pytest.raises(InputError, match=said):
        list(model.read(model.tokens(["a red"]), CPU))


def test_without_transformers_one_is_told_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    model = TextModel(str(folder), 8)
    with pytest.raises(InputError, match=r"needs the package transformers.*'noiseloom\[hf\]'$"):
        list(model.read(model.tokens(["a red"]), CPU))


def test_a_model_of_the_hub_is_asked_for_where_it_is_not_yet(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    (tmp_path / "partly").mkdir()

    def snapshot(name: str, local_files_only: bool = False, **how: object) -> str:
        assert name == "someone/reads"
        assert how["allow_patterns"] == list(huggingface.OF_A_MODEL)
        asked.append(local_files_only)
        return str(tmp_path / "partly" if local_files_only and len(asked) == 1 else folder)

    monkeypatch.setattr(huggingface, "_downloader", lambda: snapshot)
    assert TextModel("hf://someone/reads", 8).folder == folder
    assert asked == [True, False]
    TextModel("hf://someone/reads", 8)
    assert asked == [True, False, True]
    with pytest.raises(InputError, match="names no model"):
        TextModel("hf://reads", 8)

    def unreachable(*names: object, **how: object) -> str:
        raise ConnectionError("Name or service not known.\nmore lines")

    monkeypatch.setattr(huggingface, "_downloader", lambda: unreachable)
    with pytest.raises(InputError, match=r"cannot be fetched: Name or .*name its folder$"):
        TextModel("hf://someone/reads", 8)
