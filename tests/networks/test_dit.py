import pytest
import torch

from noiseloom.networks.caption_reader import Kept, Words
from noiseloom.networks.dit import Config
from noiseloom.networks.embeddings import Condition
from noiseloom.networks.mlp import Config as MLPConfig
from noiseloom.networks.patches import Patches
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
    cut = Patches(2, 0)
    x = torch.arange(2 * 24.0).view(2, 1, 4, 6)
    patches = cut.apart(x)
    assert patches.shape == (2, 6, 4)
    assert patches[0, 1].tolist() == [2.0, 3.0, 8.0, 9.0]  # the second patch of the first row
    assert cut.together(patches, (4, 6)).equal(x)


def test_patches_with_a_border_see_their_neighbours() -> None:
    cut = Patches(2, 1)
    x = torch.arange(24.0).view(1, 1, 4, 6)
    patches = cut.apart(x)
    assert patches.shape == (1, 6, 16)
    assert patches[0, 0].view(4, 4)[1:, 1:].equal(x[0, 0, :3, :3])
    assert patches[0, 0].view(4, 4)[0].tolist() == [0, 0, 0, 0]
    cover = cut.together(torch.ones_like(patches), (4, 6))
    torch.testing.assert_close(cut.together(patches, (4, 6)) / cover, x)


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


@torch.no_grad()
def test_a_network_that_is_not_told_the_noise_level_still_knows_the_label() -> None:
    network, x = make(tells_level=False), torch.randn(2, 1, 4, 6)
    labels, other = torch.tensor([0, 1]), torch.tensor([1, 0])
    one = network(x, torch.zeros(2), labels)
    assert network(x, torch.ones(2), labels).equal(one)
    by_patch = torch.rand(2, 1, 1, 1).expand(2, 1, 4, 6)
    torch.testing.assert_close(network(x, by_patch, labels), one)
    assert not torch.allclose(network(x, torch.zeros(2), other), one)
    names = {name for name, _ in make().named_parameters()}
    gone = names - {name for name, _ in network.named_parameters()}
    assert gone and all(name.startswith("condition.level.") for name in gone)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 15}, "heads must divide width"),
        ({"width": 6, "heads": 2}, "at least 4"),
        ({"depth": 0}, "at least 1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"border": 3}, "0 to the patch side"),
        ({"patch": 5}, "does not divide images of 4x6"),
        ({"joint_tokens": 0}, "joint_tokens is 0"),
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


def moved(network):  # type: ignore[no-untyped-def]
    """The network away from where it starts, the same way every time."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return network


def clips(frames: int, **changes):  # type: ignore[no-untyped-def]
    """A network of clips of 4x6 pixels in 2 channels, with 2 classes."""
    torch.manual_seed(0)
    settings = {"patch": 2, "border": 1, "blend": 1, "width": 24, "depth": 2, "heads": 2}
    config = Config(**{**settings, **changes})
    shape = (2, frames, 4, 6) if frames else (2, 4, 6)
    return moved(config.build(shape, 2))


@torch.no_grad()
def test_an_image_is_one_frame() -> None:
    image, clip = clips(0), clips(1)
    x, level, labels = torch.randn(3, 2, 4, 6), torch.tensor([0.1, -0.4, 0.9]), torch.arange(3)
    assert clip(x[:, :, None], level, labels)[:, :, 0].equal(image(x, level, labels))
    levels = torch.rand(3, 1, 2, 3).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert clip(x[:, :, None], levels[:, :, None], labels)[:, :, 0].equal(image(x, levels, labels))


def test_clips_are_cut_frame_by_frame() -> None:
    cut = Patches(2, 1)
    x = torch.randn(2, 3, 5, 4, 6)
    apart = cut.apart(x)
    assert apart.shape == (2, 5 * 6, 3 * 16)
    for frame in range(5):
        assert apart[:, 6 * frame : 6 * (frame + 1)].equal(cut.apart(x[:, :, frame]))
    together = cut.together(apart, (5, 4, 6))
    torch.testing.assert_close(together[:, :, 2], cut.together(cut.apart(x[:, :, 2]), (4, 6)))


def test_every_token_of_a_clip_sees_every_frame_and_knows_its_time() -> None:
    network = clips(3)
    x, level = torch.randn(2, 2, 3, 4, 6, requires_grad=True), torch.tensor([0.1, 0.7])
    output = network(x, level, torch.tensor([0, 2]))
    assert output.shape == x.shape
    output[:, :, 2].square().sum().backward()
    assert x.grad is not None and (x.grad.abs().amax(dim=(1, 3, 4)) > 0).all()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead
    with torch.no_grad():
        forth, back = network(x, level), network(x.flip(2), level).flip(2)
        assert not torch.allclose(forth, back)
        network.frame_position.zero_()  # its rotary place in time alone
        forth, back = network(x, level), network(x.flip(2), level).flip(2)
        assert not torch.allclose(forth, back, atol=1e-4)


@torch.no_grad()
def test_a_noise_level_for_each_frame() -> None:
    network, x = clips(3), torch.randn(2, 2, 3, 4, 6)
    one = network(x, torch.full((2,), 0.4))
    torch.testing.assert_close(network(x, torch.full((2, 1, 3, 1, 1), 0.4)), one)
    torch.testing.assert_close(network(x, torch.full((2, 1, 3, 4, 6), 0.4)), one)
    given = torch.full((2, 1, 3, 1, 1), 0.4)
    given[:, :, :2] = -1.0  # two frames are known
    assert not torch.allclose(network(x, given), one)
    with pytest.raises(ValueError, match=r"or \(B, 1, 3, 4, 6\) constant in each patch"):
        network(x, torch.zeros(2, 1, 4, 6))


@torch.no_grad()
def test_clips_take_the_weights_of_images() -> None:
    image, clip = clips(0), clips(3)
    state = {**clip.state_dict(), **image.state_dict()}
    assert state.keys() - image.state_dict().keys() == {"frame_position"}
    clip.load_state_dict(state)


@pytest.mark.parametrize(
    ("shape", "heads", "said"),
    [
        ((2, 3, 4, 4, 4), 2, "or clips"),
        ((2, 3, 4, 5), 2, "does not divide images of 4x5"),
        ((2, 3, 4, 6), 4, "cannot hold rotary positions on 3 axes"),
    ],
)
def test_items_that_are_no_clips_are_refused(shape: tuple[int, ...], heads: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Config(patch=2, width=16, depth=1, heads=heads).build(shape, 0)


def test_captions_of_a_width_that_heads_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of twice the heads, 8"):
        Config(width=32, heads=4, text_width=12)


WORDS = Words(vocabulary=7, longest=12, padding=6)
CAPTIONS = torch.tensor([[0, 1, 2, 6, 6], [3, 6, 6, 6, 6], [6, 6, 6, 6, 6], [5, 4, 3, 2, 1]])


def captioned(**changes):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    settings = {"patch": 2, "width": 16, "depth": 2, "heads": 2, "text_depth": 1}
    return moved(Config(**{**settings, **changes}).build((1, 4, 6), 0, words=WORDS))


@pytest.mark.parametrize("text_width", [None, 8])
def test_captions_teach_every_parameter_and_items_are_apart(text_width: int | None) -> None:
    network = captioned(text_width=text_width)
    x, level = torch.randn(4, 1, 4, 6), torch.tensor([0.1, -0.4, 0.9, 0.3])
    output = network(x, level, CAPTIONS)
    output.square().sum().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead
    for one in range(4):
        rows = slice(one, one + 1)
        torch.testing.assert_close(network(x[rows], level[rows], CAPTIONS[rows]), output[rows])
    other = CAPTIONS.roll(1, dims=0)
    assert (network(x, level, other) - output).abs().flatten(1).amax(dim=1).min() > 1e-3


@torch.no_grad()
def test_padding_changes_nothing() -> None:
    network = captioned()
    x, level = torch.randn(4, 1, 4, 6), torch.tensor([0.1, -0.4, 0.9, 0.3])
    longer = torch.nn.functional.pad(CAPTIONS, (0, 7), value=WORDS.padding)
    torch.testing.assert_close(network(x, level, longer), network(x, level, CAPTIONS))
    with_long = torch.cat([longer, torch.zeros(1, 12, dtype=torch.long)])
    beside = network(torch.cat([x, x[:1]]), torch.cat([level, level[:1]]), with_long)
    torch.testing.assert_close(beside[:4], network(x, level, CAPTIONS))


@torch.no_grad()
def test_no_caption_is_a_row_of_padding() -> None:
    network, x, level = captioned(), torch.randn(1, 1, 4, 6), torch.tensor([0.3])
    nothing = network(x, level)
    assert nothing.equal(network(x, level, CAPTIONS[2:3]))
    assert not torch.allclose(nothing, network(x, level, CAPTIONS[1:2]))


@torch.no_grad()
def test_the_order_of_words_counts() -> None:
    network, x, level = captioned(), torch.randn(1, 1, 4, 6), torch.tensor([0.3])
    there, back = (network(x, level, row[None]) for row in (CAPTIONS[3], CAPTIONS[3].flip(0)))
    assert not torch.allclose(there, back)


@torch.no_grad()
def test_captions_are_read_once_for_all_steps() -> None:
    network, x = captioned(), torch.randn(4, 1, 4, 6)
    reads = []
    network.reader.register_forward_hook(lambda *given: reads.append(1))
    condition = Condition(CAPTIONS, kept=Kept())
    for level in (0.9, 0.1, -0.7):
        levels = torch.full((4,), level)
        kept = network(x, levels, condition)
        assert len(reads) == 1
        assert kept.equal(network(x, levels, CAPTIONS))
        reads.pop()


def test_what_is_kept_of_captions_outlives_a_backward() -> None:
    network, condition = captioned(), Condition(CAPTIONS, kept=Kept())
    x = torch.randn(4, 1, 4, 6, requires_grad=True)
    for _ in range(2):
        network(x, torch.zeros(4), condition).square().sum().backward()


@torch.no_grad()
def test_captions_longer_than_the_longest_are_refused() -> None:
    network = captioned()
    with pytest.raises(ValueError, match="captions of 13 tokens are given; this network reads up"):
        network.read(torch.zeros(1, 13, dtype=torch.long))


@torch.no_grad()
def test_captions_beside_levels_of_tokens_and_frames() -> None:
    torch.manual_seed(0)
    config = Config(patch=2, width=16, depth=1, heads=2, text_depth=0)
    network = moved(config.build((1, 3, 4, 6), 0, words=WORDS))
    x = torch.randn(4, 1, 3, 4, 6)
    one = network(x, torch.full((4,), 0.4), CAPTIONS)
    torch.testing.assert_close(network(x, torch.full((4, 1, 3, 1, 1), 0.4), CAPTIONS), one)


SIZES = [(4, 6), (6, 4), (2, 8), (4, 8)]


def sized(**changes):  # type: ignore[no-untyped-def]
    """A network of several sizes, away from where it starts."""
    torch.manual_seed(0)
    config = Config(**{"patch": 2, "width": 16, "depth": 2, "heads": 2, **changes})
    network = config.build((1, *SIZES[0]), 2, sizes=SIZES)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return network


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES)
def test_of_each_size_it_is_the_network_of_that_size(size: tuple[int, int]) -> None:
    """To the bit, where that has the places that the rows and columns add up to."""
    network = sized(border=2, blend=1)
    alone = network.config.build((1, *size), 2)
    rows, columns = size[0] // 2, size[1] // 2
    state = {name: value for name, value in network.state_dict().items() if "position" not in name}
    alone.load_state_dict({**state, "position": network.position(rows, columns)[0]})
    x, level, labels = torch.randn(3, 1, *size), torch.tensor([0.1, -0.4, 0.9]), torch.arange(3)
    assert network(x, level, labels).equal(alone(x, level, labels))


def test_each_height_has_rows_of_its_own_and_each_width_columns() -> None:
    network = sized()
    assert network.position.rows.shape == (2 + 3 + 1, 16)
    assert network.position.columns.shape == (3 + 2 + 4, 16)
    seen = {}
    for size in SIZES:
        network.zero_grad()
        network(torch.randn(2, 1, *size), torch.tensor([0.1, 0.7])).square().sum().backward()
        places = network.position
        assert places.rows.grad is not None and places.columns.grad is not None
        seen[size] = tuple(
            frozenset(gradient.abs().sum(dim=1).nonzero().flatten().tolist())
            for gradient in (places.rows.grad, places.columns.grad)
        )
    assert [list(map(len, seen[size])) for size in SIZES] == [[2, 3], [3, 2], [1, 4], [2, 4]]
    assert seen[4, 8] == (seen[4, 6][0], seen[2, 8][1])  # of one height, and of one width
    assert not seen[4, 6][0] & seen[6, 4][0] and not seen[4, 6][1] & seen[2, 8][1]


def test_sizes_that_it_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="images of 6x6 are given; this network knows 4x6, 6x4"):
        sized()(torch.randn(1, 1, 6, 6), torch.tensor([0.1]))
    with pytest.raises(ValueError, match="does not divide images of 6x4 .* data.bucket_step"):
        Config(patch=4).build((1, 4, 8), 0, sizes=[(4, 8), (6, 4)])
    with pytest.raises(ValueError, match="without network.label_positions"):
        sized(label_positions=True)
