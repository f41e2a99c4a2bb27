"""Measuring answers: what is right scores 1, a question counts once however many windows it has."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from noiseloom.data.dataset import TextDataset
from noiseloom.data.questions import Config as Questions
from noiseloom.errors import InputError, MachineError
from noiseloom.evaluate import squad_score
from noiseloom.evaluate.longest_match import longest_match
from noiseloom.evaluate.spans import Config

CONTEXT = "In {} the mill of Welby burned. {} Nobody was hurt but {}."
NAMES = ["Ada", "Bert", "Carl", "Dora", "Emil", "Fay", "Gil", "Hal", "Ida", "Jo"]


class Reader:
    """Finds the labels, and so many tokens `more`; where there is none it is half sure."""

    def __init__(self, dataset: TextDataset, sure: float = 0.9, more: int = 0) -> None:
        self.form = dataset.form
        self.model = torch.nn.Identity()
        self.known = {
            item.tobytes(): span
            for item, span in zip(dataset.reference.items, dataset.reference.labels, strict=True)
        }
        self.sure, self.more = sure, more

    def losses(self, *_: object) -> Tensor: ...

    def loss(self, *_: object) -> dict[str, tuple[Tensor, int]]: ...

    def find(self, items: np.ndarray) -> tuple[Tensor, Tensor]:
        spans = np.array([self.known[item.tobytes()] for item in items])
        holds = torch.from_numpy(spans[:, 0] >= 0)
        found = torch.from_numpy(spans).clamp(min=0) + torch.tensor([0, self.more])
        return found, torch.where(holds, self.sure, 0.5)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> TextDataset:
    folder = tmp_path_factory.mktemp("questions")
    paragraphs = []
    for i, name in enumerate(NAMES):
        context = CONTEXT.format(1900 + i, "It rained. " * 6, name)
        asked = {"When did the mill of Welby burn?": str(1900 + i), "Who was hurt?": name}
        paragraphs.append(
            {
                "context": context,
                "qas": [
                    {
                        "id": f"{i}-{question}",
                        "question": question,
                        "answers": [{"text": text, "answer_start": context.rindex(text)}],
                    }
                    for question, text in asked.items()
                ],
            }
        )
    path = folder / "questions.json"
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    settings = {"tokenizer": "bytes", "context": 64, "cache": str(folder / "cache")}
    return Questions(path=str(path), held_out=0.4, **settings).open()


def test_right_answers_score_1_and_each_question_counts_once(dataset: TextDataset) -> None:
    result = Config(bootstrap=20).measure(dataset, Reader(dataset), seed=0, protocol={"seed": 0})
    assert result["metrics"]["exact_match"] == result["metrics"]["f1"] == 1
    assert result["intervals"]["f1"] == [1, 1]
    assert result["protocol"]["questions"] == 8
    assert result["protocol"]["windows"] == len(dataset.reference) > 8
    assert set(result["checks"]["by_question"]) == {"when", "who"}
    assert len(result["checks"]["examples"]) == 8
    for example in result["checks"]["examples"]:
        assert example["answer"] == example["answers"][0]
        assert example["probability"] == pytest.approx(0.9)


def test_the_surest_window_answers(dataset: TextDataset) -> None:
    doubtful = Config(bootstrap=20).measure(dataset, Reader(dataset, sure=0.4), seed=0, protocol={})
    assert doubtful["metrics"]["exact_match"] == 0  # the windows without an answer are surer


def test_the_baseline_stands_beside_with_scores_of_its_own(dataset: TextDataset) -> None:
    result = Config(bootstrap=50).measure(
        dataset, Reader(dataset, more=8), seed=0, protocol={"weights": "ema"}
    )
    scores = []
    for row in dataset.reference_texts:
        best = max(
            (
                longest_match(other[0], other[1])
                for other in dataset.reference_texts
                if other[2] == row[2]
            ),
            key=lambda match: match.score,
        )
        scores.append((row[2], squad_score.f1(best.text, json.loads(row[3]))))
    wanted = np.mean(list(dict(scores).values()))
    assert result["metrics"]["baseline_f1"] == pytest.approx(wanted)
    assert result["baselines"]["longest match"]["metrics"]["f1"] == pytest.approx(wanted)
    assert 0 < result["metrics"]["f1"] < 1
    low, high = result["intervals"]["f1"]
    assert low <= result["metrics"]["f1"] <= high
    assert result["protocol"]["weights"] == "ema"


def test_what_is_not_finite_is_said(dataset: TextDataset) -> None:
    with pytest.raises(MachineError, match="not finite"):
        Config().measure(dataset, Reader(dataset, sure=float("nan")), seed=0, protocol={})


def test_a_task_that_finds_nothing_is_refused(dataset: TextDataset) -> None:
    with pytest.raises(InputError, match="evaluation spans measures answers"):
        Config().measure(dataset, object(), seed=0, protocol={})


def test_all_of_xquad_is_read_and_its_own_answers_score_1(
    dataset: TextDataset, shared_data: Path
) -> None:
    cache = str(dataset.cache.parent.parent)
    own = Questions(tokenizer="bytes", context=64, cache=cache)
    beside = own.open_beside(str(shared_data / "xquad"), dataset)
    assert beside.report["skipped"]["count"] == 0
    assert len({row[2] for row in beside.reference_texts}) == 1190
    tokenizer = dataset.form.tokenizer
    for row, item, (first, last) in list(
        zip(beside.reference_texts, beside.reference.items, beside.reference.labels, strict=True)
    )[::23]:
        if first >= 0:
            (answer,) = json.loads(row[3])
            assert squad_score.exact_match(tokenizer.decode(item[0, first : last + 1]), [answer])
