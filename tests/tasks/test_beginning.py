"""A network of clips that begins as one of images: equal at first, and refused where it is none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from noiseloom.config import RunReference
from noiseloom.data.dataset import ImageDataset, VideoDataset
from noiseloom.data.digits import Config as Digits
from noiseloom.data.frames import Config as Frames
from noiseloom.data.moving_digits import Config as MovingDigits
from noiseloom.networks.autoencoder import Config as Autoencoder
from noiseloom.networks.dit import Config as DiT
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.runs.trainer import measure_statistics
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Task
from noiseloom.tasks.generating import Generating, ImageGeneration
from noiseloom.tasks.image_reconstruction import Config as Reconstruction
from noiseloom.tasks.text_to_video import Config as ToVideo
from noiseloom.tasks.unconditional_image_generation import Config as Images
from noiseloom.tasks.video_generation import Config as Clips

DIT = DiT(patch=8, width=32, depth=2, heads=2, space_time="factorised", text_depth=1)
RUN = RunReference(run="runs/frames")
EDM = {"preconditioning": "edm"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    cache = str(tmp_path_factory.mktemp("cache"))
    return MovingDigits(num=40, num_reference=20, frames=4, captions=True, cache=cache).open()


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> ImageDataset:
    cache = str(tmp_path_factory.mktemp("cache"))
    return Frames(of=MovingDigits(num=40, num_reference=20, frames=4, cache=cache)).open()


def build(config: Any, network: Any, data: Any, *, others: Any = None) -> Any:
    with fixed(3 if others else 0, "weights"):
        return config.build(network, data.form, measure_statistics(data), others or {})


def learned(frames: ImageDataset, config: Generating, network: Any = DIT) -> ImageGeneration:
    """A task of images, away from where it starts."""
    task: ImageGeneration = build(config, network, frames)
    with torch.no_grad():
        for index, parameter in enumerate(task.model.parameters()):
            nudge = Random(index, [0]).normal("nudge", parameter.shape)[0]
            parameter.add_(nudge, alpha=0.1)
    return task


def without_captions(clips: VideoDataset) -> VideoDataset:
    return replace(clips, captions=None)


@torch.no_grad()
def test_it_answers_at_first_what_the_image_model_says_of_each_frame(
    clips: VideoDataset, frames: ImageDataset
) -> None:
    image = learned(frames, Images(**EDM))
    plain = without_captions(clips)
    task = build(Clips(begins_as=RUN, **EDM), DIT, plain, others={"begins_as": image})
    x = torch.randn(2, 1, 4, 32, 32)
    level = torch.tensor([0.4, -0.7])
    said = task.model.network(x, level)
    for frame in range(4):
        own = image.model.network(x[:, :, frame], level)
        torch.testing.assert_close(said[:, :, frame], own, rtol=0, atol=1e-6)
    assert task.model.data_mean.shape == (1, 4, 32, 32)  # of the clips, as measured


def test_all_that_an_image_knows_is_taken_over_and_captions_are_new(
    clips: VideoDataset, frames: ImageDataset
) -> None:
    for space_time in ("factorised", "joint"):
        network = replace(DIT, width=36, heads=3, space_time=space_time)
        image = learned(frames, Images(**EDM), replace(network, text_depth=3))
        task = build(ToVideo(begins_as=RUN, **EDM), network, clips, others={"begins_as": image})
        own = task.model.network.state_dict()
        for name, value in image.model.network.state_dict().items():
            assert own[name].equal(value), name
        assert not own["frame_position"].any()
        assert any(name.startswith("reader.") for name in own)


def test_without_it_nothing_is_taken(clips: VideoDataset) -> None:
    plain = without_captions(clips)
    task = build(Clips(**EDM), DIT, plain)
    again = build(Clips(**EDM), DIT, plain)
    for one, other in zip(task.model.parameters(), again.model.parameters(), strict=True):
        assert one.equal(other)


Other = Callable[[ImageDataset], Task]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda data: learned(data, Images(**EDM), replace(DIT, depth=1)), "depth 1, here 2"),
        (lambda data: learned(data, Images(**EDM), replace(DIT, heads=4)), "heads 4, here 2"),
        (lambda data: learned(data, Images(**EDM), Mlp(width=8, depth=1)), "where both are dit"),
        (lambda data: learned(data, Images()), r"task\.preconditioning is input, and here it is e"),
        (
            lambda data: learned(replace(data, augment_probability=0.1), Images(**EDM)),
            r"no place for \(condition\.told\)",
        ),
        (
            lambda data: build(Reconstruction(), Autoencoder(channels=4, downsample=2), data),
            "which draws no images from noise",
        ),
    ],
)
def test_what_cannot_be_begun_as_is_said(
    other: Other, said: str, clips: VideoDataset, frames: ImageDataset
) -> None:
    plain, config = without_captions(clips), Clips(begins_as=RUN, **EDM)
    with pytest.raises(ValueError, match=f"task.begins_as is runs/frames, .*{said}"):
        build(config, DIT, plain, others={"begins_as": other(frames)})


def test_frames_of_another_size_are_said(clips: VideoDataset, tmp_path: Path) -> None:
    digits = Digits(cache=str(tmp_path)).open()
    image = build(Images(**EDM), DIT, digits)
    with pytest.raises(ValueError, match=r"\(1, 8, 8\), and frames of the clips have \(1, 32, 32"):
        build(Clips(begins_as=RUN, **EDM), DIT, clips, others={"begins_as": image})
