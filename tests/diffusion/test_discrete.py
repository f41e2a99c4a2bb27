"""The bound of masked diffusion, against every mask and every text of a toy, listed."""

import math

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.discrete import (
    MASKINGS,
    Cosine,
    Denoise,
    Linear,
    Masking,
    chain_bound,
    continuous_bound,
    draw_numbers,
    hide,
    hide_some,
    nats_behind,
)
from noiseloom.proofs.masking import (
    MASK,
    TOKENS,
    WORDS,
    Texts,
    all_masks,
    likelihood,
    listed_bound,
    wrong,
)
from noiseloom.seeds import Random

TEXTS = Texts()
NATS = -TEXTS.p.log()
BOTH = pytest.mark.parametrize("masking", [each() for each in MASKINGS.values()], ids=MASKINGS)


def by_sets(denoise: Denoise, x0: Tensor) -> list[tuple[int, Tensor]]:
    """What is behind each mask that hides something: how many tokens, and nats an item."""
    return [
        (number, nats_behind(denoise, x0, hidden.expand(len(x0), -1), MASK).double().sum(dim=1))
        for number, hidden in all_masks()
    ]


def expected(sets: list[tuple[int, Tensor]], hidden: float) -> Tensor:
    """The mean over masks that hide each token with probability `hidden`."""
    return sum(
        (hidden**k * (1 - hidden) ** (TOKENS - k) * nats for k, nats in sets),
        torch.zeros_like(sets[0][1]),
    )


def listed_chain(sets: list[tuple[int, Tensor]], masking: Masking, steps: int) -> Tensor:
    """The bound of a chain, its masks listed."""
    alpha = masking.alpha(torch.arange(steps + 1, dtype=torch.float64) / steps)
    return sum(
        (
            float((alpha[i - 1] - alpha[i]) / (1 - alpha[i])) * expected(sets, float(1 - alpha[i]))
            for i in range(1, steps + 1)
        ),
        torch.zeros_like(sets[0][1]),
    )


def errors(estimate: Tensor, truth: Tensor) -> float:
    """The mean gap in its standard errors."""
    gap = estimate.double() - truth
    return float(gap.mean() / (gap.std() / len(gap) ** 0.5))


@BOTH
def test_alpha_falls_from_one_to_zero_and_time_inverts_it(masking: Masking) -> None:
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    alpha = masking.alpha(t)
    assert float(alpha[0]) == pytest.approx(1) and float(alpha[-1]) == pytest.approx(0)
    assert (alpha.diff() < 0).all()
    torch.testing.assert_close(masking.time(1 - alpha), t, rtol=0, atol=1e-7)
    inner = t[1:-1].requires_grad_()
    (slope,) = torch.autograd.grad(masking.alpha(inner).sum(), inner)
    torch.testing.assert_close(masking.d_alpha(t[1:-1]), slope)


@BOTH
def test_the_integral_over_times_is_the_sum_over_numbers(masking: Masking) -> None:
    sets = by_sets(wrong, TEXTS.all)
    nodes = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    weights, hidden = masking.weight(nodes), 1 - masking.alpha(nodes)
    integral = torch.zeros(len(TEXTS.all), dtype=torch.float64)
    for k, nats in sets:  # E over masks, by the share of each set of k
        chance = hidden**k * (1 - hidden) ** (TOKENS - k)
        integral += float((weights * chance).mean()) * nats
    torch.testing.assert_close(integral, listed_bound(wrong, TEXTS.all), rtol=1e-6, atol=1e-6)


def test_of_the_best_denoiser_it_is_the_likelihood_of_every_text() -> None:
    torch.testing.assert_close(listed_bound(TEXTS.denoise, TEXTS.all), NATS, rtol=0, atol=1e-5)


def test_of_any_other_it_is_above_what_its_model_says_and_above_the_data() -> None:
    bound, model = listed_bound(wrong, TEXTS.all), likelihood(wrong, TEXTS.all)
    assert float(model.sum()) == pytest.approx(1)  # it is a distribution over the texts
    assert (bound > -model.log()).all()
    entropy = (TEXTS.p * NATS).sum()
    assert (TEXTS.p * bound).sum() > (TEXTS.p * -model.log()).sum() > entropy


@BOTH
def test_a_chain_is_never_below_the_truth_and_reaches_it(masking: Masking) -> None:
    sets, entropy = by_sets(TEXTS.denoise, TEXTS.all), float((TEXTS.p * NATS).sum())
    bounds = [
        float((TEXTS.p * listed_chain(sets, masking, steps)).sum()) for steps in (1, 2, 8, 64, 2000)
    ]
    words = torch.nn.functional.one_hot(TEXTS.all, WORDS).double()
    marginal = torch.einsum("n,nlv->lv", TEXTS.p, words)
    assert bounds[0] == pytest.approx(float(torch.special.entr(marginal).sum()), abs=1e-5)
    assert bounds == sorted(bounds, reverse=True)
    assert entropy < bounds[-1] < entropy + 1e-3


@BOTH
@pytest.mark.parametrize("steps", [1, 3, 10])
def test_the_estimate_of_a_chain_is_its_listed_bound(masking: Masking, steps: int) -> None:
    x0 = TEXTS.sample(2000)
    random = Random(3, range(len(x0)))
    found = chain_bound(wrong, x0, MASK, random, masking=masking, steps=steps)
    truth = listed_chain(by_sets(wrong, x0), masking, steps)
    if steps == 1:  # all is hidden: nothing is left to chance
        torch.testing.assert_close(found, truth)
    else:
        assert abs(errors(found, truth)) < 4


@pytest.mark.parametrize("denoise", [wrong, TEXTS.denoise], ids=["wrong", "best"])
@pytest.mark.parametrize("looks", [1, 3, 5])
def test_the_estimate_is_the_listed_bound(denoise: Denoise, looks: int) -> None:
    x0 = TEXTS.sample(3000)
    found = continuous_bound(denoise, x0, MASK, Random(5, range(len(x0))), looks=looks)
    assert abs(errors(found.sum(dim=1), listed_bound(denoise, x0))) < 4


def test_more_looks_than_there_are_numbers_leave_only_the_sets_to_chance() -> None:
    # 3 looks at 3 tokens hide 1, 2 and 3 of them, once each
    x0 = TEXTS.sample(500)
    spread = [
        float(continuous_bound(wrong, x0, MASK, Random(1, range(500)), looks=n).sum(dim=1).var())
        for n in (1, 3)
    ]
    assert spread[1] < spread[0] / 3  # less than of three looks apart


def test_what_is_given_is_neither_hidden_nor_counted() -> None:
    x0 = TEXTS.sample(2000)
    given = torch.tensor([True, False, False]).expand(len(x0), -1)
    random = Random(2, range(len(x0)))
    found = continuous_bound(TEXTS.denoise, x0, MASK, random, looks=2, given_BL=given)
    assert not found[:, 0].any()
    first = torch.zeros(WORDS, dtype=torch.float64).index_add(0, TEXTS.all[:, 0], TEXTS.p)
    index = (x0 * torch.tensor([9, 3, 1])).sum(dim=1)
    rest = -(TEXTS.p[index] / first[x0[:, 0]]).log()  # -log p(x2, x3 | x1)
    assert abs(errors(found.sum(dim=1), rest)) < 4
    nothing = continuous_bound(wrong, x0, MASK, random, looks=2, given_BL=torch.ones_like(given))
    assert not nothing.any()


@BOTH
def test_numbers_are_drawn_as_often_as_they_are_said_to_be(masking: Masking) -> None:
    u = (torch.arange(60_000, dtype=torch.float64) + 0.5) / 60_000
    number, weight = draw_numbers(masking, torch.full((60_000,), 6), u)
    for k in range(1, 7):
        drawn = number == k
        # every number counts for 1 / k in all, however often it is drawn
        assert float(weight[drawn].sum() / len(u)) == pytest.approx(1 / k, rel=2e-3)
    assert number.min() == 1 and number.max() == 6


def test_all_sets_of_a_number_are_alike() -> None:
    can_hide = torch.tensor([True, False, True, True]).expand(6000, -1)
    hidden = hide_some(can_hide, torch.full((6000,), 2), Random(0, range(6000)))
    assert (hidden.sum(dim=1) == 2).all() and not hidden[:, 1].any()
    found, counts = torch.unique(hidden, dim=0, return_counts=True)
    assert len(found) == 3
    assert (counts.double() - 2000).abs().max() < 4 * math.sqrt(6000 * 2 / 9)


def test_the_forward_process_hides_each_token_by_its_own_chance() -> None:
    t = torch.tensor([0.0, 0.3, 1.0]).repeat_interleave(3000)
    hidden = hide(torch.zeros(9000, 4), t, Cosine(), Random(0, range(9000)))
    shares = hidden.double().view(3, -1).mean(dim=1)
    assert shares[0] == 0 and shares[2] == 1
    wanted = float(1 - Cosine().alpha(torch.tensor(0.3)))
    assert float(shares[1]) == pytest.approx(wanted, abs=4 * 0.5 / math.sqrt(12_000))


def test_an_item_does_not_depend_on_its_batch() -> None:
    x0 = TEXTS.sample(6)
    together = continuous_bound(wrong, x0, MASK, Random(0, range(6)), looks=2)
    alone = continuous_bound(wrong, x0[4:5], MASK, Random(0, [4]), looks=2)
    assert together[4:5].equal(alone)
    number, weight = draw_numbers(Linear(), torch.tensor([5, 9]), torch.tensor([0.5, 0.5]))
    assert number.tolist() == [3, 5] and weight.tolist() == pytest.approx([5 / 3, 9 / 5])
