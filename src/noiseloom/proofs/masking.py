"""Masked diffusion over a few tokens, where every mask and every text can be listed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product

import torch
import torch.nn.functional as F
from torch import Tensor

from noiseloom.diffusion.discrete import (
    Denoise,
    Linear,
    continuous_bound,
    draw_numbers,
    nats_behind,
)
from noiseloom.diffusion.unmasking import plan_of, random_unmasking
from noiseloom.proofs import Check
from noiseloom.seeds import Random

WORDS, TOKENS = 3, 3
MASK = WORDS
ITEMS = 3000


@dataclass(frozen=True)
class Texts:
    """All texts of a few tokens, and how likely each is, by chance, (27,) float64."""

    seed: int = 0

    @cached_property
    def all(self) -> Tensor:
        return torch.tensor(list(product(range(WORDS), repeat=TOKENS)))

    @cached_property
    def p(self) -> Tensor:
        drawn = torch.rand(WORDS**TOKENS, generator=torch.Generator().manual_seed(self.seed))
        return (4 * drawn.double()).softmax(dim=0)

    def denoise(self, x_BL: Tensor) -> Tensor:
        """Log-probabilities of each token given those that are not hidden: the best denoiser."""
        fits = ((x_BL[:, None] == self.all) | (x_BL[:, None] == MASK)).all(dim=2)
        shares = fits * self.p
        words = F.one_hot(self.all, WORDS).double()
        return torch.einsum("bn,nlv->blv", shares / shares.sum(dim=1, keepdim=True), words).log()

    def sample(self, number: int) -> Tensor:
        """Texts drawn by their probability."""
        drawn = torch.Generator().manual_seed(self.seed + 1)
        return self.all[torch.multinomial(self.p, number, replacement=True, generator=drawn)]


def wrong(x_BL: Tensor) -> Tensor:
    """Logits of a denoiser that is right about nothing: a table over all masked texts."""
    shape = ((WORDS + 1) ** TOKENS, TOKENS, WORDS)
    table = 2 * torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    places = (WORDS + 1) ** torch.arange(TOKENS)
    return table[(x_BL * places).sum(dim=1)]


def all_masks() -> Iterator[tuple[int, Tensor]]:
    """Every mask that hides something: how many tokens, and which (TOKENS,)."""
    for hidden in product((False, True), repeat=TOKENS):
        if any(hidden):
            yield sum(hidden), torch.tensor(hidden)


def listed_bound(denoise: Denoise, x0_BL: Tensor) -> Tensor:
    """The bound of each text, every mask and number of hidden tokens by its weight, (B,)."""
    middles = (torch.arange(TOKENS) + 0.5) / TOKENS
    _, weights = draw_numbers(Linear(), torch.full((TOKENS,), TOKENS), middles)
    total = torch.zeros(len(x0_BL), dtype=torch.float64)
    for number, hidden in all_masks():
        chance = 1 / math.comb(TOKENS, number) / TOKENS
        nats = nats_behind(denoise, x0_BL, hidden.expand(len(x0_BL), -1), MASK)
        total += weights[number - 1] * chance * nats.double().sum(dim=1)
    return total


def likelihood(denoise: Denoise, x0_BL: Tensor) -> Tensor:
    """What the model that uncovers one token a look says of each text: the mean over orders."""
    total = torch.zeros(len(x0_BL), dtype=torch.float64)
    orders = list(permutations(range(TOKENS)))
    for order in orders:
        hidden = torch.ones(x0_BL.shape, dtype=torch.bool)
        log_p = torch.zeros(len(x0_BL), dtype=torch.float64)
        for place in order:
            log_p -= nats_behind(denoise, x0_BL, hidden, MASK)[:, place].double()
            hidden[:, place] = False
        total += log_p.exp() / len(orders)
    return total


def gap_at_the_best() -> float:
    """How far the listed bound of the best denoiser is from -log p, of the worst text, nats."""
    texts = Texts()
    return float((listed_bound(texts.denoise, texts.all) + texts.p.log()).abs().max())


def below_the_model() -> float:
    """How far a wrong denoiser's listed bound is below what its model says of a text; never."""
    texts = Texts()
    gap = listed_bound(wrong, texts.all) + likelihood(wrong, texts.all).log()
    return float((-gap).clamp(min=0).max())


def estimated() -> float:
    """The gap between the estimated bound of a wrong denoiser and the listed one, in its errors."""
    x0 = Texts().sample(ITEMS)
    found = continuous_bound(wrong, x0, MASK, Random(0, range(ITEMS)), looks=2)
    gap = found.double().sum(dim=1) - listed_bound(wrong, x0)
    return float(gap.mean() / (gap.std() / ITEMS**0.5))


def drawn() -> float:
    """How unlike the data what the best denoiser draws is: chi-squared, in its deviations."""
    texts = Texts()
    x = torch.full((ITEMS, TOKENS), MASK)
    plan = plan_of(Linear(), torch.full((ITEMS,), TOKENS), None)
    *_, last = random_unmasking(texts.denoise, x, MASK, plan, Random(0, range(ITEMS)))
    places = WORDS ** torch.arange(TOKENS - 1, -1, -1)
    counts = torch.bincount((last.tokens * places).sum(dim=1), minlength=len(texts.p))
    wanted = ITEMS * texts.p
    freedom = len(texts.p) - 1
    return float((((counts - wanted) ** 2 / wanted).sum() - freedom) / (2 * freedom) ** 0.5)


CHECKS = (
    Check("masks: bound", "off -log p with the best denoiser, nats", 0.0, 1e-5, gap_at_the_best),
    Check("masks: below", "below what the model says of a text: never", 0.0, 1e-5, below_the_model),
    Check("masks: estimate", "off the listed bound, standard errors", 0.0, 4.0, estimated),
    Check("masks: unmasking", "off the data, deviations of chi-squared", 0.0, 4.0, drawn),
)
