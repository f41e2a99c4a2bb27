"""Probes: a planted fact is read, an independent one is not, and a hook is gone after looking."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from noiseloom.data.digits import Config as Digits
from noiseloom.data.forms import TextForm
from noiseloom.data.moving_digits import Config as MovingDigits
from noiseloom.data.scenes import Config as Scenes
from noiseloom.data.tokenizer import Bytes
from noiseloom.errors import InputError
from noiseloom.explain import explain
from noiseloom.explain.known_facts import facts_of, looks, token_facts
from noiseloom.explain.looking import looks_of
from noiseloom.explain.probing import Fact, control_of, probe
from noiseloom.explain.states import layers_of, watched
from noiseloom.networks.language_model import Config as LanguageModelConfig
from noiseloom.networks.text_encoder import Config as TextEncoderConfig
from noiseloom.runs import Recipe, Run
from noiseloom.tasks.text_reading import RowReader
from tests.explain.pages import check_page

NUM = 600
TEST = np.arange(NUM) % 3 == 2


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def of_classes(seed=0):
    random = np.random.default_rng(seed)
    values = random.integers(0, 4, NUM)
    return Fact("planted", values, ("a", "b", "c", "d"), random.integers(0, 200, NUM))


def test_what_a_state_holds_linearly_is_read_and_its_control_is_not():
    fact = of_classes()
    turned = np.eye(4)[fact.values] @ drawn(1, 4, 16)
    (read,) = probe(turned + 0.05 * drawn(2, NUM, 16), [fact], TEST, seed=0)
    assert read.score == 1
    assert read.control < 0.4 and read.selectivity > 0.6


def test_what_a_state_does_not_hold_is_read_by_chance():
    fact = of_classes()
    (read,) = probe(drawn(1, NUM, 16), [fact], TEST, seed=0)
    assert abs(read.score - 0.25) < 0.1 and abs(read.control - 0.25) < 0.1


def test_a_control_is_read_where_the_states_spell_out_the_types():
    fact = of_classes()
    few = Fact(fact.name, fact.values, fact.names, fact.types % 20)
    (read,) = probe(np.eye(20)[few.types], [few], TEST, seed=0)
    assert read.control == 1 and read.score < 0.5


def test_a_number_is_read_to_its_last_part_where_it_is_linear():
    states = drawn(0, NUM, 8)
    number = Fact("number", states @ drawn(1, 8) + 3, (), np.arange(NUM))
    other = Fact("other", drawn(2, NUM), (), np.arange(NUM))
    held, unheld = probe(states, [number, other], TEST, seed=0)
    assert held.score > 0.999 and held.control < 0.1
    assert unheld.score < 0.1


def test_states_that_never_change_tell_nothing():
    fact = of_classes()
    (read,) = probe(np.ones((NUM, 5)), [fact], TEST, seed=0)
    commonest = np.bincount(fact.values[~TEST]).argmax()
    assert read.score == (fact.values[TEST] == commonest).mean()


def test_a_control_deals_each_type_one_of_the_values():
    fact = of_classes()
    control = control_of(fact, np.random.default_rng(0))
    for kind in np.unique(fact.types):
        assert len(np.unique(control.values[fact.types == kind])) == 1
    assert set(control.values) <= set(fact.values)
    assert not np.array_equal(control.values, fact.values)


def test_layers_are_watched_only_while_one_looks():
    model = LanguageModelConfig(width=8, heads=2, depth=3).build(12, 6)
    layers = layers_of(model)
    assert layers is model.blocks
    tokens = torch.arange(6)[None]
    before = model(tokens)
    with watched(layers) as left:
        during = model(tokens)
    assert [state.shape for state in left] == [(1, 6, 8)] * 3
    assert torch.equal(before, during) and torch.equal(model(tokens), during)
    with pytest.raises(KeyError), watched(layers):
        raise KeyError
    model(tokens)
    assert len(left) == 3 and not any(layer._forward_hooks for layer in layers)
    assert layers_of(nn.Linear(2, 2)) is None


@pytest.mark.parametrize("columns", [1, 2])
def test_the_mean_of_a_text_leaves_out_its_padding(columns):
    tokenizer = Bytes(("<pad>",))
    form = TextForm(item_shape=(columns, 9), tokenizer=tokenizer, columns=("a", "b")[:columns])
    config = TextEncoderConfig(width=8, heads=2, depth=1, apart=columns == 2)
    network = config.build(tokenizer.vocabulary, 9, columns, 2)
    task = SimpleNamespace(model=network, form=form, read=RowReader(network, form))
    short = np.full((1, columns, 9), tokenizer.special("<pad>"), np.int32)
    short[..., :3] = tokenizer.encode("abc")
    beside = np.concatenate([short, np.full_like(short, ord("x"))])
    alone, together = (
        next(iter(looks_of(task, items, times=(), pooling="mean", seed=0)))
        for items in (short, beside)
    )
    np.testing.assert_allclose(alone.states[0][0], together.states[0][0], rtol=1e-4, atol=1e-5)
    assert alone.raw.sum() == 3 * columns and alone.t is None and alone.kept == "mean"
    with pytest.raises(InputError, match="differ in number; allowed are auto and mean"):
        next(iter(looks_of(task, short, times=(), pooling="all", seed=0)))


def test_tokens_know_where_they_stand_and_what_comes():
    form = TextForm(item_shape=(9,), tokenizer=Bytes(("<end>",)))
    windows = form.tokenizer.encode("a b\ncd, x")[None]
    place, ahead, before = token_facts(form, windows, causal=True)
    assert place.values.tolist() == [1, 2, 3, 0, 1, 2, 3, 4]
    names = [ahead.names[number] for number in ahead.values]
    assert names == ["space", "letter or digit", "line break", *["letter or digit"] * 2,
                     "other sign", "space", "letter or digit"]  # fmt: skip
    assert before.values.tolist() == [0, 0, 1, 0, 2, 0, 0, 3]
    assert ahead.types.tolist() == list(b"a b\ncd, ")
    bare = token_facts(form, windows, causal=False)
    assert [fact.name for fact in bare] == [place.name, before.name]


def test_of_scenes_what_stands_where_is_known(tmp_path):
    data = Scenes(num=30, num_reference=24, objects=(1, 2), cache=str(tmp_path)).open()
    facts = {fact.name: fact for fact in facts_of(data, np.arange(24))}
    colour, count = facts["colour of the leftmost object"], facts["number of objects"]
    for index, (caption, *_) in enumerate(data.reference_captions):
        assert colour.names[colour.values[index]] in caption
        assert count.values[index] == sum(caption.count(word) for word in data.world.colours) or (
            "two" in caption
        )
    x = facts["x of the leftmost object"]
    assert not x.names and 0 < x.values.min() < x.values.max() < 1
    assert colour.types.max() < len(data.world.pairs)


def test_of_bouncing_digits_the_law_is_known(tmp_path):
    data = MovingDigits(num=20, num_reference=30, cache=str(tmp_path)).open()
    facts = {fact.name: fact for fact in facts_of(data, np.arange(30))}
    assert facts["digit"].values.tolist() == data.reference_truth.digits[:30].tolist()
    across = facts["speed across, pixels a frame"]
    assert across.values.tolist() == data.reference_truth.motion.velocity[:30, 0].tolist()


def test_of_labelled_images_the_class_is_known_and_alike_look_alike(tmp_path):
    data = Digits(cache=str(tmp_path)).open()
    (fact,) = facts_of(data, np.arange(50))
    assert fact.values.tolist() == data.reference.labels[:50].tolist()
    numbers = drawn(0, 40, 30)
    kinds = looks(numbers)
    assert kinds.min() >= 0 and kinds.max() < 64 and len(np.unique(kinds)) > 8
    assert np.array_equal(looks(np.concatenate([numbers, numbers]))[40:], kinds)


@pytest.fixture(scope="module")
def drawing(tmp_path_factory):
    small = ("network.width=16", "network.depth=2", "network.heads=2", "training.steps=1")
    run = Run.create(Recipe.load("digits", small), tmp_path_factory.mktemp("runs") / "drawing")
    run.train(evaluate=False)
    return run


def test_a_denoiser_is_read_at_every_level_block_by_block(drawing, tmp_path):
    options = ["num=150", "times=[0.1, 0.9]"]
    found = explain(drawing, "probes", options=options)
    page = check_page(found, tmp_path)
    assert found.arrays["scores"].shape == (2, 3, 1)
    raw_near, raw_far = found.arrays["scores"][:, 0, 0]
    assert raw_near > 0.7 and raw_near > raw_far + 0.3  # noise drowns a digit
    assert found.figures["facts"][0]["chance"] < 0.3
    assert found.protocol["kept_of_an_item"] == "all"
    assert "block 2" in page and "t = 0.9" in page and "selectivity" in page
    again = explain(drawing, "probes", options=options)
    assert np.array_equal(again.arrays["scores"], found.arrays["scores"])
    layers = layers_of(drawing.trained_task()[0].model)
    assert not any(layer._forward_hooks for layer in layers)


@pytest.mark.parametrize(
    ("inputs", "options", "why"),
    [
        (["seven"], [], "probes are learned on held-out items"),
        ([], ["times=[0.5, 1.5]"], "times"),
        ([], ["num=3"], "num"),
    ],
)
def test_what_probes_cannot_do_is_refused(drawing, inputs, options, why):
    with pytest.raises(InputError, match=why):
        explain(drawing, "probes", inputs, options)


def test_a_denoiser_that_was_always_asked_for_a_class_is_not_asked_for_nothing(tmp_path):
    small = ("network.width=16", "network.depth=1", "network.heads=2", "training.steps=1")
    run = Run.create(
        Recipe.load("digits", [*small, "task.label_dropout=0", "task.guidance.scale=1"]),
        tmp_path / "run",
    )
    run.train(evaluate=False)
    with pytest.raises(InputError, match="nothing without being asked for a class"):
        explain(run, "probes")
