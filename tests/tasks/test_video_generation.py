"""Clips of which frames are given: a noise level for each frame, and given ones held."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data.dataset import VideoDataset
from noiseloom.data.digits import Config as Digits
from noiseloom.data.forms import Batch
from noiseloom.data.moving_digits import Config as MovingDigits
from noiseloom.diffusion.denoiser import noise_level
from noiseloom.diffusion.guidance import ClassifierFree
from noiseloom.diffusion.objectives import MinSNR, Simple, Variational, VelocityLoss
from noiseloom.diffusion.sampling import Sampling
from noiseloom.diffusion.uncertainty import weigh
from noiseloom.errors import InputError
from noiseloom.networks.dit import Config as DiT
from noiseloom.runs.trainer import measure_statistics
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Known, Request
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.holding import Holding, times_of
from noiseloom.tasks.video_generation import Config

TINY = DiT(patch=8, width=32, depth=1, heads=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    cache = str(tmp_path_factory.mktemp("cache"))
    return MovingDigits(num=40, num_reference=20, frames=5, cache=cache).open()


def build(data: VideoDataset, config: Config | None = None) -> ImageGeneration:
    with fixed(0, "weights"):
        task = (config or Config()).build(TINY, data.form, measure_statistics(data), {})
    with torch.no_grad():  # the last layer starts at 0, where nothing would be seen
        for parameter in task.model.parameters():
            parameter.add_(0.05 * torch.ones_like(parameter))
    return task


def test_frames_are_given_as_often_as_asked() -> None:
    holding = Holding(frames=5, none=0.25, anywhere=0.25, first=2)
    drawn = holding.drawn(Random(0, range(8000)))[:, 0, :, 0, 0]
    first_two = torch.tensor([True, True, False, False, False])
    is_first = (drawn == first_two).all(dim=1)
    assert float(is_first.float().mean()) == pytest.approx(0.5, abs=0.03)  # some by chance
    assert float((~drawn.any(dim=1)).float().mean()) == pytest.approx(0.25 + 0.25 / 3, abs=0.03)
    assert not drawn.all(dim=1).any()
    anywhere = drawn[drawn.any(dim=1) & ~is_first]
    assert (anywhere.float().mean(dim=0) > 0.3).all()


def test_any_number_of_first_frames() -> None:
    drawn = Holding(frames=5, none=0, anywhere=0).drawn(Random(0, range(4000)))[:, 0, :, 0, 0]
    counts = torch.bincount(drawn.sum(dim=1), minlength=6)
    assert counts[0] == counts[5] == 0
    assert (counts[1:5] > 800).all()
    assert (drawn == (torch.arange(5) < drawn.sum(dim=1, keepdim=True))).all()


def test_given_frames_are_clean_to_the_network_and_free_of_loss(data: VideoDataset) -> None:
    """The loss is that of the others, whatever the network says of given ones."""
    task = build(data, Config(none_given=0, anywhere_given=0, first_given=2))
    batch, random = Batch(data.train.items[:6], None), Random(0, range(6), total=6)
    seen: dict[str, torch.Tensor] = {}

    def watch(
        module: torch.nn.Module, inputs: tuple, kwargs: dict, output: torch.Tensor
    ) -> torch.Tensor:
        seen["x"], seen["level"] = inputs[0], inputs[1]
        spoilt = output.clone()
        spoilt[:, :, :2] = 1000.0
        return spoilt

    plain = task.losses(batch, random, training=False)
    handle = task.model.network.register_forward_hook(watch, with_kwargs=True)
    spoilt = task.losses(batch, random, training=False)
    handle.remove()
    torch.testing.assert_close(spoilt, plain, rtol=1e-5, atol=0)
    level = seen["level"]
    assert level.shape == (6, 1, 5, 1, 1)
    assert (level[:, :, :2] == -1).all()
    assert (level[:, :, 2:] > -1).all()
    x0 = data.to_model(data.train.items[:6])
    std = float(task.model.data_std)
    clean = (x0 - task.model.data_mean)[:, :, :2] / std
    torch.testing.assert_close(seen["x"][:, :, :2], clean, rtol=1e-4, atol=1e-4)


def test_the_loss_to_be_expected_is_that_of_the_frames_to_be_made(data: VideoDataset) -> None:
    shares = {"none_given": 0.3, "anywhere_given": 0.3, "objective": Simple()}
    plain, weighed = (build(data, Config(uncertainty=asked, **shares)) for asked in (False, True))
    batch, random = Batch(data.train.items[:9], None), Random(0, range(9), total=9)
    losses = plain.losses(batch, random, training=False)
    schedule = plain.config.schedule
    levels = noise_level(schedule, plain.config.times.sample(schedule, random))
    assert weighed.model.uncertainty is not None
    expected = weigh(losses, weighed.model.uncertainty(levels))
    torch.testing.assert_close(weighed.losses(batch, random, training=False), expected)


@pytest.mark.parametrize("objective", [Simple(), VelocityLoss(), MinSNR()])
@pytest.mark.parametrize("target", ["x0", "velocity"])
def test_without_given_frames_it_is_the_usual_loss(
    data: VideoDataset, objective: object, target: str
) -> None:
    config = Config(none_given=1.0, anywhere_given=0, objective=objective, target=target)
    task = build(data, config)
    batch, random = Batch(data.train.items[:4], None), Random(0, range(4), total=4)
    held = task.losses(batch, random, training=False)
    task.holding = None
    usual = task.losses(batch, random, training=False)
    torch.testing.assert_close(held, usual, rtol=3e-4, atol=1e-6)


def test_what_goes_on_with_frames_may_be_drawn_in_another_way(data: VideoDataset) -> None:
    config = Config(sampler=Sampling(steps=9), given_sampler=Sampling(name="ddim", steps=3))
    task, known = build(data, config), Known.of(data.to_model(data.reference.items[:1]), [0])
    assert [task.describe(Request())[name] for name in ("sampler", "steps")] == ["heun", 9]
    given = task.describe(Request(known=known))
    assert (given["sampler"], given["steps"]) == ("ddim", 3)
    assert task.describe(Request(known=known, steps=5))["steps"] == 5
    tuned = task.sampled(Sampling(name="euler", steps=4), ClassifierFree())
    assert tuned.describe(Request(known=known))["sampler"] == "euler"


@pytest.mark.parametrize("sampler", ["heun", "dpm++2m", "ddpm"])
def test_given_frames_come_out_as_they_are(data: VideoDataset, sampler: str) -> None:
    task = build(data)
    items = data.reference.items[:3]
    known = Known.of(data.to_model(items), [0, 1, 4])
    *_, last = task.sample(Request(known=known, sampler=sampler, steps=3), Random(0, range(3)))
    made = task.form.to_items(last.x0)
    np.testing.assert_array_equal(made[:, [0, 1, 4]], items[:, [0, 1, 4]])
    assert (made[:, [2, 3]] != items[:, [2, 3]]).any()
    described = task.describe(Request(known=known))
    assert described["given_frames"] == [0, 1, 4]


@pytest.mark.parametrize(
    ("settings", "frames", "said"),
    [
        ({"none_given": 1.0}, [0], "clips from nothing alone"),
        ({"none_given": 0.5}, [0, 4], "Frames 1, 5 are given, .* with the first frames alone"),
        ({"first_given": 2}, [0], "Frames 1 are given, .* with the first 2 alone"),
        ({"first_given": 2}, [0, 1], None),
        ({"none_given": 0.5}, [0, 1, 2], None),
        ({"anywhere_given": 0.1, "first_given": 2}, [1, 4], None),
    ],
)
def test_frames_that_were_never_given_in_training_are_refused(
    data: VideoDataset, settings: dict[str, float], frames: list[int], said: str | None
) -> None:
    task = build(data, Config(**{"none_given": 0.0, "anywhere_given": 0.0, **settings}))
    known = Known.of(data.to_model(data.reference.items[:2]), frames)
    if said is None:
        assert task.walk(Request(known=known)).denoise is not None
        return
    with pytest.raises(InputError, match=said):
        task.walk(Request(known=known))


def test_what_is_given_changes_the_rest_and_what_is_not_does_not(data: VideoDataset) -> None:
    task = build(data)
    x0 = data.to_model(data.reference.items[:2])
    other = x0.clone()
    other[:, :, 3:] = 0.7  # not given: means nothing
    changed = x0.clone()
    changed[:, :, 0] = -changed[:, :, 0]

    def made(items: torch.Tensor) -> torch.Tensor:
        request = Request(known=Known.of(items, [0, 1]), steps=2)
        *_, last = task.sample(request, Random(0, range(2)))
        return last.x0[:, :, 2:]

    assert torch.equal(made(x0), made(other))
    assert not torch.allclose(made(x0), made(changed), atol=1e-4)


def test_an_item_does_not_depend_on_its_batch(data: VideoDataset) -> None:
    task = build(data)
    known = Known.of(data.to_model(data.reference.items[:4]), [0])
    *_, all_four = task.sample(Request(known=known, steps=2), Random(0, range(4)))
    part = known.taken(slice(2, 4))
    *_, two = task.sample(Request(known=part, steps=2), Random(0, range(2, 4)))
    torch.testing.assert_close(all_four.x0[2:], two.x0, rtol=1e-4, atol=1e-4)


def test_times_of_frames() -> None:
    task = Config()
    is_given = torch.tensor([[True, False], [False, False]])[:, None, :, None, None]
    times = times_of(torch.tensor([0.5, 0.25]), is_given, task.schedule)
    assert times.flatten().tolist() == [task.schedule.t_min, 0.5, 0.25, 0.25]


def test_what_cannot_be_is_refused(data: VideoDataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="together at most 1"):
        Config(none_given=0.7, anywhere_given=0.7)
    with pytest.raises(ValueError, match="one noise level for an item"):
        Config(objective=Variational())
    with pytest.raises(ValueError, match="clips have 5 frames"):
        build(data, Config(first_given=5))
    images = Digits(cache=str(tmp_path)).open()
    with pytest.raises(ValueError, match="the data holds no clips"):
        Config().build(replace(TINY, patch=4), images.form, measure_statistics(images), {})
    guided = Config(guidance=ClassifierFree(scale=2.0), sampler=Sampling(steps=2))
    assert build(data, guided).describe(Request()).get("guidance") is None  # there is no class
