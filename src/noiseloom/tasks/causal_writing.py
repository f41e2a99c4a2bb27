"""Texts that go on token by token, each from those before it: a batch of prompts of any lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from noiseloom.data.forms import TextForm
from noiseloom.data.spelling import Spelling
from noiseloom.data.tokenizer import END
from noiseloom.errors import InputError
from noiseloom.networks.language_model import LanguageModel
from noiseloom.seeds import Random
from noiseloom.tasks import Draft, Writing
from noiseloom.tasks.choosing import Chooser, writable
from noiseloom.tasks.reading import Reading
from noiseloom.transformer.beams import search


def write_on(
    model: LanguageModel,
    form: TextForm,
    prompts: Sequence[str],
    writing: Writing,
    random: Random,
) -> Iterator[Draft]:
    """A draft after each token, or of beams one; a text ends with its document, if there were any.

    An empty prompt asks for the beginning of a document, or, where the data was a single text, for
    what follows the end of a line (its first character, where it has no lines). Raises InputError
    for a prompt that is longer than the context or cannot be spelled, and for wishes that are not
    for this kind of model.
    """
    _check(writing)
    texts = [_read(form, prompt, model.context) for prompt in prompts]
    if not texts:
        raise InputError("There is no prompt; give at least one, which may be empty")
    if writing.beams > 1:
        return _search(model, form, texts, writing)
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
    drawing = [
        option
        for option, is_given in (
            ("--temperature", writing.temperature not in (0, 1)),
            ("--top-k", writing.top_k is not None),
            ("--top-p", writing.top_p is not None),
            ("--min-p", writing.min_p is not None),
            ("--repetition-penalty", writing.repetition_penalty != 1),
        )
        if is_given
    ]
    if drawing and writing.beams > 1:
        raise InputError(
            f"--beams of more than 1 search for the likeliest text; {', '.join(drawing)} would say "
            "how one is drawn. Leave out either"
        )


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


def _search(
    model: LanguageModel, form: TextForm, texts: list[list[int]], writing: Writing
) -> Iterator[Draft]:
    """One draft: of each prompt the likeliest text that `writing.beams` beams find."""
    tokenizer, end = form.tokenizer, form.tokenizer.special(END)
    ends = end if form.documents else None
    reading = Reading(model, texts, opening=ends)
    written = 0

    def likely(logits_BV: Tensor) -> Tensor:
        return writable(logits_BV, tokenizer, ends).log_softmax(dim=-1)

    def go_on(rows: Tensor, tokens: Tensor) -> Tensor:
        nonlocal written
        written += 1
        reading.keep(rows.tolist())
        return likely(reading.go_on(tokens.tolist(), written))

    found = search(
        likely(reading.begin()),
        go_on,
        beams=writing.beams,
        end=end,
        most=writing.max_tokens,
        length_penalty=writing.length_penalty,
    )
    spellings = []
    for best, *_ in found:
        spelling = Spelling(tokenizer, writing.stop)
        for token in best.tokens:
            spelling.add(token)
        spelling.close()
        spellings.append(spelling)
    tokens = sum(len(best.tokens) for best, *_ in found)
    yield Draft(tuple(one.text for one in spellings), tokens, is_done=True)
