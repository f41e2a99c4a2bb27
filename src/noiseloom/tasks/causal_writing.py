"""Texts that go on token by token, each from those before it: a batch of prompts of any lengths.

A text that outgrows the model's context goes on from its newest tokens: at least half of the
context is kept, and read again. When that happens follows from the text's own length alone, so
that a text does not depend on which others are written beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.forms import TextForm
from noiseloom.data.spelling import Spelling
from noiseloom.data.tokenizer import END, Tokenizer
from noiseloom.errors import InputError
from noiseloom.networks.language_model import LanguageModel
from noiseloom.networks.language_model_step import LanguageModelStep
from noiseloom.seeds import Random
from noiseloom.tasks import Draft, Writing
from noiseloom.transformer.decoding import choose, repel, uniforms
from noiseloom.transformer.stepping import can_step


def write_on(
    model: LanguageModel,
    form: TextForm,
    prompts: Sequence[str],
    writing: Writing,
    random: Random,
) -> Iterator[Draft]:
    """A draft after each token; a text ends with its document, where the data had several.

    An empty prompt asks for the beginning of a document, or, where the data was a single text, for
    what follows the end of a line (its first character, where it has no lines). Raises InputError
    for a prompt that is longer than the context or cannot be spelled, and for wishes that are not
    for this kind of model.
    """
    _check(writing)
    texts = [_read(form, prompt, model.context) for prompt in prompts]
    if not texts:
        raise InputError("There is no prompt; give at least one, which may be empty")
    return _write(model, form, texts, writing, random)


def _check(writing: Writing) -> None:
    not_meant = [
        option
        for option, is_given in (
            ("--steps", writing.steps is not None),
            ("--unmasking", writing.unmasking != "confidence"),
        )
        if is_given
    ]
    if not_meant:
        raise InputError(
            f"{' and '.join(not_meant)} is for models that unmask text; this one writes token by "
            "token. Leave it out"
        )
    if writing.length_penalty != 1 and writing.beams == 1:
        raise InputError("--length-penalty weighs beams; ask for several with --beams, or leave it")
    if writing.beams > 1:
        raise InputError("--beams of more than 1 are not for this model. Leave it out")


def _read(form: TextForm, prompt: str, context: int) -> list[int]:
    """The tokens of a prompt, or of what stands for an empty one (none: the opening does)."""
    if form.tokenizer.kind != "bytes" and (bad := _no_text(prompt)) is not None:
        raise InputError(f"A prompt is no valid UTF-8 from its character {bad + 1} on")
    tokens: list[int] = form.tokenizer.encode(prompt).tolist()
    if len(tokens) > context:
        raise InputError(
            f"The prompt that begins with {prompt[:20]!r} is {len(tokens):,} tokens long, and this "
            f"run reads up to {context:,} at once. Shorten it: what comes last matters most"
        )
    if tokens or form.documents:
        return tokens
    try:
        return form.tokenizer.encode("\n").tolist()
    except InputError:  # the text has no lines
        return [0]


def _no_text(prompt: str) -> int | None:
    """Where a byte that is no UTF-8 stands in a prompt from the command line; None: nowhere."""
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def _write(
    model: LanguageModel,
    form: TextForm,
    texts: list[list[int]],
    writing: Writing,
    random: Random,
) -> Iterator[Draft]:
    tokenizer = form.tokenizer
    end = tokenizer.special(END) if form.documents else None
    spellings = [Spelling(tokenizer, writing.stop) for _ in texts]
    reading = Reading(model, texts, opening=end)
    device = next(model.parameters()).device
    chooser = Chooser(tokenizer, texts, writing, random, end=end, device=device)
    live, tokens = list(range(len(texts))), 0
    logits = reading.begin()
    for written in range(1, writing.max_tokens + 1):
        chosen = chooser.choose(logits, live)
        tokens += len(live)
        for place, token in zip(live, chosen, strict=True):
            if token == end or written == writing.max_tokens:
                if token != end:
                    spellings[place].add(token)
                spellings[place].close()
            else:
                spellings[place].add(token)
        going = [at for at, place in enumerate(live) if not spellings[place].is_done]
        yield Draft(tuple(one.text for one in spellings), tokens, is_done=not going)
        if not going:
            return
        if len(going) < len(live):
            live, chosen = [live[at] for at in going], [chosen[at] for at in going]
            reading.keep(going)
        logits = reading.go_on(chosen, written)


class Chooser:
    """Chooses tokens for texts as they are wished for; never a special but the `end` of a text.

    `texts` are what stands there before anything is written.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        texts: Sequence[Sequence[int]],
        writing: Writing,
        random: Random,
        *,
        end: int | None,
        device: torch.device,
    ) -> None:
        self.writing = writing
        self.numbers = uniforms(random.under("writing")) if writing.temperature > 0 else None
        is_never = torch.zeros(tokenizer.vocabulary, dtype=torch.bool)
        is_never[tokenizer.pieces :] = True
        if end is not None:
            is_never[end] = False
        self.is_never = is_never.to(device) if is_never.any() else None
        self.seen: Tensor | None = None
        if writing.repetition_penalty != 1:
            self.seen = torch.zeros(len(texts), tokenizer.vocabulary, dtype=torch.bool)
            for row, text in zip(self.seen, texts, strict=True):
                row[list(text)] = True
            self.seen = self.seen.to(device)

    @torch.inference_mode()
    def choose(self, logits_BV: Tensor, live: Sequence[int]) -> list[int]:
        """The next token of each of the texts `live`."""
        writing, seen = self.writing, self.seen
        if self.is_never is not None:
            logits_BV = logits_BV.masked_fill(self.is_never, -torch.inf)
        if seen is not None:
            logits_BV = repel(logits_BV, seen[list(live)], writing.repetition_penalty)
        uniform = None
        if self.numbers is not None:
            uniform = next(self.numbers)
            if len(live) < len(uniform):
                uniform = uniform[list(live)]
        chosen: list[int] = choose(
            logits_BV,
            uniform,
            temperature=writing.temperature,
            top_k=writing.top_k,
            top_p=writing.top_p,
            min_p=writing.min_p,
        ).tolist()
        if seen is not None:
            seen[list(live), chosen] = True
        return chosen


class Reading:
    """What a model expects next in each of a batch of texts, as they grow.

    They stand side by side with their ends together; padding on the left is never seen. `opening`
    is read where a text holds nothing yet, and by nothing that follows it.
    """

    def __init__(
        self, model: LanguageModel, texts: Sequence[Sequence[int]], *, opening: int | None
    ) -> None:
        self.model = model
        self.texts = [list(text) for text in texts]
        self.opening = opening
        self.device = next(model.parameters()).device
        self.cache = model.new_cache()
        self.is_real: Tensor | None = None  # (B, context); None: all is
        self.step = LanguageModelStep(model) if can_step(model) else None

    @torch.inference_mode()
    def begin(self) -> Tensor:
        """Read all texts from their beginning: logits (B, V)."""
        self.cache = self.model.new_cache()
        lengths = np.array([len(text) for text in self.texts])
        longest = int(lengths.max())
        self.is_real = None
        if (lengths < longest).any():
            padding = torch.from_numpy(longest - lengths)[:, None]
            self.is_real = (torch.arange(self.model.context) >= padding).to(self.device)
        if not longest:
            return self._first().expand(len(self.texts), -1)
        rows = [[0] * (longest - len(text)) + text for text in self.texts]
        logits = self._forward(torch.tensor(rows, device=self.device))
        if lengths.all():
            return logits
        is_empty = torch.from_numpy(lengths == 0).to(self.device)
        return torch.where(is_empty[:, None], self._first(), logits)

    def go_on(self, chosen: Sequence[int], written: int) -> Tensor:
        """Read one token more of each text, the `written`-th of its writing: logits (B, V)."""
        context, is_full = self.model.context, self.cache.length == self.model.context
        for text, token in zip(self.texts, chosen, strict=True):
            text.append(token)
            if len(text) > context:
                del text[: len(text) - kept(context, written)]
                is_full = True
        if is_full:
            return self.begin()
        with torch.inference_mode():
            if self.step is not None and self.cache.length:
                return self.step(chosen, self.cache, self._seen(1))
            return self._forward(torch.tensor(chosen, device=self.device)[:, None])

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these of the texts alone."""
        self.texts = [self.texts[row] for row in rows]
        chosen = torch.tensor(rows, device=self.device)
        self.cache.select(chosen)
        if self.is_real is not None:
            self.is_real = self.is_real.index_select(0, chosen)

    def _first(self) -> Tensor:
        """What a text begins with, (1, V)."""
        opening = torch.tensor([[self.opening]], device=self.device)
        logits: Tensor = self.model(opening)
        return logits[:, -1].float()

    def _forward(self, tokens_BL: Tensor) -> Tensor:
        is_real = self._seen(tokens_BL.shape[1])
        logits: Tensor = self.model(tokens_BL, is_real=is_real, cache=self.cache)
        return logits[:, -1].float()

    def _seen(self, new: int) -> Tensor | None:
        """Which of all tokens, `new` ones among them, are real."""
        return None if self.is_real is None else self.is_real[:, : self.cache.length + new]


def kept(context: int, written: int) -> int:
    """How many tokens stay of a text that has outgrown the context with its `written`-th.

    So many that it next outgrows it at a multiple of half the context: texts of one batch that
    began with different lengths are then full, and read again, together.
    """
    half = max(1, context // 2)
    return context + 1 - (half - written % half)
