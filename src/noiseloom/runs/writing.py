"""Having a task write texts, in batches, and what a run shows of what it writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from noiseloom.data.dataset import Split
from noiseloom.data.forms import TextForm
from noiseloom.errors import InputError
from noiseloom.seeds import Random
from noiseloom.tasks import Asks, Draft, Writes, WritesUsually, Writing
from noiseloom.training.checkpoints import write_text
from noiseloom.training.distributed import from_first

SHOWN_PROMPTS = 4
SHOWN_TOKENS = 200
RULE = "-" * 72
HERE = "▸"  # from here on the model writes
HALF = "\ufffd"  # what half a character at an end becomes

OnDraft = Callable[[Draft], None]
OnTexts = Callable[[int, Sequence[str]], None]


def usual(task: Writes) -> Writing:
    """How a task writes where nothing is asked."""
    return task.usual if isinstance(task, WritesUsually) else Writing()


def write_all(
    task: Writes,
    prompts: Sequence[str],
    writing: Writing,
    *,
    num: int = 1,
    seed: int = 0,
    batch_size: int = 16,
    places: Sequence[str] | None = None,
    on_draft: OnDraft = lambda draft: None,
    on_texts: OnTexts = lambda first, texts: None,
) -> list[str]:
    """`num` texts for each prompt, one prompt after the other.

    Text i depends on the seed and i alone, up to rounding, not on what is written beside it. A
    prompt that cannot be read is refused before anything is written, by its place if `places` (a
    name for each prompt, such as FILE:LINE) are given.
    `on_draft` follows a batch, `on_texts` is given the number of its first text and all of them.
    """
    if num < 1 or batch_size < 1:
        raise InputError(f"{num} texts in batches of {batch_size} are asked for; allowed: 1 on")
    for place, prompt in zip(places or (), prompts, strict=places is not None):
        try:
            task.write([prompt], writing, Random(seed, range(1)))
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
    asked = [prompt for prompt in prompts for _ in range(num)]
    texts: list[str] = []
    for first in range(0, len(asked), batch_size):
        items = range(first, min(first + batch_size, len(asked)))
        draft: Draft | None = None
        for draft in task.write(asked[first : items.stop], writing, Random(seed, items)):
            on_draft(draft)
        assert draft is not None  # every text has a last draft
        texts += draft.texts
        on_texts(first, draft.texts)
    return texts


# What a run shows ------------------------------------------------------------------------------


def beginnings(form: TextForm, held_out: Split) -> list[tuple[str, str]]:
    """Held-out text at even places, and what follows it there.

    Of rows the first texts, and the second; of windows the first halves and the second, and
    nothing at all.
    """
    places = np.linspace(0, len(held_out) - 1, SHOWN_PROMPTS).round().astype(int)
    items = held_out.items[np.unique(places)]
    read = form.tokenizer.decode
    if form.columns:
        texts = [[read(text) for text in row] for row in items]
        return [(first, "".join(others[:1])) for first, *others in texts]
    half = max(1, form.context // 2)
    asked = [(read(item[:half]), read(item[half:])) for item in items]
    return [("", ""), *((text.strip(HALF), real.strip(HALF)) for text, real in asked)]


def save_texts(task: Writes, held_out: Split, path: Path, *, seed: int) -> None:
    """What the task writes for a few prompts, the same every time."""
    form = task.form
    assert isinstance(form, TextForm)  # who writes reads text
    asked = task.ask(held_out) if isinstance(task, Asks) else beginnings(form, held_out)
    writing = replace(usual(task), max_tokens=SHOWN_TOKENS)
    texts = write_all(task, [prompt for prompt, _ in asked], writing, seed=seed)
    show = _beside if form.columns or isinstance(task, Asks) else _joined
    parts = [show(prompt, text, real) for (prompt, real), text in zip(asked, texts, strict=True)]

    def save() -> None:
        path.parent.mkdir(exist_ok=True)
        write_text(path, "\n".join(parts))

    from_first(save)


def _beside(prompt: str, text: str, real: str) -> str:
    rows = (("asked", prompt), ("written", text), ("real", real))
    return "".join(f"{name:<8} {one}\n" for name, one in rows if one or name == "written")


def _joined(prompt: str, text: str, real: str) -> str:
    return f"{RULE}\n{prompt}{HERE}{text}\n"
