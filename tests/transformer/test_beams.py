"""Beam search against greedy choice and against trying every text."""

import itertools
import math
from functools import cache

import pytest
import torch
from torch import Tensor

from noiseloom.transformer.beams import Hypothesis, search

VOCABULARY, END, MOST = 4, 3, 4


@cache
def following(seed: int, text: tuple[int, ...]) -> Tensor:
    """Log-probabilities of what follows a text in the language of this seed."""
    numbers = torch.Generator().manual_seed(hash((seed, *text)) % 2**31)
    return (2 * torch.randn(VOCABULARY, generator=numbers)).log_softmax(0)


class Chain:
    """A language whose next token depends on all before it, the number of the prompt first."""

    def __init__(self, prompts: int, seed: int) -> None:
        self.seed, self.texts = seed, [(prompt,) for prompt in range(prompts)]
        self.asked: list[int] = []

    def first(self) -> Tensor:
        return torch.stack([following(self.seed, text) for text in self.texts])

    def go_on(self, rows: Tensor, tokens: Tensor) -> Tensor:
        self.asked.append(len(rows))
        pairs = zip(rows.tolist(), tokens.tolist(), strict=True)
        self.texts = [(*self.texts[row], token) for row, token in pairs]
        return self.first()

    def enumerated(self, prompt: int, penalty: float) -> list[tuple[float, tuple[int, ...]]]:
        """Every text of up to `MOST` tokens that ends, with its score, the best first."""
        found = []
        for length in range(MOST):
            for text in itertools.product(
                [t for t in range(VOCABULARY) if t != END], repeat=length
            ):
                total = sum(
                    float(following(self.seed, (prompt, *text[:place]))[token])
                    for place, token in enumerate((*text, END))
                )
                found.append((total / (length + 1) ** penalty, text))
        return sorted(found, reverse=True)

    def greedy(self, prompt: int) -> tuple[tuple[int, ...], bool]:
        text: tuple[int, ...] = ()
        while len(text) < MOST:
            token = int(following(self.seed, (prompt, *text)).argmax())
            if token == END:
                return text, True
            text = (*text, token)
        return text, False


def find(
    chain: Chain, beams: int, penalty: float = 1.0, most: int = MOST
) -> list[list[Hypothesis]]:
    return search(
        chain.first(), chain.go_on, beams=beams, end=END, most=most, length_penalty=penalty
    )


@pytest.mark.parametrize("seed", range(6))
def test_one_beam_is_greedy(seed: int) -> None:
    chain = Chain(5, seed)
    for prompt, found in enumerate(find(chain, 1)):
        text, is_finished = chain.greedy(prompt)
        assert (found[0].tokens, found[0].is_finished) == (text, is_finished)
        assert len(found) == 1


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_as_many_beams_as_texts_find_the_best_of_all(seed: int, penalty: float) -> None:
    chain = Chain(3, seed)
    every = 3**MOST + sum(3**length for length in range(MOST))
    for prompt, found in enumerate(find(chain, every, penalty)):
        expected = chain.enumerated(prompt, penalty)
        assert [one.tokens for one in found] == [text for _, text in expected]
        assert [one.score for one in found] == pytest.approx([score for score, _ in expected])
        assert all(one.is_finished for one in found)


def test_a_longer_search_is_never_less_likely_than_greedy_where_both_end() -> None:
    wins = 0
    for seed in range(20):
        (greedy,), (wide,) = find(Chain(1, seed), 1, 0.0), find(Chain(1, seed), 40, 0.0)
        if greedy[0].is_finished:
            assert wide[0].score >= greedy[0].score - 1e-6
            wins += wide[0].score > greedy[0].score + 1e-6
    assert wins  # else the two were the same search


def test_a_text_is_found_alike_alone_and_beside_others() -> None:
    together = find(Chain(6, 1), 3)
    for prompt in range(6):
        alone = Chain(6, 1)
        alone.texts = [(prompt,)]
        (found,) = find(alone, 3)
        assert found == together[prompt]


def test_what_is_over_is_asked_for_no_more() -> None:
    chain = Chain(6, 2)
    found = find(chain, 2, most=12)
    assert chain.asked == sorted(chain.asked, reverse=True)
    assert chain.asked[0] > chain.asked[-1]
    assert all(len(one) <= 2 for one in found)


def test_texts_are_cut_off_where_none_has_ended() -> None:
    never = torch.full((2, VOCABULARY), 0.0)
    never[:, END] = -torch.inf
    first = never.log_softmax(1)
    found = search(
        first,
        lambda rows, tokens: first[:1].expand(len(rows), -1),
        beams=2,
        end=END,
        most=3,
        length_penalty=0.0,
    )
    for one in found:
        assert [len(hypothesis.tokens) for hypothesis in one] == [3, 3]
        assert not any(hypothesis.is_finished for hypothesis in one)
        assert one[0].log_probability == pytest.approx(-3 * math.log(3))


def test_the_length_penalty_decides_between_short_and_long() -> None:
    """`END` at once has log-probability log 0.4; a, then END, log 0.6 + log 0.6."""
    first = torch.tensor([[0.6, 0.0, 0.0, 0.4]]).log()
    after = torch.tensor([[0.0, 0.4, 0.0, 0.6]]).log()

    def best(penalty: float) -> Hypothesis:
        found = search(
            first,
            lambda rows, tokens: after.expand(len(rows), -1),
            beams=2,
            end=END,
            most=2,
            length_penalty=penalty,
        )
        return found[0][0]

    assert best(0.0).tokens == ()
    assert best(0.0).log_probability == pytest.approx(math.log(0.4))
    assert best(1.0).tokens == (0,)
    assert best(1.0).score == pytest.approx(math.log(0.36) / 2)


def test_nothing_to_search_is_refused() -> None:
    with pytest.raises(ValueError, match="beams 0 and most 3 are given"):
        search(torch.zeros(1, 2), lambda rows, tokens: tokens, beams=0, end=0, most=3)
