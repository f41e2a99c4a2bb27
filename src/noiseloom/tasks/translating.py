"""Sources to translations: read once, then written token by token, by beams or one at a time.

Shapes: B texts, S source tokens, R rows that are written at once, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from noiseloom.data.forms import TextForm
from noiseloom.data.tokenizer import END, PAD, START
from noiseloom.errors import InputError
from noiseloom.networks.seq2seq import Seq2seq
from noiseloom.seeds import Random
from noiseloom.tasks import Draft, Writing
from noiseloom.transformer.beams import search


def translate(
    model: Seq2seq, form: TextForm, sources: Sequence[str], writing: Writing, random: Random
) -> Iterator[Draft]:
    """A draft after each token, or with several beams one alone: which is best shows at the end.

    No translation is longer than the context. Raises InputError for a source that holds no text or
    more than the context, and for wishes that are not for this kind of model.
    """
    _check(writing)
    if not sources:
        raise InputError("There is no text to translate; give at least one")
    texts = [_read(form, source, place) for place, source in enumerate(sources)]
    device = next(model.parameters()).device
    reading = Reading(model, form, padded(texts, form, device))
    if writing.beams > 1:
        return _search(reading, form, writing)
    return _write(reading, form, writing)


def padded(texts: Sequence[Sequence[int]], form: TextForm, device: torch.device) -> Tensor:
    """Texts as rows (B, S), filled up on the right."""
    pad = form.tokenizer.special(PAD)
    longest = max(map(len, texts))
    rows = [[*text, *[pad] * (longest - len(text))] for text in texts]
    return torch.tensor(rows, device=device)


class Reading:
    """What a model expects next in each translation, as they grow."""

    @torch.inference_mode()
    def __init__(self, model: Seq2seq, form: TextForm, source_BS: Tensor) -> None:
        tokenizer = form.tokenizer
        self.model = model
        is_real = source_BS != tokenizer.special(PAD)
        self.memories = model.remember(source_BS, is_real)
        self.cache = model.new_cache()
        is_never = torch.zeros(tokenizer.vocabulary, dtype=torch.bool)
        is_never[tokenizer.pieces :] = True
        is_never[tokenizer.special(END)] = False
        self.is_never = is_never.to(source_BS.device)
        start = tokenizer.special(START)
        self.logits = self._forward(torch.full_like(source_BS[:, :1], start))

    @torch.inference_mode()
    def go_on(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities (R, V) after one token more of these `rows` of the call before."""
        if not rows.equal(torch.arange(len(self.logits), device=rows.device)):
            self.memories = [memory.select(rows) for memory in self.memories]
            self.cache.select(rows)
        self.logits = self._forward(tokens[:, None])
        return self.logits

    def _forward(self, tokens_R1: Tensor) -> Tensor:
        """No special is ever written but the end."""
        hidden = self.model.decode(tokens_R1, self.memories, cache=self.cache)
        logits = self.model.leave(hidden[:, -1]).float()
        return logits.masked_fill(self.is_never, -torch.inf).log_softmax(dim=-1)


def _check(writing: Writing) -> None:
    given = {
        "--steps": writing.steps is not None,
        "--unmasking": writing.unmasking != "confidence",
    }
    if not_meant := [option for option, is_given in given.items() if is_given]:
        raise InputError(
            f"{' and '.join(not_meant)} is for models that unmask text; this one translates token "
            "by token. Leave it out"
        )


def _read(form: TextForm, source: str, place: int) -> list[int]:
    tokens: list[int] = form.tokenizer.encode(source.strip()).tolist()
    if not tokens:
        raise InputError(f"Text {place + 1} is empty: there is nothing to translate")
    if len(tokens) > form.context:
        raise InputError(
            f"Text {place + 1} is {len(tokens):,} tokens long, and this run reads up to "
            f"{form.context:,} at once. Translate it sentence by sentence, or train a run with a "
            "larger data.context"
        )
    return tokens


def _search(reading: Reading, form: TextForm, writing: Writing) -> Iterator[Draft]:
    tokenizer = form.tokenizer
    found = search(
        reading.logits,
        reading.go_on,
        beams=writing.beams,
        end=tokenizer.special(END),
        most=min(writing.max_tokens, form.context),
        length_penalty=writing.length_penalty,
    )
    best = [hypotheses[0].tokens for hypotheses in found]
    texts = tuple(_before(tokenizer.decode(tokens), writing.stop) for tokens in best)
    yield Draft(texts, sum(map(len, best)), is_done=True)


def _write(reading: Reading, form: TextForm, writing: Writing) -> Iterator[Draft]:
    """The likeliest token every time."""
    tokenizer = form.tokenizer
    most, end = min(writing.max_tokens, form.context), tokenizer.special(END)
    written: list[list[int]] = [[] for _ in reading.logits]
    live, tokens = list(range(len(written))), 0
    for length in range(1, most + 1):
        chosen = reading.logits.argmax(dim=-1).tolist()
        going = [row for row, token in enumerate(chosen) if token != end]
        for row in going:
            written[live[row]].append(chosen[row])
        tokens += len(live)
        texts = tuple(_before(tokenizer.decode(text), writing.stop) for text in written)
        live = [live[row] for row in going]
        is_done = not live or length == most
        yield Draft(texts, tokens, is_done)
        if is_done:
            return
        device = reading.logits.device
        reading.go_on(
            torch.tensor(going, device=device),
            torch.tensor([chosen[row] for row in going], device=device),
        )


def _before(text: str, stop: Sequence[str]) -> str:
    """A text up to the first of the strings `stop`."""
    for one in stop:
        text = text.partition(one)[0]
    return text
