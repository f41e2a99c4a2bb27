"""A network that is shown what a frozen model says of captions, in place of their tokens."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from noiseloom.errors import InputError
from noiseloom.networks.caption_states import States
from noiseloom.networks.dit import Config, DiT

PADDING = 6
CAPTIONS = torch.tensor([[0, 1, 2, 6, 6], [3, 6, 6, 6, 6], [6, 6, 6, 6, 6], [5, 4, 3, 2, 1]])


@dataclass
class Table:
    """Reads each token as numbers of its own, drawn at random."""

    width: int = 10
    longest: int = 5
    digest: bytes = bytes(32)
    model: str = "a table"

    def states(
        self, captions_BL: Tensor, device: torch.device, multiple: int
    ) -> tuple[Tensor, Tensor]:
        is_real = captions_BL != PADDING
        longest = int(is_real.any(dim=0).sum())
        longest = min(self.longest, -(-longest // multiple) * multiple)
        numbers = torch.randn(PADDING + 1, self.width, generator=torch.Generator().manual_seed(0))
        states = numbers[captions_BL] * is_real[:, :, None]
        return states[:, :longest].half().to(device), is_real[:, :longest].to(device)


def network(table: Table | None = None, text_depth: int = 1) -> DiT:
    torch.manual_seed(0)
    config = Config(patch=2, width=16, depth=2, heads=2, text_depth=text_depth)
    made = config.build((1, 4, 6), 0, words=States(table or Table(), PADDING))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return made


def test_every_parameter_is_taught_and_items_are_apart() -> None:
    made = network()
    x, level = torch.randn(4, 1, 4, 6), torch.tensor([0.1, -0.4, 0.9, 0.3])
    output = made(x, level, CAPTIONS)
    output.square().sum().backward()
    dead = [name for name, p in made.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead
    for one in range(4):
        rows = slice(one, one + 1)
        torch.testing.assert_close(made(x[rows], level[rows], CAPTIONS[rows]), output[rows])
    other = CAPTIONS.roll(1, dims=0)
    assert (made(x, level, other) - output).abs().flatten(1).amax(dim=1).min() > 1e-3


@pytest.mark.parametrize("text_depth", [0, 2])
@torch.no_grad()
def test_no_caption_is_a_row_of_padding(text_depth: int) -> None:
    made, x, level = network(text_depth=text_depth), torch.randn(1, 1, 4, 6), torch.tensor([0.3])
    nothing = made(x, level)
    assert nothing.equal(made(x, level, CAPTIONS[2:3]))
    assert not torch.allclose(nothing, made(x, level, CAPTIONS[1:2]))


@torch.no_grad()
def test_neither_size_nor_place_of_states_counts_once_learned_and_their_order_does() -> None:
    class Loud(Table):
        def states(
            self, captions_BL: Tensor, device: torch.device, multiple: int
        ) -> tuple[Tensor, Tensor]:
            states, is_real = super().states(captions_BL, device, multiple)
            return 100 * states.float() + 7, is_real

    x, level = torch.randn(4, 1, 4, 6), torch.zeros(4)
    said, loud = network()(x, level, CAPTIONS), network(Loud())
    assert loud.reader is not None
    loud.reader.embed.learn(torch.full((10,), 7.0), torch.full((10,), 100.0))
    torch.testing.assert_close(loud(x, level, CAPTIONS), said, rtol=1e-3, atol=1e-3)
    back = CAPTIONS[3:].flip(1)
    assert not torch.allclose(network()(x[3:], level[3:], back), said[3:], atol=1e-3)
    again = network(Loud())
    again.load_state_dict(loud.state_dict())
    assert again(x, level, CAPTIONS).equal(loud(x, level, CAPTIONS))


@pytest.mark.parametrize("width", [16, 512])
def test_a_step_changes_what_comes_out_alike_however_wide_states_are(width: int) -> None:
    torch.manual_seed(0)
    embedding = States(Table(width=width), PADDING).embedding(64)
    optimizer = torch.optim.Adam(embedding.parameters(), lr=1e-2)
    before, _ = embedding(CAPTIONS[3:])
    assert before.std().item() == pytest.approx(1, abs=0.15)
    before[:, 1].sum().backward()  # of the first token
    optimizer.step()
    after, _ = embedding(CAPTIONS[3:])
    change = (before - after)[0, 1] - 1e-2  # the bias has its own step
    # each weight moves by the step: by the mean size of the states, 0.8 of Gaussian ones
    torch.testing.assert_close(change, torch.full((64,), 0.8e-2), rtol=0.25, atol=0)


@torch.no_grad()
def test_weights_are_for_the_model_they_were_trained_on() -> None:
    trained, other = network(), network(replace(Table(), digest=bytes([7] * 32)))
    other(torch.randn(4, 1, 4, 6), torch.zeros(4), CAPTIONS)
    other.load_state_dict(trained.state_dict())
    with pytest.raises(InputError, match=r"begins with 070707070707, that one's with 0000.*Rest"):
        other(torch.randn(4, 1, 4, 6), torch.zeros(4), CAPTIONS)
