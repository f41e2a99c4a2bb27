import pytest
import torch

from noiseloom.networks.residual_block import ResidualBlock, group_norm
from noiseloom.networks.unet import Config
from noiseloom.seeds import Random
from noiseloom.training.optimizers import AdamW, Muon, is_hidden_matrix


def make(shape=(1, 8, 12), num_classes=2, **changes):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    small = {"channels": 8, "multipliers": (1, 2, 3), "blocks": 1, "head_width": 4}
    network = Config(**{**small, **changes}).build(shape, num_classes)
    with torch.no_grad():  # it starts at output 0: move away from it
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return network


def attended(network) -> list[int]:  # type: ignore[no-untyped-def]
    """The longer sides of what reaches attention."""
    seen = []
    for block in network.blocks:
        if block.attention is not None:
            block.attention.register_forward_pre_hook(
                lambda _, inputs: seen.append(max(inputs[0].shape[2:]))
            )
    network(torch.randn(1, 1, 8, 12), torch.zeros(1))
    return seen


def test_starts_at_output_zero() -> None:
    network = Config().build((3, 8, 8), 2)
    assert not network(torch.randn(2, 3, 8, 8), torch.tensor([0.1, -1.0])).any()


def test_a_block_starts_as_its_input() -> None:
    network = Config(channels=8, multipliers=(1,), head_width=4).build((1, 4, 4), 0)
    block, x = network.blocks[0], torch.randn(2, 8, 4, 4)
    assert isinstance(block, ResidualBlock)
    assert block.attention is not None
    assert block(x, None, torch.randn(2, 16, 1, 1), None).equal(x)


@pytest.mark.parametrize("shape", [(1, 8, 12), (3, 12, 8), (4, 4, 4), (2, 16, 4)])
@pytest.mark.parametrize("multipliers", [(1,), (2,), (2, 1), (1, 2, 3)])
@pytest.mark.parametrize("blocks", [1, 2])
def test_shapes(shape: tuple[int, ...], multipliers: tuple[int, ...], blocks: int) -> None:
    network = make(shape, 0, multipliers=multipliers, blocks=blocks)
    assert len(network.blocks) == 2 * blocks * len(multipliers) + 2
    x = torch.randn(2, *shape)
    assert network(x, torch.tensor([0.3, -0.3])).shape == x.shape


@pytest.mark.parametrize(
    ("asked", "sides"),
    [(None, [3, 3, 3, 3]), ((), []), ((6,), [6, 6]), ((12, 3), [12, 3, 3, 3, 3, 12])],
)
def test_attention_is_where_it_is_asked_for(
    asked: tuple[int, ...] | None, sides: list[int]
) -> None:
    assert attended(make(num_classes=0, attention=asked)) == sides


@torch.no_grad()
def test_attention_lets_far_pixels_see_one_another() -> None:
    x = torch.randn(1, 1, 32, 32)
    changed = x.clone()
    changed[0, 0, 0, 0] += 1
    for attention, reaches in (((), False), ((32,), True)):
        network = make((1, 32, 32), 0, multipliers=(1,), attention=attention)
        for layer in network.modules():  # a group norm, too, would carry news across the picture
            if isinstance(layer, torch.nn.GroupNorm):
                layer.forward = lambda x: x
        corner = [network(picture, torch.zeros(1))[0, 0, -1, -1] for picture in (x, changed)]
        assert (not corner[0].equal(corner[1])) == reaches


@torch.no_grad()
def test_dropout_masks_differ_by_block_and_repeat() -> None:
    network, x, t = make(dropout=0.3), torch.randn(2, 1, 8, 12), torch.tensor([0.2, 0.8])
    random = Random(0, range(2))
    assert network(x, t, None, random).equal(network(x, t, None, random))
    assert not network(x, t, None, random).equal(network(x, t, None, random.at(1)))
    assert not network(x, t, None, random).equal(network(x, t, None, None))


@pytest.mark.parametrize("shape", [(), (2, 1, 8, 12)])
def test_takes_one_level_an_item(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="it takes one per item"):
        make()(torch.zeros(2, 1, 8, 12), torch.zeros(shape))


@torch.no_grad()
def test_level_and_label_change_the_output() -> None:
    network, x = make(), torch.randn(1, 1, 8, 12)
    first = network(x, torch.zeros(1), torch.tensor([0]))
    assert not torch.allclose(first, network(x, torch.zeros(1), torch.tensor([1])))
    assert not torch.allclose(first, network(x, torch.ones(1), torch.tensor([0])))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channels": 0}, "each must be at least 1"),
        ({"multipliers": ()}, "one multiplier or more"),
        ({"multipliers": (1, 0)}, "each must be at least 1"),
        ({"blocks": 0}, "each must be at least 1"),
        ({"head_width": 10}, "10 does not divide the 24 channels at side 3"),
        ({"head_width": 5}, "even number of at least 4"),
        ({"head_width": 2}, "even number of at least 4"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"attention": (5,)}, r"sides \[5\]; allowed are .*\[12, 6, 3\]"),
        ({"multipliers": (1, 1, 1, 1)}, "needs multiples of 8; images of 8x12"),
        ({"shape": (2,)}, "Use network mlp"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make(**changes)


@torch.no_grad()
def test_bfloat16_comes_close_to_float32() -> None:
    network, x, t = make(), torch.randn(2, 1, 8, 12), torch.tensor([0.2, 0.8])
    exact = network(x, t)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(x, t)
    assert rough.isfinite().all()
    assert (rough.float() - exact).norm() < 0.05 * exact.norm()


def test_muon_takes_the_matrices_of_attention_and_nothing_else() -> None:
    network = make()
    hidden = {name for name, value in network.named_parameters() if is_hidden_matrix(name, value)}
    assert hidden
    assert all(name.endswith(("attention.qkv.weight", "attention.out.weight")) for name in hidden)


@pytest.mark.parametrize("optimizer", [AdamW(), Muon()])
def test_an_optimiser_read_back_goes_on_with_the_same_bytes(optimizer: AdamW | Muon) -> None:
    # the fused optimiser goes through memory in order: weights in another memory format than the
    # state read from a file would be updated with other weights' state, without a word
    x, t = torch.randn(2, 1, 8, 12), torch.tensor([0.2, 0.8])
    ends = []
    for stops in (False, True):
        network = make()
        engine = optimizer.build(network)
        for step in range(4):
            if stops and step == 2:
                state = {key: value.contiguous() for key, value in engine.tensors().items()}
                engine = optimizer.build(network)
                engine.load(state.items())
            network(x, t).square().mean().backward()
            engine.step(1.0)
        ends.append([parameter.detach() for parameter in network.parameters()])
    assert all(first.equal(second) for first, second in zip(*ends, strict=True))


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (6, 1), (8, 2), (32, 8), (48, 12), (128, 32), (160, 32)]
)
def test_groups_divide_the_channels(channels: int, groups: int) -> None:
    assert group_norm(channels).num_groups == groups
