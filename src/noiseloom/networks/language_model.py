"""A transformer over tokens: what comes next, or what stands behind a mask.

Shapes: B batch, L tokens, W width, V vocabulary, N tokens of an n-gram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.networks.grams import check_tables, tables
from noiseloom.seeds import Random
from noiseloom.transformer import masks
from noiseloom.transformer.attention import Sight, check_heads
from noiseloom.transformer.blocks import Block, Norm, Parts, norm_of
from noiseloom.transformer.cache import Cache
from noiseloom.transformer.feed_forward import Activation
from noiseloom.transformer.positions import frequencies, grid, rotary, waves

Positions = Literal["rotary", "learned", "sinusoidal", "none"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """A transformer over tokens."""

    answers: ClassVar[tuple[Answer, ...]] = ("text", "masks")

    width: int = option(128, "numbers per token")
    depth: int = option(4, "transformer blocks")
    heads: int = option(4, "attention heads")
    kv_heads: int | None = option(None, "heads of keys and values; null: as many as heads")
    feed_forward: float = option(4.0, "hidden width of the feed-forward, times width")
    activation: Activation = option("relu2", "between the two maps of the feed-forward")
    norm: Norm = option("rms", "how hidden numbers are normalised")
    learned_norm: bool = option(False, "whether norms have weights of their own")
    bias: bool = option(False, "whether linear maps (and layer norms) have a bias")
    qk_norm: bool = option(True, "whether queries and keys are normalised")
    positions: Positions = option("rotary", "how a token knows where it stands")
    rotary_longest: float | None = option(
        None, "longest wavelength of rotary positions, 2 pi tokens; null: twice the context"
    )
    window: int | None = option(None, "tokens that a token looks back at, itself included")
    tied: bool = option(False, "whether words are read and written with the same weights")
    softcap: float | None = option(None, "bound of the logits: c tanh(logit / c)")
    attention_softcap: float | None = option(None, "the same of attention's; slower")
    value_embeddings: int = option(0, "last blocks whose values also hold the token itself")
    ngrams: tuple[int, ...] = option(
        (), "rows of the tables of the last 2, 3, … tokens together, found by hash"
    )
    ngram_width: int = option(16, "numbers in a row of these tables")
    ngram_dropout: float = option(0.0, "share of what these tables say that training leaves out")
    dropout: float = option(0.0, "share of each branch's output dropped in training")

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.heads) < 1:
            raise ValueError(
                f"width {self.width}, depth {self.depth} and heads {self.heads} are given; each "
                "must be at least 1"
            )
        check_heads(self.width, self.heads, self.kv_heads or self.heads)
        if self.positions == "rotary" and (self.width // self.heads) % 2:
            raise ValueError(
                f"a head of width {self.width // self.heads} (width / heads) is given; rotary "
                "positions allow an even number"
            )
        if self.positions == "sinusoidal" and self.width % 2:
            raise ValueError(
                f"width {self.width} is given; sinusoidal positions allow an even number"
            )
        if self.rotary_longest is not None and self.rotary_longest < 1:
            raise ValueError(f"rotary_longest is {self.rotary_longest}; allowed is 1 or more")
        if self.window is not None and self.window < 1:
            raise ValueError(f"window is {self.window}; allowed is 1 or more, or null")
        if not 0 <= self.value_embeddings <= self.depth:
            raise ValueError(
                f"value_embeddings is {self.value_embeddings}; allowed is 0 to depth {self.depth}"
            )
        check_tables(self.ngrams, self.ngram_width, self.ngram_dropout)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; allowed is 0 to below 1")

    def build(
        self, vocabulary: int, context: int, *, causal: bool = True, read_only: int = 0
    ) -> LanguageModel:
        """The network for texts of up to `context` tokens out of `vocabulary`.

        `causal`: a token sees those before it alone. `read_only` more tokens may be read but are
        never written, a mask among them.
        """
        return LanguageModel(self, vocabulary, context, causal, read_only)


class LanguageModel(nn.Module):
    """Tokens to logits of tokens; untied, it starts with all at 0, so equally likely."""

    rotation: Tensor
    waves: Tensor

    def __init__(
        self, config: Config, vocabulary: int, context: int, causal: bool, read_only: int
    ) -> None:
        super().__init__()
        self.config, self.context, self.causal = config, context, causal
        self.vocabulary = vocabulary
        width, head = config.width, config.width // config.heads
        scale = width**-0.5 if config.tied else 1.0
        self.embed = nn.Embedding(vocabulary + read_only, width)
        nn.init.normal_(self.embed.weight, std=scale)
        self.places = nn.Embedding(context, width) if config.positions == "learned" else None
        if self.places is not None:
            nn.init.normal_(self.places.weight, std=scale)
        shown = torch.zeros(0, width)
        if config.positions == "sinusoidal":  # as large as the embedding starts
            angular = frequencies(1 / context, 1.0, width // 2)
            shown = 2**0.5 * scale * waves(torch.arange(float(context)), angular)
        self.register_buffer("waves", shown, persistent=False)
        parts = Parts(
            width=width,
            heads=config.heads,
            hidden=round(config.feed_forward * width),
            activation=config.activation,
            kv_heads=config.kv_heads,
            norm=config.norm,
            learned_norm=config.learned_norm,
            bias=config.bias,
            qk_norm=config.qk_norm,
            softcap=config.attention_softcap,
            dropout=config.dropout,
        )
        self.blocks = nn.ModuleList(Block(parts) for _ in range(config.depth))
        kv_width = (config.kv_heads or config.heads) * head
        self.values = nn.ModuleList(
            nn.Embedding(vocabulary + read_only, kv_width) for _ in range(config.value_embeddings)
        )
        self.grams = tables(
            config.ngrams,
            config.ngram_width,
            width,
            vocabulary + read_only,
            dropout=config.ngram_dropout,
        )
        self.looks_back = len(config.ngrams)
        self.norm = norm_of(parts)
        self.head: nn.Linear | None = None
        if not config.tied:
            self.head = nn.Linear(width, vocabulary, bias=False)
            nn.init.zeros_(self.head.weight)
        turned = torch.zeros(2, 0, head)
        if config.positions == "rotary":
            longest = config.rotary_longest or max(100.0, 2.0 * context)
            turned = rotary(grid([context]), head, longest=longest)
        self.register_buffer("rotation", turned, persistent=False)

    def forward(
        self,
        tokens_BL: Tensor,
        *,
        documents: Tensor | None = None,
        is_real: Tensor | None = None,
        cache: Cache | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """Logits (B, L, V) at each token: of the next one, or, where not causal, of itself.

        `documents` (B, L) numbers each token's document, of which alone it sees anything.
        `is_real` (B, K), over all tokens read so far and these, is false for padding, on the left
        where there is a cache. Places are counted from the first token of a document, and from the
        first that is real. With a `cache` the tokens follow those read before. With `random`,
        drop-out is on. Raises ValueError where they are more than the context, and for documents
        with a cache.
        """
        start = 0 if cache is None else cache.length
        end = start + tokens_BL.shape[1]
        if cache is not None and documents is not None:
            raise ValueError("documents are given with a cache, which holds one; give either")
        if end > self.context:
            raise ValueError(
                f"{end:,} tokens are given; this network reads up to {self.context:,} at once"
            )
        x = self.enter(tokens_BL, start, documents, is_real, cache, random)
        sight = self._sight(start, end, documents, is_real, tokens_BL.device)
        first_value = len(self.blocks) - len(self.values)
        for index, block in enumerate(self.blocks):
            value = self.values[index - first_value](tokens_BL) if index >= first_value else None
            x = block(
                x,
                sight,
                cache=None if cache is None else cache.layers[index],
                value_BLW=value,
                random=random and random.under(f"block{index}"),
            )
        if cache is not None:
            cache.length = end
        return self.leave(x)

    def leave(self, x_BLW: Tensor) -> Tensor:
        """Logits of hidden numbers."""
        x_BLW = self.norm(x_BLW)
        if self.head is not None:
            logits: Tensor = self.head(x_BLW)
        else:
            logits = x_BLW @ self.embed.weight[: self.vocabulary].T
        if (cap := self.config.softcap) is not None:
            logits = cap * torch.tanh(logits / cap)
        return logits

    def new_cache(self, capacity: int | None = None) -> Cache:
        """An empty cache for `capacity` tokens, by default the context."""
        return Cache(len(self.blocks), capacity=capacity or self.context, window=self.config.window)

    def enter(
        self,
        tokens_BL: Tensor,
        start: int,
        documents: Tensor | None,
        is_real: Tensor | None,
        cache: Cache | None,
        random: Random | None = None,
    ) -> Tensor:
        """Hidden numbers of tokens that stand at `start` and after."""
        x: Tensor = self.embed(tokens_BL)
        tokens = tokens_BL.shape[1]
        by_place = self.waves if self.places is None else self.places.weight
        if len(by_place):
            places = _places(start, start + tokens, documents, is_real)
            x = x + (
                by_place[start : start + tokens]
                if places is None
                else F.embedding(places, by_place)
            )
        if not self.looks_back:
            return x
        unknown = self.embed.num_embeddings  # stands before the first token
        known = tokens_BL
        if is_real is not None:
            known = tokens_BL.masked_fill(~is_real[:, start:], unknown)
        before = None if cache is None else cache.recent
        if before is None:
            before = torch.full_like(known[:, :1], unknown).expand(-1, self.looks_back)
        row = torch.cat([before, known], dim=1)
        if cache is not None:
            cache.recent = row[:, row.shape[1] - self.looks_back :]
        for grams in self.grams:
            x = x + grams(row, tokens, documents, random)
        return x

    def _sight(
        self,
        start: int,
        end: int,
        documents: Tensor | None,
        is_real: Tensor | None,
        device: torch.device,
    ) -> Sight:
        """Who sees whom of the tokens from `start` to `end`, and how they are turned."""
        rotation = self.rotation[:, start:end] if self.rotation.shape[1] else None
        window = self.config.window
        plain = documents is None and is_real is None
        if plain and end - start == 1 and self.causal:
            return Sight(rotation)  # a cache holds no more than its window
        if plain and (window is None or window >= end):
            if not self.causal:
                return Sight(rotation)
            if start == 0:
                return Sight(rotation, causal=True)
        queries = end - start
        keys = end if window is None or start == 0 else min(end, queries + window - 1)
        shown = []
        if self.causal:
            shown.append(masks.causal(queries, keys, device=device))
        if window is not None:
            shown.append(masks.window(queries, window, keys, device=device))
        if documents is not None:
            shown.append(masks.documents(documents))
        if is_real is not None:
            shown.append(masks.real(is_real[:, is_real.shape[1] - keys :]))
        mask = shown[0]
        for one in shown[1:]:
            mask = mask & one
        return Sight(rotation, mask)


def _places(
    start: int, end: int, documents: Tensor | None, is_real: Tensor | None
) -> Tensor | None:
    """Which place each token from `start` to `end` stands at, (B, L); None where it is those."""
    if documents is not None:
        place = torch.arange(end, device=documents.device).expand_as(documents)
        begins = documents[:, 1:] != documents[:, :-1]
        first = F.pad(begins, (1, 0)) * place
        return place - first.cummax(dim=1).values
    if is_real is not None:
        return (is_real.long().cumsum(dim=1) - 1).clamp(min=0)[:, start:end]
    return None
