"""The autoencoder: shapes, what does not fit, and that half the way twice is the whole way."""

import re

import pytest
import torch

from noiseloom.networks.autoencoder import Autoencoder, Config
from noiseloom.networks.bottlenecks import Bottleneck, Kl, Vq
from noiseloom.seeds import Random, fixed


def make(item_shape: tuple[int, ...] = (1, 8, 8), **settings: object) -> Autoencoder:
    with fixed(0, "weights"):
        return Config(**{"channels": 4, **settings}).build(item_shape, 0)  # type: ignore[arg-type]


def images(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("item_shape", "downsample", "sides"),
    [
        ((1, 28, 28), 2, (14, 14)),
        ((1, 28, 28), 4, (7, 7)),
        ((3, 8, 24), 8, (1, 3)),
        ((3, 36, 4), 4, (9, 1)),
    ],
)
def test_latents_have_the_shape_that_is_said(
    item_shape: tuple[int, int, int], downsample: int, sides: tuple[int, int]
) -> None:
    network = make(item_shape, downsample=downsample, latent_channels=3)
    x = images(2, *item_shape)
    latents = network.encode(x)
    assert network.latent_shape == (3, *sides)
    assert latents.shape == (2, 3, *sides)
    assert network.decode(latents).shape == x.shape
    assert network(x).x.shape == x.shape


@pytest.mark.parametrize("bottleneck", [Kl(), Vq(codes=8)])
def test_there_and_back_is_encode_and_decode(bottleneck: Bottleneck) -> None:
    network, x = make(bottleneck=bottleneck), images(3, 1, 8, 8)
    back, code = network(x)
    assert network.encode(x).equal(code.latents)
    torch.testing.assert_close(network.decode(code.latents), back)


@pytest.mark.parametrize("bottleneck", [Kl(), Vq(codes=8)])
def test_items_do_not_see_one_another(bottleneck: Bottleneck) -> None:
    network, x = make(bottleneck=bottleneck), images(5, 1, 8, 8)
    whole = network(x, Random(0, range(5)))
    one = network(x[2:3], Random(0, [2]))
    torch.testing.assert_close(one.x, whole.x[2:3])
    torch.testing.assert_close(one.code.penalty, whole.code.penalty[2:3])


def test_28_pixels_are_not_halved_three_times() -> None:
    said = (
        "network.downsample 8 does not divide images of 28x28 pixels; set network.downsample to "
        "2 or 4, or data.size to a multiple of it"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        make((1, 28, 28), downsample=8)
    with pytest.raises(ValueError, match=r"27x27 pixels; set data\.size to a multiple of it"):
        make((1, 27, 27), downsample=2)


def test_points_and_empty_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="Use data of images with it"):
        make((2,))
    with pytest.raises(ValueError, match="each must be at least 1"):
        Config(latent_channels=0)
