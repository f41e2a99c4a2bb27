"""A run's likelihood: what is written and said, and who is refused before anything is computed."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noiseloom import cli
from noiseloom.errors import ConfigError, InputError
from noiseloom.evaluate.likelihood import sentences
from noiseloom.runs import Recipe, Run
from noiseloom.runs import likelihood as scoring
from noiseloom.runs.editing import Editor
from noiseloom.tasks import HasExactLikelihood

SMALL = ("training.steps=3", "training.batch_size=8", "training.precision=float32")


def trained(folder: Path, *words: str) -> Run:
    run = Run.create(Recipe.load(words[0], [*SMALL, *words[1:]]), folder)
    run.train(evaluate=False)
    return run


@pytest.fixture(scope="module", autouse=True)
def quick() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "STEPS", 4)
        patch.setattr(scoring, "TIMES", 6)
        yield patch


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    network = ("network.depth=1", "network.width=24", "network.heads=2", "task.sampler.steps=2")
    return trained(tmp_path_factory.mktemp("runs") / "digits", "digits", *network)


def test_it_is_written_beside_what_is_there_and_said(
    digits: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    digits.write_json("evaluation.json", {"metrics": {"recall": 0.5}})
    folder = str(digits.folder)
    assert cli.main(["evaluate", folder, "--likelihood", "--num", "6", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    written = json.loads((digits.folder / "evaluation.json").read_text())
    assert written["metrics"] == {"recall": 0.5}
    found = written["likelihood"]
    assert found["num"] == 6 and found["split"] == "held-out" and found["seed"] == 3
    assert found["weights"] == "ema" and found["trained_steps"] == 3 and found["dimensions"] == 64
    bound, ode = found["bound"], found["ode"]
    assert sum(bound["parts"].values()) == pytest.approx(bound["value"])
    assert bound["nats_per_dimension"] == pytest.approx(bound["value"] * math.log(2))
    assert bound["standard_error"] > 0 and ode["standard_error"] > 0
    assert (ode["steps"], ode["calls"], ode["probes"]) == (4, 16, 1)
    assert bound["times"] == 6 and bound["kind"] == "continuous time"
    for text in (f"{bound['value']:.3f} ±", f"{ode['value']:.3f} ±", "only an exact denoiser"):
        assert text in said
    page = (digits.folder / "report.html").read_text()
    assert "<h2>Likelihood</h2>" in page and f"{bound['value']:.3f} ±" in page
    assert digits.evaluate(likelihood=True, num=6, seed=3)["likelihood"]["bound"] == {
        **bound,
        "seconds": pytest.approx(bound["seconds"], abs=60),
    }


@pytest.mark.slow
def test_a_run_trained_by_the_bound_comes_to_the_true_likelihood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clouds N(m, 0.12²) of which the label says which: their entropy is known."""
    monkeypatch.setattr(scoring, "STEPS", 24)
    monkeypatch.setattr(scoring, "TIMES", 64)
    run = Run.create(Recipe.load("toy-likelihood"), tmp_path / "run")
    run.train(evaluate=False)
    found = run.evaluate(likelihood=True, num=2000)["likelihood"]
    truth = 0.5 * math.log2(2 * math.pi * math.e * 0.12**2)
    for figures in (found["bound"], found["ode"]):
        assert figures["value"] == pytest.approx(truth, abs=0.05 + 3 * figures["standard_error"])
        assert figures["standard_error"] < 0.05


def test_a_few_levels_less_certain_cost_what_they_must(digits: Run) -> None:
    """An untrained network knows mean and spread: between 0 and the 8 bits of knowing nothing."""
    found = digits.evaluate(likelihood=True, num=20)["likelihood"]
    assert 4 < found["ode"]["value"] < 8.5
    assert 4 < found["bound"]["value"] < 8.5


def test_a_run_trained_on_a_chain_is_scored_by_it(tmp_path: Path) -> None:
    run = trained(
        tmp_path / "chain",
        "toy-2d",
        "task.objective={name: hybrid, steps: 5}",
        "task.learned_variance=true",
        "task.uncertainty=true",
        "task.times=uniform",
        "network.width=16",
        "data.num=200",
        "task.sampler.steps=2",
    )
    assert "uncertainty.weight" in run.trained_task()[0].model.state_dict()
    found = run.evaluate(likelihood=True, num=10)["likelihood"]
    assert found["bound"]["kind"] == "5 steps" and found["bound"]["times"] == 4
    assert found["ode"]["divergence"] == "exact" and found["ode"]["probes"] == 0
    assert found["of_levels"] is False


def test_later_figures_keep_the_likelihood_of_the_same_weights(tmp_path: Path) -> None:
    run = trained(
        tmp_path / "points",
        "toy-2d",
        "network.width=16",
        "data.num=200",
        "evaluation.num=50",
        "evaluation.draws=2",
        "evaluation.bootstrap=20",
        "task.sampler.steps=2",
    )
    scored = run.evaluate(likelihood=True, num=10)["likelihood"]
    after = run.evaluate()
    assert after["likelihood"] == scored and after["metrics"]
    assert len(after["loss_by_time"]["train"]) == len(after["loss_by_time"]["train_floor"])
    assert "likelihood" not in run.evaluate(raw=True)


def test_a_classifier_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(tmp_path / "classifier", "digits-classifier", "network.width=4")
    monkeypatch.setattr(Run, "open_data", lambda *_: pytest.fail("nothing may be computed"))
    with pytest.raises(InputError) as refused:
        run.evaluate(likelihood=True)
    assert str(refused.value) == (
        f"{run.folder} has no likelihood: task 'image-classification' trains neither a denoiser of "
        "the data at every noise level nor what tells its pixels in order, and only these say how "
        "likely data is. Use it with: "
        f"noiseloom predict {run.folder} picture.png"
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"steps": 3}, "--steps would say how samples are drawn"),
        ({"sampler": "heun", "guidance": 1.5}, "--sampler, --guidance would say"),
        ({"num": 100_000}, "100,000 held-out items is asked for, and there are 357; allowed is 2"),
    ],
)
def test_what_does_not_fit_is_refused(digits: Run, asked: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        digits.evaluate(likelihood=True, **asked)


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that tells the pixels of digits in order, in the 17 levels that they have."""
    changes = ("data=digits", "network.patch=8", "network.width=16", "network.depth=1")
    figures = ("evaluation.num=40", "evaluation.feature_images=100", "evaluation.bootstrap=20")
    folder = tmp_path_factory.mktemp("runs") / "pixels"
    return trained(folder, "mnist-pixels", "task.levels=17", *changes, *figures)


def test_one_that_tells_pixels_has_an_exact_one(
    pixels: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", str(pixels.folder), "--likelihood", "--num", "20"]) == 0
    said = capsys.readouterr().out
    found = json.loads((pixels.folder / "evaluation.json").read_text())["likelihood"]
    task, _ = pixels.trained_task()
    assert isinstance(task, HasExactLikelihood)
    held = pixels.open_data().reference
    places = np.linspace(0, len(held) - 1, 20).round().astype(int)
    bits = task.nats(held.items[places], held.asked(places)) / 64 / math.log(2)
    exact = found["exact"]
    assert exact["value"] == pytest.approx(float(bits.mean()))
    assert exact["standard_error"] == pytest.approx(float(bits.std()) / math.sqrt(20))
    assert found["lossless"] is True and found["levels"] == 17 and found["num"] == 20
    assert f"{exact['value']:.3f} ±" in said and "as they are stored" in said
    assert f"{exact['value']:.3f} ±" in (pixels.folder / "report.html").read_text()
    with pytest.raises(InputError, match="--steps would say how samples are drawn"):
        pixels.evaluate(likelihood=True, steps=3)


def test_fewer_levels_than_the_data_has_are_said(pixels: Run) -> None:
    dataset = pixels.open_data()
    network = pixels.recipe.network
    task = replace(pixels.recipe.task, levels=4).build(network, dataset.form, None, {})
    found = scoring.measure_exact(task, dataset, num=5)
    assert found["exact"]["value"] == pytest.approx(2)  # 4 levels, equally likely
    assert found["lossless"] is False
    *_, last = sentences({**found, "weights": "ema"})
    assert "nearest of 4 levels, which is less than what is stored" in last


def test_what_tells_pixels_is_measured_with_its_likelihood(pixels: Run) -> None:
    found = pixels.evaluate()
    own, exact = found["metrics"]["bits_per_dim"], found["likelihood"]["exact"]
    assert own == exact["value"] and found["likelihood"]["num"] == 357
    low, high = found["intervals"]["bits_per_dim"]
    assert low < own < high < math.log2(17) + 0.5
    assert "Bits per dimension" in (pixels.folder / "report.html").read_text()
    assert "- diffusion" not in (pixels.folder / "README.md").read_text()


def test_what_tells_pixels_is_no_walk_from_noise(pixels: Run, digits: Run) -> None:
    with pytest.raises(InputError, match="--steps would say how noise becomes an image"):
        pixels.sample(num=1, steps=3)
    with pytest.raises(InputError, match="not by a sampler that an edit could lead"):
        Editor(pixels)
    with pytest.raises(InputError, match="draws samples that nothing guides"):
        pixels.sample(num=1, autoguide=digits.folder)
    with pytest.raises(InputError, match="the guide denoises nothing"):
        digits.sample(num=1, autoguide=pixels.folder)
    drawn = pixels.sample(num=3, label="7", keep_frames=True)
    assert len(drawn.frames or []) == 8  # a frame for each row
    assert set(np.unique(drawn.items)) <= {round(255 * level / 16) for level in range(17)}


@pytest.mark.parametrize(
    ("recipe", "network", "said"),
    [
        ("mnist-pixels", "dit", "reads whole items, and task 'autoregressive-image-generation'"),
        ("digits", "pixel-transformer", "Use network dit or mlp or unet"),
    ],
)
def test_networks_of_whole_items_and_of_numbers_in_order_are_told_apart(
    recipe: str, network: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        Recipe.load(recipe, ["data=digits", f"network={network}"])
