"""How a model of text is measured, on models whose figures are known."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data.dataset import TextDataset
from noiseloom.data.text import Config as Text
from noiseloom.errors import InputError, MachineError
from noiseloom.evaluate.resampling import ratio_interval
from noiseloom.evaluate.text import Config
from noiseloom.evaluate.windows import text_of
from noiseloom.evaluate.written import beginnings
from noiseloom.networks.language_model import Config as Network
from noiseloom.tasks.text_generation import Config as Task

QUICK = Config(bootstrap=50, samples=3, max_tokens=30)
WORDS = ["ein", "größer", "kleiner", "wagen", "fährt", "und", "hält", "am", "ufer", "heute"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> TextDataset:
    """Words at random, some with letters of two bytes, in windows of 16 characters."""
    folder = tmp_path_factory.mktemp("text")
    chance = np.random.default_rng(0)
    (folder / "words.txt").write_text(" ".join(chance.choice(WORDS, 4_000)))
    return open_text(folder, tokenizer="characters", stride=3)


def open_text(folder: Path, **options) -> TextDataset:
    return Text(path=str(folder / "words.txt"), context=16, cache=str(folder), **options).open()


def build(dataset: TextDataset):
    """A task of a network that has learned nothing: all tokens are equally likely."""
    network = Network(width=16, depth=1, heads=2)
    return Task().build(network, dataset.form, None, {})


def measure(dataset: TextDataset, task, config: Config = QUICK):
    return config.measure(dataset, task, seed=0, protocol={"weights": "ema"})


def test_knowing_nothing_takes_the_vocabulary_of_each_token(dataset: TextDataset) -> None:
    found = measure(dataset, build(dataset))
    vocabulary = dataset.text_form.tokenizer.vocabulary
    windows = dataset.reference.items
    text = "".join(dataset.text_form.tokenizer.decode(window[1:]) for window in windows)
    assert found["metrics"]["nats_per_token"] == pytest.approx(math.log(vocabulary), rel=1e-6)
    bits = len(text) * math.log2(vocabulary) / len(text.encode())
    assert found["metrics"]["bits_per_byte"] == pytest.approx(bits, rel=1e-6)
    assert found["protocol"]["bytes"] == len(text.encode()) > len(text)
    assert found["protocol"]["tokens"] == len(text) == 16 * len(windows)
    assert found["intervals"]["nats_per_token"] == pytest.approx([math.log(vocabulary)] * 2)
    assert found["checks"]["is_bound"] is False


def test_the_n_gram_stands_beside_and_is_ahead_of_knowing_nothing(dataset: TextDataset) -> None:
    found = measure(dataset, build(dataset))
    (name,) = found["baselines"]
    assert name == f"{found['protocol']['baseline']['order']}-gram"
    plain = found["baselines"][name]["metrics"]
    entropy = math.log(len(WORDS)) / (1 + np.mean([len(word) for word in WORDS]))
    assert plain["nats_per_token"] == pytest.approx(entropy, rel=0.35)  # windows begin mid-word
    assert found["metrics"]["baseline_nats_per_token"] == plain["nats_per_token"]
    ahead = found["checks"]["ahead"]
    gap = plain["bits_per_byte"] - found["metrics"]["bits_per_byte"]
    assert ahead["bits_per_byte"] == pytest.approx(gap)
    assert ahead["interval"][0] < gap < ahead["interval"][1] < 0


def test_figures_come_back_the_same_from_what_was_kept(dataset: TextDataset) -> None:
    task = build(dataset)
    assert measure(dataset, task)["baselines"] == measure(dataset, task)["baselines"]
    assert list(dataset.cache.glob("ngram-*.safetensors"))


def test_what_it_writes_stands_beside_held_out_text(dataset: TextDataset) -> None:
    found = measure(dataset, build(dataset))
    held = "".join(dataset.reference_texts.column(0))
    assert len(found["checks"]["examples"]) == 3
    for row in found["checks"]["examples"]:
        assert row["input"] + row["expected"] in held
        assert len(row["expected"]) == len(row["output"]) == 30
    assert found["metrics"]["copied_share"] == 0  # letters at random
    assert 0 < found["floor"]["copied_share"] < 1
    assert found["floor"]["repeated_share"] == 0 and "repeated_share" not in found["metrics"]
    none = measure(dataset, build(dataset), Config(bootstrap=50, samples=0))
    assert "floor" not in none and "examples" not in none["checks"]


@pytest.mark.parametrize("stride", [1, 3, 16, 17])
def test_windows_lie_in_their_text(dataset: TextDataset, stride: int) -> None:
    text = np.arange(200)
    windows = np.lib.stride_tricks.sliding_window_view(text, 17)[::stride]
    np.testing.assert_array_equal(text_of(windows), text[: (len(windows) - 1) * stride + 17])
    training = "".join(dataset.train_texts.column(0))
    assert training.startswith(dataset.text_form.tokenizer.decode(text_of(dataset.train.items)))


def test_half_characters_do_not_begin_a_prompt(dataset: TextDataset, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("é" * 2_000)
    prompts, _ = beginnings(open_text(tmp_path, tokenizer="bytes"), 5, 7)
    assert set("".join(prompts)) == {"é"}


def test_numbers_that_are_not_finite_are_refused(dataset: TextDataset) -> None:
    task = build(dataset)
    with torch.no_grad():
        for parameter in task.model.parameters():
            parameter.fill_(math.nan)
    with pytest.raises(MachineError, match=r"not finite for \d+ of \d+ windows"):
        measure(dataset, task)


def test_a_task_that_scores_nothing_is_refused(dataset: TextDataset) -> None:
    with pytest.raises(InputError, match="does not say"):
        measure(dataset, object())


def test_blocks_cover_what_neighbours_share() -> None:
    """Of a long-range series, an interval from single items would be far too narrow."""
    chance = np.random.default_rng(0)
    white = chance.standard_normal(4_000)
    alike = np.repeat(chance.standard_normal(250), 16)
    generator = torch.Generator().manual_seed(0)
    ones = np.ones(4_000)
    _, alone = ratio_interval(white + 5, ones, 500, generator)
    _, together = ratio_interval(alike + 5, ones, 500, generator)
    assert alone == pytest.approx(1 / math.sqrt(4_000), rel=0.2)
    assert 0.6 < together / (1 / math.sqrt(250)) < 1.1
    (low, high), _ = ratio_interval(3 * ones, 2 * ones, 50, generator)
    assert low == high == 1.5
