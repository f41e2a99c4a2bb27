"""Texts whose masks are filled in: holes anywhere in a prompt, or what follows one without holes.

The model always sees a whole window, as it has learned to: what stands after the text is masked and
stays so. A prompt with holes must fit into it. One without goes on by as many masks as fit, or as
are wanted; where more are wanted, the last half of a window is kept and the next masks follow it.
A text depends on its own prompt and random numbers alone, not on those it is written beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from noiseloom.data.forms import TextForm
from noiseloom.data.tokenizer import END
from noiseloom.diffusion.discrete import Denoise, Masking
from noiseloom.diffusion.unmasking import UNMASKINGS, plan_of
from noiseloom.errors import InputError
from noiseloom.networks.language_model import LanguageModel
from noiseloom.seeds import Random
from noiseloom.tasks import Draft, Writing
from noiseloom.tasks.holes import read_prompt, show
from noiseloom.transformer.decoding import keep_min_p, keep_top_k, keep_top_p


@dataclass
class Text:
    """A text as it is written: its tokens, of which those from `start` on are shown.

    `left` is how many more are to come, after those that are holes in it now. `final` is what is
    shown of a text that is done.
    """

    tokens: list[int]
    start: int
    left: int
    has_holes: bool
    is_done: bool = False
    final: str = ""


def write_masks(
    model: LanguageModel,
    form: TextForm,
    prompts: Sequence[str],
    writing: Writing,
    random: Random,
    masking: Masking,
) -> Iterator[Draft]:
    """A draft after each look; of a prompt with holes it is the whole text, `_` for a hole left.

    `writing.steps` is how often each window is looked at, by default once for each token. Raises
    InputError for a prompt that cannot be read and for wishes that are not for this kind of model.
    """
    looks = look_by_look(model, form, prompts, writing, random, masking)
    return (_draft(texts, form, form.tokenizer.vocabulary) for texts in looks)


def look_by_look(
    model: LanguageModel,
    form: TextForm,
    prompts: Sequence[str],
    writing: Writing,
    random: Random,
    masking: Masking,
) -> Iterator[Sequence[Text]]:
    """The same texts after each look, as they are written; the next look changes them."""
    check(writing)
    if not prompts:
        raise InputError("There is no prompt; give at least one, which may be empty")
    texts = []
    for prompt in prompts:
        tokens = read_prompt(form.tokenizer, prompt, model.context)
        holes = form.tokenizer.vocabulary in tokens
        start, left = (0, 0) if holes else (len(tokens), writing.max_tokens)
        texts.append(Text(tokens, start, left, holes))
    return _write(model, form, texts, writing, random, masking)


def check(writing: Writing) -> None:
    """InputError for wishes that only a model that writes token by token can fulfil."""
    not_meant = [
        option
        for option, is_given in (
            ("--repetition-penalty", writing.repetition_penalty != 1),
            ("--beams", writing.beams != 1),
            ("--length-penalty", writing.length_penalty != 1),
        )
        if is_given
    ]
    if not_meant:
        raise InputError(
            f"{' and '.join(not_meant)} is for models that write token by token; this one fills in "
            "masks, in any order. Leave it out"
        )


def _write(
    model: LanguageModel,
    form: TextForm,
    texts: list[Text],
    writing: Writing,
    random: Random,
    masking: Masking,
) -> Iterator[Sequence[Text]]:
    mask = form.tokenizer.vocabulary
    window = 0
    while live := [place for place, text in enumerate(texts) if not text.is_done]:
        chosen = [texts[place] for place in live]
        views = [_open(text, model.context, mask) for text in chosen]
        x = _windows(chosen, views, model.context, mask, next(model.parameters()).device)
        plan = plan_of(masking, (x == mask).sum(dim=1), writing.steps)
        own = replace(random, items=[random.items[place] for place in live])
        reveals = UNMASKINGS[writing.unmasking](
            denoiser(model, form, writing, may_end=[not text.has_holes for text in chosen]),
            x,
            mask,
            plan,
            own.under(f"window{window}/"),
            writing.temperature,
        )
        for reveal in reveals:
            for text, view, row in zip(chosen, views, reveal.tokens.tolist(), strict=True):
                text.tokens[view:] = row[: len(text.tokens) - view]
            if not reveal.is_hidden.any():
                for text in chosen:
                    _close(text, form, writing)
            yield texts
        window += 1


def _open(text: Text, context: int, mask: int) -> int:
    """Add the masks of the next window to a text; where in it the window begins."""
    if text.has_holes:
        return 0
    kept = min(len(text.tokens), context // 2)
    view = len(text.tokens) - kept
    added = min(text.left, context - kept)
    text.tokens += [mask] * added
    text.left -= added
    return view


def _windows(
    texts: Sequence[Text], views: Sequence[int], context: int, mask: int, device: torch.device
) -> Tensor:
    """The windows (B, context) of texts; what stands after a text has the number after the mask."""
    rows = torch.full((len(texts), context), mask + 1)
    for row, text, view in zip(rows, texts, views, strict=True):
        row[: len(text.tokens) - view] = torch.tensor(text.tokens[view:])
    return rows.to(device)


def denoiser(
    model: LanguageModel, form: TextForm, writing: Writing, *, may_end: Sequence[bool]
) -> Denoise:
    """The model's logits of what may be written: no specials, and none that `writing` leaves out.

    The end of a document is among it for texts that `may_end`, where the data had documents.
    """
    tokenizer = form.tokenizer
    is_never = torch.zeros(len(may_end), 1, tokenizer.vocabulary, dtype=torch.bool)
    is_never[..., tokenizer.pieces :] = True
    if form.documents:
        is_never[torch.tensor(may_end), 0, tokenizer.special(END)] = False
    is_never = is_never.to(next(model.parameters()).device)

    def denoise(x_BL: Tensor) -> Tensor:
        logits = model(x_BL.clamp(max=tokenizer.vocabulary))
        return narrow(logits.masked_fill(is_never, -torch.inf), writing)

    return denoise


def narrow(logits_BLV: Tensor, writing: Writing) -> Tensor:
    """Without the tokens that top-k, top-p and min-p leave out at the temperature of `writing`."""
    if writing.temperature == 0:
        return logits_BLV  # the likeliest is always kept
    scaled = logits_BLV.double() / writing.temperature
    if writing.top_k is not None:
        scaled = keep_top_k(scaled, writing.top_k)
    if writing.top_p is not None and writing.top_p < 1:
        scaled = keep_top_p(scaled, writing.top_p)
    if writing.min_p:
        scaled = keep_min_p(scaled, writing.min_p)
    return scaled * writing.temperature


def _close(text: Text, form: TextForm, writing: Writing) -> None:
    """End a text whose window is filled in where nothing more is to come, or where it has ended."""
    tokenizer = form.tokenizer
    written = text.tokens[text.start :]
    end = tokenizer.special(END)
    has_ended = end in written
    if has_ended:
        written = written[: written.index(end)]
    shown = show(tokenizer, written)
    places = [place for one in writing.stop if (place := shown.find(one)) >= 0]
    if text.has_holes:
        places = []  # there is more of the prompt to come
    text.is_done = text.left == 0 or has_ended or bool(places)
    text.final = shown[: min(places, default=None)]


def _draft(texts: Sequence[Text], form: TextForm, mask: int) -> Draft:
    return Draft(
        tuple(
            text.final if text.is_done else show(form.tokenizer, text.tokens[text.start :])
            for text in texts
        ),
        sum(sum(token != mask for token in text.tokens[text.start :]) for text in texts),
        is_done=all(text.is_done for text in texts),
        grows=False,
    )
