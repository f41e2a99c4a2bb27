"""What is kept of looks in texts: of a language model, of readers, of a translator."""

import numpy as np
import pytest
import torch
from torch import nn

from noiseloom.data.forms import TextForm
from noiseloom.data.tokenizer import END, PAD, SEPARATOR, START, Characters
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import InputError
from noiseloom.explain.text_attention import text_attention, why_not
from noiseloom.networks.language_model import Config as Language
from noiseloom.networks.pair_encoder import Config as Pair
from noiseloom.networks.seq2seq import Config as Seq2seq
from noiseloom.networks.text_encoder import Config as Encoder
from noiseloom.seeds import Random
from noiseloom.tasks import Task
from noiseloom.tasks.masked_text import MaskedDiffusion
from noiseloom.tasks.text_classification import Config as Classification
from noiseloom.tasks.text_generation import Config as Generation
from noiseloom.tasks.translation import Config as Translation

UNKNOWN = Statistics(torch.zeros(()), 1.0)
LETTERS = Characters((PAD, START, END, SEPARATOR), " abcdefgh")
WINDOWS = TextForm(item_shape=(13,), tokenizer=LETTERS)
ONE = Random(0, range(1))


def rows(*columns: str, classes: tuple[str, ...] = ()) -> TextForm:
    shape = (len(columns), 8)
    return TextForm(item_shape=shape, tokenizer=LETTERS, columns=columns, class_names=classes)


def made(task: Task) -> Task:
    torch.manual_seed(0)
    for parameter in task.model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return task


def language(**changed: object) -> Task:
    network = Language(width=16, depth=2, heads=4, kv_heads=2)
    return made(Generation(**changed).build(network, WINDOWS, UNKNOWN, {}))  # type: ignore[arg-type]


def classifier(*columns: str, network: object = Encoder(width=16, depth=2, heads=2)) -> Task:
    form = rows(*columns, classes=("good", "bad"))
    return made(Classification().build(network, form, UNKNOWN, {}))


def translator() -> Task:
    network = Seq2seq(width=16, encoder_depth=1, decoder_depth=2, heads=2)
    return made(Translation().build(network, rows("source", "target"), UNKNOWN, {}))


def test_a_language_model_looks_back_alone() -> None:
    found = text_attention(language(), ["ab cd"], ONE)
    assert found.sources == ("a", "b", "␣", "c", "d") == found.queries
    assert [layer.name for layer in found.layers] == ["layer 1", "layer 2"]
    for layer in found.layers:
        assert layer.weights.shape == (4, 5, 5)
        assert not np.triu(layer.weights, 1).any()
        np.testing.assert_allclose(layer.weights.sum(axis=2), 1, atol=1e-5)
    first, last = (layer.weights.mean(axis=0) for layer in found.layers)
    half = np.eye(5) / 2
    np.testing.assert_allclose(found.rollout, (last / 2 + half) @ (first / 2 + half), atol=1e-6)


def test_a_reader_looks_at_both_its_texts_and_at_no_padding() -> None:
    found = text_attention(classifier("first", "second"), ["abc", "d e"], ONE)
    assert found.sources == ("a", "b", "c", "d", "␣", "e")
    assert found.rollout.shape == (6, 6)
    np.testing.assert_allclose(found.rollout.sum(axis=1), 1, atol=1e-5)


def test_a_translator_looks_at_itself_and_through_its_encoder_at_the_source() -> None:
    found = text_attention(translator(), ["abcd"], ONE)
    names = [layer.name for layer in found.layers]
    assert names == [
        "encoder layer 1",
        "decoder layer 1",
        "decoder layer 1, at the source",
        "decoder layer 2",
        "decoder layer 2, at the source",
    ]
    assert found.queries[0] == START
    written = len(found.queries)
    assert found.layers[2].weights.shape == (2, written, 4)
    assert found.sources == ("a", "b", "c", "d", *found.queries)
    np.testing.assert_allclose(found.rollout.sum(axis=1), 1, atol=1e-5)
    half = np.eye(written) / 2
    encoder, *decoder = (layer.weights.mean(axis=0) for layer in found.layers)
    source, own = np.zeros((written, 4)), np.eye(written)
    for number, weights in enumerate(decoder):
        if number % 2:  # across: half of what it was, half of the memory
            source, own = source / 2 + weights / 2, own / 2
        else:
            step = weights / 2 + half
            source, own = step @ source, step @ own
    np.testing.assert_allclose(found.rollout[:, 4:], own, atol=1e-6)
    np.testing.assert_allclose(
        found.rollout[:, :4], source @ (encoder / 2 + np.eye(4) / 2), atol=1e-6
    )


def test_who_has_nothing_to_be_looked_at_says_why() -> None:
    assert why_not(language()) is None and why_not(translator()) is None
    assert why_not(classifier("text")) is None
    assert "apart" in str(why_not(classifier("a", "b", network=Pair())))
    assert "hidden" in str(why_not(language(objective=MaskedDiffusion())))


@pytest.mark.parametrize(
    ("task", "texts", "said"),
    [
        (language, ["ab", "cd"], "2 texts are given; a language model reads one"),
        (language, ["a"], "length of 1 in tokens; .* 2 to "),
        (language, ["ab" * 100], "length of 200 in tokens; .* 2 to "),
        (translator, ["ab", "cd"], "2 texts are given; a translator reads one"),
        (lambda: classifier("first", "second"), ["ab"], "reads first and second"),
    ],
)
def test_texts_that_do_not_fit_are_refused(task, texts, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=said):
        text_attention(task(), texts, ONE)


def test_a_text_that_is_cut_is_said_to_be() -> None:
    task = classifier("text")
    assert text_attention(task, ["ab"], ONE).note == ""
    long = text_attention(task, ["ab" * task.form.context], ONE)
    assert len(long.queries) == task.form.context and "only the beginning is read" in long.note
