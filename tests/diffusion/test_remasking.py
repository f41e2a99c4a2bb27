"""Hiding what fits least and predicting it anew: exact on tokens whose truth is known."""

import torch
from torch import Tensor

from noiseloom.diffusion.remasking import least_likely, remask
from noiseloom.seeds import Random

WORDS = 3  # the mask's number


def knowing(truth_BL: Tensor, sure: float = 20.0):
    """A denoiser that knows what stands everywhere; it also writes the mask, which counts not."""

    def denoise(x_BL: Tensor) -> Tensor:
        logits = torch.zeros(*x_BL.shape, WORDS + 1)
        logits.scatter_(-1, truth_BL[..., None], sure)
        logits[..., WORDS] = 100.0
        return logits

    return denoise


def test_a_wrong_token_is_found_and_put_right_in_one_round() -> None:
    truth = torch.tensor([[0, 1, 2, 1, 0], [2, 2, 0, 1, 1]])
    wrong = truth.clone()
    wrong[0, 3], wrong[1, 0] = 2, 1
    denoise = knowing(truth)
    found = least_likely(denoise, wrong, WORDS, 1)
    assert found.nonzero().tolist() == [[0, 3], [1, 0]]
    (reveal,) = remask(denoise, wrong, WORDS, Random(0, [0, 1]), share=0.2, rounds=1)
    assert torch.equal(reveal.tokens, truth)
    assert torch.equal(reveal.is_hidden, found)


def test_each_round_draws_anew_what_is_then_least_likely() -> None:
    truth, wrong = torch.tensor([[0, 1, 2, 1]]), torch.tensor([[1, 0, 0, 1]])
    left = []
    for reveal in remask(knowing(truth), wrong, WORDS, Random(0, [0]), share=0.25, rounds=3):
        assert reveal.is_hidden.sum() == 1
        left.append(int((reveal.tokens != truth).sum()))
    assert left == [2, 1, 0]


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    items = 4000
    tokens = torch.zeros(items, 1, dtype=torch.int64)
    share = torch.tensor([0.2, 0.3, 0.5])

    def denoise(x_BL: Tensor) -> Tensor:
        assert x_BL.unique().tolist() in ([0], [WORDS])  # scored, and then hidden
        return torch.cat([share.log(), torch.zeros(1)]).expand(*x_BL.shape, WORDS + 1)

    (reveal,) = remask(denoise, tokens, WORDS, Random(0, range(items)), share=1.0, rounds=1)
    often = torch.bincount(reveal.tokens.flatten(), minlength=WORDS) / items
    torch.testing.assert_close(often, share, rtol=0, atol=0.03)
    (surest,) = remask(
        denoise, tokens, WORDS, Random(0, range(items)), share=1.0, rounds=1, temperature=0.0
    )
    assert (surest.tokens == 2).all()


def test_a_row_does_not_depend_on_those_beside_it() -> None:
    x = torch.arange(12).reshape(3, 4) % WORDS
    denoise = knowing((x + 1) % WORDS, sure=1.0)
    *_, both = remask(denoise, x, WORDS, Random(0, range(3)), share=0.5, rounds=2)
    alone_denoise = knowing((x[1:2] + 1) % WORDS, sure=1.0)
    *_, alone = remask(alone_denoise, x[1:2], WORDS, Random(0, [1]), share=0.5, rounds=2)
    assert torch.equal(alone.tokens[0], both.tokens[1])
