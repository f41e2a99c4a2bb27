import math

import pytest
import torch
from torch import nn

from noiseloom.errors import InputError
from noiseloom.training.optimizers import AdamW, Muon, WarmDown, is_hidden_matrix
from noiseloom.training.orthogonalisation import orthogonalise


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(3, 4)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 8)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return x.square().sum()


def test_batched_muon_is_muon_one_by_one() -> None:
    config = Muon(learning_rate=0.1, momentum=0.9, weight_decay=0.01)
    torch.manual_seed(0)
    model = Tiny()
    matrix = model.blocks[0].weight
    momentum, expected = torch.zeros(4, 4), matrix.detach().clone()
    optimizer = config.build(model)
    for step in range(3):
        model(torch.randn(2, 3)).backward()
        gradient = matrix.grad.clone()
        momentum = 0.9 * momentum + 0.1 * gradient
        (update,) = orthogonalise([0.1 * gradient + 0.9 * momentum], config.newton_schulz)
        rate = 0.1 * (0.5 + 0.1 * step)
        expected = expected * (1 - rate * 0.01) - rate * update
        optimizer.step(0.5 + 0.1 * step)
        torch.testing.assert_close(matrix.detach(), expected)


def test_muon_wants_hidden_matrices() -> None:
    with pytest.raises(InputError, match="set training.optimizer=adamw"):
        Muon().build(nn.Linear(3, 4))


def test_hidden_matrices_are_those_of_the_blocks() -> None:
    names = [name for name, p in Tiny().named_parameters() if is_hidden_matrix(name, p)]
    assert names == ["blocks.0.weight", "blocks.1.weight", "blocks.2.weight"]


@pytest.mark.parametrize("config", [AdamW(), Muon()])
def test_state_survives_a_way_through_tensors(config: AdamW | Muon) -> None:
    def trained(steps: range, model: Tiny, optimizer) -> None:  # type: ignore[no-untyped-def]
        for step in steps:
            model(torch.randn(2, 3, generator=torch.Generator().manual_seed(step))).backward()
            optimizer.step(1.0)

    torch.manual_seed(0)
    whole = Tiny()
    whole_optimizer = config.build(whole)
    torch.manual_seed(0)
    half = Tiny()
    half_optimizer = config.build(half)
    trained(range(6), whole, whole_optimizer)
    trained(range(3), half, half_optimizer)
    resumed = Tiny()
    resumed.load_state_dict(half.state_dict())
    resumed_optimizer = config.build(resumed)
    resumed_optimizer.load((k, v.clone()) for k, v in half_optimizer.tensors().items())
    trained(range(3, 6), resumed, resumed_optimizer)
    for name, value in whole.state_dict().items():
        assert resumed.state_dict()[name].equal(value)
    assert resumed_optimizer.tensors().keys() == whole_optimizer.tensors().keys()


def test_warm_down() -> None:
    plan = WarmDown(warmup=0.1, fall=0.5)
    rates = [plan.rate(step, 99) for step in range(99)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:49] == pytest.approx([1.0] * 40)
    assert rates[74] == pytest.approx(0.5)
    assert rates[98] == pytest.approx(0.02)
    assert math.isclose(max(rates), 1.0)
    with pytest.raises(ValueError, match="together at most 1"):
        WarmDown(warmup=0.6, fall=0.6)
