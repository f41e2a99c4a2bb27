"""Refining pixels as tokens: those that fit the rest of a draft least are predicted again.

A pixel is a token of a few levels of brightness. The network, any that denoises items, sees three
channels for each of the item's: the draft as it is, the tokens as they stand, and where these are
masks. It learns from pairs: a real item is noised part of the way and finished by the base in a few
moves, which makes a draft of it; of the tokens some are then hidden, some the draft's, some real,
and behind each the real one is to be found. So it also doubts tokens that stand
(`diffusion/remasking`). A pixel that is not predicted again stays as the base drew it.

Shapes: B batch, C channels, L = C·H·W pixels, V levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form, ImageForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.relay import check_begins, ending
from noiseloom.diffusion.remasking import remask
from noiseloom.diffusion.samplers import SAMPLERS, Step
from noiseloom.diffusion.schedules import expand
from noiseloom.networks.embeddings import Condition
from noiseloom.seeds import Random
from noiseloom.tasks import Request, Task
from noiseloom.tasks.bases import Refining, fitting_base
from noiseloom.tasks.brightness import nearest_level, of_level
from noiseloom.tasks.few_step_image_generation import only_mirrored
from noiseloom.tasks.generating import ImageGeneration

CHANNELS = 3  # of the network for each of the item's: draft, tokens, where they are masks
DRAFTING = "dpm++2m"  # second order at a call a move


@dataclass(frozen=True, kw_only=True)
class Remasking:
    """Pixels as tokens, of which the least likely are predicted again."""

    levels: int = option(9, "levels of brightness, a multiple of 3: what a pixel may become")
    noised: float = option(0.8, "t up to which real items are noised, for the base to finish")
    drafting: int = option(2, "moves in which the base finishes them")
    share: float = option(0.1, "share of the pixels that a round predicts again")
    rounds: int = option(2, "rounds, two network calls each")
    temperature: float = option(1.0, "0: always the likeliest level, 1: as it was learned")

    def __post_init__(self) -> None:
        if self.levels < 3 or self.levels % CHANNELS:
            raise ValueError(f"levels is {self.levels}; allowed are multiples of 3")
        if not 0 < self.noised <= 1:
            raise ValueError(f"noised is {self.noised}; allowed is above 0, up to 1")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; allowed is above 0, up to 1")
        if min(self.drafting, self.rounds) < 1:
            raise ValueError(
                f"drafting {self.drafting} and rounds {self.rounds} are given; allowed is 1 or "
                "more of each"
            )
        if not self.temperature >= 0:
            raise ValueError(f"temperature is {self.temperature}; allowed is 0 or more")

    def build(
        self, network: Any, form: Form, statistics: Statistics, base: Task, name: str
    ) -> RemaskingRefinement:
        """The task on images of `form`; `base` is the frozen run called `name`.

        Raises ValueError where that is no base for it, and for items that have no pixels.
        """
        if not isinstance(form, ImageForm):
            raise ValueError("kind remasking refines pixels, and the data has none; use low-noise")
        refined = fitting_base(base, form)
        check_begins(self.noised, refined.config.schedule)
        channels, *sides = form.item_shape
        seen = replace(only_mirrored(form), item_shape=(CHANNELS * channels, *sides))
        asking = refined.config.asking(form)
        inner = asking.network(network, seen, self.levels // CHANNELS)
        return RemaskingRefinement(self, TokenModel(inner, self.levels), form, refined, name)


class TokenModel(nn.Module):
    """A denoising network of items, asked for the level behind each pixel; V is the mask."""

    def __init__(self, network: nn.Module, levels: int) -> None:
        super().__init__()
        self.network, self.levels = network, levels

    def forward(
        self, draft: Tensor, tokens: Tensor, labels: Tensor | None, random: Random | None = None
    ) -> Tensor:
        """Logits (B, C, H, W, V) from a draft and tokens, both (B, C, H, W)."""
        is_hidden = tokens == self.levels
        value = of_level(tokens, self.levels).masked_fill(is_hidden, 0.0)
        told = is_hidden.float()
        share = told.flatten(1).mean(dim=1)
        x = torch.cat([draft, value, told], dim=1)
        condition = None if labels is None else Condition(labels)
        said: Tensor = self.network(x, share, condition, random)
        return said.unflatten(1, (self.levels, -1)).movedim(1, -1)


class RemaskingRefinement(Refining):
    """The loss of a network of pixels as tokens, and samples of `base` refined by it."""

    def __init__(
        self, config: Remasking, model: TokenModel, form: Form, base: ImageGeneration, name: str
    ) -> None:
        super().__init__(base, name)
        self.config = config
        self.model = model
        self.form = form

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """Nats of each item's real pixels, behind masks and in place of the draft's; (B,), mean."""
        device = next(self.model.parameters()).device
        x0 = self.form.to_model(batch.items, device)
        if training:
            x0, _ = only_mirrored(self.form).augment(x0, random)
        asking = self.base.asking
        known = asking.given(batch, random, training=False)
        draft = self.draft(x0, known, random.under("draft/"))
        real, drafted = (nearest_level(x, self.config.levels) for x in (x0, draft))
        shares = random.stratified("hidden").to(device), random.uniform("stale").to(device)
        hidden_share, stale_share = (expand(share.float(), x0) for share in shares)
        shape = self.form.item_shape
        is_hidden = random.uniform("hide", shape).to(device) < hidden_share
        is_stale = random.uniform("leave", shape).to(device) < stale_share
        tokens = torch.where(is_stale, drafted, real).masked_fill(is_hidden, self.config.levels)
        labels = asking.given(batch, random, training=training)
        logits = self.model(
            draft, tokens, _on(labels, device), random if training else None
        ).float()
        nats = F.cross_entropy(logits.flatten(0, -2), real.flatten(), reduction="none")
        return nats.view(len(x0), -1).mean(dim=1)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed nats a pixel, and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    @torch.no_grad()
    def draft(self, x0: Tensor, labels: Tensor | None, random: Random) -> Tensor:
        """What the base makes of real items `x0` that are noised part of the way, of x0's shape."""
        schedule, config = self.base.config.schedule, self.config
        plan = ending(config.noised, schedule, config.drafting)
        x = add_noise(schedule, x0, random.normal_like("start", x0), plan[0].to(x0))
        denoise = self.base.walk(Request(labels=labels)).denoise
        *_, step = SAMPLERS[DRAFTING](denoise, x, plan, schedule, random)
        return step.x0

    def sample(self, request: Request, random: Random) -> Iterator[Step]:
        """The base's walk for `random`'s items, then a step for each round."""
        step: Step | None = None
        for step in self.base.sample(request, random):
            yield step
        assert step is not None  # every plan has a step
        yield from self.refine(step, request.labels, random.under("refine/"))

    def refine(self, last: Step, labels: Tensor | None, random: Random) -> Iterator[Step]:
        """The rounds that follow the step `last`, whose x0 is the draft."""
        draft, shape = last.x0, last.x0.shape
        asked = _on(labels, draft.device)

        def denoise(tokens_BL: Tensor) -> Tensor:
            return self.model(draft, tokens_BL.view(shape), asked).flatten(1, -2)

        config, pixels = self.config, draft
        for reveal in remask(
            denoise,
            nearest_level(draft, config.levels).flatten(1),
            config.levels,
            random,
            share=config.share,
            rounds=config.rounds,
            temperature=config.temperature,
        ):
            anew = of_level(reveal.tokens, config.levels).view(shape)
            pixels = torch.where(reveal.is_hidden.view(shape), anew, pixels)
            yield Step(last.index + 1 + reveal.index, last.t, pixels, pixels)

    def describe(self, request: Request) -> dict[str, Any]:
        """What the base says of itself, and the rounds that follow."""
        described = self.base.describe(request)
        if (calls := described.get("network_calls")) is not None:
            described["network_calls"] = calls + 2 * self.config.rounds
        return described | {
            "refined_by": "remasking",
            "refining_rounds": self.config.rounds,
            "refined_share": self.config.share,
        }


def _on(labels: Tensor | None, device: torch.device) -> Tensor | None:
    return None if labels is None else labels.to(device)
