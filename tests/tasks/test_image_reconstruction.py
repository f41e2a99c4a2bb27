"""The loss of an autoencoder, part by part, and what it makes of items."""

import numpy as np
import pytest
import torch
from torch import Tensor

from noiseloom.config import RunReference
from noiseloom.data.forms import Batch, Form, ImageForm, PointForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks.autoencoder import Config as Network
from noiseloom.networks.bottlenecks import Vq
from noiseloom.networks.convolutional_classifier import Config as ClassifierNetwork
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Draws, Perceives, Predicts, Reconstructs, Task
from noiseloom.tasks.image_classification import Config as Classification
from noiseloom.tasks.image_reconstruction import Config, ImageReconstruction
from noiseloom.tasks.perceptual_distance import Perceptual, perceptual_distance
from noiseloom.training.loop import Tended

FORM = ImageForm(item_shape=(1, 8, 8), class_names=("a", "b"))
STATISTICS = Statistics(torch.full((1, 8, 8), 0.25), 0.5)
SMALL = Network(channels=4, downsample=2, latent_channels=2)


def batch(number: int = 3) -> Batch:
    items = np.random.default_rng(0).integers(0, 256, (number, 8, 8, 1), dtype=np.uint8)
    return Batch(items, None)


def task(network: Network = SMALL, form: Form = FORM, **settings: object) -> ImageReconstruction:
    with fixed(0, "weights"):
        return Config(**settings).build(network, form, STATISTICS, {})  # type: ignore[arg-type]


def random(number: int = 3) -> Random:
    return Random(0, range(number), step=1, total=number)


def classifier() -> Task:
    with fixed(1, "weights"):
        network = ClassifierNetwork(width=4, features=8)
        found = Classification().build(network, FORM, STATISTICS, {})
    found.model.requires_grad_(False)
    return found


def test_the_loss_is_the_squared_error_and_what_the_bottleneck_asks() -> None:
    made = task()
    x = FORM.to_model(batch().items)
    back, code = made.model(x)
    expected = (back - x).square().mean((1, 2, 3)) + code.penalty
    torch.testing.assert_close(made.losses(batch(), random(), training=False), expected)
    total, count = made.loss(batch(), random())["loss"]
    assert count == 3
    torch.testing.assert_close(total, made.losses(batch(), random()).sum())


def test_training_draws_from_the_gaussian_and_measuring_does_not() -> None:
    made = task()
    held_out = made.losses(batch(), random(), training=False)
    assert not torch.allclose(made.losses(batch(), random()), held_out)
    assert made.losses(batch(), Random(9, range(3)), training=False).equal(held_out)


def test_training_sees_mirrored_images_where_the_data_allows_it() -> None:
    made = task(SMALL, ImageForm(item_shape=(1, 8, 8), flip=True))
    seen: list[Tensor] = []
    made.model.network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    made.losses(batch(64), random(64))
    made.losses(batch(64), random(64), training=False)
    same = [bool(torch.equal(one, other)) for one, other in zip(*seen, strict=True)]
    assert 16 < sum(same) < 48


def test_the_network_sees_items_with_unit_variance() -> None:
    made = task()
    seen: list[Tensor] = []
    made.model.network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    made.model(FORM.to_model(batch().items))
    torch.testing.assert_close(seen[0], (FORM.to_model(batch().items) - 0.25) / 0.5)


@pytest.mark.parametrize("network", [SMALL, Network(channels=4, bottleneck=Vq(codes=8))])
def test_encode_then_decode_is_what_reconstruct_says(network: Network) -> None:
    made = task(network)
    found = made.reconstruct(batch().items)
    assert made.encode(batch().items).equal(found.latents)
    assert found.latents.shape[1:] == made.latent_shape
    np.testing.assert_array_equal(FORM.to_items(made.decode(found.latents)), found.items)
    is_vq = made.num_codes is not None
    assert (found.nats is None) == is_vq and (found.indices is not None) == is_vq


def test_many_items_pass_a_few_at_a_time() -> None:
    made, items = task(), batch(20).items
    whole = made.encode(items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("noiseloom.tasks.image_reconstruction.CHUNK_PIXELS", 3 * 64)
        torch.testing.assert_close(made.encode(items), whole)
        torch.testing.assert_close(made.decode(whole), task().decode(whole))
        assert len(made.reconstruct(items).items) == 20


def test_it_reconstructs_and_is_tended_and_does_nothing_else() -> None:
    made = task()
    assert isinstance(made, Reconstructs) and isinstance(made, Tended)
    assert not isinstance(made, Draws | Predicts | Perceives)


# Features in the loss --------------------------------------------------------------------------


def test_images_are_no_distance_from_themselves_and_gradients_reach_the_reconstruction() -> None:
    seen = classifier()
    assert isinstance(seen, Perceives)
    truth = FORM.to_model(batch().items)
    assert perceptual_distance(seen, truth, truth).equal(torch.zeros(3))
    x = truth.flip(-1).requires_grad_()
    distance = perceptual_distance(seen, x, truth)
    distance.sum().backward()
    assert (distance > 0).all()
    assert x.grad is not None and x.grad.abs().amax((1, 2, 3)).min() > 0


def test_the_distance_by_hand() -> None:
    class Fixed:
        """Answers one map whose two channels are the image and a constant."""

        def feature_maps(self, x: Tensor) -> list[Tensor]:
            return [torch.cat([x, torch.ones_like(x)], dim=1)]

    x, truth = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    x[0, 0, 0, 0] = 1.0  # (1, 1) / √2 against (0, 1): 2 - √2
    found = perceptual_distance(Fixed(), x, truth)  # type: ignore[arg-type]
    torch.testing.assert_close(found, torch.tensor([(2 - 2**0.5) / 4]))


def test_the_classifier_is_weighed_in_and_not_trained() -> None:
    perceptual = Perceptual(classifier=RunReference(run="other"), weight=0.5)
    seen = classifier()
    with fixed(0, "weights"):
        made = Config(perceptual=perceptual).build(
            SMALL, FORM, STATISTICS, {"perceptual.classifier": seen}
        )
    x = FORM.to_model(batch().items)
    back, _ = made.model(x)
    assert isinstance(seen, Perceives)
    plain = task().losses(batch(), random(), training=False)
    expected = plain + 0.5 * perceptual_distance(seen, back, x)
    torch.testing.assert_close(made.losses(batch(), random(), training=False), expected)
    assert made.model.state_dict().keys() == task().model.state_dict().keys()


def test_a_classifier_of_other_images_is_refused() -> None:
    perceptual = Perceptual(classifier=RunReference(run="other"))
    larger = ImageForm(item_shape=(1, 16, 16))
    with pytest.raises(ValueError, match=r"trained on items of shape \(1, 8, 8\); the data's are"):
        perceptual.find("perceptual", larger, {"perceptual.classifier": classifier()})
    with pytest.raises(ValueError, match="has no features to compare images by"):
        perceptual.find("perceptual", FORM, {"perceptual.classifier": task()})
    with pytest.raises(ValueError, match="weight is 0"):
        Perceptual(classifier=RunReference(run="other"), weight=0)


def test_points_are_refused() -> None:
    points = PointForm(item_shape=(2,), limit=1.0)
    with pytest.raises(ValueError, match="Use data of images with it"):
        Config().build(SMALL, points, Statistics(torch.zeros(2), 1.0), {})
