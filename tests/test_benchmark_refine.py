"""The arithmetic of benchmarks/refine.py: seams, equal time, and the verdict."""

import importlib
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from noiseloom.data.forms import ImageForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import InputError
from noiseloom.networks.pixel_transformer import Config as PixelTransformer
from noiseloom.seeds import fixed
from noiseloom.tasks.autoregressive_image_generation import Config as Pixels
from noiseloom.tasks.unconditional_image_generation import Config as Generation

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def refine() -> Iterator[ModuleType]:
    """The benchmark's module, with what it imports from benchmarks/ gone again afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("refine")
    for name in ("refine", "judge"):
        del sys.modules[name]


def test_seams_are_where_brightness_steps_at_borders_alone(refine: ModuleType) -> None:
    even = np.arange(28, dtype=np.uint8)[:, None] + np.arange(28, dtype=np.uint8)
    ramp = np.stack([even[..., None]] * 2)
    assert refine.seam_energy(ramp, 7) == pytest.approx(1)
    stepped = ramp.astype(int)
    for border in (7, 14, 21):  # each step of 1 becomes one of 3
        stepped[:, border:] += 2
        stepped[:, :, border:] += 2
    assert refine.seam_energy(stepped.astype(np.uint8), 7) == pytest.approx(9)
    assert refine.seam_energy(stepped.astype(np.uint8), 5) < 1.01


def test_equal_time_is_the_most_steps_that_fit(refine: ModuleType) -> None:
    line = refine.Line.through({1: 3.0, 4: 9.0, 50: 101.0})  # 1 + 2 a step
    assert line.at(8) == pytest.approx(17)
    assert [line.most(seconds) for seconds in (0.5, 9.0, 10.9, 11.0)] == [1, 4, 4, 5]


def test_times_that_miss_a_way_are_taken_anew(refine: ModuleType, tmp_path: Path) -> None:
    path, asked = tmp_path / "seconds.json", []
    ways = {name: lambda steps, num, name=name: asked.append((name, steps)) for name in ("", "a")}
    first = refine._timed(path, {"": ways[""]}, (1, 4), 5)
    assert set(first[""]) == {"1", "4"} and len(asked) == 2 * (1 + refine.REPEATS)
    assert refine._timed(path, {"": ways[""]}, (1,), 5) == first
    assert len(asked) == 2 * (1 + refine.REPEATS)
    assert set(refine._timed(path, ways, (1,), 5)) == {"", "a"}
    assert asked[-2:] == [("", 1), ("a", 1)]


def row(refine: ModuleType, name: str, steps: int, seconds: float, distance: float) -> object:
    return refine.Row(name, steps, seconds, distance, 0.9, 0.8, 1.1)


def test_the_verdict_is_the_share_of_the_gap_and_of_its_time(refine: ModuleType) -> None:
    rows = [
        row(refine, "", 4, 10.0, 40.0),
        row(refine, "expert", 4, 20.0, 30.0),
        row(refine, "", 50, 110.0, 20.0),
    ]
    shares = refine.closed(rows, "expert")
    assert shares == pytest.approx({"gap": 0.5, "time": 0.1})
    assert refine.said("expert", shares).endswith("30% in 25%, is reached.")
    slow = [rows[0], row(refine, "expert", 4, 40.0, 30.0), rows[2]]
    assert refine.said("expert", refine.closed(slow, "expert")).endswith("is not reached.")
    assert refine.closed(rows[:2], "expert") is None
    assert refine.closed([rows[0], rows[1], row(refine, "", 50, 110.0, 41.0)], "expert") is None


def test_the_table_names_each_way(refine: ModuleType) -> None:
    equal = refine.Row("", 6, 14.0, 35.0, 0.9, 0.8, 1.1, equal_time=True)
    real = {"frechet_distance": 11.0, "label_agreement": 0.98, "recall": 0.9, "seam_energy": 1.0}
    rows = [row(refine, "expert", 4, 20.0, 30.0), equal]
    shown = refine.table(rows, real, {9: 13.5}).splitlines()
    assert shown[2] == "| 4 | expert | 20.0 | 30.0 | 90.0% | 0.80 | 1.10 |"
    assert shown[3].startswith("| 6 | no one, in the same time | 14.0 | 35.0 |")
    assert shown[4].startswith("| real digits | | | 11.0 | 98.0% |")
    assert shown[5].startswith("| real digits in 9 levels | | | 13.5 |")


def test_a_scorer_adds_a_column(refine: ModuleType) -> None:
    real = {"frechet_distance": 11.0, "label_agreement": 0.98, "recall": 0.9, "seam_energy": 1.0}
    scored = replace(row(refine, "expert", 4, 20.0, 30.0), bits_per_dim=1.25)
    shown = refine.table([scored], {**real, "bits_per_dim": 1.1}, {9: 13.5}).splitlines()
    assert {line.count("|") for line in shown} == {9}
    assert shown[0].endswith("| bits per dimension |")
    assert shown[2].endswith("| 1.10 | 1.250 |") and shown[3].endswith("| 1.00 | 1.100 |")


def test_a_scorer_says_bits_and_is_one_of_these_images(refine: ModuleType) -> None:
    form = ImageForm(item_shape=(1, 4, 4), class_names=("a", "b"))
    network = PixelTransformer(patch=4, width=8, depth=1, heads=2, inner_width=8)
    with fixed(0, "weights"):
        task = Pixels(levels=16).build(network, form, Statistics(torch.zeros(1, 4, 4), 1.0), {})
        torch.nn.init.normal_(task.model.leave.weight)
    items = np.random.default_rng(0).integers(0, 256, (130, 4, 4, 1), dtype=np.uint8)
    labels = np.arange(130) % 2
    scorer = refine.Scorer.of(task, Path("runs/pixels"), form)
    bits = task.nats(items, labels).mean() / 16 / math.log(2)
    assert scorer.bits(items, labels) == pytest.approx(float(bits))
    assert abs(float(bits) - 4) > 0.01 and scorer.levels == 16
    with pytest.raises(InputError, match=r"knows images of shape \(1, 4, 4\) with classes"):
        refine.Scorer.of(task, Path("runs/pixels"), replace(form, item_shape=(1, 28, 28)))
    with pytest.raises(InputError, match="does not say exactly how likely"):
        refine.Scorer.of(Generation(), Path("runs/base"), form)


def test_pixels_in_few_levels_are_the_nearest(refine: ModuleType) -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    coarse = refine.coarse_levels(images, 9)
    assert np.unique(coarse).tolist() == [0, 32, 64, 96, 128, 159, 191, 223, 255]
    assert np.abs(coarse.astype(int) - images).max() <= 16
    np.testing.assert_array_equal(refine.coarse_levels(images, 256), images)
