"""The diffusion transformer on image patches (Peebles & Xie 2022, arXiv:2212.09748).

In pixels, with large patches and x0 as the target, after Li & He 2025 (arXiv:2511.13720). Tokens
lie on a grid of (time, height, width); an image is one frame. Who looks at whom in a clip is in
`space_time`. Captions are looked at together with the image (`DiT.read`), as simplified from Esser
et al. 2024 (arXiv:2403.03206, section 4).
Shapes: B batch, C channels, T frames, (I, J) the grid of a frame's patches, L = T·I·J tokens,
W width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.networks.caption_reader import CaptionReader, Reading, Wording
from noiseloom.networks.embeddings import Condition, LevelAndLabel
from noiseloom.networks.patches import Patches
from noiseloom.networks.places import Places
from noiseloom.networks.space_time import Factorised, Joint, Looking
from noiseloom.seeds import Random
from noiseloom.transformer.attention import Memory
from noiseloom.transformer.blocks import Block, Parts
from noiseloom.transformer.feed_forward import Activation
from noiseloom.transformer.modulation import Modulation, modulated_norm


@dataclass(frozen=True, kw_only=True)
class Config:
    """A diffusion transformer on image patches."""

    answers: ClassVar[Answer] = "items"
    reads_captions: ClassVar[bool] = True
    takes_sizes: ClassVar[bool] = True

    patch: int = option(4, "side of a patch, pixels: larger is faster and coarser")
    border: int = option(0, "pixels of its neighbours that a token sees on every side")
    blend: int = option(0, "pixels by which output patches reach into their neighbours, averaged")
    width: int = option(128, "numbers per token")
    depth: int = option(4, "transformer blocks")
    heads: int = option(4, "attention heads; width / heads must be even")
    feed_forward: float = option(4.0, "hidden width of the feed-forward, times width")
    activation: Activation = option("relu2", "between the two maps of the feed-forward")
    dropout: float = option(0.0, "share of each branch's output dropped in training")
    tells_level: bool = option(
        True,
        "the noise level modulates all blocks; false: they see it in the noise itself (Sun et al. "
        "2025, arXiv:2502.13129)",
    )
    label_positions: bool = option(
        False, "each class also has positions of its own (classes x tokens x width more weights)"
    )
    text_depth: int = option(2, "blocks that read captions, of data that has them")
    text_width: int | None = option(None, "numbers per token of captions; null: width")
    space_time: Literal["auto", "joint", "factorised"] = option(
        "auto",
        "clips: every token looks at all (joint), or in turns within its frame and through time "
        "(factorised); auto: joint up to joint_tokens",
    )
    joint_tokens: int = option(512, "most tokens of a clip that auto has look at one another")

    def __post_init__(self) -> None:
        if min(self.patch, self.width, self.depth, self.heads) < 1 or self.width % self.heads:
            raise ValueError(
                f"patch {self.patch}, width {self.width}, depth {self.depth} and heads "
                f"{self.heads} are given; each must be at least 1 and heads must divide width"
            )
        if (self.width // self.heads) % 2 or self.width // self.heads < 4:
            raise ValueError(
                f"a head of width {self.width // self.heads} (width / heads) is given; two-axis "
                "rotary positions allow an even number of at least 4"
            )
        if not (0 <= self.border <= self.patch and 0 <= self.blend <= self.patch):
            raise ValueError(
                f"border {self.border} and blend {self.blend} are given; allowed is 0 to the patch "
                f"side, {self.patch}"
            )
        if self.text_depth < 0:
            raise ValueError(f"text_depth is {self.text_depth}; allowed is 0 or more")
        if self.joint_tokens < 1:
            raise ValueError(f"joint_tokens is {self.joint_tokens}; allowed is 1 or more")
        if self.text_width is not None and (
            self.text_width < 1 or self.text_width % (2 * self.heads)
        ):
            raise ValueError(
                f"text_width is {self.text_width}; allowed are multiples of twice the heads, "
                f"{2 * self.heads}"
            )
        if self.feed_forward * self.width < 1:
            raise ValueError(f"feed_forward is {self.feed_forward}; allowed is above 0")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; allowed is 0 to below 1")

    def tokens(self, item_shape: Sequence[int]) -> int:
        """How many tokens an item has."""
        *frames, height, width = item_shape[1:]
        return math.prod(frames) * (height // self.patch) * (width // self.patch)

    def is_factorised(self, item_shape: Sequence[int]) -> bool:
        """Whether tokens of such items look in turns; those of images and of one frame never do."""
        if len(item_shape) < 4 or item_shape[1] == 1:
            return False
        is_large = self.tokens(item_shape) > self.joint_tokens
        return self.space_time == "factorised" or (self.space_time == "auto" and is_large)

    def chosen(self, item_shape: Sequence[int]) -> str | None:
        """See `noiseloom.networks.Chooses`."""
        if len(item_shape) < 4 or self.space_time != "auto":
            return None
        way = "factorised" if self.is_factorised(item_shape) else "joint"
        return (
            f"Attention in space and time is {way}: clips of {self.tokens(item_shape):,} tokens, "
            f"joint up to {self.joint_tokens:,} (network.space_time, network.joint_tokens)."
        )

    def build(
        self,
        item_shape: Sequence[int],
        num_classes: int,
        told: int = 0,
        outputs: int = 1,
        words: Wording | None = None,
        sizes: Sequence[tuple[int, int]] = (),
    ) -> "DiT":
        """The network for images (C, height, width), or clips (C, T, height, width).

        Their labels are 0 … num_classes - 1 (0: none) or, with `words`, captions of these. `told`
        as in `LevelAndLabel`, `outputs` and `sizes` as in `noiseloom.networks`. Raises ValueError
        where the patch does not divide the image, or a head is too narrow for positions.
        """
        if len(item_shape) not in (3, 4):
            raise ValueError(
                f"dit takes images (channels, height, width) or clips (channels, frames, height, "
                f"width); the data's items have shape {tuple(item_shape)}. Use network mlp for them"
            )
        for height, width in sizes or [(item_shape[-2], item_shape[-1])]:
            if height % self.patch or width % self.patch:
                step = " and data.bucket_step to a multiple of it" if sizes else ""
                raise ValueError(
                    f"network.patch {self.patch} does not divide images of {height}x{width} "
                    f"pixels; set network.patch to a divisor of both sides{step}"
                )
        if sizes and (len(item_shape) != 3 or (self.label_positions and num_classes)):
            raise ValueError(
                f"the data's images are of {len(sizes)} sizes, which dit takes of images without "
                "network.label_positions; set that to false, or leave data.buckets out"
            )
        return DiT(self, item_shape, num_classes, told, outputs, words, sizes)


class DiT(nn.Module):
    """Patches to tokens, `depth` modulated blocks, tokens to patches; starts at output 0.

    A token's place is rotary, on the axes of its grid, and learned: its place in the frame and,
    where there are several frames, the frame's in time. That starts at 0, so that a network of
    clips may take the weights of one of images. Of images of several sizes what is learned of a
    place is that of its row and of its column (`Places`).
    """

    def __init__(
        self,
        config: Config,
        item_shape: Sequence[int],
        num_classes: int,
        told: int = 0,
        outputs: int = 1,
        words: Wording | None = None,
        sizes: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        self.config = config
        channels, *axes = item_shape
        frames = axes[0] if len(axes) == 3 else 1
        self.sizes = list(sizes) or [(axes[-2], axes[-1])]
        self.enter_patches = Patches(config.patch, config.border)
        self.leave_patches = Patches(config.patch, config.blend)
        grids = [self.enter_patches.grid(size) for size in self.sizes]
        self.condition = LevelAndLabel(
            config.width, num_classes, told, tells_level=config.tells_level
        )
        self.modulation = Modulation(config.width, condition_width=config.width, branches=2)
        self.enter = nn.Linear(channels * self.enter_patches.side**2, config.width)
        places = (math.prod(grids[0]), config.width)
        self.position: nn.Parameter | Places
        if sizes:
            self.position = Places(grids, config.width)
        else:
            self.position = nn.Parameter(0.1 * torch.randn(places))
        self.frame_position: nn.Parameter | None = None
        if frames > 1:
            self.frame_position = nn.Parameter(torch.zeros(frames, 1, config.width))
        self.label_position: nn.Parameter | None = None
        if config.label_positions and num_classes:
            self.label_position = nn.Parameter(torch.zeros(num_classes + 1, *places))
        parts = Parts(
            width=config.width,
            heads=config.heads,
            hidden=round(config.feed_forward * config.width),
            activation=config.activation,
            dropout=config.dropout,
        )
        self.reader: CaptionReader | None = None
        seeing = replace(parts, modulated=True)
        if words is not None:
            width = config.text_width or config.width
            reading = replace(parts, width=width, hidden=round(config.feed_forward * width))
            self.reader = CaptionReader(words, reading, config.text_depth, told=config.width)
            seeing = replace(seeing, looks="jointly", memory_width=width)
        self.blocks = nn.ModuleList(Block(seeing) for _ in range(config.depth))
        self.final = nn.Linear(config.width, 2 * config.width)
        self.leave = nn.Linear(config.width, outputs * channels * self.leave_patches.side**2)
        for layer in (self.final, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        cells = [max(lengths) for lengths in zip(*grids, strict=True)]
        self.space_time: Joint | Factorised
        if config.is_factorised(item_shape):
            self.space_time = Factorised(parts, config.depth, frames, cells)
        else:
            self.space_time = Joint(parts, cells if frames == 1 else [frames, *cells])
        for height, width in self.sizes:
            cover = self.leave_patches.cover((height, width))
            self.register_buffer(f"cover_{height}x{width}", cover, persistent=False)

    def forward(
        self,
        x: Tensor,
        level: Tensor,
        condition: Tensor | Condition | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """`x` (B, C, height, width) or (B, C, T, height, width), of one of the sizes.

        `level` is (B,), or has x's axes, one channel, and is constant in a patch: those of length 1
        stand for all along them, as in (B, 1, T, 1, 1), a level for each frame.
        """
        if level.ndim > 1:
            if level.shape[1] != 1 or level.ndim != x.ndim:
                axes = ", ".join(map(str, x.shape[2:]))
                raise ValueError(
                    f"noise levels of shape {tuple(level.shape)} are given; allowed is one per "
                    f"item, or (B, 1, {axes}) constant in each patch"
                )
            level = self.enter_patches.middles(level.expand(-1, 1, *x.shape[2:]))
        height, width = x.shape[-2:]
        if (height, width) not in self.sizes:
            known = ", ".join(f"{high}x{wide}" for high, wide in self.sizes)
            raise ValueError(f"images of {height}x{width} are given; this network knows {known}")
        rows, columns = self.enter_patches.grid((height, width))
        vector = self.condition(level, condition)
        vector = vector[:, None] if vector.ndim == 2 else vector
        memories: Sequence[Memory | None] = [None] * len(self.blocks)
        if self.reader is not None:
            reading = self._reading(condition, len(x), random)
            vector, memories = vector + reading.summary[:, None], reading.memories
        places = self._places(condition, len(x), rows, columns)
        tokens = self.enter(self.enter_patches.apart(x)) + places
        looking: Looking = list(zip(self.blocks, memories, strict=True))
        modulation = self.modulation(vector)
        tokens = self.space_time(
            tokens,
            looking,
            cells=(rows, columns),
            vector=vector,
            modulation=modulation,
            random=random,
        )
        scale, shift = self.final(F.silu(vector)).chunk(2, dim=-1)
        patches = self.leave(modulated_norm(tokens, 1 + scale, shift))
        cover = self.get_buffer(f"cover_{height}x{width}")
        return self.leave_patches.together(patches, x.shape[2:]) / cover

    def read(self, captions_BL: Tensor, random: Random | None = None) -> Reading:
        """Captions as this network looks at them, once for all steps of a sampler.

        Each token is a query that looks at [caption ; image] in one softmax; of the caption nothing
        is updated by the blocks. A row of padding is no caption.
        """
        assert self.reader is not None  # it was built for words
        hidden, is_real, summary = self.reader(captions_BL, random and random.under("captions"))
        memories = []
        for block in self.blocks:
            assert isinstance(block, Block)
            memories.append(block.remember(hidden, is_real))
        return Reading(memories, summary)

    def _reading(
        self, condition: Tensor | Condition | None, items: int, random: Random | None
    ) -> Reading:
        """What is kept of the captions, or is read now; without captions that there are none."""
        kept = condition.kept if isinstance(condition, Condition) else None
        if kept is not None and kept.reading is not None:
            return kept.reading
        captions = condition.labels if isinstance(condition, Condition) else condition
        if captions is None:
            assert self.reader is not None
            padding = self.reader.words.padding
            captions = torch.full((items, 1), padding, device=self.enter.weight.device)
        if kept is None:
            return self.read(captions, random)
        with torch.no_grad():  # it outlives this call, and any backward of it
            kept.reading = self.read(captions)
        return kept.reading

    def _places(
        self, condition: Tensor | Condition | None, items: int, rows: int, columns: int
    ) -> Tensor:
        """What is learned of the places of tokens on such a grid, (1 or B, L, W)."""
        if isinstance(self.position, Places):
            known: Tensor = self.position(rows, columns)
            return known
        places = self.position[None]
        if self.label_position is not None:
            places = places + self.label_position[self.condition.labels(condition, items)]
        if self.frame_position is not None:
            places = (places[:, None] + self.frame_position).flatten(1, 2)
        return places
