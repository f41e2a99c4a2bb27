import pytest
import torch

from noiseloom.evaluate import kernel as kernels
from noiseloom.evaluate.kernel import KernelDistance, cubic, negative_distance


def normal(n, seed, shift=0.0, dimension=4):
    generator = torch.Generator().manual_seed(seed)
    return shift + torch.randn(n, dimension, generator=generator, dtype=torch.float64)


def by_two_loops(x, y, k):
    n, m = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    across = sum(k(x[i], y[j]) for i in range(n) for j in range(m)) / (n * m)
    return float(within_x + within_y - 2 * across)


@pytest.mark.parametrize(
    ("kernel", "plain"),
    [
        (cubic, lambda a, b: (torch.dot(a, b) / len(a) + 1) ** 3),
        (negative_distance, lambda a, b: -(a - b).norm()),
    ],
)
def test_equals_the_definition(kernel, plain, monkeypatch):
    x, y = normal(17, 1, 0.5), normal(12, 2)
    distance = KernelDistance.against(y, kernel)
    assert distance.of(x) == pytest.approx(by_two_loops(x, y, plain), rel=1e-10)
    monkeypatch.setattr(kernels, "CHUNK", 5)
    assert KernelDistance.against(y, kernel).of(x) == pytest.approx(distance.of(x), rel=1e-12)


def test_is_unbiased():
    distance = KernelDistance.against(normal(2000, 0))
    values = [distance.of(normal(50, seed)) for seed in range(1, 200)]
    mean = sum(values) / len(values)
    error = torch.tensor(values).std() / len(values) ** 0.5
    assert abs(mean) < 3 * float(error) + 0.01


def test_known_closeness_changes_nothing():
    x, distance = normal(30, 1), KernelDistance.against(normal(40, 2))
    assert distance.of(x, distance.closeness(x)) == distance.of(x)


def test_interval_covers_the_truth():
    reference = normal(300, 0)
    distance = KernelDistance.against(reference)
    expected = sum(distance.of(normal(60, seed, 0.3)) for seed in range(300)) / 300
    generator = torch.Generator().manual_seed(0)
    inside = 0
    for seed in range(1000, 1060):
        low, high = distance.interval(normal(60, seed, 0.3), 80, generator)
        inside += low <= expected <= high
    assert inside >= 60 * 0.85


def test_energy_distance_of_two_points():
    # 2·|a - b| with both sets a point twice over
    x, y = torch.zeros(2, 2).double(), torch.tensor([[3.0, 4.0], [3.0, 4.0]]).double()
    assert KernelDistance.against(y, negative_distance).of(x) == pytest.approx(10)
