"""Translation: its loss counts what it should, and it writes what its model finds likeliest."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data.dataset import TextDataset
from noiseloom.data.forms import Batch
from noiseloom.data.rows import Rows, open_rows, tokens_of
from noiseloom.data.tokenizer import END, PAD, START
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import InputError
from noiseloom.networks.seq2seq import Config as Seq2seq
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Asks, Draft, Translates, Writes, WritesUsually, Writing
from noiseloom.tasks.translation import Config, Translation
from noiseloom.training.loop import Training, TrainingConfig
from noiseloom.training.optimizers import AdamW, Muon

UNKNOWN = Statistics(torch.zeros(()), 1.0)
GREEDY = Writing(temperature=0.0, max_tokens=16)
LETTERS = "abcdefgh"


def upside_down(number: int) -> list[tuple[str, str]]:
    """Different short words, and the same backwards in capitals."""
    draw = np.random.Generator(np.random.Philox(key=7))
    words: dict[str, str] = {}
    while len(words) < number:
        word = "".join(draw.choice(list(LETTERS), size=int(draw.integers(2, 6))))
        words[word] = word[::-1].upper()
    return list(words.items())


@pytest.fixture(scope="module")
def words() -> TextDataset:
    pairs = upside_down(600)
    return open_rows(
        lambda: Rows(train=pairs[:560], reference=pairs[560:]),
        facts={"of": "upside-down words"},
        source="made up",
        columns=("source", "target"),
        tokenizer="characters",
        vocabulary=None,
        context=8,
        cache=None,
        progress=None,
    )


def build(data: TextDataset, config: Config = Config(), **network: float) -> Translation:  # noqa: B008
    with fixed(0, "weights"):
        chosen = {"width": 32, "encoder_depth": 1, "decoder_depth": 1, "heads": 2, "dropout": 0.0}
        return config.build(Seq2seq(**{**chosen, **network}), data.form, UNKNOWN, {})


@pytest.fixture(scope="module")
def learned(words: TextDataset) -> Translation:
    """Enough of it to turn many words round."""
    task = build(words, Config(label_smoothing=0.0))
    optimizer = Muon(learning_rate=0.04, rest=AdamW(learning_rate=4e-3))
    plan = TrainingConfig(steps=200, batch_size=32, optimizer=optimizer)
    for _ in Training(plan, task, words.train, "float32", 200).run():
        pass
    task.model.requires_grad_(False)
    return task


def write(
    task: Translation, sources: Sequence[str], writing: Writing, seed: int = 0
) -> list[Draft]:
    return list(task.write(sources, writing, Random(seed, range(len(sources)))))


def batch_of(data: TextDataset, pairs: Sequence[tuple[str, str]]) -> Batch:
    return Batch(tokens_of(data.form.tokenizer, pairs, data.form.context), None)


def test_it_is_what_runs_ask_for(words: TextDataset) -> None:
    task = build(words)
    assert isinstance(task, Writes) and isinstance(task, WritesUsually)
    assert isinstance(task, Translates)
    assert isinstance(task, Asks)
    assert (task.usual.beams, task.usual.temperature) == (5, 0.0)


def test_what_is_read_and_what_is_asked(words: TextDataset) -> None:
    task, tokenizer = build(words), words.form.tokenizer
    pad, start, end = (tokenizer.special(name) for name in (PAD, START, END))
    target = torch.tensor([[1, 2, pad], [3, pad, pad]])
    read, asked = task.shifted(target)
    assert read.tolist() == [[start, 1, 2, pad], [start, 3, pad, pad]]
    assert asked.tolist() == [[1, 2, end, pad], [3, end, pad, pad]]
    full = torch.arange(words.form.context)[None]
    read, asked = task.shifted(full)  # it may have been cut: nothing says that it ends here
    assert read.tolist() == [[start, *full[0, :-1].tolist()]]
    assert asked.equal(full)


def test_an_untrained_loss_is_written_out(words: TextDataset) -> None:
    """By the sum over each target's tokens and its end of -log softmax, alone and unpadded."""
    task = build(words)
    pairs = [("abc", "CBA"), ("fgh", "H"), ("a", "ABCDEF")]
    tokenizer = words.form.tokenizer
    expected, counts = [], []
    for source, target in pairs:
        tokens = [*tokenizer.encode(target).tolist(), tokenizer.special(END)]
        read = torch.tensor([[tokenizer.special(START), *tokens[:-1]]])
        hidden = task.model(torch.tensor(tokenizer.encode(source))[None].long(), read)
        likely = task.model.leave(hidden)[0].log_softmax(dim=-1).detach()
        expected.append(-sum(float(likely[place, token]) for place, token in enumerate(tokens)))
        counts.append(len(tokens))
    batch = batch_of(words, pairs)
    nats, tokens_of_each = task.score_pairs(batch.items)
    assert nats.tolist() == pytest.approx(expected, rel=1e-5)
    assert tokens_of_each.tolist() == counts
    losses = task.losses(batch, Random(0, range(3)), training=False)
    means = [nat / count for nat, count in zip(expected, counts, strict=True)]
    assert losses.tolist() == pytest.approx(means, rel=1e-5)


def test_micro_batches_of_unequal_lengths_are_one_batch_by_token(words: TextDataset) -> None:
    task = build(words, Config(label_smoothing=0.1))
    pairs = [("ab", "B"), ("abcdef", "FEDCBA"), ("g", "GG"), ("hhhh", "HHHH")]
    whole, count = task.loss(batch_of(words, pairs), Random(0, range(4)))["loss"]
    parts = [task.loss(batch_of(words, [pair]), Random(0, [at]))["loss"]
             for at, pair in enumerate(pairs)]  # fmt: skip
    assert sum(number for _, number in parts) == count == 1 + 6 + 2 + 4 + 4
    total = sum(float(part.detach()) for part, _ in parts)
    assert total == pytest.approx(float(whole.detach()), rel=1e-5)


def test_label_smoothing_is_in_what_is_minimised_alone(words: TextDataset) -> None:
    plain, smooth = build(words), build(words, Config(label_smoothing=0.3))
    batch, random = batch_of(words, [("abc", "CBA")]), Random(0, [0])
    held_out = [task.losses(batch, random, training=False) for task in (plain, smooth)]
    assert held_out[0].equal(held_out[1])
    assert not plain.loss(batch, random)["loss"][0].equal(smooth.loss(batch, random)["loss"][0])


def test_drop_out_follows_from_seed_step_and_item_alone(words: TextDataset) -> None:
    task = build(words, dropout=0.3)
    pairs, random = [("abc", "CBA"), ("def", "FED")], Random(0, range(2), step=4)
    both = task.losses(batch_of(words, pairs), random)
    assert both.equal(task.losses(batch_of(words, pairs), random))
    second = task.losses(batch_of(words, pairs[1:]), Random(0, [1], step=4))
    torch.testing.assert_close(both[1:], second, rtol=1e-5, atol=1e-6)
    assert not both.isclose(task.losses(batch_of(words, pairs), random, training=False)).any()


def test_it_learns_to_translate_words_that_it_never_saw(
    words: TextDataset, learned: Translation
) -> None:
    sources, targets = words.reference_texts.column(0), words.reference_texts.column(1)
    last = write(learned, sources, learned.usual)[-1]
    right = sum(text == target for text, target in zip(last.texts, targets, strict=True))
    assert right >= 0.4 * len(sources)


def test_greedy_takes_the_likeliest_token_of_a_full_forward(
    words: TextDataset, learned: Translation
) -> None:
    tokenizer, context = words.form.tokenizer, words.form.context
    sources = words.reference_texts.column(0)[:8]
    found = write(learned, sources, GREEDY)[-1].texts
    end, pieces = tokenizer.special(END), tokenizer.pieces
    for source, text in zip(sources, found, strict=True):
        read = [tokenizer.special(START)]
        while len(read) <= context:
            source_tokens = torch.from_numpy(tokenizer.encode(source)).long()[None]
            logits = learned.model.leave(learned.model(source_tokens, torch.tensor([read])))[0, -1]
            logits[pieces:end] = logits[end + 1 :] = -math.inf
            if (token := int(logits.argmax())) == end:
                break
            read.append(token)
        assert tokenizer.decode(read[1:]) == text


def test_a_batch_writes_what_each_does_alone(words: TextDataset, learned: Translation) -> None:
    sources = words.reference_texts.column(0)[:6]
    for writing in (GREEDY, learned.usual, Writing(temperature=1.0, top_k=3)):
        together = write(learned, sources, writing)[-1].texts
        alone = [
            list(learned.write([source], writing, Random(0, [place])))[-1].texts[0]
            for place, source in enumerate(sources)
        ]
        assert list(together) == alone


def test_beams_find_what_is_likelier_than_what_greedy_comes_to(
    words: TextDataset, learned: Translation
) -> None:
    sources = words.reference_texts.column(0)
    greedy = write(learned, sources, GREEDY)[-1].texts
    wide = write(learned, sources, replace(learned.usual, beams=12, length_penalty=0.0))[-1].texts

    def nats(texts: Sequence[str]) -> torch.Tensor:
        pairs = list(zip(sources, texts, strict=True))
        return learned.score_pairs(batch_of(words, pairs).items)[0]

    ended = torch.tensor([len(text) < words.form.context for text in greedy])
    gained = (nats(greedy) - nats(wide))[ended]
    assert len(gained) > 20
    assert gained.mean() > 0 and (gained > 1e-3).any()


def test_drafts_grow_to_the_last_and_count_tokens(words: TextDataset, learned: Translation) -> None:
    drafts = write(learned, words.reference_texts.column(0)[:4], GREEDY)
    assert [draft.is_done for draft in drafts] == [False] * (len(drafts) - 1) + [True]
    for before, after in pairwise(drafts):
        assert all(text.startswith(start) for start, text in zip(before.texts, after.texts,
                                                                  strict=True))  # fmt: skip
        assert before.tokens < after.tokens


def test_a_stop_string_ends_a_translation_right_before_it(
    words: TextDataset, learned: Translation
) -> None:
    sources = words.reference_texts.column(0)[:8]
    for usual in (GREEDY, learned.usual):
        plain = write(learned, sources, usual)[-1].texts
        stopped = write(learned, sources, replace(usual, stop=("B",)))[-1].texts
        assert list(stopped) == [text.partition("B")[0] for text in plain]
        assert list(stopped) != list(plain)


def test_what_cannot_be_translated_is_refused(words: TextDataset) -> None:
    task = build(words)
    for sources, said in (
        ([], "There is no text to translate"),
        (["ab", "  "], "Text 2 is empty"),
        (["ab" * 5], "Text 1 is 10 tokens long, and this run reads up to 8 at once"),
        (["ü"], "The character 'ü'"),
    ):
        with pytest.raises(InputError, match=said):
            task.write(sources, task.usual, Random(0, range(1)))
    with pytest.raises(InputError, match="--steps is for models that unmask text"):
        task.write(["ab"], Writing(steps=3), Random(0, [0]))
    with pytest.raises(InputError, match="--top-k says how a token is chosen by itself, and 5 be"):
        task.write(["ab"], replace(task.usual, top_k=3), Random(0, [0]))


def test_a_look_at_it_asks_only_what_can_be_read() -> None:
    """Of texts that were cut in the middle of a character, too."""
    pairs = [("üüüü" * number, "ja") for number in range(1, 9)]
    data = open_rows(
        lambda: Rows(train=pairs, reference=pairs),
        facts={"of": "long umlauts"},
        source="made up",
        columns=("source", "target"),
        tokenizer="bytes",
        vocabulary=None,
        context=11,
        cache=None,
        progress=None,
    )
    task = build(data)
    asked = task.ask(data.reference)
    assert asked == [("üüüü", "ja"), ("üüüüü", "ja"), ("üüüüü", "ja"), ("üüüüü", "ja")]
    assert write(task, [source for source, _ in asked], GREEDY)[-1].is_done


def test_data_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("one line of a text and no more of it " * 50)
    from noiseloom.data.text import Config as Text

    windows = Text(path=str(tmp_path / "text"), tokenizer="bytes", context=8).open()
    with pytest.raises(ValueError, match="use data pairs"):
        build(windows)
    with pytest.raises(ValueError, match="label_smoothing is 1.0"):
        Config(label_smoothing=1.0)
