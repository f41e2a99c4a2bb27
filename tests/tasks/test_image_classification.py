import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from noiseloom.data.forms import Batch, ImageForm
from noiseloom.diffusion.denoiser import CLEAN_LEVEL, Statistics
from noiseloom.diffusion.schedules import RectifiedFlow
from noiseloom.networks.convolutional_classifier import Config as Network
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.seeds import Random
from noiseloom.tasks import Draws, Predicts
from noiseloom.tasks.image_classification import Classifier, Config, ImageClassification, Noise
from noiseloom.tasks.unconditional_image_generation import Config as Generation

NAMES = ("a", "b", "c", "d", "e")
MEAN = torch.full((1, 8, 8), 0.25)


class Recorder(nn.Module):
    """Answers fixed logits, and keeps what it was shown."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, x: Tensor, level: Tensor, condition: object, random: object) -> Tensor:
        self.x, self.level, self.random = x, level, random
        return self.logits.expand(len(x), -1)


def batch(labels: list[int]) -> Batch:
    items = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8, 1), dtype=np.uint8)
    return Batch(items, np.array(labels))


def task(logits: Tensor, **settings: object) -> ImageClassification:
    config = Config(**settings)  # type: ignore[arg-type]
    schedule = config.noise.schedule if config.noise else None
    form = ImageForm(item_shape=(1, 8, 8), class_names=NAMES)
    return ImageClassification(config, Classifier(Recorder(logits), schedule, statistics()), form)


def statistics() -> Statistics:
    return Statistics(MEAN, 0.5)


def random(number: int = 3) -> Random:
    return Random(0, range(number), step=1, total=number)


def test_equal_logits_lose_the_logarithm_of_the_classes() -> None:
    losses = task(torch.full((5,), 7.0)).losses(batch([0, 4, 2]), random())
    torch.testing.assert_close(losses, torch.full((3,), math.log(5)))


def test_a_fresh_network_loses_exactly_that() -> None:
    form = ImageForm(item_shape=(1, 8, 8), class_names=NAMES)
    fresh = Config().build(Network(width=2), form, statistics(), {})
    total, count = fresh.loss(batch([0, 4, 2]), random())["loss"]
    assert (total.item(), count) == (pytest.approx(3 * math.log(5)), 3)


def test_smoothed_labels_lose_the_mixture_of_label_and_all_classes() -> None:
    logits = torch.tensor([2.0, -1.0, 0.5, 0.0, 1.0])
    log_p = logits.log_softmax(dim=0)
    smoothed = task(logits, label_smoothing=0.3)
    labels = [0, 4, 2]
    expected = -0.7 * log_p[labels] - 0.3 * log_p.mean()
    torch.testing.assert_close(smoothed.losses(batch(labels), random()), expected)
    plain = smoothed.losses(batch(labels), random(), training=False)
    torch.testing.assert_close(plain, -log_p[labels])


def test_clean_images_are_shown_with_unit_spread_and_the_clean_level() -> None:
    clean = task(torch.zeros(5))
    items = batch([0, 1, 2])
    clean.losses(items, random())
    network = clean.model.network
    torch.testing.assert_close(network.x, (clean.form.to_model(items.items) - 0.25) / 0.5)
    assert network.level.tolist() == [CLEAN_LEVEL] * 3
    assert network.random is not None
    assert clean.predict(items.items).tolist() == [[0.0] * 5] * 3
    assert network.random is None


def test_noisy_images_are_shown_as_a_denoiser_sees_them() -> None:
    noisy = task(torch.zeros(5), noise=Noise())
    labels = [i % 5 for i in range(64)]
    noisy.losses(batch(labels), random(64))
    network = noisy.model.network
    t = noisy.config.noise.times.sample(RectifiedFlow(), random(64))
    expected = (2 * (t / (1 - t)).log() / 8).clamp(-1, 1)  # -log SNR / 8 on the straight path
    torch.testing.assert_close(network.level, expected, rtol=1e-4, atol=1e-5)
    assert 0.5 < float(network.x.std()) < 2
    # at t = 0 noisy reading is clean reading
    x0 = noisy.form.to_model(batch([0, 1, 2]).items)
    noisy.model(x0, torch.zeros(3))
    at_zero, level = network.x, network.level
    noisy.model(x0)
    torch.testing.assert_close(network.x, at_zero)
    assert network.level.equal(level)


def test_noise_is_learned_to_be_read_through() -> None:
    """Two flat images, told apart through noise, less surely the more of it there is."""
    form = ImageForm(item_shape=(1, 8, 8), class_names=("dark", "bright"))
    items = np.full((2, 8, 8, 1), 64, dtype=np.uint8)
    items[1] = 192
    torch.manual_seed(0)
    learner = Config(noise=Noise()).build(
        Network(width=4, features=16), form, Statistics(torch.zeros(1, 8, 8), 0.5), {}
    )
    optimizer = torch.optim.Adam(learner.model.parameters(), 5e-3)
    labels = np.arange(32) % 2
    for step in range(50):
        optimizer.zero_grad()
        draw = Random(0, range(32), step=step, total=32)
        learner.losses(Batch(items[labels], labels), draw).mean().backward()
        optimizer.step()
    noise = Random(1, range(32)).normal("noise", (1, 8, 8))
    x0 = form.to_model(items[labels])
    sure = []
    for t in (0.1, 0.5, 0.99):
        with torch.no_grad():
            logits = learner.model((1 - t) * x0 + t * noise, torch.full((32,), t))
        sure.append(float(logits.softmax(1)[torch.arange(32), labels].mean()))
    assert sure[0] > 0.95
    assert sure[0] >= sure[1] > sure[2]
    assert sure[2] < 0.7


def test_a_classifier_of_clean_images_takes_no_times() -> None:
    with pytest.raises(ValueError, match=r"train one with task\.noise"):
        task(torch.zeros(5)).model(torch.zeros(1, 1, 8, 8), torch.zeros(1))


@pytest.mark.parametrize(("names", "said"), [((), "no labels"), (("cat",), "one class, 'cat'")])
def test_data_with_nothing_to_tell_apart_is_refused(names: tuple[str, ...], said: str) -> None:
    form = ImageForm(item_shape=(1, 8, 8), class_names=names)
    with pytest.raises(ValueError, match=f"{said}. Give it data of at least two classes"):
        Config().build(Network(), form, statistics(), {})


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_impossible_smoothing_is_refused(smoothing: float) -> None:
    with pytest.raises(ValueError, match="allowed is 0 to below 1"):
        Config(label_smoothing=smoothing)


def test_a_task_can_do_what_its_protocol_says() -> None:
    form = ImageForm(item_shape=(1, 8, 8), class_names=NAMES)
    drawing = Generation().build(Mlp(width=8, depth=1), form, statistics(), {})
    for one, draws in ((task(torch.zeros(5)), False), (drawing, True)):
        assert isinstance(one, Draws) is draws
        assert isinstance(one, Predicts) is not draws
