import pytest
import torch

from noiseloom.networks.dit import Config
from noiseloom.networks.mlp import Config as MLPConfig
from noiseloom.seeds import Random


def make(**changes):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    network = Config(**{"patch": 2, "width": 16, "depth": 2, "heads": 2, **changes}).build(
        (1, 4, 6), 2
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return network


def test_patches_and_back() -> None:
    network = make()
    x = torch.arange(2 * 24.0).view(2, 1, 4, 6)
    patches = network.to_patches(x)
    assert patches.shape == (2, 6, 4)
    assert patches[0, 1].tolist() == [2.0, 3.0, 8.0, 9.0]  # the second patch of the first row
    assert network.to_image(patches, x.shape).equal(x)


@torch.no_grad()
def test_a_time_for_each_patch() -> None:
    network, x = make(), torch.randn(2, 1, 4, 6)
    one = network(x, torch.full((2,), 0.4))
    torch.testing.assert_close(network(x, torch.full((2, 1, 4, 6), 0.4)), one)
    mixed = torch.full((2, 1, 4, 6), 0.4)
    mixed[:, :, :2, :2] = 0.0
    assert not torch.allclose(network(x, mixed), one)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 15}, "heads must divide width"),
        ({"width": 6, "heads": 2}, "at least 4"),
        ({"depth": 0}, "at least 1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"patch": 5}, "does not divide images of 4x6"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make(**changes)


@torch.no_grad()
def test_dropout_masks_differ_by_block_and_repeat() -> None:
    network, x, t = make(dropout=0.3), torch.randn(2, 1, 4, 6), torch.tensor([0.2, 0.8])
    random = Random(0, range(2))
    assert network(x, t, None, random).equal(network(x, t, None, random))
    assert not network(x, t, None, random).equal(network(x, t, None, random.at(1)))
    assert not network(x, t, None, random).equal(network(x, t, None, None))


def test_mlp_takes_one_time_an_item() -> None:
    network = MLPConfig(width=8, depth=1).build((1, 2, 2), 0)
    with pytest.raises(ValueError, match="one time per item"):
        network(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
