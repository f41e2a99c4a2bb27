import json
import math

import numpy as np
import pytest
import torch

from noiseloom.errors import DataError
from noiseloom.evaluate.reconstruction import Config, code_usage, shrunk
from noiseloom.tasks import Reconstructed

QUICK = Config(num=100, draws=6, bootstrap=40, feature_images=16_000)


def reconstruct_as(change, nats=None, indices=None):
    def reconstruct(items):
        latents = torch.arange(2.0)[None, :, None, None].expand(len(items), 2, 4, 4)
        return Reconstructed(
            change(np.array(items)),
            latents,
            None if nats is None else torch.full((len(items),), nats),
            None if indices is None else indices.expand(len(items), 1, len(indices)),
        )

    return reconstruct


def measure(dataset, change, num_codes=None, **code):
    how = reconstruct_as(change, **code)
    return QUICK.measure(dataset, how, num_codes=num_codes, seed=0, protocol={"weights": "ema"})


@pytest.fixture(scope="module")
def of_the_same(dataset):
    return measure(dataset, lambda items: items, nats=3.5)


def test_says_all_it_should(of_the_same):
    assert json.loads(json.dumps(of_the_same, allow_nan=False)) == of_the_same
    metrics = {"squared_error", "psnr", "ssim", "frechet_distance"}
    assert of_the_same["metrics"].keys() == metrics | {"latent_nats"}
    assert of_the_same["baselines"]["shrinking"]["metrics"].keys() == metrics
    protocol = of_the_same["protocol"]
    assert protocol["weights"] == "ema" and protocol["training_images_reconstructed"] == 100
    assert protocol["latents"] == [2, 4, 4] and protocol["numbers_kept"] == 32 / 256
    assert of_the_same["checks"] == {"latent_mean": [0, 1], "latent_std": [0, 0]}


def test_what_comes_back_the_same_scores_what_the_images_do(of_the_same):
    metrics = of_the_same["metrics"]
    assert metrics["squared_error"] == 0 and metrics["psnr"] == pytest.approx(100)
    assert metrics["ssim"] == pytest.approx(1)
    low, high = of_the_same["floor_intervals"]["frechet_distance"]
    assert low <= metrics["frechet_distance"] <= high
    assert metrics["latent_nats"] == 3.5


def test_shrinking_by_as_much_is_measured_alike(dataset, of_the_same):
    plain = of_the_same["baselines"]["shrinking"]
    shrinking = measure(dataset, lambda items: shrunk(items, 4))
    for name, value in plain["metrics"].items():
        assert shrinking["metrics"][name] == pytest.approx(value)
    assert plain["metrics"]["frechet_distance"] > 2 * of_the_same["floor"]["frechet_distance"]


def test_intervals_hold_their_figures(dataset):
    def noisy(items):
        noise = np.random.default_rng(0).integers(-20, 20, items.shape)
        return np.clip(items + noise, 0, 255).astype(np.uint8)

    found = measure(dataset, noisy)
    for name, (low, high) in found["intervals"].items():
        assert low <= found["metrics"][name] <= high, name


def test_codes_in_use_are_counted(dataset):
    found = measure(dataset, lambda items: items, 8, indices=torch.tensor([0, 0, 5, 5]))
    assert found["metrics"]["codes_used"] == 2 / 8
    assert found["metrics"]["code_perplexity"] == pytest.approx(2)


def test_code_usage_by_hand():
    usage, perplexity = code_usage(torch.tensor([[0, 0], [0, 3]]), 4)
    assert usage == 0.5
    assert perplexity == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))
    assert code_usage(torch.arange(16), 16) == pytest.approx((1, 16))


def test_shrinking_averages_and_stretches():
    flat = np.full((2, 8, 8, 3), 77, dtype=np.uint8)
    assert (shrunk(flat, 4) == 77).all()
    halves = np.zeros((1, 4, 4, 1), dtype=np.uint8)
    halves[:, :, 2:] = 200
    assert shrunk(halves, 2)[0, 0, :, 0].tolist() == [0, 50, 150, 200]


def test_too_few_images_are_refused(build_dataset, tmp_path):
    few = build_dataset(tmp_path, train=6, reference=6)
    with pytest.raises(DataError, match="an evaluation needs 10 of each"):
        measure(few, lambda items: items)
