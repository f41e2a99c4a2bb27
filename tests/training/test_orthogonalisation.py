import numpy as np
import pytest
import torch

from noiseloom.training.orthogonalisation import CUSHION, NEAR, coefficients, orthogonalise


def plain_newton_schulz(x: torch.Tensor, steps: int) -> torch.Tensor:
    """The iteration on the matrix itself, divided by its Schatten-8 norm."""
    x = x / torch.linalg.svdvals(x).pow(8).sum().pow(1 / 8)
    for a, b, c in coefficients(steps):
        gram = x.mT @ x
        x = x @ (a * torch.eye(len(gram)) + b * gram + c * gram @ gram)
    return x


@pytest.mark.parametrize(("steps", "low"), [(1, 0.16), (2, 0.04), (3, 0.0095), (5, 0.00053)])
def test_singular_values_from_low_on_come_within_the_bound(steps: int, low: float) -> None:
    values = np.geomspace(low, 1, 100_001)
    for a, b, c in coefficients(steps):
        values = a * values + b * values**3 + c * values**5
    assert values.min() == pytest.approx(1 - NEAR, abs=0.05)  # the cushion lowers it
    assert values.max() == pytest.approx(1 + NEAR, abs=0.02)


def test_no_quintic_is_nearer_to_one() -> None:
    """Chebyshev: the error of the best takes its largest size four times, in turn."""
    ((a, b, c),) = coefficients(1)
    at = np.geomspace(0.1565, 1, 100_001) * CUSHION
    values = a * at + b * at**3 + c * at**5
    turns = np.flatnonzero(np.diff(np.sign(np.diff(values)))) + 1
    extremes = values[[0, *turns, -1]]
    assert extremes == pytest.approx([0.7, 1.3, 0.7, 1.3], abs=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_the_gram_form_is_the_iteration_itself(steps: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(16, 16), (32, 8), (8, 32), (24, 16)]
    matrices = [torch.randn(*shape, generator=generator) for shape in shapes]
    for matrix, result in zip(matrices, orthogonalise(matrices, steps), strict=True):
        wide = matrix.shape[0] < matrix.shape[1]
        expected = plain_newton_schulz(matrix.mT if wide else matrix, steps)
        torch.testing.assert_close(result, expected.mT if wide else expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(16, 16), (8, 32), (32, 8)])
def test_orthogonalised_matrices_keep_their_directions(shape: tuple[int, ...]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    (result,) = orthogonalise([matrix], steps=5)
    values = (u.mT @ result @ vt.mT).diagonal(dim1=-2, dim2=-1)
    assert float(values.min()) > 0.69 and float(values.max()) < 1.31
    off = u.mT @ result @ vt.mT - torch.diag_embed(values)
    assert float(off.abs().max()) < 1e-3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9])
def test_rounding_never_blows_up(precision: str, steps: int) -> None:
    """Singular values over four decades: what rounding makes of the small ones must stay small."""
    generator = torch.Generator().manual_seed(0)
    u, _, vt = torch.linalg.svd(torch.randn(96, 64, generator=generator), full_matrices=False)
    matrices = [u @ torch.diag(torch.logspace(0, -decades, 64)) @ vt for decades in (1, 2, 4)]
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        answers = orthogonalise(matrices, steps)
    assert max(float(torch.linalg.svdvals(x.float()).max()) for x in answers) < 1.35


def test_matrices_in_bfloat16_are_answered_in_bfloat16() -> None:
    matrix = torch.randn(32, 16, generator=torch.Generator().manual_seed(0))
    (exact,) = orthogonalise([matrix], steps=3)
    (rounded,) = orthogonalise([matrix.bfloat16()], steps=3)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, atol=0.1, rtol=0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gradients_of_every_size_are_orthogonalised_or_left_small(precision: str) -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(64, 32, generator=generator)
    matrix /= matrix.norm()
    matrices = [torch.zeros(64, 32), *(matrix * 10.0 ** (-power / 4) for power in range(-16, 120))]
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        nothing, *answers = orthogonalise(matrices, steps=5)
    assert not nothing.any()
    largest = [float(torch.linalg.svdvals(x.float()).max()) for x in answers]
    assert max(largest) < 1.35
    assert min(largest[:44]) > 0.65  # down to a norm of 1e-7
