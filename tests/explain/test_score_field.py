"""The exact score is the gradient of the density points come from; known errors are found."""

import json

import numpy as np
import pytest
import torch
from torch import Tensor

from noiseloom.data import toy
from noiseloom.data.dataset import KnowsDensity
from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.exact import Mixture
from noiseloom.diffusion.schedules import EDM, RectifiedFlow
from noiseloom.errors import InputError
from noiseloom.evaluate.loss_by_time import even_times
from noiseloom.explain import explain, fitting
from noiseloom.explain.exact_score import Exact, exact_of, score_error
from noiseloom.runs import Recipe, Run

TINY = (
    "network.width=16",
    "network.depth=1",
    "data.num=300",
    "training.steps=20",
    "task.sampler.steps=2",
)


def mixture(shape: str, schedule: object = None, **settings: float) -> Exact:
    config = toy.Config(shape=shape, num=50, **settings)
    return exact_of(config, config.open(), schedule or EDM(), None)


@pytest.mark.parametrize("shape", ["two-moons", "spirals", "gaussian-mixture"])
def test_a_known_density_is_that_of_the_points(shape: str) -> None:
    """Means of functions of the points, by class, are those of the density."""
    config = toy.Config(shape=shape, num=200_000)
    density = config.gaussians()
    assert density is not None
    assert density.weights.sum() == pytest.approx(1, abs=1e-12)
    train = config.open().train
    for label in np.unique(density.labels):
        mine, own = train.items[train.labels == label].astype(np.float64), density.of(label)
        spread = own.stds[:, None, None] ** 2 * np.eye(2)
        outer = own.means[:, :, None] * own.means[:, None, :] + spread
        second = (own.weights[:, None, None] * outer).sum(axis=0)
        np.testing.assert_allclose(mine.mean(axis=0), own.weights @ own.means, atol=0.02)
        np.testing.assert_allclose(mine.T @ mine / len(mine), second, atol=0.03)


@pytest.mark.parametrize("shape", ["two-moons", "spirals"])
def test_more_nodes_change_nothing(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points = toy.Config(shape=shape, num=300).open().train.items
    t = torch.full((len(points),), EDM().t_min, dtype=torch.float64)
    found = []
    for nodes in (toy.NODES_PER_STD, 2 * toy.NODES_PER_STD):
        monkeypatch.setattr(toy, "NODES_PER_STD", nodes)
        monkeypatch.setattr(toy, "MOST_NODES", 10_000)
        found.append(mixture(shape).score(torch.from_numpy(points).double(), t))
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-6)


def test_where_no_density_is_known_it_is_the_training_points() -> None:
    assert isinstance(toy.Config(), KnowsDensity)
    for config in (toy.Config(shape="checkerboard", num=40), toy.Config(noise=0.001, num=40)):
        assert config.gaussians() is None
        dataset = config.open()
        exact = exact_of(config, dataset, EDM(), None)
        assert not exact.is_density and "40 training points" in exact.words
        np.testing.assert_allclose(exact.data.means.numpy(), dataset.train.items)
    labelled = exact_of(config, dataset, EDM(), 1)
    assert len(labelled.data.means) == int((dataset.train.labels == 1).sum())


def scaled(exact: Exact, factor: float) -> Denoise:
    """The exact score times `factor`."""

    def denoise(xt: Tensor, t: Tensor) -> Prediction:
        said = exact.data.denoise(xt.double(), t.double())
        return Prediction(factor * said.score, "score", xt, said.at)

    return denoise


@pytest.mark.parametrize("schedule", [EDM(), RectifiedFlow()])
@pytest.mark.parametrize("shape", ["two-moons", "gaussian-mixture"])
def test_the_exact_denoiser_has_no_error(shape: str, schedule: object) -> None:
    exact = mixture(shape, schedule)
    for t in even_times(schedule, 6).tolist():
        assert score_error(exact.data.denoise, exact, t, num=500, seed=0).relative < 1e-6


def test_a_planted_error_is_found_as_large_as_it_is() -> None:
    exact = mixture("gaussian-mixture")
    for t in even_times(EDM(), 4).tolist():
        for factor, error in ((0.0, 1.0), (0.9, 0.01), (3.0, 4.0)):
            found = score_error(scaled(exact, factor), exact, t, num=400, seed=1)
            assert found.relative == pytest.approx(error, rel=1e-6)
            low, high = found.interval(0)
            assert low == pytest.approx(error, rel=1e-6) == high


def test_a_gaussian_taken_for_another_has_the_error_of_the_closed_form() -> None:
    """N(0, s²) for N(0, 1): scores -x / v and -x / w, off by (1 - w / v)²."""
    one, t = torch.ones(1, dtype=torch.float64), 0.4
    truth, other = (Mixture(torch.zeros(1, 2), std * one, one, EDM()) for std in (1.0, 0.5))
    sigma = float(EDM().sigma(torch.tensor(t, dtype=torch.float64)))
    v, w = 0.25 + sigma**2, 1 + sigma**2
    found = score_error(other.denoise, Exact(truth, "", True), t, num=200, seed=0)
    assert found.relative == pytest.approx((1 - w / v) ** 2, rel=1e-5)


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = Recipe.load("toy-2d", [*TINY, "data.shape=gaussian-mixture", "training.snapshots=0"])
    run = Run.create(recipe, tmp_path_factory.mktemp("runs") / "points")
    run.train(evaluate=False)
    return run


def test_a_page_of_a_run_holds_the_figures(points: Run) -> None:
    found = explain(points, "score-field", ["3"], ["times=3", "num=200"])
    rows = found.figures["relative_error"]
    assert [row["t"] for row in rows] == sorted(row["t"] for row in rows) and len(rows) == 3
    assert all(row["interval"][0] <= row["relative_error"] <= row["interval"][1] for row in rows)
    assert found.figures["exact_is_the_density"] is True
    assert found.protocol["points"] == "class 3"
    centre = toy.MIXTURE_RADIUS * np.array([np.cos(3 * np.pi / 4), np.sin(3 * np.pi / 4)])
    reach = found.arrays["reach"][0]
    density = found.arrays["log_density"][0]
    up, right = np.unravel_index(density.argmax(), density.shape)
    highest = np.linspace(-reach, reach, len(density))[[right, up]]
    np.testing.assert_allclose(highest, centre, atol=2 * reach / len(density))
    folder = found.save(points.folder, "score-field")
    page = (folder / "page.html").read_text()
    assert page.count('class="turned"') == 3 and "Relative error at each t" in page
    assert json.loads((folder / "explanation.json").read_text())["figures"] == found.figures


def test_what_does_not_fit_is_refused(points: Run) -> None:
    with pytest.raises(InputError, match="There is no class 'nine'"):
        explain(points, "score-field", ["nine"])
    with pytest.raises(InputError, match="looks at one class"):
        explain(points, "score-field", ["1", "2"])
    task, _ = points.trained_task()
    assert "score-field" in fitting(task)
