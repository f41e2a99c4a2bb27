"""Both likelihoods against densities known in closed form, with the exact denoiser."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion import flow as flows
from noiseloom.diffusion.denoiser import Prediction, Statistics
from noiseloom.diffusion.exact import Gaussian, Mixture, finite
from noiseloom.diffusion.flow import Flow
from noiseloom.diffusion.levels import Levels
from noiseloom.diffusion.likelihood import Judged, chain_bound, continuous_bound, flow_density
from noiseloom.diffusion.schedules import SCHEDULES, Cosine, RectifiedFlow, Schedule
from noiseloom.diffusion.times import log_snr_range
from noiseloom.seeds import Random

BYTE = Levels(-1.0, 1 / 127.5, 256)
BITS = 1 / math.log(2)


def mixture(schedule: Schedule, dims: int = 2) -> Mixture:
    """Three clouds of different widths and weights."""
    places = torch.tensor([[-1.0, 0.4], [0.8, 0.9], [0.2, -1.1]], dtype=torch.float64)
    return Mixture(
        places.repeat(1, dims // 2),
        torch.tensor([0.25, 0.4, 0.15], dtype=torch.float64),
        torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
        schedule,
    )


def judged(data: Mixture, levels: Levels | None = None) -> Judged:
    mean = data.weights @ data.means
    square = (data.weights @ (data.means**2 + data.stds[:, None] ** 2) - mean**2).mean()
    return Judged(data.denoise, data.schedule, Statistics(mean, float(square.sqrt())), levels)


def flow_of(data: Mixture, steps: int) -> Flow:
    known = judged(data)
    return Flow(data.denoise, data.schedule, known.statistics, steps, known.log_snr)


def drawn(data: Mixture, num: int) -> tuple[Tensor, Tensor]:
    """Items, and -log p of each."""
    x0 = data.sample(num, torch.Generator().manual_seed(1))
    clean = Mixture(data.means, data.stds, data.weights, RectifiedFlow())
    return x0, -clean.log_density(x0, torch.tensor(0.0, dtype=torch.float64))


def error_of(values: Tensor) -> float:
    return float(values.std()) / len(values) ** 0.5


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_flow_has_the_density_of_every_item(name: str) -> None:
    data = mixture(SCHEDULES[name]())
    x0, truth = (each[1:] for each in drawn(data, 8))  # the first, between clouds, asks more steps
    found = flow_density(judged(data), x0, Random(0, range(7)), steps=40)
    assert found.probes == 0
    # data stands for xt at the clean end, whose density is known, too
    _, highest = log_snr_range(data.schedule)
    clean = data.schedule.t_of_log_snr(torch.tensor(highest, dtype=torch.float64))
    alpha = data.schedule.alpha(clean)
    there = -data.log_density(alpha * x0, clean) - 2 * alpha.log()
    torch.testing.assert_close(found.total, there, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.total, truth, rtol=0, atol=0.05)


def test_the_flow_converges_at_fourth_order() -> None:
    data = mixture(Cosine())
    x0, _ = drawn(data, 10)
    coarse, fine, truth = (
        flow_density(judged(data), x0, Random(0, range(10)), steps=n).total for n in (36, 54, 108)
    )
    ratio = float((coarse - truth).abs().mean() / (fine - truth).abs().mean())
    assert math.log(ratio) / math.log(1.5) == pytest.approx(4, abs=0.5)


def test_a_gaussian_needs_a_single_step() -> None:
    data = Gaussian(0.3, 0.5, Cosine())
    x0 = data.sample(10, 3, torch.Generator().manual_seed(0))
    known = Judged(data.denoise, data.schedule, Statistics(torch.tensor(0.3), 0.5))
    truth = -Gaussian(0.3, 0.5, RectifiedFlow()).log_density(x0, torch.zeros(10).double())
    found = flow_density(known, x0, Random(0, range(10)), steps=1).total
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-4)


@pytest.mark.parametrize("schedule", [RectifiedFlow(), SCHEDULES["edm"]()], ids=repr)
def test_the_continuous_bound_is_the_density_on_average(schedule: Schedule) -> None:
    data = mixture(schedule)
    x0, truth = drawn(data, 4000)
    found = continuous_bound(judged(data), x0, Random(0, range(4000)), times=64)
    gap = found.total - truth
    assert error_of(gap) < 0.04
    assert float(gap.mean()) == pytest.approx(0, abs=4 * error_of(gap))


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_the_bound_of_a_chain_is_never_below_the_truth(place: float) -> None:
    """With the largest variance, right for smooth data seen closely, it falls to it with T.

    With the least it does not: the steps next to the data halve the noise whatever their number.
    """
    data = mixture(Cosine())
    x0, truth = drawn(data, 2000)

    def denoise(xt: Tensor, t: Tensor) -> Prediction:
        return replace(data.denoise(xt, t), interpolation=torch.full_like(xt, place))

    known = replace(judged(data), denoise=denoise)
    gaps = []
    for steps in (1, 3, 9, 60):
        bound = chain_bound(known, x0, Random(0, range(2000)), steps=steps).total
        gap = bound - truth
        assert float(gap.mean()) > -3 * error_of(gap)
        gaps.append(float(gap.mean()))
    if place == 1.0:
        assert gaps == sorted(gaps, reverse=True)
        assert gaps[0] > 0.5 and gaps[-1] < 0.15
    else:
        assert gaps[-1] > 0.3


def test_some_of_the_steps_stand_for_all() -> None:
    data = mixture(Cosine())
    x0, _ = drawn(data, 4000)
    every, some = (
        chain_bound(judged(data), x0, Random(0, range(4000)), steps=20, times=times)
        for times in (None, 3)
    )
    gap = some.diffusion - every.diffusion
    assert float(gap.mean()) == pytest.approx(0, abs=4 * error_of(gap))
    torch.testing.assert_close(some.reconstruction, every.reconstruction)


# Hutchinson -------------------------------------------------------------------------------------


def test_probes_estimate_the_divergence_without_bias() -> None:
    data = mixture(Cosine(), dims=10)
    x0, _ = drawn(data, 12)
    found = flow_density(judged(data), x0, Random(0, range(12)), steps=16, probes=24)
    assert found.probes == 24 and found.each.shape == (24, 12)
    exact = -flow_of(data, 16).log_density(x0, None)
    error = found.each.std(dim=0) / 24**0.5
    assert bool((error > 1e-4).all())
    assert float(((found.total - exact) / error).square().mean().sqrt()) < 1.6
    assert float((found.total - exact).mean()) == pytest.approx(0, abs=4 * error_of(error * 5))


def test_a_probe_stays_the_same_throughout_a_solve(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    along = flows._along

    def watched(slope: Tensor, w: Tensor, probe: Tensor) -> Tensor:
        seen.append(probe.clone())
        return along(slope, w, probe)

    monkeypatch.setattr(flows, "_along", watched)
    data = mixture(Cosine(), dims=10)
    x0, _ = drawn(data, 4)
    flow_density(judged(data), x0, Random(0, range(4)), steps=5, probes=2)
    assert len(seen) == 5 * flows.CALLS_PER_STEP * 2
    assert all(probe.equal(seen[index % 2]) for index, probe in enumerate(seen))
    assert not seen[0].equal(seen[1])
    assert set(seen[0].unique().tolist()) == {-1.0, 1.0}


def test_fresh_probes_would_be_noise_that_no_number_of_steps_removes() -> None:
    """With fixed probes the estimate has a limit in the number of steps; with fresh ones none."""
    data = mixture(Cosine(), dims=10)
    x0, _ = drawn(data, 20)

    def changes(fresh: bool) -> float:
        results = []
        for steps in (20, 40):
            flow = flow_of(data, steps)
            if fresh:
                chance = torch.Generator().manual_seed(steps)
                slope = flow.slope
                shape = (1, *x0.shape)
                object.__setattr__(
                    flow,
                    "slope",
                    lambda w, s, probes, slope=slope, chance=chance, shape=shape: slope(
                        w, s, 2 * torch.randint(0, 2, shape, generator=chance).double() - 1
                    ),
                )
            ones = torch.where(torch.arange(200).reshape(1, 20, 10) % 3 == 0, 1.0, -1.0).double()
            results.append(flow.log_density(x0, ones))
        return float((results[0] - results[1]).abs().mean())

    assert changes(fresh=False) < 5e-3 < 20e-3 < changes(fresh=True)


# Levels -----------------------------------------------------------------------------------------


def test_even_levels_cost_eight_bits_a_number_by_the_flow() -> None:
    """Clouds round all of 256 levels, so wide that between the ends their density is even."""
    levels = BYTE.low + BYTE.step * torch.arange(256, dtype=torch.float64)[:, None]
    even = torch.ones(256, dtype=torch.float64)
    data = Mixture(levels, 0.7 * BYTE.step * even, even / 256, Cosine())
    x0 = levels[20:236:12]
    known = Judged(data.denoise, data.schedule, Statistics(torch.tensor(0.0), 0.58), BYTE)
    found = flow_density(known, x0, Random(0, range(len(x0))), steps=60).total * BITS
    torch.testing.assert_close(found, torch.full_like(found, 8.0), rtol=0, atol=0.01)


def test_even_levels_cost_eight_bits_a_number_by_the_bound() -> None:
    levels = BYTE.low + BYTE.step * torch.arange(256, dtype=torch.float64)[:, None]
    data = finite(levels, Cosine())
    known = Judged(data.denoise, data.schedule, Statistics(torch.tensor(0.0), 0.58), BYTE)
    x0 = levels.repeat(3, 1)
    random = Random(0, range(len(x0)))
    found = continuous_bound(known, x0, random, times=24).total * BITS
    assert float(found.mean()) == pytest.approx(8, abs=4 * error_of(found))
    assert error_of(found) < 0.15
    chain = chain_bound(known, x0, random, steps=10).total * BITS
    assert 8 - 3 * error_of(chain) < float(chain.mean()) < 12


@pytest.mark.parametrize(
    "asked",
    [
        lambda j, x, r: continuous_bound(j, x, r, times=0),
        lambda j, x, r: chain_bound(j, x, r, steps=0),
        lambda j, x, r: flow_density(j, x, r, steps=0),
        lambda j, x, r: flow_density(j, x, r, steps=1, probes=0),
    ],
)
def test_less_than_one_of_anything_is_refused(asked) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="at least 1 is needed"):
        asked(judged(mixture(Cosine())), torch.zeros(1, 2), Random(0, [0]))
