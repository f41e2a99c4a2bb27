"""Clips whose tokens look in turns: within their frame, and at their place through time."""

import pytest
import torch
from torch import Tensor, nn

from noiseloom.networks.caption_reader import Kept, Words
from noiseloom.networks.dit import Config, DiT
from noiseloom.networks.embeddings import Condition
from noiseloom.networks.space_time import Factorised, Joint, by_frame
from noiseloom.seeds import Random

FRAMES = 5
WORDS = Words(vocabulary=7, longest=4, padding=6)
CAPTIONS = torch.tensor([[0, 1, 2, 3], [3, 6, 6, 6], [6, 6, 6, 6]])
SETTINGS = {"patch": 2, "border": 1, "blend": 1, "width": 24, "depth": 2, "heads": 2}


def build(frames: int, words: Words | None = None, **changes: object) -> DiT:
    """A network of images of 4x6 pixels in 2 channels (no frames) or clips, away from its start."""
    config = Config(**{**SETTINGS, "space_time": "factorised", **changes})
    shape = (2, frames, 4, 6) if frames else (2, 4, 6)
    torch.manual_seed(0)
    network = config.build(shape, 0 if words else 2, words=words)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return network


def begun(image: nn.Module, clip: nn.Module) -> nn.Module:
    """A network of clips with the weights of one of images, and the rest as it starts."""
    told = clip.load_state_dict(image.state_dict(), strict=False)
    assert not told.unexpected_keys
    assert {name.partition(".")[0] for name in told.missing_keys} == {
        "frame_position",
        "space_time",
    }
    return clip


def fresh(**changes: object) -> DiT:
    words = changes.pop("words", None)
    config = Config(**{**SETTINGS, "space_time": "factorised", **changes})
    return config.build((2, FRAMES, 4, 6), 0 if words else 2, words=words)


@torch.no_grad()
@pytest.mark.parametrize("positions", [False, True])
def test_it_starts_as_the_image_network_frame_by_frame(positions: bool) -> None:
    image = build(0, label_positions=positions)
    clip = begun(image, fresh(label_positions=positions))
    x, labels = torch.randn(3, 2, FRAMES, 4, 6), torch.arange(3)
    level = torch.tensor([0.1, -0.4, 0.9])
    framewise = torch.stack([image(frame, level, labels) for frame in x.unbind(2)], dim=2)
    torch.testing.assert_close(clip(x, level, labels), framewise, rtol=0, atol=1e-6)
    levels = torch.rand(3, 1, FRAMES, 1, 1)  # every frame has one of its own
    framewise = torch.stack(
        [
            image(frame, level.flatten(), labels)
            for frame, level in zip(x.unbind(2), levels.unbind(2), strict=True)
        ],
        dim=2,
    )
    torch.testing.assert_close(clip(x, levels, labels), framewise, rtol=0, atol=1e-6)


@torch.no_grad()
def test_captions_are_seen_by_every_frame_and_read_once() -> None:
    image = build(0, WORDS, text_depth=1)
    clip = begun(image, fresh(words=WORDS, text_depth=1))
    x, level = torch.randn(3, 2, FRAMES, 4, 6), torch.tensor([0.1, -0.4, 0.9])
    framewise = torch.stack([image(frame, level, CAPTIONS) for frame in x.unbind(2)], dim=2)
    reads: list[int] = []
    clip.reader.register_forward_hook(lambda *given: reads.append(1))
    condition = Condition(CAPTIONS, kept=Kept())
    for _ in range(3):
        torch.testing.assert_close(clip(x, level, condition), framewise, rtol=0, atol=1e-6)
    assert len(reads) == 1


def seen_by(network: nn.Module, place: tuple[int, int, int]) -> Tensor:
    """Which pixels (T, 4, 6) change the output at a frame and a pixel of one item."""
    x = torch.randn(1, 2, FRAMES, 4, 6, requires_grad=True)
    frame, row, column = place
    network(x, torch.tensor([0.3]))[0, 0, frame, row, column].backward()
    assert x.grad is not None
    return x.grad.abs().amax(dim=1)[0] > 0


def test_a_layer_looks_through_time_at_its_own_place_alone() -> None:
    """One block, patches without neighbours: its frame, and its place in the others' frames."""
    network = build(FRAMES, depth=1, border=0, blend=0)
    for block in network.blocks:
        nn.init.zeros_(block.attention.out.weight)  # within a frame it sees its own patch
    seen = seen_by(network, (1, 2, 4))
    patch = torch.zeros(4, 6, dtype=torch.bool)
    patch[2:4, 4:6] = True
    assert seen.equal(patch.expand(FRAMES, -1, -1))
    for layer in network.space_time.blocks:
        nn.init.zeros_(layer.attention.out.weight)
    assert seen_by(network, (1, 2, 4)).any(dim=(1, 2)).tolist() == [False, True, *[False] * 3]


def test_two_blocks_see_the_whole_clip_and_everything_learns() -> None:
    network = build(FRAMES, border=0, blend=0)
    assert seen_by(network, (1, 2, 4)).all()
    network.zero_grad()
    x, level = torch.randn(2, 2, FRAMES, 4, 6), torch.tensor([0.1, 0.7])
    output = network(x, level, torch.tensor([0, 2]))
    for item in range(2):  # whatever lies beside it in the batch
        one = slice(item, item + 1)
        alone = network(x[one], level[one], torch.tensor([0, 2])[one])
        torch.testing.assert_close(alone, output[one], rtol=1e-5, atol=1e-5)
    output.square().sum().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead


@torch.no_grad()
def test_it_knows_before_from_after() -> None:
    network, level = build(FRAMES), torch.tensor([0.3])
    x = torch.randn(1, 2, FRAMES, 4, 6)
    network.frame_position.zero_()  # the rotary place in time alone
    forth, back = network(x, level), network(x.flip(2), level).flip(2)
    assert not torch.allclose(forth, back, atol=1e-4)


@torch.no_grad()
def test_dropout_masks_differ_by_frame_and_repeat() -> None:
    network = build(FRAMES, dropout=0.3)
    x, level = torch.randn(2, 2, 1, 4, 6).expand(-1, -1, FRAMES, -1, -1), torch.tensor([0.2, 0.8])
    network.frame_position.zero_()
    random = Random(0, range(2))
    dropped = network(x, level, None, random)
    assert dropped.equal(network(x, level, None, random))
    assert not dropped.equal(network(x, level, None, random.at(1)))
    assert not torch.allclose(dropped[:, :, 0], dropped[:, :, 1], atol=1e-3)
    alone = network(x[1:], level[1:], None, Random(0, [1]))
    torch.testing.assert_close(alone, dropped[1:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("space_time", "shape", "kind", "said"),
    [
        ("auto", (1, 3, 4, 6), Joint, "is joint: clips of 18 tokens, joint up to 18 "),
        ("auto", (1, 4, 4, 6), Factorised, "is factorised: clips of 24 tokens, joint up to 18 "),
        ("auto", (1, 40, 60), Joint, None),
        ("joint", (1, 9, 4, 6), Joint, None),
        ("factorised", (1, 2, 4, 6), Factorised, None),
        ("factorised", (1, 1, 4, 6), Joint, None),
    ],
)
def test_which_is_taken(
    space_time: str, shape: tuple[int, ...], kind: type, said: str | None
) -> None:
    config = Config(**{**SETTINGS, "space_time": space_time, "joint_tokens": 18})
    network = config.build(shape, 0)
    assert type(network.space_time) is kind
    told = config.chosen(shape)
    assert told is None if said is None else said in str(told)


def test_tokens_by_frame() -> None:
    x = torch.arange(24).view(2, 12, 1)
    assert by_frame(x, 3)[:, :, 0].tolist() == torch.arange(24).view(6, 4).tolist()
    same = torch.tensor([[[7]], [[8]]])
    assert by_frame(same, 3)[:, :, 0].tolist() == [[7], [7], [7], [8], [8], [8]]


def test_it_learns_in_bfloat16_too() -> None:
    network = build(FRAMES, WORDS, text_depth=1)
    x, level = torch.randn(3, 2, FRAMES, 4, 6), torch.tensor([0.1, -0.4, 0.9])
    exact = network(x, level, CAPTIONS)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(x, level, CAPTIONS)
    torch.testing.assert_close(output.float(), exact, rtol=0.1, atol=0.1)
    output.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
