"""Samplers of masked diffusion on a toy of 27 texts, with its best denoiser."""

import math

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.discrete import MASKINGS, Cosine, Linear
from noiseloom.diffusion.unmasking import UNMASKINGS, Unmasking, draw, gumbel, plan_of
from noiseloom.proofs.masking import MASK, TOKENS, WORDS, Texts
from noiseloom.seeds import Random

TEXTS = Texts()
EACH = pytest.mark.parametrize("unmask", list(UNMASKINGS.values()), ids=UNMASKINGS)


def fill(unmask: Unmasking, x: Tensor, steps: int | None, **how: float) -> list:
    plan = plan_of(Linear(), (x == MASK).sum(dim=1), steps)
    return list(unmask(TEXTS.denoise, x, MASK, plan, Random(0, range(len(x))), **how))


def counts(tokens: Tensor) -> Tensor:
    index = (tokens * torch.tensor([9, 3, 1])).sum(dim=1)
    return torch.bincount(index, minlength=WORDS**TOKENS).double()


def unlike(found: Tensor, wanted: Tensor) -> float:
    """Chi-squared of counts, in its standard deviations; where nothing is wanted, none may be."""
    assert not found[wanted == 0].any()
    found, wanted = found[wanted > 0], wanted[wanted > 0]
    chi = ((found - wanted) ** 2 / wanted).sum()
    return float((chi - (len(wanted) - 1)) / math.sqrt(2 * (len(wanted) - 1)))


def test_one_a_look_in_random_order_draws_the_data() -> None:
    x = torch.full((4000, TOKENS), MASK)
    found = counts(fill(UNMASKINGS["random"], x, None)[-1].tokens)
    assert unlike(found, 4000 * TEXTS.p) < 4


def test_all_at_once_draws_each_token_by_itself() -> None:
    x = torch.full((4000, TOKENS), MASK)
    words = torch.nn.functional.one_hot(TEXTS.all, WORDS).double()
    marginal = torch.einsum("n,nlv->lv", TEXTS.p, words)
    alone = marginal[torch.arange(TOKENS), TEXTS.all].prod(dim=1)
    found = counts(fill(UNMASKINGS["random"], x, 1)[-1].tokens)
    assert unlike(found, 4000 * alone) < 4
    assert unlike(found, 4000 * TEXTS.p) > 10  # which is another distribution


def test_infilling_draws_from_the_data_given_what_is_there() -> None:
    x = torch.tensor([MASK, 1, MASK]).expand(4000, -1)
    found = counts(fill(UNMASKINGS["random"], x, None)[-1].tokens)
    fits = TEXTS.p * (TEXTS.all[:, 1] == 1)
    assert unlike(found, 4000 * fits / fits.sum()) < 4


@EACH
@pytest.mark.parametrize("steps", [None, 1, 2, 7])
def test_what_is_there_stays_and_no_mask_is_left(unmask: Unmasking, steps: int | None) -> None:
    x = torch.tensor([[MASK, 1, MASK], [0, MASK, 2], [2, 2, 0], [MASK, MASK, MASK]]).repeat(50, 1)
    before, hidden = x, x == MASK
    for reveal in fill(unmask, x, steps):
        assert reveal.tokens[~hidden].equal(before[~hidden])  # what is uncovered stays
        assert (reveal.tokens[reveal.is_hidden] == MASK).all()
        assert (reveal.tokens[~reveal.is_hidden] != MASK).all()
        assert not (reveal.is_hidden & ~hidden).any()
        before, hidden = reveal.tokens, reveal.is_hidden
    assert not hidden.any()


@EACH
def test_a_network_that_would_write_the_mask_does_not(unmask: Unmasking) -> None:
    def writes_masks(x: Tensor) -> Tensor:
        logits = torch.zeros(*x.shape, WORDS + 1)
        logits[..., MASK] = 1e6
        return logits

    x = torch.full((200, TOKENS), MASK)
    plan = plan_of(Linear(), torch.full((200,), TOKENS), 2)
    *_, last = unmask(writes_masks, x, MASK, plan, Random(0, range(200)))
    assert last.tokens.max() < MASK and len(last.tokens.unique()) == WORDS


def test_confidence_uncovers_the_surest_first() -> None:
    def sure_of_the_middle(x: Tensor) -> Tensor:
        logits = torch.zeros(*x.shape, WORDS)
        logits[:, 0, 0], logits[:, 1, 1], logits[:, 2, 2] = 1.0, 3.0, 2.0
        return logits

    x = torch.full((1, TOKENS), MASK)
    plan = plan_of(Linear(), torch.tensor([TOKENS]), None)
    unmask = UNMASKINGS["confidence"]
    seen = [one.tokens[0] for one in unmask(sure_of_the_middle, x, MASK, plan, Random(0, [0]), 0.0)]
    assert [one.tolist() for one in seen] == [[MASK, 1, MASK], [MASK, 1, 2], [0, 1, 2]]


def test_at_temperature_zero_the_likeliest_is_taken() -> None:
    x = torch.tensor([[MASK, 1, 2]])
    log_p = TEXTS.denoise(x)[0, 0]
    for unmask in UNMASKINGS.values():
        assert fill(unmask, x, 1, temperature=0.0)[-1].tokens[0, 0] == log_p.argmax()


@pytest.mark.parametrize("masking", [each() for each in MASKINGS.values()], ids=MASKINGS)
@pytest.mark.parametrize("steps", [None, 1, 4, 9, 30])
def test_plans_fall_to_nothing(masking: Linear | Cosine, steps: int | None) -> None:
    hidden = torch.tensor([9, 0, 4])
    plan = plan_of(masking, hidden, steps)
    assert len(plan) == (9 if steps is None else steps)
    assert (plan.diff(dim=0) <= 0).all() and (plan[0] <= hidden).all() and not plan[-1].any()
    if steps is None:
        assert plan[:, 0].tolist() == list(range(8, -1, -1))
        assert plan[:5, 2].tolist() == [3, 2, 1, 0, 0]  # as it would be alone
    if steps == 9 and isinstance(masking, Linear):
        assert plan[:, 0].tolist() == list(range(8, -1, -1))


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="0 steps are given"):
        plan_of(Linear(), torch.tensor([3]), 0)


@EACH
def test_an_item_does_not_depend_on_its_batch(unmask: Unmasking) -> None:
    x = torch.tensor([[MASK, MASK, MASK], [MASK, 1, MASK], [MASK, 0, 2]])
    for steps in (None, 2):
        together = fill(unmask, x, steps)[-1].tokens
        plan = plan_of(Linear(), torch.tensor([2]), steps)
        alone = list(unmask(TEXTS.denoise, x[1:2], MASK, plan, Random(0, [1])))[-1].tokens
        assert together[1:2].equal(alone)


def test_a_look_that_uncovers_nothing_does_not_ask() -> None:
    asked = 0

    def counted(x: Tensor) -> Tensor:
        nonlocal asked
        asked += 1
        return TEXTS.denoise(x)

    x = torch.full((5, TOKENS), MASK)
    plan = plan_of(Linear(), torch.full((5,), TOKENS), 50)
    assert len(list(UNMASKINGS["random"](counted, x, MASK, plan, Random(0, range(5))))) == 50
    assert asked == TOKENS


def test_gumbel_noise_is_finer_than_float32() -> None:
    noise = gumbel(Random(0, range(64)), (20_000,))
    assert noise.dtype == torch.float64
    assert float(noise.mean()) == pytest.approx(0.5772, abs=4 * 1.2825 / noise.numel() ** 0.5)
    finest = noise.flatten().sort().values.diff()
    assert (finest > 0).double().mean() > 0.9999  # hardly any two alike: 24 bits repeat often


def test_draws_follow_the_temperature() -> None:
    logits = torch.tensor([0.2, 0.5, 0.3]).log().expand(6000, 1, 3)
    for temperature, powers in ((1.0, 1.0), (0.5, 2.0)):
        tokens, log_p = draw(logits, temperature, Random(1, range(6000)))
        wanted = torch.tensor([0.2, 0.5, 0.3]).double() ** powers
        found = torch.bincount(tokens[:, 0], minlength=3).double()
        assert unlike(found, 6000 * wanted / wanted.sum()) < 4
        torch.testing.assert_close(log_p[:, 0], logits[0, 0].double()[tokens[:, 0]])
