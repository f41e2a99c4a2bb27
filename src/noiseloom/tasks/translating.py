"""Sources to translations: read once, then written token by token, by beams or one at a time.

Shapes: B texts, S source tokens, R rows that are written at once, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from noiseloom.data.forms import TextForm
from noiseloom.data.spelling import Spelling
from noiseloom.data.tokenizer import END, PAD, START, Tokenizer
from noiseloom.errors import InputError
from noiseloom.networks.seq2seq import Seq2seq
from noiseloom.seeds import Random
from noiseloom.tasks import Draft, Writing
from noiseloom.tasks.choosing import Chooser
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
    if writing.beams > 1:
        return _search(model, form, texts, writing)
    return _write(model, form, texts, writing, random)


def readable(source: str, tokenizer: Tokenizer, context: int) -> str:
    """A source as far as it can be read at once."""
    source = source.strip()
    while len(tokens := tokenizer.encode(source)) > context:
        shorter = tokenizer.decode_bytes(tokens[:context]).decode("utf-8", "ignore").strip()
        source = shorter if len(shorter) < len(source) else source[:-1]
    return source


class Reading:
    """What a model expects next in each translation of a batch, as they grow."""

    def __init__(self, model: Seq2seq, form: TextForm, texts: Sequence[Sequence[int]]) -> None:
        self.model = model
        self.start, self.pad = (form.tokenizer.special(name) for name in (START, PAD))
        self.source_BS = torch.tensor(
            [[*text, *[self.pad] * (max(map(len, texts)) - len(text))] for text in texts],
            device=next(model.parameters()).device,
        )

    @torch.inference_mode()
    def begin(self) -> Tensor:
        """Read the sources: logits (B, V) of the first tokens."""
        self.memories = self.model.remember(self.source_BS, self.source_BS != self.pad)
        self.cache = self.model.new_cache()
        return self._forward(torch.full_like(self.source_BS[:, :1], self.start))

    @torch.inference_mode()
    def go_on(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Read one token more of each of these `rows` of the call before: logits (R, V)."""
        if not rows.equal(torch.arange(len(self.memories[0].k), device=rows.device)):
            self.memories = [memory.select(rows) for memory in self.memories]
            self.cache.select(rows)
        return self._forward(tokens[:, None])

    def _forward(self, tokens_R1: Tensor) -> Tensor:
        hidden = self.model.decode(tokens_R1, self.memories, cache=self.cache)
        return self.model.leave(hidden[:, -1]).float()


def _check(writing: Writing) -> None:
    unmasks = {
        "--steps": writing.steps is not None,
        "--unmasking": writing.unmasking != "confidence",
    }
    draws = {
        "--top-k": writing.top_k is not None,
        "--top-p": writing.top_p is not None,
        "--min-p": writing.min_p is not None,
        "--repetition-penalty": writing.repetition_penalty != 1,
    }
    if not_meant := [option for option, is_given in unmasks.items() if is_given]:
        raise InputError(
            f"{' and '.join(not_meant)} is for models that unmask text; this one translates token "
            "by token. Leave it out"
        )
    drawn = [option for option, is_given in draws.items() if is_given]
    if drawn and writing.beams > 1:
        raise InputError(
            f"{' and '.join(drawn)} says how a token is chosen by itself, and {writing.beams} "
            "beams look for the likeliest text. Give --beams 1 with it, or leave it out"
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


def _search(
    model: Seq2seq, form: TextForm, texts: Sequence[Sequence[int]], writing: Writing
) -> Iterator[Draft]:
    """The best of the beams; a special is never written but the end."""
    tokenizer = form.tokenizer
    end = tokenizer.special(END)
    reading = Reading(model, form, texts)
    is_never = torch.zeros(tokenizer.vocabulary, dtype=torch.bool, device=reading.source_BS.device)
    is_never[tokenizer.pieces :] = True
    is_never[end] = False

    def likely(logits_RV: Tensor) -> Tensor:
        return logits_RV.masked_fill(is_never, -torch.inf).log_softmax(dim=-1)

    found = search(
        likely(reading.begin()),
        lambda rows, tokens: likely(reading.go_on(rows, tokens)),
        beams=writing.beams,
        end=end,
        most=min(writing.max_tokens, form.context),
        length_penalty=writing.length_penalty,
    )
    spellings = [Spelling(tokenizer, writing.stop) for _ in texts]
    for spelling, hypotheses in zip(spellings, found, strict=True):
        for token in hypotheses[0].tokens:
            spelling.add(token)
        spelling.close()
    tokens = sum(len(best.tokens) + best.is_finished for best, *_ in found)
    yield Draft(tuple(one.text for one in spellings), tokens, is_done=True)


def _write(
    model: Seq2seq,
    form: TextForm,
    texts: Sequence[Sequence[int]],
    writing: Writing,
    random: Random,
) -> Iterator[Draft]:
    """One token after the other, the likeliest or one drawn, of every text that is not over."""
    tokenizer = form.tokenizer
    end, most = tokenizer.special(END), min(writing.max_tokens, form.context)
    reading = Reading(model, form, texts)
    device = reading.source_BS.device
    chooser = Chooser(tokenizer, [()] * len(texts), writing, random, end=end, device=device)
    spellings = [Spelling(tokenizer, writing.stop) for _ in texts]
    live, tokens = list(range(len(texts))), 0
    logits = reading.begin()
    for written in range(1, most + 1):
        chosen = chooser.choose(logits, live)
        tokens += len(live)
        for place, token in zip(live, chosen, strict=True):
            if token != end:
                spellings[place].add(token)
            if token == end or written == most:
                spellings[place].close()
        going = [row for row, place in enumerate(live) if not spellings[place].is_done]
        yield Draft(tuple(one.text for one in spellings), tokens, is_done=not going)
        if not going:
            return
        logits = reading.go_on(
            torch.tensor(going, device=device),
            torch.tensor([chosen[row] for row in going], device=device),
        )
        live = [live[row] for row in going]
