"""Finding answers: the best span by trying all, what the model is told, padding, and no answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from noiseloom.data import tokenizer as tokenizers
from noiseloom.data.forms import Batch, TextForm
from noiseloom.data.rows import SPECIALS, tokens_of
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks.text_encoder import Config as TextEncoder
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Finds
from noiseloom.tasks.question_answering import Config, QuestionAnswering, Words, best_spans
from noiseloom.tasks.shared_words import REACHES, SharedWords

TEXT = "The old mill in Welby burned. The new mill of Harl was built by Ada Stone in 1893."
ROWS = [
    (TEXT, "Who built the new mill?"),
    ("Ada Stone sang.", "Who sang?"),
    (TEXT, "When did the mill of welby burn?"),
]
UNKNOWN = Statistics(torch.zeros(()), 1.0)


def form(context: int = 64) -> TextForm:
    learned = tokenizers.learn("bpe", [TEXT * 3], vocabulary=300, specials=SPECIALS)
    return TextForm(item_shape=(2, context), tokenizer=learned, columns=("context", "question"))


def items(own: TextForm, rows: list[tuple[str, str]] = ROWS) -> np.ndarray:
    return tokens_of(own.tokenizer, rows, own.context)


def build(own: TextForm, **settings: Any) -> QuestionAnswering:
    """A task whose network has moved away from its start, where it answers 0 for all."""
    with fixed(0, "weights"):
        network = TextEncoder(width=16, depth=2, heads=2, dropout=0.0, embedding_dropout=0.0)
        task = Config(**settings).build(network, own, UNKNOWN, {})
    with torch.no_grad():
        for index, parameter in enumerate(task.model.parameters()):
            parameter.add_(Random(index, [0]).normal("nudge", parameter.shape)[0], alpha=0.2)
    return task


def test_best_spans_are_those_of_trying_all() -> None:
    generator = torch.Generator().manual_seed(0)
    logs = torch.randn(5, 2, 9, generator=generator).log_softmax(dim=2)
    begins = torch.rand(5, 9, generator=generator) < 0.7
    ends = torch.rand(5, 9, generator=generator) < 0.7
    for longest in (1, 3, 9):
        spans, probabilities = best_spans(logs, begins, ends, longest=longest)
        for row in range(5):
            tried = {
                (first, last): float(logs[row, 0, first] + logs[row, 1, last])
                for first in range(9)
                for last in range(first, min(9, first + longest))
                if begins[row, first] and ends[row, last]
            }
            best = max(tried, key=lambda span: tried[span])
            assert tuple(spans[row].tolist()) == best
            assert float(probabilities[row]) == pytest.approx(np.exp(tried[best]), rel=1e-5)


def test_words_begin_and_end_where_letters_do() -> None:
    own = tokenizers.Bytes(SPECIALS)
    begins, ends = Words(own).bounds(torch.from_numpy(own.encode("an «Ähre», 1.5"))[None].long())
    text = "an «Ähre», 1.5".encode()
    inside = [bytes([b]).isalnum() or b >= 0x80 for b in text]
    space = [bytes([b]).isspace() for b in text]  # with it nothing begins or ends
    assert begins[0].tolist() == [
        not (inside[i] and i > 0 and inside[i - 1]) and not space[i] for i in range(len(text))
    ]
    assert ends[0].tolist() == [
        not (inside[i] and i + 1 < len(text) and inside[i + 1]) and not space[i]
        for i in range(len(text))
    ]


def test_answers_are_whole_words_and_no_longer_than_allowed() -> None:
    own = form()
    task = build(own, longest=3)
    assert isinstance(task, Finds)
    found, probabilities = task.find(items(own))
    tokens = torch.from_numpy(items(own)[:, 0]).long()
    begins, ends = Words(own.tokenizer).bounds(tokens)
    for row, (first, last) in enumerate(found.tolist()):
        assert 0 <= last - first < 3
        assert begins[row, first] and ends[row, last]
        assert int(tokens[row, last]) < own.tokenizer.pieces  # no padding
    assert ((probabilities > 0) & (probabilities < 1)).all()


@pytest.mark.parametrize("shared_words", [True, False])
def test_padding_and_company_change_nothing(shared_words: bool) -> None:
    own = form()
    task = build(own, shared_words=shared_words)
    together = task.model(torch.from_numpy(items(own)).long())
    alone = task.model(own.to_model(items(own)[1:2]))
    length = alone.shape[2] - 1
    for one, other in (
        (alone[..., :length], together[1:2, :, :length]),
        (alone[..., -1], together[1:2, :, -1]),
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert (together[1, :, length + 1 : -1] < -1000).all()


def test_the_model_is_told_what_both_texts_hold() -> None:
    own = tokenizers.Characters(SPECIALS, " .Aabc?")
    told = SharedWords(own)
    context, question = (
        torch.from_numpy(own.encode(text)).long()[None] for text in ("A b.a a", "ca b?")
    )
    of_context, of_question = told(context, question)
    shared, rare, follows, *around = of_context[0].T
    assert shared.tolist() == [1, 0, 1, 0, 1, 0, 1]  # case counts for nothing, marks neither
    # three a's and one b stand in the context
    third, whole = np.log1p(1 / 3), np.log1p(1)
    np.testing.assert_allclose(rare, [third, 0, whole, 0, third, 0, third], rtol=1e-6)
    assert follows.tolist() == [0] * 7  # no two neighbours, spaces being in no text's words
    total = float(rare.sum())
    assert float(around[-1][3]) == pytest.approx(
        total / (2 * REACHES[-1] + 1) * REACHES[-1] ** 0.5, rel=1e-5
    )
    assert of_question[0, :, 0].tolist() == [0, 1, 0, 1, 0]


def test_neighbours_that_are_neighbours_in_the_question_are_told() -> None:
    own = tokenizers.Characters(SPECIALS, "abcd")
    context, question = (
        torch.from_numpy(own.encode(t)).long()[None] for t in ("dabcb", "xabd"[1:])
    )
    of_context, _ = SharedWords(own)(context, question)
    assert of_context[0, :, 2].tolist() == [0, 1, 1, 0, 0]
    assert of_context[0, :, 0].tolist() == [1, 1, 1, 0, 1]


def test_the_loss_is_that_of_first_and_last_and_of_there_being_none() -> None:
    own = form()
    task = build(own)
    spans = np.array([[3, 5], [0, 1], [-1, -1]])
    logs = task.model(own.to_model(items(own))).log_softmax(dim=2)
    wanted = [
        -(logs[0, 0, 3] + logs[0, 1, 5]),
        -(logs[1, 0, 0] + logs[1, 1, 1]),
        -(logs[2, 0, -1] + logs[2, 1, -1]),
    ]
    batch, random = Batch(items(own), spans), Random(0, range(3))
    losses = task.losses(batch, random)
    torch.testing.assert_close(losses, torch.stack(wanted))
    total, count = task.loss(batch, random)["loss"]
    assert count == 3
    torch.testing.assert_close(total, losses.sum())


def test_every_parameter_learns_and_drop_out_is_repeatable() -> None:
    own = form()
    task = build(own)
    batch = Batch(items(own), np.array([[3, 5], [0, 1], [-1, -1]]))
    task.loss(batch, Random(0, range(3)))["loss"][0].backward()
    dead = [
        name
        for name, one in task.model.named_parameters()
        if one.grad is None or not one.grad.any()
    ]
    assert not dead
    with fixed(0, "weights"):
        network = TextEncoder(width=16, depth=1, heads=2, dropout=0.5)
        dropping = Config().build(network, own, UNKNOWN, {})
    with torch.no_grad():
        for parameter in dropping.model.parameters():
            parameter.add_(0.3)
    first = dropping.losses(batch, Random(0, range(3)))
    assert first.equal(dropping.losses(batch, Random(0, range(3))))
    assert not first.equal(dropping.losses(batch, Random(1, range(3))))
    assert not first.equal(dropping.losses(batch, Random(0, range(3)), training=False))


def test_it_learns_questions_of_a_few_contexts(tmp_path: Path) -> None:
    own = form()
    with fixed(0, "weights"):
        task = Config().build(TextEncoder(width=32, depth=2, heads=2), own, UNKNOWN, {})
    answers = ["Ada Stone", "Ada Stone", "1893"]
    spans = np.array(
        [_span(own, row[0], answer) for row, answer in zip(ROWS, answers, strict=True)]
    )
    batch = Batch(items(own), spans)
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=5e-3)
    for step in range(60):
        optimizer.zero_grad()
        task.loss(batch, Random(0, range(3), step=step))["loss"][0].backward()
        optimizer.step()
    found, probabilities = task.find(items(own))
    assert found.tolist() == spans.tolist()
    assert (probabilities > 0.8).all()


def test_other_data_is_refused() -> None:
    own = form()
    other = TextForm(item_shape=(2, 64), tokenizer=own.tokenizer, columns=("first", "second"))
    with pytest.raises(ValueError, match="use data questions"):
        Config().build(TextEncoder(), other, UNKNOWN, {})


def _span(own: TextForm, text: str, answer: str) -> tuple[int, int]:
    begin = text.index(answer)
    ends = own.tokenizer.byte_lengths[own.tokenizer.encode(text)].cumsum()
    first, last = np.searchsorted(ends, [begin, begin + len(answer) - 1], side="right")
    return int(first), int(last)
