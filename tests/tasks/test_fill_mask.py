"""Filling in masks: what is asked of a window, and what a model of eight letters answers."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from noiseloom.data.forms import Batch, TextForm
from noiseloom.data.text import Config as Text
from noiseloom.data.tokenizer import END, Bytes, Characters
from noiseloom.errors import InputError
from noiseloom.networks.language_model import Config as Network
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Asks, Fills, Scores, Writes, WritesUsually, Writing
from noiseloom.tasks.fill_mask import Config, FillMask
from noiseloom.training.loop import Training, TrainingConfig
from noiseloom.training.optimizers import AdamW

TINY = Network(width=16, depth=1, heads=2)
LETTERS = "abcdefgh"


def untrained(context: int, **how: float) -> FillMask:
    form = TextForm(item_shape=(context + 1,), tokenizer=Characters((END,), LETTERS))
    with fixed(0, "weights"):
        return Config(**how).build(TINY, form, None, {})


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> FillMask:
    folder = tmp_path_factory.mktemp("letters")
    (folder / "letters.txt").write_text(LETTERS * 60)
    data = Text(
        path=str(folder / "letters.txt"),
        tokenizer="characters",
        context=12,
        cache=str(folder / "cache"),
    ).open()
    with fixed(0, "weights"):
        task = Config(share=0.3).build(Network(width=32, depth=1, heads=2), data.form, None, {})
    plan = TrainingConfig(steps=80, batch_size=24, optimizer=AdamW(learning_rate=1e-2))
    losses = [one.loss for one in Training(plan, task, data.train, "float32", 80).run()]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    return task


def test_a_share_of_the_tokens_is_asked_for_and_eight_in_ten_of_them_masked() -> None:
    task = untrained(199, share=0.15)
    seen = []

    def answers(tokens: torch.Tensor, **how: object) -> torch.Tensor:
        seen.append(tokens)
        return torch.zeros(*tokens.shape, task.mask)

    task.model.forward = answers
    items = np.zeros((200, 200), np.int32)  # all of them an "a"
    total, count = task.loss(Batch(items, None), Random(0, range(200)))["loss"]
    assert count == 200 * 30
    assert float(total) == pytest.approx(count * np.log(task.mask), rel=1e-5)
    (tokens,) = seen
    masked, other = (tokens == task.mask).double(), (tokens != task.mask) & (tokens != 0)
    spread = 4 * (0.8 * 0.2 / count) ** 0.5
    assert float(masked.sum()) / count == pytest.approx(0.8, abs=spread)
    kinds = task.mask  # another token may by chance be the same
    expected = 0.1 * (kinds - 1) / kinds
    assert float(other.double().sum()) / count == pytest.approx(expected, abs=spread)
    assert len(tokens.unique()) == task.mask + 1  # it may be any
    task.losses(Batch(items, None), Random(0, range(200)), training=False)
    assert set(seen[1].unique().tolist()) == {0, task.mask}
    assert ((seen[1] == task.mask).sum(dim=1) == 30).all()


def test_the_loss_is_that_of_the_hidden_tokens_alone() -> None:
    task = untrained(7, share=0.25)
    with torch.no_grad():
        for index, parameter in enumerate(task.model.parameters()):
            parameter.add_(Random(index, [0]).normal("nudge", parameter.shape)[0], alpha=0.3)
    items = np.arange(24).reshape(3, 8) % 8
    losses = task.losses(Batch(items, None), Random(2, range(3)), training=False)
    from noiseloom.diffusion.discrete import hide_some  # the same places

    hidden = hide_some(torch.ones(3, 8, dtype=torch.bool), torch.full((3,), 2), Random(2, range(3)))
    log_p = task.behind(items, hidden.numpy())
    assert log_p.shape == (6, task.mask)
    truth = torch.from_numpy(items)[hidden]
    nats = -log_p[torch.arange(6), truth].view(3, 2).mean(dim=1)
    torch.testing.assert_close(losses.detach(), nats)


def test_what_it_can_do() -> None:
    task = untrained(8)
    for protocol in (Writes, WritesUsually, Asks, Fills):
        assert isinstance(task, protocol)
    assert not isinstance(task, Scores)  # of tokens masked together each is asked for by itself


def test_it_fills_in_what_it_has_learned(learned: FillMask) -> None:
    prompts = ["abc<mask>efgh", "<mask>bcd<mask>fgh", "h<mask>bcdef"]
    *_, last = learned.write(prompts, learned.usual, Random(0, range(3)))
    assert last.is_done and list(last.texts) == ["abcdefgh", "abcdefgh", "habcdef"]


def test_drafts_uncover_one_mask_after_the_other(learned: FillMask) -> None:
    drafts = list(learned.write(["a<mask:2>d", "e<mask>g"], learned.usual, Random(0, range(2))))
    shown = [draft.texts for draft in drafts]
    assert [sum(text.count("_") for text in texts) for texts in shown] == [2, 1, 0]
    assert [draft.tokens for draft in drafts] == [5, 6, 7]
    assert [draft.is_done for draft in drafts] == [False, False, True]
    assert not any(draft.grows for draft in drafts)


def test_candidates_are_probabilities_with_the_likeliest_first(learned: FillMask) -> None:
    first, second = learned.candidates("abc<mask>ef<mask>h", most=50)
    assert len(first) == len(LETTERS)  # the end of a document is none
    assert (first[0].text, second[0].text) == ("d", "g")
    for found in (first, second):
        shares = [one.probability for one in found]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1)
    assert [one.text for one in learned.candidates("abc<mask>", most=2)[0]] == [
        one.text for one in learned.candidates("abc<mask>", most=9)[0][:2]
    ]


def test_it_asks_itself_for_held_out_text(learned: FillMask) -> None:
    from noiseloom.data.dataset import Split

    items = np.arange(26).reshape(2, 13) % 8
    asked = learned.ask(Split(items))
    assert asked == [("abc<mask>ef", "abcdef"), ("fgh<mask>bc", "fghabc")]
    form = replace(learned.form, tokenizer=Bytes((END,)), item_shape=(41,))
    task = Config().build(TINY, form, None, {})
    text = np.frombuffer("aé <mask:0> b".ljust(41).encode()[:41], np.uint8)
    assert task.ask(Split(text[None])) == []  # it would be read as a hole


@pytest.mark.parametrize(
    ("prompt", "how", "said"),
    [
        ("abc", {}, "has no mask"),
        ("a<mask:0>", {}, "a hole of no tokens"),
        ("a<mask:9>", {}, "more than 9 tokens long"),
        ("x<mask>", {}, "not among the 8"),
        ("a<mask>", {"beams": 2}, "--beams is for models"),
        ("a<mask>", {"stop": ("b",)}, "--stop ends texts"),
    ],
)
def test_what_cannot_be_done_is_refused(prompt: str, how: dict, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        untrained(8).write([prompt], Writing(**how), Random(0, [0]))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_all_or_nothing_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="allowed is above 0 and below 1"):
        Config(share=share)
