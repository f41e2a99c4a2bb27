"""What speaks for an answer: exact where that is known, and a planted cause is found."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from noiseloom.data.forms import ImageForm, TextForm
from noiseloom.data.tokenizer import Bytes
from noiseloom.errors import InputError
from noiseloom.explain import explain
from noiseloom.explain.followed import follow
from noiseloom.explain.integrated_gradients import integrate
from noiseloom.explain.occlusion import occlude, sum_parts
from noiseloom.explain.scored import log_odds, scored, span_text
from noiseloom.explain.words import words_of
from noiseloom.networks.pair_encoder import Config as PairEncoderConfig
from noiseloom.networks.text_encoder import Config as TextEncoderConfig
from noiseloom.runs import Recipe, Run
from noiseloom.tasks.question_answering import Config as QuestionAnsweringConfig
from noiseloom.tasks.text_reading import RowReader
from tests.explain.pages import check_page

GOOD, BAD = ("great", "fine", "lovely"), ("dull", "flat", "awful")
FILLING = ("the", "a", "film", "plot", "actor", "scene", "music", "was", "is", "and", "quite")


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_of_a_linear_answer_each_number_adds_its_weight_times_itself():
    weight, given, baseline = numbers(3, 4), numbers(1, 3, 4, seed=1), numbers(1, 3, 4, seed=2)
    found = integrate(
        lambda x: (x * weight).sum(dim=(1, 2)) + 5, given, baseline, within=1e-4, most_steps=32
    )
    torch.testing.assert_close(found.values, weight * (given - baseline), rtol=1e-5, atol=1e-6)
    assert found.steps == 32 and found.share < 1e-5


def test_a_product_is_shared_evenly_between_what_is_multiplied():
    found = integrate(
        lambda x: x[:, 0] * x[:, 1], torch.tensor([[2.0, 3.0]]), torch.zeros(1, 2), within=1e-4,
        most_steps=32,
    )  # fmt: skip
    torch.testing.assert_close(found.values, torch.tensor([[3.0, 3.0]]))
    assert found.difference == 6


def test_steps_are_doubled_until_it_adds_up_or_said_that_it_does_not():
    def bent(x):
        return (50 * (x - 0.613)).sigmoid().sum(dim=1)

    given, baseline = torch.ones(1, 1), torch.zeros(1, 1)
    exact = integrate(bent, given, baseline, within=1e-4, most_steps=1024)
    assert exact.steps > 32 and exact.share <= 1e-4
    rough = integrate(bent, given, baseline, within=1e-9, most_steps=64)
    assert rough.steps == 64 and rough.share > 1e-9


def test_hiding_parts_of_a_linear_answer_takes_what_gradients_say():
    weight, given, baseline = numbers(2, 6), numbers(1, 2, 6, seed=1), numbers(1, 2, 6, seed=2)
    part_of = torch.tensor([[0, 0, 1, 1, 2, -1]])[None]

    def score(x):
        return (x * weight).sum(dim=(1, 2))

    falls = occlude(score, given, baseline, part_of, 3)
    added = (weight * (given - baseline))[0].sum(dim=0)
    expected = [added[:2].sum(), added[2:4].sum(), added[4]]
    np.testing.assert_allclose(falls, np.array(expected), rtol=1e-4, atol=1e-5)
    values = integrate(score, given, baseline, within=1e-4, most_steps=32).values
    np.testing.assert_allclose(sum_parts(values, part_of, 3), falls, rtol=1e-4, atol=1e-5)


def test_log_odds_do_not_care_for_what_all_logits_share():
    logits = numbers(5, 4)
    probability = logits.softmax(dim=1)[:, 2]
    torch.testing.assert_close(log_odds(logits, 2), torch.logit(probability))
    torch.testing.assert_close(log_odds(logits + 7, 2), log_odds(logits, 2))


class Planted(nn.Module):
    """A reader of images that is linear: one weight a pixel and class."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(numbers(2, 8 * 8))

    def forward(self, x):
        return x.flatten(1) @ self.weight.T


def test_pixels_of_a_linear_reader_add_their_weight_times_their_light():
    model, form = Planted(), ImageForm(item_shape=(1, 8, 8), class_names=("a", "b"))
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 1)).astype(np.uint8)
    task = SimpleNamespace(model=model, form=form)
    followed = follow(task, image, lambda: image[None], baseline="auto", side=2)
    assert followed.baseline_name == "black" and followed.shape == (4, 4)
    found = integrate(
        lambda x: log_odds(followed.answer(x), 0), followed.given, followed.baseline, within=1e-3,
        most_steps=32,
    )  # fmt: skip
    light = torch.from_numpy(image[..., 0].astype(np.float32)) / 127.5
    expected = (model.weight[0] - model.weight[1]).view(8, 8) * light
    torch.testing.assert_close(found.values[0, 0], expected.detach(), rtol=1e-4, atol=1e-5)
    blocks = expected.view(4, 2, 4, 2).sum(dim=(1, 3)).flatten().detach()
    parts = sum_parts(found.values, followed.part_of, followed.parts)
    np.testing.assert_allclose(parts, blocks.numpy(), rtol=1e-3, atol=1e-4)


def test_words_are_whole_and_together_they_are_the_text():
    text = "don't stop: naïve, 42 cats!"
    tokenizer = Bytes()
    tokens = tokenizer.encode(text).tolist()
    words = words_of(tokenizer, tokens)
    assert "".join(word.text for word in words) == text
    assert [word.text.strip() for word in words][-3:] == ["42", "cats", "!"]
    assert "naïve" in [word.text.strip() for word in words]
    assert words_of(tokenizer, []) == []


@pytest.mark.parametrize("columns", [1, 2])
def test_what_enters_and_is_answered_is_what_the_network_says(columns):
    config = TextEncoderConfig(width=8, heads=2, depth=1, ngrams=(16,), ngram_width=4)
    model = config.build(20, 6, columns, 3)
    nn.init.normal_(model.head.weight)
    tokens = torch.randint(0, 20, (4, columns, 6), generator=torch.Generator().manual_seed(0))
    is_real = torch.arange(6) < torch.tensor([6, 4, 3, 1]).view(4, 1, 1).expand(-1, columns, 1)
    entered = model.enter(tokens)
    assert torch.equal(model.answer(entered, is_real), model(tokens, is_real))


def test_what_speaks_for_an_answer_found_in_a_text_adds_up():
    tokenizer = Bytes(("<pad>",))
    form = TextForm(item_shape=(2, 24), tokenizer=tokenizer, columns=("context", "question"))
    network = TextEncoderConfig(width=8, heads=2, depth=1)
    task = QuestionAnsweringConfig().build(network, form, None, {})
    nn.init.normal_(task.model.network.head.weight)
    item = np.full((2, 24), tokenizer.special("<pad>"), np.int32)
    for row, text in enumerate(("the cat sat on a mat", "who sat?")):
        item[row, : len(text)] = tokenizer.encode(text)
    followed = follow(task, item, lambda: item[None], baseline="auto", side=None)
    assert followed.baseline_name == "mean"
    assert [word.text.strip() for word in followed.words][:3] == ["the", "cat", "sat"]
    assert {word.column for word in followed.words} == {0, 1}
    with torch.no_grad():
        outputs = followed.answer(followed.given)[0]
    explained = scored(task, item, outputs, None)
    first, last = task.find(item[None])[0][0].tolist()
    assert explained.name == f"log-probability of '{span_text(form, item, first, last)}'"
    found = integrate(
        lambda x: explained.score(followed.answer(x)), followed.given, followed.baseline,
        within=0.01, most_steps=512,
    )  # fmt: skip
    assert found.share <= 0.01 and abs(found.difference) > 1e-3
    assert sum_parts(found.values, followed.part_of, followed.parts).sum() == pytest.approx(
        found.difference, rel=0.011
    )


def test_words_of_a_network_that_no_gradient_leads_into_are_left_out_in_turn():
    tokenizer = Bytes(("<pad>",))
    form = TextForm(item_shape=(2, 12), tokenizer=tokenizer, columns=("a", "b"))
    model = PairEncoderConfig(rows=64, hidden=4, encoder=None).build(257, 12, 2, 1)
    nn.init.normal_(model.line.weight)
    item = np.full((2, 12), tokenizer.special("<pad>"), np.int32)
    for row, text in enumerate(("one two", "two three")):
        item[row, : len(text)] = tokenizer.encode(text)
    task = SimpleNamespace(model=model, form=form, read=RowReader(model, form))
    followed = follow(task, item, lambda: item[None], baseline="auto", side=None)
    assert not followed.is_smooth and followed.baseline_name == "left out"
    falls = occlude(
        lambda x: followed.answer(x)[:, 0], followed.given, followed.baseline, followed.part_of, 4
    )
    for word, fall in zip(followed.words, falls, strict=True):
        without = item.copy()
        without[word.column, word.first : word.end] = tokenizer.special("<pad>")
        whole, rest = (float(task.read(one[None], None).detach()) for one in (item, without))
        assert fall == pytest.approx(whole - rest, abs=1e-5)


def reviews(number, seed):
    chance = np.random.default_rng(seed)
    for row in range(number):
        words = list(chance.choice(FILLING, chance.integers(3, 7)))
        words.insert(chance.integers(len(words)), chance.choice((GOOD, BAD)[row % 2]))
        yield " ".join(words), ("good", "bad")[row % 2]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A run that has learned to read classes off one word of a text."""
    folder = tmp_path_factory.mktemp("reviews")
    for name, number, seed in (("train", 300, 0), ("test", 40, 1)):
        lines = ["review\tlabel", *("\t".join(row) for row in reviews(number, seed))]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    small = ("network.width=16", "network.depth=1", "network.heads=2", "data.context=16")
    recipe = Recipe.load(
        "classify-csv",
        [f"data.path={folder}", "data.vocabulary=300", "training.batch_size=32",
         "training.steps=60", *small],
    )  # fmt: skip
    run = Run.create(recipe, tmp_path_factory.mktemp("runs") / "reader")
    run.train(evaluate=False)
    return run


def test_the_word_that_decides_is_found_both_ways(reader, tmp_path):
    found = explain(reader, "attribution", options=["num=12"])
    page = check_page(found, tmp_path)
    items = found.figures["items"]
    assert len(items) == 12
    for one in items:
        words = [word.strip() for word in one["words"]]
        for weights in (one["gradients"], one["occlusion"]):
            assert words[int(np.argmax(np.abs(weights)))] in GOOD + BAD
        assert one["reached"] and one["share"] <= 0.01
        assert sum(one["gradients"]) == pytest.approx(one["difference"], rel=0.011)
    assert "great" in page and "Rank correlation" in page


def test_a_text_of_ones_own_is_explained_as_the_class_that_is_asked_for(reader):
    text = "the film was great and quite fine"
    good, bad = (
        explain(reader, "attribution", [text], [f"of={name}"]).figures["items"][0]
        for name in ("good", "bad")
    )
    assert "".join(good["words"]).strip() == text
    np.testing.assert_allclose(good["gradients"], -np.array(bad["gradients"]), atol=1e-4)
    assert good["explained"] == "log-odds of 'good'" and good["difference"] > 0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["of=goood"], "no class 'goood'.*Did you mean 'good'"),
        (["baseline=black"], "allowed are auto, hidden and mean"),
        (["side=3"], "parts of a text are its words"),
    ],
)
def test_what_does_not_fit_texts_is_refused(reader, options, why):
    with pytest.raises(InputError, match=why):
        explain(reader, "attribution", ["the film was great"], options)


def test_pixels_of_a_trained_reader_add_up(tmp_path):
    small = ("network.width=4", "training.steps=30", "training.batch_size=16")
    run = Run.create(Recipe.load("digits-classifier", small), tmp_path / "run")
    run.train(evaluate=False)
    found = explain(run, "attribution", options=["num=2", "side=2", "within=0.02"])
    check_page(found, tmp_path)
    gradients, falls = found.arrays["gradients"], found.arrays["occlusion"]
    assert gradients.shape == (2, 1, 8, 8) and falls.shape == (2, 4, 4)
    for item, values in zip(found.figures["items"], gradients, strict=True):
        assert abs(values.sum() - item["difference"]) <= 0.02 * abs(item["difference"]) + 1e-6
