"""Text by masked diffusion: its loss and score against every mask listed, and what it fills in."""

from itertools import pairwise, product
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from noiseloom.data.forms import Batch, TextForm
from noiseloom.data.text import Config as Text
from noiseloom.data.tokenizer import END, Bytes, Characters
from noiseloom.diffusion.discrete import MASKINGS, Cosine, Linear, nats_behind
from noiseloom.errors import InputError
from noiseloom.networks.language_model import Config as Network
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Scores, Writes, Writing
from noiseloom.tasks.masked_text import MaskedDiffusion, MaskedText
from noiseloom.tasks.text_generation import Config
from noiseloom.training.loop import Training, TrainingConfig
from noiseloom.training.optimizers import AdamW

TINY = Network(width=16, depth=1, heads=2)
LETTERS = "abcdefgh"
CONTEXT = 16


def untrained(
    context: int, *, documents: bool = False, objective: MaskedDiffusion | None = None
) -> MaskedText:
    """On the characters a, b and c, with weights that say something."""
    form = TextForm(
        item_shape=(context + 1,), tokenizer=Characters((END,), "abc"), documents=documents
    )
    with fixed(0, "weights"):
        task = Config(objective=objective or MaskedDiffusion()).build(TINY, form, None, {})
    assert isinstance(task, MaskedText)
    with torch.no_grad():
        for index, parameter in enumerate(task.model.parameters()):
            parameter.add_(Random(index, [0]).normal("nudge", parameter.shape)[0], alpha=0.3)
    return task


def listed(task: MaskedText, tokens: Tensor, can_hide: list[int]) -> Tensor:
    """The bound of windows over the places that may be hidden, every mask by its weight, (B,)."""
    total, n = torch.zeros(len(tokens), dtype=torch.float64), len(can_hide)
    for chosen in product((False, True), repeat=n):
        if (k := sum(chosen)) == 0:
            continue
        is_hidden = torch.zeros_like(tokens, dtype=torch.bool)
        is_hidden[:, can_hide] = torch.tensor(chosen)
        with torch.no_grad():
            nats = nats_behind(task.model, tokens, is_hidden, task.mask).double()
        total += nats.sum(dim=1) / (k * comb(n, k))
    return total


@pytest.mark.parametrize("masking", [each() for each in MASKINGS.values()], ids=MASKINGS)
def test_the_loss_is_the_bound_per_token_on_average(masking: Linear | Cosine) -> None:
    task = untrained(2, objective=MaskedDiffusion(masking=masking))
    items = np.array([[0, 1, 2], [2, 2, 0]])
    truth = listed(task, torch.tensor(items), [0, 1, 2]) / 3
    many = np.tile(items, (3000, 1))  # the times of a batch rise along it
    with torch.no_grad():
        found = task.losses(Batch(many, None), Random(0, range(6000), total=6000)).double()
        (total, count) = task.loss(Batch(many, None), Random(0, range(6000), total=6000))["loss"]
    for mean, spread, want in zip(
        found.view(-1, 2).mean(dim=0), found.view(-1, 2).std(dim=0), truth, strict=True
    ):
        assert abs(float(mean - want)) < 4 * float(spread) / 3000**0.5
    assert count == 18_000 and float(total) == pytest.approx(float(found.sum()) * 3, rel=1e-5)


def test_the_score_is_the_bound_given_the_first_token() -> None:
    task = untrained(3)
    items = np.array([[0, 1, 2, 1]])
    truth = float(listed(task, torch.tensor(items), [1, 2, 3]))
    found = task.score(items.repeat(400, axis=0), Random(0, range(400))).double()
    assert found.shape == (400, 3)
    error = float(found.sum(dim=1).std()) / 20
    assert abs(float(found.sum(dim=1).mean()) - truth) < 4 * error
    assert task.is_bound and isinstance(task, Scores) and isinstance(task, Writes)


def test_the_mask_is_read_and_never_written() -> None:
    task = untrained(4)
    assert task.mask == task.form.tokenizer.vocabulary == 4
    assert task.model.embed.num_embeddings == 5
    tokens = torch.full((1, 5), task.mask)
    assert task.model(tokens).shape == (1, 5, 4)
    changed = tokens.clone()
    changed[0, 4] = 1  # tokens are seen from both sides
    assert not task.model(changed)[0, 0].equal(task.model(tokens)[0, 0])


def knowing() -> MaskedText:
    """A model that knows eight letters, again and again, and goes by the first that it sees."""
    form = TextForm(item_shape=(CONTEXT + 1,), tokenizer=Characters((END,), LETTERS))
    task = MaskedDiffusion().build(TINY, form)

    def answers(tokens_BL: Tensor) -> Tensor:
        first = (tokens_BL < len(LETTERS)).int().argmax(dim=1, keepdim=True)
        start = tokens_BL.gather(1, first) - first
        letters = (start + torch.arange(tokens_BL.shape[1])) % len(LETTERS)
        return 20.0 * torch.nn.functional.one_hot(letters, task.mask)

    task.model.forward = answers
    return task


def test_it_learns(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("".join(letter * 100 for letter in LETTERS))
    config = Text(
        path=str(tmp_path / "letters.txt"),
        tokenizer="characters",
        context=4,
        cache=str(tmp_path / "cache"),
    )
    data = config.open()
    with fixed(0, "weights"):
        task = MaskedDiffusion().build(TINY, data.form)
    plan = TrainingConfig(steps=60, batch_size=32, optimizer=AdamW(learning_rate=1e-2))
    losses = [one.loss for one in Training(plan, task, data.train, "float32", 60).run()]
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])


def write(task: MaskedText, prompts: list[str], **how: object) -> list[str]:
    *_, last = task.write(prompts, Writing(**how), Random(0, range(len(prompts))))
    assert last.is_done
    return list(last.texts)


@pytest.mark.parametrize("unmasking", ["confidence", "random"])
def test_it_fills_in_holes_anywhere(unmasking: str) -> None:
    prompts = ["<mask>bcdefgh", "abc<mask>efg<mask:2>b", "fgha<mask:3>e", "abcdefgha"]
    texts = write(knowing(), prompts, temperature=0.0, unmasking=unmasking, max_tokens=3)
    assert texts == ["abcdefgh", "abcdefghab", "fghabcde", "bcd"]


@pytest.mark.parametrize("steps", [None, 4])
def test_it_goes_on_beyond_what_it_reads_at_once(steps: int | None) -> None:
    (text,) = write(knowing(), ["ab"], max_tokens=40, temperature=0.0, steps=steps)
    assert text == (LETTERS * 6)[2:42]


def test_a_draft_shows_what_is_still_hidden() -> None:
    prompts = ["ab<mask:4>gh", "abcd"]
    drafts = list(knowing().write(prompts, Writing(max_tokens=4), Random(0, range(2))))
    assert len(drafts) == 4
    for number, draft in enumerate(drafts, start=1):
        assert [text.count("_") for text in draft.texts] == [4 - number] * 2
        assert draft.texts[0].startswith("ab") and draft.texts[0].endswith("gh")
        assert draft.tokens == 4 + 2 * number  # with those of the first prompt
        assert draft.is_done == (number == 4)
    for before, after in pairwise(drafts):
        for old, new in zip(before.texts, after.texts, strict=True):
            assert all(a in ("_", b) for a, b in zip(old, new, strict=True))


def test_a_text_does_not_depend_on_those_beside_it() -> None:
    task = untrained(8)
    prompts = ["a", "ab<mask:3>", "", "abcabcabc"]
    for unmasking in ("confidence", "random"):
        writing = Writing(max_tokens=14, unmasking=unmasking)
        *_, together = task.write(prompts, writing, Random(4, range(4)))
        for place, prompt in enumerate(prompts):
            *_, alone = task.write([prompt], writing, Random(4, [place]))
            assert alone.texts[0] == together.texts[place]


def test_a_text_is_as_long_as_was_asked_and_holds_no_specials() -> None:
    for text in write(untrained(8), ["", "abc", "abcabcabcabc"], max_tokens=21):
        assert len(text) == 21 and set(text) <= set("abc")


def test_a_document_ends_its_text_and_so_do_stop_strings() -> None:
    task = untrained(8, documents=True)
    prompts = [""] * 20
    *_, last = task.write(prompts, Writing(max_tokens=30), Random(0, range(20)))
    assert len({len(text) for text in last.texts}) > 5  # where END came
    *_, stopped = task.write(
        prompts, Writing(max_tokens=30, stop=("bb", "ca")), Random(0, range(20))
    )
    for text, whole in zip(stopped.texts, last.texts, strict=True):
        assert "bb" not in text and "ca" not in text and whole.startswith(text)
    (filled,) = write(task, ["a<mask:6>b"])
    assert len(filled) == 8  # a hole is text


def test_holes_of_bytes_are_shown_as_text() -> None:
    form = TextForm(item_shape=(17,), tokenizer=Bytes((END,)))
    task = MaskedDiffusion().build(TINY, form)
    for draft in task.write(["é<mask:2>ü"], Writing(), Random(0, [0])):
        assert draft.texts[0].startswith("é") and draft.texts[0].endswith("ü")
    (text,) = write(task, ["<mask:0x>"], max_tokens=1)  # no hole is written so
    assert len(text) == 1


@pytest.mark.parametrize(
    ("prompts", "how", "said"),
    [
        (["a<mask:0>"], {}, "a hole of no tokens"),
        (["ab<mask:99999999999>"], {}, "more than 9 tokens long"),
        (["aaaaaaaaa<mask>"], {}, "more than 9 tokens long"),
        (["xyz"], {}, "not among the 3"),
        ([], {}, "no prompt"),
        (["a"], {"beams": 2}, "--beams is for models that write token by token"),
        (["a"], {"repetition_penalty": 1.2}, "--repetition-penalty is for models"),
    ],
)
def test_what_cannot_be_done_is_refused(prompts: list[str], how: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        untrained(8).write(prompts, Writing(**how), Random(0, range(len(prompts))))
