"""Words swapped into a drawing: all of them are the other prompt, and a planted block is found."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoiser, Statistics
from noiseloom.diffusion.schedules import RectifiedFlow
from noiseloom.explain.word_effects import and_the_next
from noiseloom.explain.word_swap import Swap, swapped_words
from noiseloom.networks import dit
from noiseloom.networks.caption_reader import Kept, Words
from noiseloom.networks.embeddings import Condition
from tests.explain.stirring import hooks_of, stirred

PAD = 9
FIRST, SECOND = torch.tensor([[1, 2, 3, PAD]] * 2), torch.tensor([[1, 5, 3, PAD]] * 2)
NOTHING = torch.full_like(FIRST, PAD)
DIFFERS = FIRST != SECOND
XT = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def model() -> Denoiser:
    config = dit.Config(width=16, depth=2, heads=2, patch=4, text_depth=1)
    network = config.build((1, 8, 8), 0, words=Words(vocabulary=10, longest=4, padding=PAD))
    statistics = Statistics(torch.zeros(1, 1, 1), 1.0)
    return Denoiser(stirred(network), RectifiedFlow(), target="x0", statistics=statistics)


@torch.no_grad()
def said(denoiser: Denoiser, asked: Tensor, t: float = 0.5) -> Tensor:
    times = len(asked) // 2
    condition = Condition(asked, kept=Kept())
    answer: Tensor = denoiser(XT.repeat(times, 1, 1, 1), torch.full((len(asked),), t), condition).x0
    return answer


def whole() -> Swap:
    return Swap(FIRST, SECOND, FIRST != PAD, with_start=True, with_summary=True)


def test_all_of_the_reading_swapped_is_the_other_prompt() -> None:
    denoiser = model()
    first, second = said(denoiser, FIRST), said(denoiser, SECOND)
    with swapped_words(denoiser, whole()):
        assert torch.equal(said(denoiser, FIRST), second)
    assert torch.equal(said(denoiser, FIRST), first) and not torch.allclose(first, second)
    assert hooks_of(denoiser) == 0


def test_beside_the_items_what_guidance_asks_stays() -> None:
    denoiser = model()
    both = torch.cat([FIRST, NOTHING])
    plain = said(denoiser, torch.cat([SECOND, NOTHING]))
    with swapped_words(denoiser, whole()):
        assert torch.allclose(said(denoiser, both), plain, atol=1e-6)
    with (
        pytest.raises(ValueError, match="not asked by the prompts"),
        swapped_words(denoiser, whole()),
    ):
        said(denoiser, SECOND)


def test_each_part_of_the_reading_has_an_effect_of_its_own() -> None:
    denoiser = model()
    first, second = said(denoiser, FIRST), said(denoiser, SECOND)
    nowhere = torch.zeros_like(DIFFERS)
    found = []
    for swap in (
        Swap(FIRST, SECOND, DIFFERS),
        Swap(FIRST, SECOND, nowhere, with_start=True),
        Swap(FIRST, SECOND, nowhere, with_summary=True),
    ):
        with swapped_words(denoiser, swap):
            found.append(said(denoiser, FIRST))
    for one in found:
        assert not torch.allclose(one, first, atol=1e-4)
        assert not torch.allclose(one, second, atol=1e-4)
    with swapped_words(denoiser, Swap(FIRST, SECOND, nowhere)):
        assert torch.equal(said(denoiser, FIRST), first)


def test_of_a_planted_network_the_block_that_reads_is_found() -> None:
    denoiser = model()
    with torch.no_grad():  # the first block's attention says nothing
        denoiser.network.blocks[0].attention.out.weight.zero_()  # type: ignore[union-attr, index]
    first, swap = said(denoiser, FIRST), Swap(FIRST, SECOND, DIFFERS)
    with swapped_words(denoiser, swap):
        everywhere = said(denoiser, FIRST)
    with swapped_words(denoiser, replace(swap, blocks=[0])):
        assert torch.equal(said(denoiser, FIRST), first)
    with swapped_words(denoiser, replace(swap, blocks=[1])):
        assert torch.equal(said(denoiser, FIRST), everywhere)
    assert not torch.allclose(first, everywhere)


def test_words_are_swapped_only_while_they_shall_be() -> None:
    denoiser, swap = model(), replace(whole(), since=0.7, until=0.3)
    with swapped_words(denoiser, swap):
        for t, asked in ((0.9, FIRST), (0.7, SECOND), (0.5, SECOND), (0.3, FIRST), (0.1, FIRST)):
            found = said(denoiser, FIRST, t)
            hooks = hooks_of(denoiser)
            assert hooks == 1
            with torch.no_grad():
                plain = said(model(), asked, t)
            assert torch.equal(found, plain), t


def test_the_word_after_each_is_taken_with_it() -> None:
    places = torch.tensor([[False, True, False, False], [False, False, True, True]])
    assert and_the_next(places).tolist() == [[False, True, True, False], [False, False, True, True]]
