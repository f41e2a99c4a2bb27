import pytest
import torch

from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.samplers import SAMPLERS, plan_times
from noiseloom.diffusion.sampling import ADAPTIVE
from noiseloom.diffusion.schedules import EDM, SCHEDULES, Cosine, RectifiedFlow
from noiseloom.diffusion.spacings import SPACINGS
from noiseloom.seeds import Random


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("num_steps", [1, 2, 25])
def test_times_fall_from_one_end_to_the_other(spacing: str, name: str, num_steps: int) -> None:
    schedule = SCHEDULES[name]()
    plan = SPACINGS[spacing](schedule, num_steps)
    assert plan.dtype == torch.float64 and len(plan) == num_steps + 1
    assert plan[0] == schedule.t_max and plan[-1] == schedule.t_min
    assert (plan.diff() < 0).all()


@pytest.mark.parametrize("spacing", SPACINGS)
def test_no_steps_are_refused(spacing: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SPACINGS[spacing](RectifiedFlow(), 0)


def test_each_is_even_in_what_it_says() -> None:
    schedule = Cosine()
    inner = slice(1, -1)  # the ends are the schedule's own
    assert SPACINGS["uniform"](schedule, 4).tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert SPACINGS["quadratic"](schedule, 4).tolist() == [1.0, 0.5625, 0.25, 0.0625, 0.0]
    log_snr = schedule.log_snr(SPACINGS["log-snr"](schedule, 12))[inner].diff()
    torch.testing.assert_close(log_snr, log_snr[0].expand(10))
    at = schedule.at(SPACINGS["karras"](schedule, 12))
    root = ((at.sigma / at.alpha) ** (1 / 7))[inner].diff()
    torch.testing.assert_close(root, root[0].expand(10))


def test_karras_on_edm_is_the_paper_s_and_even_in_t() -> None:
    """Karras et al. 2022, eq. 5, with the constants of its table 1."""
    i = torch.arange(19, dtype=torch.float64)
    sigma = (80 ** (1 / 7) + i / 18 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    plan = SPACINGS["karras"](EDM(), 18)
    torch.testing.assert_close(EDM().sigma(plan), sigma, rtol=1e-12, atol=0)
    torch.testing.assert_close(plan, plan_times(EDM(), 18), rtol=1e-9, atol=1e-12)


def test_the_shift_is_applied_once() -> None:
    assert plan_times(RectifiedFlow(), 2, shift=3.0).tolist() == [1.0, 0.75, 0.0]
    # Esser et al. 2024, eq. 23: shifting by 2 and by 3 is shifting by 6, so twice would show
    u = plan_times(RectifiedFlow(), 8, shift=2.0)
    twice = 3 * u / (1 + 2 * u)
    torch.testing.assert_close(twice, plan_times(RectifiedFlow(), 8, shift=6.0))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in ADAPTIVE])
def test_each_move_goes_from_one_time_of_the_plan_to_the_next(sampler: str, spacing: str) -> None:
    """No previous step is guessed from a stride, and none is looked up by equality."""
    data = Gaussian(0.0, 1.0, Cosine())
    plan = SPACINGS[spacing](data.schedule, 7)
    asked = []

    def denoise(xt, t):
        asked.append(float(t[0]))
        return data.denoise(xt, t)

    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    walk = SAMPLERS[sampler](denoise, x, plan, data.schedule, Random(0, range(2)))
    assert [step.t for step in walk] == plan[1:].tolist()
    if sampler != "edm":  # which asks at more noise than the plan's
        assert set(asked) == set(plan[:-1].tolist())
