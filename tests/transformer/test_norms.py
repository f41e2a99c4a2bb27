"""The root-mean-square norm is torch's, forward and backward."""

import pytest
import torch
import torch.nn.functional as F

from noiseloom.transformer.norms import RmsNorm


@pytest.mark.parametrize("learned", [False, True])
def test_it_is_torch_s_with_its_gradients(learned: bool) -> None:
    torch.manual_seed(0)
    norm = RmsNorm(12, eps=1e-3, learned=learned).double()
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 5, 12, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(norm(x), F.rms_norm(x, (12,), norm.weight, 1e-3))
    assert torch.autograd.gradcheck(norm, (x,))
    (gradient,) = torch.autograd.grad(norm(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):  # better none than a wrong one
        gradient.sum().backward()


def test_nothing_stays_nothing_and_small_numbers_stay_finite() -> None:
    norm = RmsNorm(4, eps=1e-6, learned=False)
    x = torch.zeros(1, 4, requires_grad=True)
    norm(x).sum().backward()
    assert norm(x).tolist() == [[0] * 4]
    assert x.grad is not None and x.grad.tolist() == [[pytest.approx(1000)] * 4]


def test_bfloat16_is_measured_in_float32() -> None:
    torch.manual_seed(0)
    x = (300 * torch.randn(3, 512)).bfloat16()
    wanted = F.rms_norm(x.double(), (512,), eps=1e-6)
    got = RmsNorm(512, eps=1e-6, learned=False)(x)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.double(), wanted, rtol=1e-2, atol=1e-3)
