"""An encoder that reads a text and a decoder that writes another, looking at it (Vaswani 2017).

Shapes: B batch, S source tokens, T target tokens, W width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.networks.stack import Stack
from noiseloom.seeds import Random
from noiseloom.transformer import masks
from noiseloom.transformer.attention import Memory, Sight, check_heads
from noiseloom.transformer.blocks import Norm, Parts, drop
from noiseloom.transformer.cache import Cache
from noiseloom.transformer.feed_forward import Activation


@dataclass(frozen=True, kw_only=True)
class Config:
    """An encoder and a decoder of one width, which share the vectors of words."""

    answers: ClassVar[Answer] = "translations"

    width: int = option(128, "numbers per token")
    encoder_depth: int = option(3, "transformer blocks that read")
    decoder_depth: int = option(3, "transformer blocks that write")
    heads: int = option(4, "attention heads")
    kv_heads: int | None = option(None, "heads of keys and values; null: as many as heads")
    feed_forward: float = option(4.0, "hidden width of the feed-forward, times width")
    activation: Activation = option("relu2", "between the two maps of the feed-forward")
    norm: Norm = option("rms", "how hidden numbers are normalised")
    learned_norm: bool = option(False, "whether norms have weights of their own")
    bias: bool = option(False, "whether linear maps (and layer norms) have a bias")
    qk_norm: bool = option(True, "whether queries and keys are normalised")
    dropout: float = option(
        0.1, "share of words' numbers and of each branch's output dropped in training"
    )

    def __post_init__(self) -> None:
        if min(self.width, self.encoder_depth, self.decoder_depth, self.heads) < 1:
            raise ValueError(
                f"width {self.width}, encoder_depth {self.encoder_depth}, decoder_depth "
                f"{self.decoder_depth} and heads {self.heads} are given; each must be at least 1"
            )
        check_heads(self.width, self.heads, self.kv_heads or self.heads)
        if (self.width // self.heads) % 2:
            raise ValueError(
                f"a head of width {self.width // self.heads} (width / heads) is given; rotary "
                "positions allow an even number"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; allowed is 0 to below 1")

    def build(self, vocabulary: int, context: int) -> Seq2seq:
        """The network for texts of up to `context` tokens out of `vocabulary`, on either side."""
        return Seq2seq(self, vocabulary, context)


class Seq2seq(nn.Module):
    """Source and target tokens to logits of what follows each target token.

    One table holds the vectors of all words: the source's, the target's, and those that the
    decoder's output is compared with (Press & Wolf 2017, arXiv:1608.05859).
    """

    def __init__(self, config: Config, vocabulary: int, context: int) -> None:
        super().__init__()
        self.config, self.context = config, context
        self.embed = nn.Embedding(vocabulary, config.width)
        nn.init.normal_(self.embed.weight, std=config.width**-0.5)
        parts = Parts(
            width=config.width,
            heads=config.heads,
            hidden=round(config.feed_forward * config.width),
            activation=config.activation,
            kv_heads=config.kv_heads,
            norm=config.norm,
            learned_norm=config.learned_norm,
            bias=config.bias,
            qk_norm=config.qk_norm,
            dropout=config.dropout,
        )
        looking = replace(parts, looks="across", memory_width=config.width)
        self.encoder = Stack(parts, config.encoder_depth, context)
        self.decoder = Stack(looking, config.decoder_depth, context)

    def forward(
        self,
        source_BS: Tensor,
        target_BT: Tensor,
        *,
        is_real: Tensor | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """What the decoder makes of each target token, (B, T, W): `leave` makes logits of it.

        A target token sees the source and the target up to itself. `is_real` (B, S) is false for
        padding of the source; that of the target must stand at its end, where nothing looks back.
        With `random`, drop-out is on. Raises ValueError where a text is too long.
        """
        memories = self.remember(source_BS, is_real, random)
        return self.decode(target_BT, memories, random=random)

    def remember(
        self, source_BS: Tensor, is_real: Tensor | None = None, random: Random | None = None
    ) -> list[Memory]:
        """Read the source, once for all that is written of it: a memory for each decoder block."""
        self._check("source", source_BS.shape[1], self.context)
        random = random and random.under("encoder")
        mask = None if is_real is None else masks.real(is_real)
        sight = Sight(self.encoder.rotation[:, : source_BS.shape[1]], mask)
        x_BSW = self.encoder(self._enter(source_BS, random), sight, random=random)
        return self.decoder.remember(x_BSW, is_real)

    def decode(
        self,
        target_BT: Tensor,
        memories: Sequence[Memory],
        *,
        cache: Cache | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """What the decoder makes of each target token, (B, T, W), after those in the `cache`."""
        start = 0 if cache is None else cache.length
        end = start + target_BT.shape[1]
        self._check("target", end, self.context)
        random = random and random.under("decoder")
        rotation = self.decoder.rotation[:, start:end]
        if start == 0:
            sight = Sight(rotation, causal=True)
        elif end - start == 1:
            sight = Sight(rotation)
        else:
            sight = Sight(rotation, masks.causal(end - start, end, device=target_BT.device))
        x_BTW = self.decoder(
            self._enter(target_BT, random), sight, memories=memories, cache=cache, random=random
        )
        if cache is not None:
            cache.length = end
        return x_BTW

    def leave(self, x_W: Tensor) -> Tensor:
        """Logits (..., V) of what `decode` made."""
        return x_W @ self.embed.weight.T

    def new_cache(self, capacity: int | None = None) -> Cache:
        """An empty cache for `capacity` target tokens, by default as many as can be read."""
        return Cache(len(self.decoder.blocks), capacity=capacity or self.context)

    def _enter(self, tokens_BL: Tensor, random: Random | None) -> Tensor:
        """Words' vectors at the size of the hidden numbers."""
        x_BLW = self.embed(tokens_BL) * self.config.width**0.5
        return drop(x_BLW, self.config.dropout, random, "words")

    def _check(self, what: str, tokens: int, most: int) -> None:
        if tokens > most:
            raise ValueError(
                f"a {what} of {tokens:,} tokens is given; this network reads up to {most:,}"
            )
