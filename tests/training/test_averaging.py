import pytest
import torch
from torch import nn

from noiseloom.training.averaging import Average, gamma_of


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("count", torch.zeros(1, dtype=torch.long))


def test_published_exponents() -> None:
    # Karras et al. 2023, section 3.1: gamma 16.97 and 6.94 for widths 0.05 and 0.10
    assert gamma_of(0.05) == pytest.approx(16.97, abs=0.01)
    assert gamma_of(0.10) == pytest.approx(6.94, abs=0.01)
    with pytest.raises(ValueError, match=r"up to 0\.28"):
        gamma_of(0.3)


def test_the_average_is_the_power_profile_and_takes_buffers_in() -> None:
    model, num = Counter(), 400
    average = Average(model, 0.1)
    for step in range(1, num + 1):
        model.weight.data.fill_(step)
        model.seen.fill_(step)
        model.count.fill_(step)
        average.update(model, step)
    # mean of the profile t^gamma on [0, 1]
    expected = (average.gamma + 1) / (average.gamma + 2) * num
    assert float(average.values["weight"]) == pytest.approx(expected, rel=5e-3)
    assert average.values["seen"].equal(average.values["weight"])
    assert int(average.values["count"]) == num


def test_the_start_is_forgotten_at_once() -> None:
    model = Counter()
    model.weight.data.fill_(1e6)
    average = Average(model, 0.05)
    model.weight.data.fill_(1.0)
    average.update(model, 1)
    assert float(average.values["weight"]) == 1.0


def test_applied_within_and_undone_after() -> None:
    model = Counter()
    average = Average(model, 0.05)
    model.weight.data.fill_(3.0)
    with pytest.raises(RuntimeError), average.applied_to(model):
        assert float(model.weight.detach()) == 0.0
        raise RuntimeError
    assert float(model.weight.detach()) == 3.0
