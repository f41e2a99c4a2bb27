import pytest
import torch
from torch import Tensor

from noiseloom.networks.convolutional_classifier import Config
from noiseloom.networks.image_encoder import ImageEncoder
from noiseloom.seeds import Random

LEVEL = torch.tensor([-1.0, 0.5])


def images() -> Tensor:
    return torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_it_starts_with_every_class_equally_likely() -> None:
    network = Config(width=4).build((1, 8, 8), 5)
    assert network(images(), LEVEL).equal(torch.zeros(2, 5))


@torch.no_grad()
def test_its_core_is_the_encoder_shifted_by_the_noise_level() -> None:
    network = Config(width=4, features=6).build((1, 8, 8), 3)
    torch.nn.init.normal_(network.head.weight)
    plain = network.head(network.encoder(images()).relu())
    assert network(images(), LEVEL).equal(plain)  # the shifts start at 0
    torch.nn.init.normal_(network.shifts[1].weight)
    shifted = network(images(), LEVEL)
    assert not torch.allclose(shifted, plain)
    assert not torch.allclose(network(images(), LEVEL.flip(0)), shifted)


@torch.no_grad()
def test_a_shift_is_added_to_every_place_of_its_channel() -> None:
    encoder = ImageEncoder(1, 8, torch.Generator().manual_seed(0), width=2)
    shifts = [torch.zeros(1, 2), torch.full((1, 4), -1e6), torch.full((1, 8), 3.0)]
    expected = encoder.head(torch.full((1, 8 * 16), 3.0))  # nothing passes but the last shift
    encoder.convolutions[2].weight.zero_()
    torch.testing.assert_close(encoder(images()[:1], shifts), expected)


def test_drop_out_is_drawn_from_what_it_is_given() -> None:
    network = Config(width=4, dropout=0.5).build((1, 8, 8), 3)
    torch.nn.init.normal_(network.head.weight)
    random = Random(0, range(2), step=1)
    once, again = (network(images(), LEVEL, None, random) for _ in range(2))
    assert once.equal(again)
    assert not once.equal(network(images(), LEVEL, None, random.at(2)))
    assert not once.equal(network(images(), LEVEL))


@pytest.mark.parametrize(
    ("shape", "classes", "said"),
    [((2,), 3, r"takes images.*\(2,\)"), ((1, 8, 8), 0, "at least 2"), ((1, 8, 8), 1, "given 1")],
)
def test_what_it_cannot_tell_apart_is_refused(
    shape: tuple[int, ...], classes: int, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Config().build(shape, classes)


def test_a_label_or_levels_of_parts_are_refused() -> None:
    network = Config(width=4).build((1, 8, 8), 3)
    with pytest.raises(ValueError, match="a condition; it takes"):
        network(images(), LEVEL, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="one level an image"):
        network(images(), torch.zeros(2, 1, 8, 8))


@pytest.mark.parametrize("wrong", [{"width": 0}, {"features": 0}, {"dropout": 1.0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="allowed is width and features"):
        Config(**wrong)
