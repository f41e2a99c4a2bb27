import pytest
import torch

from noiseloom.networks.dit import Config, Patches
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
    cut = Patches(2, 0, (4, 6))
    x = torch.arange(2 * 24.0).view(2, 1, 4, 6)
    patches = cut.apart(x)
    assert patches.shape == (2, 6, 4)
    assert patches[0, 1].tolist() == [2.0, 3.0, 8.0, 9.0]  # the second patch of the first row
    assert cut.together(patches).equal(x)


def test_patches_with_a_border_see_their_neighbours() -> None:
    cut = Patches(2, 1, (4, 6))
    x = torch.arange(24.0).view(1, 1, 4, 6)
    patches = cut.apart(x)
    assert patches.shape == (1, 6, 16)
    assert patches[0, 0].view(4, 4)[1:, 1:].equal(x[0, 0, :3, :3])
    assert patches[0, 0].view(4, 4)[0].tolist() == [0, 0, 0, 0]
    cover = cut.together(torch.ones_like(patches))
    torch.testing.assert_close(cut.together(patches) / cover, x)


def test_blended_output_is_the_mean_of_the_patches() -> None:
    network = make(border=2, blend=1)
    x, level = torch.randn(2, 1, 4, 6), torch.tensor([0.1, -0.4])
    assert network(x, level).shape == x.shape
    torch.nn.init.zeros_(network.leave.weight)
    torch.nn.init.constant_(network.leave.bias, 0.7)
    torch.testing.assert_close(network(x, level), torch.full_like(x, 0.7))


@torch.no_grad()
def test_a_noise_level_for_each_patch() -> None:
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
        ({"border": 3}, "0 to the patch side"),
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


def test_mlp_takes_one_level_an_item() -> None:
    network = MLPConfig(width=8, depth=1).build((1, 2, 2), 0)
    with pytest.raises(ValueError, match="it takes one per item"):
        network(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))


def test_each_class_has_positions_of_its_own() -> None:
    network = make(label_positions=True)
    x, level = torch.randn(3, 1, 4, 6), torch.zeros(3)
    network.condition.label.weight.data.zero_()  # leaves the positions alone to tell classes apart
    first, second, none = network(x[:1].expand(3, -1, -1, -1), level, torch.tensor([0, 1, 2]))
    assert not torch.allclose(first, second)
    torch.testing.assert_close(network(x[:1], level[:1])[0], none)  # no label is a label too
    network(x, level, torch.tensor([0, 1, 1])).sum().backward()
    used = network.label_position.grad.abs().sum(dim=(1, 2)) > 0
    assert used.tolist() == [True, True, False]
