"""Which part of a picture a word drew: both readings beside the same written out."""

from functools import cache

import numpy as np
import pytest
import torch

from noiseloom.data.caption_tokens import learn_captions
from noiseloom.data.forms import CaptionedForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.sampling import Sampling
from noiseloom.errors import InputError
from noiseloom.explain.caption_words import chosen_words, words_in
from noiseloom.explain.watching import Looks, watching
from noiseloom.explain.way import Way, way_of
from noiseloom.explain.word_maps import (
    WordOf,
    attended,
    attended_pixels,
    left_out,
    over_steps,
    shared,
    smoothed,
)
from noiseloom.networks.dit import Config as DiT
from noiseloom.seeds import Random
from noiseloom.tasks import Request
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.text_to_image import Config

PROMPTS = ["a red circle, a blue one", "blue"]
WORDS = learn_captions("bpe", PROMPTS * 3, longest=16, vocabulary=300)


@cache
def task() -> ImageGeneration:
    form = CaptionedForm(item_shape=(3, 8, 8), language=WORDS)
    network = DiT(patch=4, width=16, depth=2, heads=2, text_depth=1)
    sampler = Sampling(name="euler", steps=2)
    made = Config(sampler=sampler).build(network, form, Statistics(torch.zeros(()), 1.0), {})
    generator = torch.Generator().manual_seed(0)
    for parameter in made.model.parameters():
        parameter.data.normal_(0.0, 0.3, generator=generator)
    return made


def drawn() -> tuple[Way, torch.Tensor, list[WordOf]]:
    tokens = torch.from_numpy(WORDS.encode(PROMPTS).tokens)
    words = [WordOf(n, word) for n in (0, 1) for word in words_in(WORDS, tokens[n].numpy())]
    return way_of(task(), Request(labels=tokens), Random(0, range(2))), tokens, words


@pytest.mark.parametrize("kind", ["bpe", "characters", "bytes"])
def test_words_are_their_pieces_joined(kind) -> None:  # type: ignore[no-untyped-def]
    captions = learn_captions(kind, ["a red circle, a blue one"], longest=40, vocabulary=300)
    row = captions.encode(["A red  circle, a blue one"]).tokens[0]
    found = words_in(captions, row)
    assert [word.text for word in found] == ["a", "red", "circle", "a", "blue", "one"]
    for word in found:
        assert captions.tokenizer.decode(row[list(word.places)]).strip(" ,") == word.text
    assert [word.places for word in chosen_words(found, "a, blue")] == [
        found[number].places for number in (0, 3, 4)
    ]
    with pytest.raises(InputError, match="'reed' is no word of the prompt.*Did you mean 'red'"):
        chosen_words(found, "reed")


def test_shares_of_words_are_the_weights_of_their_tokens() -> None:
    way, tokens, words = drawn()
    found = attended(task(), way, tokens, words)
    assert found.shape == (2, 2, 2, len(words), 4)  # steps, layers, heads, words, patches
    seen: list[Looks] = []
    with watching(task().model, seen.append), torch.no_grad():
        task().judged(tokens).denoise(way.states[1].x, way.states[1].times)
    joint = [looks for looks in seen if looks.layer.kind == "joint"]
    for number, one in enumerate(words):
        for layer, looks in enumerate(joint):
            keys = [1 + place for place in one.word.places]
            expected = looks.weights[one.sample][:, :, keys].sum(dim=-1)
            np.testing.assert_allclose(found[1, layer, :, number], expected, atol=1e-6)
    pixels = attended_pixels(task(), way, tokens, words)
    assert pixels.shape == (2, len(words), 8, 8)
    means = found.mean(axis=(1, 2))
    np.testing.assert_allclose(pixels.mean(axis=(2, 3)), means.mean(axis=2), atol=1e-5)


@torch.no_grad()
def test_left_out_is_the_difference_that_a_word_makes() -> None:
    way, tokens, words = drawn()
    found = left_out(task(), way, tokens, words)
    assert found.shape == (2, len(words), 8, 8)
    state, one = way.states[1], words[1]
    row = tokens[:1].clone()
    row[0, list(one.word.places)] = WORDS.padding
    with_it = task().judged(tokens[:1]).denoise(state.x[:1], state.times[:1]).x0
    without = (
        task()
        .judged(torch.cat([tokens[:1], row]))
        .denoise(state.x[:1].expand(2, -1, -1, -1), state.times)
    )
    expected = (without.x0[1:] - with_it).square().sum(dim=1).sqrt()[0]
    np.testing.assert_allclose(found[1, 1], smoothed(expected.numpy()), atol=1e-5)
    assert found.max() > 0.01


@torch.no_grad()
def test_a_word_that_nothing_reads_drew_nothing() -> None:
    """Nothing of the caption reaches a patch: values are 0, and so is what its start sums up."""
    way, tokens, words = drawn()
    network = task().model.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for block in network.blocks:
        half = block.attention.remember.kv.weight.shape[0] // 2
        block.attention.remember.kv.weight[half:] = 0
        block.attention.qkv.weight[-half:] = 0  # what patches say of themselves would shift, too
    network.reader.summarise.weight.zero_()
    try:
        np.testing.assert_allclose(left_out(task(), way, tokens, words), 0, atol=1e-5)
    finally:
        network.load_state_dict(before)


def test_over_steps_the_highest_is_1_and_nothing_stays_nothing() -> None:
    maps = np.stack([np.zeros((2, 4, 4)), np.zeros((2, 4, 4))]).astype(np.float32)
    maps[0, 0, 1, 2], maps[1, 0, 3, 3] = 2, 4
    total = over_steps(maps)
    assert total[0, 3, 3] == 1 and total[0, 1, 2] == 0.5 and not total[1].any()


def test_pixels_that_look_alike_share_and_others_do_not() -> None:
    """A mark beside an edge stays on its side of it; on one colour alone it spreads evenly."""
    pictures = np.zeros((2, 16, 16, 3), np.uint8)
    pictures[0, :, 8:] = 255
    maps = np.zeros((2, 16, 16), np.float32)
    maps[:, 8, 7] = 1
    found = shared(maps, pictures)
    assert found[0, :, :8].max() == 1 and found[0, :, 8:].max() < 0.01
    np.testing.assert_allclose(found[1, 8, 6], found[1, 8, 8], rtol=1e-5)
    assert found[1, 8, 8] > 0.5
