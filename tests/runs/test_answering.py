"""Answers to any question on any text: where they stand, windows, and what is refused."""

import numpy as np
import pytest
import torch

from noiseloom.data import tokenizer as tokenizers
from noiseloom.data.forms import TextForm
from noiseloom.data.rows import SPECIALS
from noiseloom.data.windows import windows
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import InputError, MachineError
from noiseloom.networks.text_encoder import Config as TextEncoder
from noiseloom.runs.answering import answers_to
from noiseloom.seeds import Random, fixed
from noiseloom.tasks.question_answering import Config, QuestionAnswering

TEXT = "In Łódź — “the boat city” — the old mill burned in 1893, and Ada Stone built another. "


@pytest.fixture(scope="module")
def task() -> QuestionAnswering:
    learned = tokenizers.learn("bpe", [TEXT * 3], vocabulary=300, specials=SPECIALS)
    form = TextForm(item_shape=(2, 24), tokenizer=learned, columns=("context", "question"))
    with fixed(0, "weights"):
        network = TextEncoder(width=16, depth=1, heads=2)
        made = Config().build(network, form, Statistics(torch.zeros(()), 1.0), {})
    with torch.no_grad():
        for index, parameter in enumerate(made.model.parameters()):
            parameter.add_(Random(index, [0]).normal("nudge", parameter.shape)[0], alpha=0.3)
    return made


def test_an_answer_is_the_part_of_the_context_that_it_says(task: QuestionAnswering) -> None:
    asked = [(TEXT * n, q) for n in (1, 2, 5) for q in ("Who built another?", "When?")]
    for (context, _), found in zip(asked, answers_to(task, asked).found, strict=True):
        assert context[found.first : found.after] == found.text == found.text.strip() != ""
        assert 0 < found.probability < 1


def test_a_long_context_is_answered_by_its_surest_window(task: QuestionAnswering) -> None:
    words = TEXT * 3
    (found,) = answers_to(task, [(words, "Who built another?")]).found
    many = answers_to(task, [(words, "Who built another?"), (TEXT, "When?")]).found
    assert many[0] == found  # whatever is asked beside it
    form = task.form
    shown = windows(words, form.tokenizer, context=form.context, stride=form.context // 2)
    assert len(shown) > 4
    parts = [(words[low:high], "Who built another?") for low, high in shown]
    each = answers_to(task, parts).found
    surest = max(range(len(each)), key=lambda place: each[place].probability)
    assert found.text == each[surest].text
    assert found.first == shown[surest][0] + each[surest].first


def test_what_cannot_be_asked_is_said(task: QuestionAnswering) -> None:
    with pytest.raises(InputError, match="The context is empty"):
        answers_to(task, [("  ", "Who?")])
    with pytest.raises(InputError, match="The question is empty"):
        answers_to(task, [(TEXT, "")])
    with pytest.raises(InputError, match="tokens long; this run reads questions of up to 24"):
        answers_to(task, [(TEXT, "Who " * 30 + "?")])


def test_numbers_that_are_not_finite_are_said(task: QuestionAnswering) -> None:
    kept = task.model.network.head.bias.detach().clone()
    with torch.no_grad():
        task.model.network.head.bias.fill_(np.nan)
    try:
        with pytest.raises(MachineError, match="not finite"):
            answers_to(task, [(TEXT, "Who?")])
    finally:
        with torch.no_grad():
            task.model.network.head.bias.copy_(kept)
