"""The transformer: attention by its definition, what turning by position leaves alone, and that a
language model's token depends on what is before it in its own text, however it is read."""

import torch
from torch import Tensor

from noiseloom.networks.language_model import Config, LanguageModel
from noiseloom.proofs import Check
from noiseloom.seeds import Random, fixed
from noiseloom.training.orthogonalisation import NEAR, orthogonalise
from noiseloom.transformer.attention import attend
from noiseloom.transformer.positions import grid, rotary, rotate

TEXTS = (7, 4, 9)  # tokens of each
LENGTH = sum(TEXTS)
ROUNDED = 1e-5  # positions are float32: what turning by other angles leaves of 0
CUSHIONED = 0.05  # by which the cushion against rounding widens the interval


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def attention() -> float:
    """The largest difference between the fused attention and softmax(QKᵀ/√D) V written out."""
    q, k, v = _normal(3, 2, 4, 7, 5)
    mask = torch.ones(7, 7, dtype=torch.bool).tril()
    logits = (q @ k.mT / 5**0.5).masked_fill(~mask, -torch.inf)
    return float((attend(q, k, v, mask) - logits.softmax(dim=-1) @ v).abs().max())


def relative_positions() -> float:
    """How much the products of turned queries and keys change when all positions move by 3."""
    q, k = _normal(2, 1, 6, 8)
    products = []
    for shift in (0.0, 3.0):
        rotation = rotary(grid((6,)) + shift, 8).double()
        products.append(rotate(q, rotation) @ rotate(k, rotation).mT)
    return float((products[0] - products[1]).abs().max())


def _language_model() -> LanguageModel:
    """One with every part that looks at other tokens, moved away from where it starts."""
    config = Config(
        width=16,
        depth=2,
        heads=4,
        kv_heads=2,
        window=6,
        ngrams=(32, 32),
        value_embeddings=1,
    )
    with fixed(0, "weights"):
        model = config.build(11, LENGTH).double()
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            nudge = Random(index, [0]).normal("nudge", parameter.shape)[0]
            parameter.add_(nudge.double(), alpha=0.3)
    return model


def _tokens() -> Tensor:
    return (torch.arange(LENGTH) ** 2 % 11)[None]


@torch.no_grad()
def causality() -> float:
    """How many logits of tokens before a changed one differ in any bit."""
    model, tokens = _language_model(), _tokens()
    before, differing = model(tokens), 0
    for place in range(1, LENGTH):
        changed = tokens.clone()
        changed[0, place] = (changed[0, place] + 1) % 11
        differing += int((model(changed)[:, :place] != before[:, :place]).sum())
    return float(differing)


@torch.no_grad()
def cached_reading() -> float:
    """The largest difference of a logit read with a cache, by parts, from one read as a whole."""
    model, tokens = _language_model(), _tokens()
    cache = model.new_cache()
    read = [model(part, cache=cache) for part in tokens.split([8, 1, 1, LENGTH - 10], dim=1)]
    return float((torch.cat(read, dim=1) - model(tokens)).abs().max())


@torch.no_grad()
def packing() -> float:
    """The largest difference of a logit of texts read side by side from one read alone."""
    model, tokens = _language_model(), _tokens()
    numbers = torch.arange(len(TEXTS)).repeat_interleave(torch.tensor(TEXTS))[None]
    alone = torch.cat([model(text) for text in tokens.split(TEXTS, dim=1)], dim=1)
    return float((model(tokens, documents=numbers) - alone).abs().max())


@torch.no_grad()
def padding() -> float:
    """The largest difference of a logit when padding stands on the left of the text."""
    model, tokens = _language_model(), _tokens()[:, :12]
    padded = torch.cat([tokens[:, :5], tokens], dim=1)
    is_real = torch.arange(17)[None] >= 5
    return float((model(padded, is_real=is_real)[:, 5:] - model(tokens)).abs().max())


def orthogonal_updates() -> float:
    """The largest distance from 1 of a singular value after orthogonalising, 5 steps."""
    (update,) = orthogonalise([_normal(40, 16).float()], 5)
    return float((torch.linalg.svdvals(update) - 1).abs().max())


CHECKS = (
    Check("attention", "against softmax(QKᵀ/√D) V written out", 0.0, 1e-12, attention),
    Check("rotary positions", "products when all positions move", 0.0, 1e-5, relative_positions),
    Check("causality", "logits before a changed token that differ", 0.0, 0.0, causality),
    Check("cached reading", "logits by parts against as a whole", 0.0, 1e-12, cached_reading),
    Check("packing", "logits of packed texts against each alone", 0.0, ROUNDED, packing),
    Check("padding", "logits beside padding against without", 0.0, ROUNDED, padding),
    Check("muon", "singular values of an update, off 1", 0.0, NEAR + CUSHIONED, orthogonal_updates),
)
