from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from noiseloom.data.forms import Batch, TextForm
from noiseloom.data.tokenizer import END, Characters
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import InputError
from noiseloom.networks.language_model import Config as Network
from noiseloom.seeds import Random
from noiseloom.tasks import Scores, Writes, Writing
from noiseloom.tasks.reading import kept
from noiseloom.tasks.text_generation import CausalText, Config

LETTERS = "\n abcdefgh"
CONTEXT = 12
NETWORKS = {
    "rotary": Network(width=16, depth=2, heads=2),
    "learned": Network(width=16, depth=2, heads=2, positions="learned", norm="layer"),
    "sinusoidal": Network(width=16, depth=2, heads=2, positions="sinusoidal", tied=True),
    "window": Network(width=16, depth=2, heads=4, kv_heads=2, window=4, value_embeddings=1),
    "grams": Network(width=16, depth=1, heads=2, ngrams=(200, 300), softcap=10.0),
}


def task(network: str = "rotary", *, documents: bool = False, letters: str = LETTERS) -> CausalText:
    """A model whose weights are all random, so that every part has a say."""
    form = TextForm(
        item_shape=(CONTEXT + 1,), tokenizer=Characters((END,), letters), documents=documents
    )
    made = Config().build(NETWORKS[network], form, Statistics(torch.zeros(()), 1.0), {})
    torch.manual_seed(0)
    for parameter in made.model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made


def write(
    made: CausalText, prompts: Sequence[str], *, items: Sequence[int] | None = None, **how: object
) -> list[str]:
    writing = Writing(**{"max_tokens": 30, **how})  # type: ignore[arg-type]
    *_, last = made.write(prompts, writing, Random(0, items or range(len(prompts))))
    assert last.is_done
    return list(last.texts)


def greedy(made: CausalText, prompt: str, number: int) -> str:
    """The likeliest token each time, by reading all that the rule keeps anew."""
    tokens = made.form.tokenizer.encode(prompt).tolist()
    text: list[int] = []
    for written in range(1, number + 1):
        with torch.no_grad():
            logits = made.model(torch.tensor([tokens]))[0, -1]
        logits[made.form.tokenizer.special(END)] = -torch.inf
        text.append(int(logits.argmax()))
        tokens.append(text[-1])
        if len(tokens) > CONTEXT:
            tokens = tokens[-kept(CONTEXT, written) :]
    return made.form.tokenizer.decode(text)


def test_it_writes_and_scores() -> None:
    assert isinstance(task(), Writes) and isinstance(task(), Scores)


@pytest.mark.parametrize("network", NETWORKS)
def test_greedy_is_the_argmax_of_whole_forwards(network: str) -> None:
    made = task(network)
    assert write(made, ["abc"], temperature=0) == [greedy(made, "abc", 30)]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_batch_of_unequal_prompts_is_each_alone(network: str, temperature: float) -> None:
    made = task(network)
    prompts = ["a", "abcdefgh", "", "bad cab", "hhhhhhhhhhhh"]
    together = write(made, prompts, temperature=temperature)
    alone = [
        write(made, [prompt], items=[item], temperature=temperature)[0]
        for item, prompt in enumerate(prompts)
    ]
    assert together == alone


@pytest.mark.parametrize("network", ["rotary", "grams", "learned"])
def test_texts_that_end_leave_the_others_as_they_are(network: str) -> None:
    made = task(network, documents=True)
    prompts = ["a", "", "abc", "", "fed", "hhhh"]
    together = write(made, prompts, max_tokens=60)
    assert len({len(text) for text in together}) > 2  # they ended at different times
    for item, prompt in enumerate(prompts):
        assert write(made, [prompt], items=[item], max_tokens=60) == [together[item]]


def test_the_same_seed_gives_the_same_text_and_another_another() -> None:
    made = task()
    once, again = (write(made, ["a", "a"]) for _ in range(2))
    assert once == again
    assert once[0] != once[1]
    assert write(made, ["a"], max_tokens=10) == [once[0][:10]]


def test_an_empty_prompt_begins_as_a_document_does() -> None:
    """By what follows an END; and what comes after the first token does not see that END."""
    made = task(documents=True)
    end = made.form.tokenizer.special(END)
    with torch.no_grad():
        first = int(made.model(torch.tensor([[end]]))[0, -1, :end].argmax())
        second = int(made.model(torch.tensor([[first]]))[0, -1].argmax())
    drafts = list(made.write([""], Writing(max_tokens=2, temperature=0), Random(0, range(1))))
    expected = made.form.tokenizer.decode([first, second])
    assert drafts[-1].texts[0] == expected


def test_an_empty_prompt_of_a_single_text_follows_a_line() -> None:
    made = task()
    assert write(made, [""], temperature=0) == write(made, ["\n"], temperature=0)
    without = task(letters="abcdefghij")
    assert write(without, [""], temperature=0) == write(without, ["a"], temperature=0)


def test_a_single_text_never_ends() -> None:
    made = task()
    with torch.no_grad():  # END is by far the likeliest
        made.model.head.weight[-1] = 0  # type: ignore[union-attr]
        made.model.head.weight[:-1] *= 1e-3  # type: ignore[union-attr]
    assert len(write(made, ["a"])[0]) == 30


def test_drafts_grow_and_count() -> None:
    drafts = list(task().write(["a", "b"], Writing(max_tokens=5), Random(0, range(2))))
    assert [draft.tokens for draft in drafts] == [2, 4, 6, 8, 10]
    assert [draft.is_done for draft in drafts] == [False] * 4 + [True]
    assert all(draft.grows for draft in drafts)
    for before, after in itertools.pairwise(drafts):
        assert all(b.startswith(a) for a, b in zip(before.texts, after.texts, strict=True))


def test_a_stop_string_cuts_the_text_that_would_have_been() -> None:
    made = task()
    (whole,) = write(made, ["a"])
    stop = whole[7:9]
    assert write(made, ["a"], stop=(stop,)) == [whole[: whole.find(stop)]]


def test_beams_of_full_width_find_the_likeliest_of_all_texts() -> None:
    made = task(letters="abcd")
    best, likeliest = -torch.inf, ""
    for text in itertools.product("abcd", repeat=3):
        tokens = made.form.tokenizer.encode("ab" + "".join(text)).tolist()
        with torch.no_grad():
            logits = made.model(torch.tensor([tokens[:-1]]))[0, 1:, :4]  # END is never written
        likely = float(logits.log_softmax(-1)[range(3), tokens[2:]].sum())
        if likely > best:
            best, likeliest = likely, "".join(text)
    assert write(made, ["ab"], beams=64, max_tokens=3) == [likeliest]


@pytest.mark.parametrize("documents", [False, True])
def test_beams_of_a_batch_are_those_of_each_alone(documents: bool) -> None:
    made = task(documents=documents)
    prompts = ["a", "abcdefgh", "", "bad cab"]  # some outgrow the context
    together = write(made, prompts, beams=3, max_tokens=16)
    assert together == [write(made, [one], beams=3, max_tokens=16)[0] for one in prompts]
    greedy_ones = write(made, prompts, temperature=0, max_tokens=16)
    assert together != greedy_ones


def test_a_repetition_penalty_sees_prompt_and_text() -> None:
    made = task(letters="abcdefghij")
    (text,) = write(made, ["ab"], temperature=0, repetition_penalty=1e6, max_tokens=8)
    assert len(set("ab" + text)) == 10  # nothing comes twice while anything is left


def test_top_k_1_is_greedy() -> None:
    made = task()
    assert write(made, ["a"], top_k=1) == write(made, ["a"], temperature=0)


@pytest.mark.parametrize("context", [2, 3, 7, 12, 64])
def test_texts_of_all_lengths_are_soon_full_together(context: int) -> None:
    half = max(1, context // 2)
    full_at: list[set[int]] = []
    for prompt in range(1, context + 1):
        length, moments = prompt, set()
        for written in range(1, 5 * context):
            length += 1
            if length > context:
                length = kept(context, written)
                assert half < length <= context
                moments.add(written)
        full_at.append({one for one in moments if one > context})
    assert all(one == full_at[0] for one in full_at)
    assert len(full_at[0]) <= 4 * context // half + 1


@pytest.mark.parametrize(
    ("prompts", "how", "words"),
    [
        (["a", "abcabcabcabca"], {}, ["'abcabc", "13 tokens", "up to 12"]),
        (["az"], {}, ["'z'", "number 2"]),
        ([], {}, ["no prompt"]),
        (["a\udcff"], {}, ["no valid UTF-8", "character 2"]),
        (["a"], {"steps": 4}, ["--steps", "unmask"]),
        (["a"], {"length_penalty": 2.0}, ["--length-penalty", "--beams"]),
        (["a"], {"beams": 2, "top_k": 3}, ["--beams", "--top-k", "either"]),
        (["a"], {"temperature": -1.0}, ["--temperature is -1.0", "0 or more"]),
        (["a"], {"top_p": 0.0}, ["--top-p is 0.0", "above 0"]),
        (["a"], {"stop": ("",)}, ["--stop", "empty"]),
        (["a"], {"max_tokens": 0}, ["--max-tokens is 0", "1 or more"]),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    prompts: list[str], how: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(InputError) as error:
        task().write(prompts, Writing(**how), Random(0, range(9)))  # type: ignore[arg-type]
    for word in words:
        assert word in str(error.value)


def test_a_prompt_as_long_as_the_context_is_read_whole() -> None:
    made = task()
    prompt = "abcdefgh abc"
    assert write(made, [prompt], temperature=0, max_tokens=3) == [greedy(made, prompt, 3)]


def test_loss_is_by_token_and_losses_by_item() -> None:
    made = task()
    items = np.random.default_rng(0).integers(0, 10, (3, CONTEXT + 1)).astype(np.uint16)
    batch, random = Batch(items, None), Random(0, range(3))
    total, number = made.loss(batch, random)["loss"]
    assert number == 3 * CONTEXT
    torch.testing.assert_close(total / number, made.losses(batch, random).mean())
    torch.testing.assert_close(made.score(items, random).mean(dim=1), made.losses(batch, random))
