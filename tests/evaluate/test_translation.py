"""Figures of translations against sacrebleu's own, and the table of words against what is known."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest
import sacrebleu
import torch

from noiseloom.data.dataset import TextDataset
from noiseloom.data.rows import Rows, open_rows
from noiseloom.evaluate import word_table
from noiseloom.evaluate.translation import COPY, TABLE, Config
from noiseloom.evaluate.translation_scores import score
from noiseloom.seeds import Random
from noiseloom.tasks import Draft, Writing

REFERENCES = [
    "Ein Mann fährt mit dem Fahrrad.",
    "Zwei Hunde spielen im Schnee, während ein Kind zusieht.",
    "Die Frau liest ein Buch.",
]
OUTPUTS = [
    "ein Mann fährt ein Fahrrad.",
    "Zwei Hunde spielen im Schnee, ein Kind sieht zu.",
    "Die Frau liest ein Buch.",
]
PAIRS = [
    ("the dog sees the cat", "der Hund sieht die Katze"),
    ("the cat sees a bird", "die Katze sieht einen Vogel"),
    ("a dog sleeps", "ein Hund schläft"),
    ("a bird sleeps", "ein Vogel schläft"),
    ("dog and cat", "Hund und Katze"),
    ("bird sees dog", "Vogel sieht Hund"),
] * 4


def test_figures_are_those_of_sacrebleu() -> None:
    found = score(OUTPUTS, REFERENCES, bootstrap=50).figures
    assert found.metrics == pytest.approx(
        {
            "sacrebleu": sacrebleu.corpus_bleu(OUTPUTS, [REFERENCES]).score,
            "chrf": sacrebleu.corpus_chrf(OUTPUTS, [REFERENCES]).score,
            "bleu_tokenised": sacrebleu.corpus_bleu(OUTPUTS, [REFERENCES], lowercase=True).score,
        }
    )
    assert found.metrics["bleu_tokenised"] > found.metrics["sacrebleu"]  # one capital differs
    for name, (low, high) in found.intervals.items():
        assert 0 <= low < found.metrics[name] < high <= 100


def test_a_bleu_by_hand() -> None:
    """Of `a b c d e` against `a b c d f`: 4/5, 3/4, 2/3, 1/2, and no brevity penalty."""
    found = score(["a b c d e"], ["a b c d f"], bootstrap=20).figures.metrics
    assert found["sacrebleu"] == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


def test_signatures_say_what_was_counted() -> None:
    signatures = score(OUTPUTS, REFERENCES, bootstrap=50).signatures
    assert signatures["sacrebleu"].startswith("nrefs:1|bs:50|seed:12345|case:mixed|eff:no|tok:13a")
    assert "case:lc" in signatures["bleu_tokenised"]
    assert sacrebleu.__version__ in signatures["chrf"]


def test_the_same_is_all_right_and_nothing_in_common_all_wrong() -> None:
    assert score(REFERENCES, REFERENCES, bootstrap=20).figures.metrics == pytest.approx(
        {"sacrebleu": 100.0, "chrf": 100.0, "bleu_tokenised": 100.0}
    )
    assert score(["q"] * 3, REFERENCES, bootstrap=20).figures.metrics["sacrebleu"] == 0


def test_without_sacrebleu_it_is_said_what_to_install() -> None:
    code = (
        "import sys; sys.modules['sacrebleu.metrics'] = None\n"
        "try: import noiseloom.evaluate.translation_scores\n"
        "except ValueError as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "pip install 'noiseloom[text]'" in said


def learned() -> word_table.WordTable:
    return word_table.learn(*zip(*PAIRS, strict=True))


def test_the_word_table_finds_which_word_is_which() -> None:
    known = {"dog": "Hund", "cat": "Katze", "bird": "Vogel", "sees": "sieht", "sleeps": "schläft"}
    assert {word: learned().translations[word] for word in known} == known


def test_it_translates_word_by_word_and_leaves_what_it_does_not_know() -> None:
    assert (
        learned().translate("Bird sees dog and Xaver (42)!") == "Vogel sieht Hund und Xaver (42)!"
    )


@pytest.mark.parametrize(
    ("rounds", "x_of_a", "y_of_b"),
    [
        (1, Fraction(3, 4), Fraction(1, 2)),
        # then x of the first pair is a's by 3/4 over 3/4 + 1/2, y is b's by 1/2 over 1/4 + 1/2
        (2, Fraction(8, 5) / (Fraction(8, 5) + Fraction(1, 3)), Fraction(2, 3) / Fraction(16, 15)),
    ],
)
def test_rounds_are_expectation_maximisation_by_hand(
    rounds: int, x_of_a: Fraction, y_of_b: Fraction
) -> None:
    """Of two pairs: `a b` with `x y`, and `a` with `x`."""
    links = word_table.link([(["a", "b"], ["x", "y"]), (["a"], ["x"])])
    chance = word_table.fit(links, rounds)
    of = {
        links.source_words[source] + links.target_words[target]: float(one)
        for source, target, one in zip(links.source_of, links.target_of, chance, strict=True)
    }
    assert of["ax"] == pytest.approx(float(x_of_a))
    assert of["by"] == pytest.approx(float(y_of_b))
    assert of["ax"] + of["ay"] == pytest.approx(1)
    assert of["bx"] + of["by"] == pytest.approx(1)


@pytest.mark.parametrize(
    "text", ["A dog, a cat (or two); 3 birds!", "it's late: go", "«well-known» words…"]
)
def test_words_are_joined_as_they_were(text: str) -> None:
    assert word_table.joined(word_table.split(text)) == text


class Told:
    """A task that translates as it was told, at a price per token that is known."""

    usual = Writing(temperature=0.0, beams=3, length_penalty=0.5)

    def __init__(self, translations: dict[str, str], pad: int) -> None:
        self.translations, self.pad = translations, pad
        self.asked: list[str] = []

    def write(self, prompts: Sequence[str], writing: Writing, random: Random) -> Iterator[Draft]:
        assert writing == self.usual
        self.asked += prompts
        texts = tuple(self.translations[prompt] for prompt in prompts)
        yield Draft(texts, 1, is_done=True)

    def score_pairs(self, items: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = torch.from_numpy((items[:, 1] != self.pad).sum(axis=1)) + 1
        return 0.5 * tokens.float(), tokens


@pytest.fixture(scope="module")
def data() -> TextDataset:
    return open_rows(
        lambda: Rows(train=PAIRS[:18], reference=PAIRS[18:21], test=PAIRS[21:]),
        facts={"of": "dogs and cats"},
        source="made up",
        columns=("source", "target"),
        tokenizer="bytes",
        vocabulary=None,
        context=24,
        cache=None,
        progress=None,
    )


def test_what_an_evaluation_says(data: TextDataset) -> None:
    pad = data.form.tokenizer.special("<pad>")
    rows = PAIRS[21:]
    task = Told(dict(rows), pad)
    protocol = {"weights": "ema"}
    result = Config(bootstrap=40).measure(data, task, seed=0, protocol=protocol)  # type: ignore[arg-type]
    json.dumps(result)
    metrics = result["metrics"]
    assert metrics["sacrebleu"] == pytest.approx(
        sacrebleu.corpus_bleu([one for _, one in rows], [[one for _, one in rows]]).score
    )
    assert metrics["nats_per_token"] == pytest.approx(0.5)
    assert result["intervals"]["nats_per_token"] == pytest.approx([0.5, 0.5])
    assert metrics["baseline_sacrebleu"] == result["baselines"][TABLE]["metrics"]["sacrebleu"]
    assert set(result["baselines"]) == {TABLE, COPY}
    assert result["protocol"]["part"] == "test"
    assert result["protocol"]["pairs"] == len(rows)
    assert (result["protocol"]["beams"], result["protocol"]["length_penalty"]) == (3, 0.5)
    assert result["protocol"]["signatures"]["sacrebleu"].startswith("nrefs:1|bs:40")
    assert [one["input"] for one in result["checks"]["examples"]] == [one for one, _ in rows]
    assert [one["output"] for one in result["checks"]["examples"]] == [one for _, one in rows]


def test_the_validation_part_can_be_asked_for(data: TextDataset) -> None:
    task = Told(dict(PAIRS), data.form.tokenizer.special("<pad>"))
    result = Config(part="validation", bootstrap=20).measure(data, task, seed=0, protocol={})  # type: ignore[arg-type]
    assert result["protocol"]["part"] == "validation"
    assert sorted(task.asked) == sorted(source for source, _ in PAIRS[18:21])


def test_a_source_longer_than_the_context_is_read_as_far_as_it_goes(data: TextDataset) -> None:
    long = "a bird sleeps ü" * 3
    cut = "a bird sleeps üa bird s"
    assert len(long.encode()) > 24 == len(cut.encode())
    texts = open_rows(
        lambda: Rows(train=PAIRS, reference=[(long, "ein Vogel")]),
        facts={"of": "a long bird"},
        source="made up",
        columns=("source", "target"),
        tokenizer="bytes",
        vocabulary=None,
        context=24,
        cache=None,
        progress=None,
    )
    task = Told({cut: "ein Vogel"}, texts.form.tokenizer.special("<pad>"))
    result = Config(bootstrap=20).measure(texts, task, seed=0, protocol={})  # type: ignore[arg-type]
    assert task.asked == [cut]
    assert result["protocol"]["sources_cut"] == 1
    assert result["protocol"]["part"] == "validation"
    assert math.isfinite(result["metrics"]["chrf"])
