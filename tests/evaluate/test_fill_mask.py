"""What is measured behind masks, and the n-grams beside it, by hand and by brute force."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data.dataset import TextDataset
from noiseloom.data.text import Config as Text
from noiseloom.errors import InputError, MachineError
from noiseloom.evaluate import both_sides, ngram
from noiseloom.evaluate.both_sides import BothSides
from noiseloom.evaluate.fill_mask import FREQUENT, Config
from noiseloom.networks.language_model import Config as Network
from noiseloom.seeds import fixed
from noiseloom.tasks.fill_mask import Config as FillMask

WORDS = 4


@pytest.fixture(scope="module")
def chain() -> np.ndarray:
    """Tokens of which each depends on the one before."""
    numbers = np.random.default_rng(0)
    steps = numbers.dirichlet(np.full(WORDS, 0.4), WORDS)
    tokens = [0]
    for _ in range(4000):
        tokens.append(int(numbers.choice(WORDS, p=steps[tokens[-1]])))
    return np.array(tokens)


def test_one_mask_is_what_the_model_says_by_bayes(chain: np.ndarray) -> None:
    model = BothSides(ngram.learn(chain, WORDS + 1, 2))
    window = np.array([[0, 1, 2, 3, 1, 0, 2]])
    hidden = np.zeros_like(window, dtype=bool)
    hidden[0, 3] = True
    tried = np.repeat(window, WORDS, axis=0)
    tried[:, 3] = np.arange(WORDS)
    whole = -model.model.nats(tried).sum(axis=1)  # of the whole window, with each token there
    posterior = whole - np.log(np.exp(whole).sum())
    np.testing.assert_allclose(model.behind(window, hidden)[0], posterior, atol=1e-12)


def test_what_is_masked_itself_says_nothing(chain: np.ndarray) -> None:
    model = BothSides(ngram.learn(chain, WORDS + 1, 3))
    window = np.array([[0, 1, 2, 3, 1, 0, 2, 1]])
    hidden = np.zeros_like(window, dtype=bool)
    hidden[0, [2, 4, 7]] = True
    found = model.behind(window, hidden)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1)
    for other in product(range(WORDS), repeat=3):
        changed = window.copy()
        changed[0, [2, 4, 7]] = other
        np.testing.assert_array_equal(model.behind(changed, hidden), found)
    beyond = window.copy()
    beyond[0, 0] = 3  # two before the first mask: seen
    assert not np.array_equal(model.behind(beyond, hidden)[0], found[0])
    beyond = window.copy()
    beyond[0, 5] = 3  # behind the next mask: not seen
    np.testing.assert_array_equal(model.behind(beyond, hidden)[0], found[0])


def test_both_sides_say_more_than_one(chain: np.ndarray) -> None:
    model = both_sides.learn(chain[:3000], WORDS, 4)
    windows = chain[3000:3990].reshape(-1, 10)
    hidden = np.zeros_like(windows, dtype=bool)
    hidden[:, 5] = True
    found = -model.behind(windows, hidden)[np.arange(len(windows)), windows[:, 5]].mean()
    assert found < model.model.nats(windows)[:, 4].mean() - 0.05


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, chain: np.ndarray) -> TextDataset:
    folder = tmp_path_factory.mktemp("text")
    (folder / "text.txt").write_text("".join("abcd"[token] for token in chain))
    config = Text(
        path=str(folder / "text.txt"),
        tokenizer="characters",
        context=9,
        cache=str(folder / "cache"),
    )
    return config.open()


class Knows:
    """Says it is sure of a token: of the right one, or of the one after it."""

    def __init__(self, items: np.ndarray, off: int, vocabulary: int) -> None:
        self.off, self.vocabulary = off, vocabulary

    form = model = None

    def losses(self, batch, random, *, training=True): ...

    def loss(self, batch, random): ...

    def candidates(self, prompt, most): ...

    def behind(self, items: np.ndarray, is_hidden: np.ndarray) -> torch.Tensor:
        said = (torch.from_numpy(items[is_hidden].astype(np.int64)) + self.off) % WORDS
        return (torch.nn.functional.one_hot(said, self.vocabulary).double() * 3).log_softmax(dim=1)


def measure(task: object, data: TextDataset, **how: int) -> dict:
    return Config(bootstrap=50, ngram=2, **how).measure(data, task, seed=0, protocol={"a": 1})


def test_figures_of_answers_that_are_known(data: TextDataset) -> None:
    vocabulary = data.form.tokenizer.vocabulary
    right = measure(Knows(data.reference.items, 0, vocabulary), data)
    wrong = measure(Knows(data.reference.items, 1, vocabulary), data)
    assert right["metrics"]["masked_accuracy"] == 1 and wrong["metrics"]["masked_accuracy"] == 0
    total = np.log(np.exp(3) + vocabulary - 1)
    assert right["metrics"]["nats_per_masked_token"] == pytest.approx(total - 3)
    assert wrong["metrics"]["nats_per_masked_token"] == pytest.approx(total)
    assert right["protocol"]["a"] == 1
    assert right["protocol"]["masked"] == 2 * len(data.reference)  # of windows of 10 tokens
    for example in right["checks"]["examples"]:
        assert example["output"] == example["expected"] and example["input"].count("_") == 2
    first, second = right["baselines"]
    assert first == "2-gram of both sides" and second == FREQUENT
    baselines = right["baselines"]
    assert baselines == wrong["baselines"]  # of the same masks
    own = right["metrics"]
    assert own["baseline_masked_accuracy"] == baselines[first]["metrics"]["masked_accuracy"]
    assert baselines[first]["metrics"]["nats_per_masked_token"] < (
        baselines[FREQUENT]["metrics"]["nats_per_masked_token"] - 0.1
    )
    text = "".join(data.train_texts.column(0))
    most = max(sorted(set(text)), key=text.count)
    held = data.form.texts(data.reference.items)
    share = np.mean([one == most for one in "".join(held)])
    assert baselines[FREQUENT]["metrics"]["masked_accuracy"] == pytest.approx(share, abs=0.15)


def test_a_network_is_measured_and_fewer_windows_are_evenly_taken(data: TextDataset) -> None:
    with fixed(0, "weights"):
        network = Network(width=16, depth=1, heads=2)
        task = FillMask().build(network, data.form, None, {})
    found = measure(task, data, windows=7)
    vocabulary = data.form.tokenizer.vocabulary
    assert found["metrics"]["nats_per_masked_token"] == pytest.approx(np.log(vocabulary), rel=1e-5)
    assert found["protocol"]["windows"] == 7 and found["protocol"]["masked"] == 14
    assert found == measure(task, data, windows=7) | {"protocol": found["protocol"]}


def test_what_does_not_fit_is_refused(data: TextDataset) -> None:
    with pytest.raises(InputError, match="which this task does not say"):
        measure(object(), data)
    broken = Knows(data.reference.items, 0, 4)
    broken.behind = lambda items, is_hidden: torch.full((int(is_hidden.sum()), 4), torch.nan)
    with pytest.raises(MachineError, match="not finite for"):
        measure(broken, data)
    with pytest.raises(ValueError, match="share is 1"):
        Config(share=1.0)


def test_on_shakespeare(shared_data: Path, tmp_path: Path) -> None:
    text = (shared_data / "shakespeare" / "input.txt").read_text()[:60_000]
    (tmp_path / "text.txt").write_text(text)
    data = Text(path=str(tmp_path / "text.txt"), tokenizer="characters", context=32).open()
    tokens = data.train.items[:, 0]
    model = both_sides.learn(tokens, data.form.tokenizer.vocabulary, 3)
    windows = data.reference.items[:40]
    hidden = np.zeros(windows.shape, dtype=bool)
    hidden[:, [8, 20]] = True
    log_p = model.behind(windows, hidden)
    right = (log_p.argmax(axis=1) == windows[hidden]).mean()
    assert right > 0.4  # the most frequent character is right in 0.15
