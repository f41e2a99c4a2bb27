"""Bottlenecks against what can be worked out by hand."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from noiseloom.networks.bottlenecks import Codebook, Gaussian, Kl, Vq
from noiseloom.seeds import Random


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def codebook(codes: int = 6, channels: int = 3, **settings: float) -> Codebook:
    book = Vq(codes=codes, **settings).build(channels)  # type: ignore[arg-type]
    with torch.no_grad():
        book.vectors.copy_(normal(codes, channels, seed=1))
    return book


# Gaussians -------------------------------------------------------------------------------------


def test_nats_are_the_divergence_of_two_gaussians() -> None:
    mean, log_variance = normal(3, 2, 4, 5), normal(3, 2, 4, 5, seed=1)
    code = Kl(weight=0.5).build(2)(torch.cat([mean, log_variance], dim=1), None)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0, 1))
    torch.testing.assert_close(code.nats, expected.flatten(1).sum(1))
    torch.testing.assert_close(code.penalty, 0.5 * expected.flatten(1).mean(1))


@pytest.mark.parametrize(
    ("mean", "variance", "nats"), [(0.0, 1.0, 0.0), (2.0, 1.0, 2.0), (0.0, 0.25, 0.318147)]
)
def test_nats_by_hand(mean: float, variance: float, nats: float) -> None:
    encoded = torch.tensor([mean, variance]).reshape(1, 2, 1, 1)
    encoded[:, 1].log_()
    assert float(Kl().build(1)(encoded, None).nats) == pytest.approx(nats, abs=1e-6)


def test_the_decoder_gets_draws_in_training_and_the_mean_afterwards() -> None:
    mean, log_variance = torch.full((4000, 1, 2, 2), 3.0), torch.full((4000, 1, 2, 2), -2.0)
    bottleneck, encoded = Kl().build(1), torch.cat([mean, log_variance], dim=1)
    assert bottleneck(encoded, None).passed.equal(mean)
    code = bottleneck(encoded, Random(0, range(4000)))
    assert code.latents.equal(mean)
    assert float(code.passed.mean()) == pytest.approx(3, abs=0.01)
    assert float(code.passed.std()) == pytest.approx(float(torch.tensor(-1.0).exp()), rel=0.02)


def test_a_wild_log_variance_stays_finite() -> None:
    encoded = torch.tensor([0.0, 1e4]).reshape(1, 2, 1, 1).requires_grad_()
    code = Kl().build(1)(encoded, Random(0, [0]))
    code.penalty.sum().backward()
    assert code.passed.isfinite().all() and encoded.grad is not None
    assert encoded.grad.isfinite().all()


# Codebooks -------------------------------------------------------------------------------------


def test_the_nearest_code_is_that_of_brute_force() -> None:
    book, latents = codebook(codes=17), normal(5, 3, 4, 6, seed=2)
    found = book(latents, None)
    far = (latents[:, None] - book.vectors[None, :, :, None, None]).square().sum(2)
    assert found.indices.equal(far.argmin(1))
    expected = book.vectors[far.argmin(1)].movedim(-1, 1)
    torch.testing.assert_close(found.passed, expected)
    assert book.settle(latents).equal(expected)
    assert book.settle(expected.detach()).equal(expected)  # codes are their own


def test_the_nearest_code_is_found_in_float32_where_others_compute_in_less() -> None:
    book, latents = codebook(codes=256, channels=4), normal(8, 4, 6, 6, seed=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = book.nearest(latents)
        rough = latents.movedim(1, -1) @ book.vectors.T
    assert inside.equal(book.nearest(latents))
    assert rough.dtype == torch.bfloat16  # in which it would be another for some


def test_the_gradient_goes_straight_through() -> None:
    book, latents = codebook(), normal(2, 3, 4, 4, seed=2).requires_grad_()
    upstream = normal(2, 3, 4, 4, seed=3)
    (book(latents, None).passed * upstream).sum().backward()
    assert latents.grad is not None
    torch.testing.assert_close(latents.grad, upstream, rtol=0, atol=0)
    assert book.vectors.grad is None


def test_the_penalty_moves_codes_to_latents_and_latents_to_codes_less() -> None:
    book, latents = codebook(commitment=0.25), normal(1, 3, 1, 1, seed=2).requires_grad_()
    code = book(latents, None)
    (chosen,) = code.indices.flatten().tolist()
    apart = (book.vectors[chosen] - latents.flatten()).detach()
    torch.testing.assert_close(code.penalty.detach(), 1.25 * apart.square().mean()[None])
    code.penalty.sum().backward()
    expected = torch.zeros_like(book.vectors)
    expected[chosen] = 2 * apart / 3
    torch.testing.assert_close(book.vectors.grad, expected)
    assert latents.grad is not None
    torch.testing.assert_close(latents.grad.flatten(), -0.25 * 2 * apart / 3)


def test_a_dead_code_is_moved_beside_a_used_one_after_its_patience() -> None:
    book = codebook(patience=3)
    before = book.vectors.detach().clone()
    latents = before[[0, 2]].T.reshape(1, 3, 1, 2) + 0.01  # codes 0 and 2 are used
    for step in range(3):
        assert book.vectors.equal(before), step
        book.vectors.grad = None
        book(latents, None).penalty.sum().backward()
        book.tend(Random(0, [0], step))
    moved = book.vectors.detach()
    assert moved[[0, 2]].equal(before[[0, 2]])
    for index in (1, 3, 4, 5):
        near = (moved[index] - before[[0, 2]]).norm(dim=1).min()
        assert 0 < near < 0.1 < (moved[index] - before[index]).norm()
    assert not book.idle.any()


def test_what_is_moved_follows_from_the_seed_alone() -> None:
    moved = []
    for _ in range(2):
        book = codebook(patience=1)
        book(normal(1, 3, 1, 1, seed=2), None).penalty.sum().backward()
        book.tend(Random(7, [0], 5))
        moved.append(book.vectors.detach())
    assert moved[0].equal(moved[1])


def test_no_patience_moves_nothing() -> None:
    book = codebook(patience=0)
    before = book.vectors.detach().clone()
    book(normal(1, 3, 1, 1), None).penalty.sum().backward()
    for step in range(5):
        book.tend(Random(0, [0], step))
    assert book.vectors.equal(before)


def test_moved_codes_come_into_use() -> None:
    """A book that starts far off with one code in use ends with all of them in use."""
    book = codebook(codes=8, channels=2, patience=5)
    with torch.no_grad():
        book.vectors.add_(20)
        book.vectors[0] = 0
    optimizer = torch.optim.Adam(book.parameters(), lr=0.05)
    for step in range(150):
        latents = normal(64, 2, 1, 1, seed=step)
        optimizer.zero_grad()
        book(latents, None).penalty.sum().backward()
        book.tend(Random(0, [0], step))
        optimizer.step()
    indices = book(normal(2000, 2, 1, 1), None).indices
    assert len(indices.unique()) == 8


@pytest.mark.parametrize("wrong", [{"codes": 1}, {"commitment": -1}, {"patience": -1}])
def test_impossible_codebooks_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="allowed is at least 2 codes"):
        Vq(**wrong)  # type: ignore[arg-type]


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="weight is -1"):
        Kl(weight=-1)
    assert isinstance(Kl(weight=0).build(1), Gaussian)
