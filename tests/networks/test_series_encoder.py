import pytest
import torch

from noiseloom.networks.series_encoder import Config
from noiseloom.seeds import Random, fixed


def build(shape=(20, 3), outputs=2, **changes):
    with fixed(0, "weights"):
        network = Config(**{"patch": 4, "width": 16, "depth": 2, "heads": 2, **changes}).build(
            shape, outputs
        )
    assert not network(torch.randn(2, *shape)).any()  # it starts at 0
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.add_(Random(index, [0]).normal("nudge", parameter.shape)[0], alpha=0.1)
    return network


@pytest.mark.parametrize("steps", [20, 21, 3, 1])
def test_every_step_and_parameter_counts(steps):
    network = build((steps, 3))
    x = torch.randn(4, steps, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    output = network(x)
    assert output.shape == (4, 2)
    output.square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters())
    assert (x.grad.abs().amax(dim=2) > 0).all()
    torch.testing.assert_close(network(x[1:2]), output[1:2])  # series do not see one another


def test_the_order_of_the_steps_counts():
    network = build()
    x = torch.randn(2, 20, 3)
    patches = x.view(2, 5, 4, 3)[:, [1, 0, 2, 3, 4]].reshape(2, 20, 3)
    assert not torch.allclose(network(x), network(patches), atol=1e-4)


def test_a_first_patch_that_is_short_begins_with_the_first_value():
    network, x = build((18, 3)), torch.randn(2, 18, 3)
    whole = build((20, 3))
    whole.load_state_dict(network.state_dict())
    longer = torch.cat([x[:, :1], x[:, :1], x], dim=1)
    assert network(x).equal(whole(longer))


def test_dropout_is_on_with_random_alone_and_repeats():
    network, x = build(dropout=0.5), torch.randn(3, 20, 3)
    random = Random(0, range(3))
    assert network(x).equal(network(x))
    assert network(x, random).equal(network(x, random))
    assert not network(x, random).equal(network(x))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"patch": 0}, "at least 1"),
        ({"width": 6, "heads": 2}, "even number"),
        ({"width": 9, "heads": 2}, "not divisible"),
        ({"dropout": 1.0}, "0 to below 1"),
    ],
)
def test_what_is_impossible_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        Config(**changes)


def test_items_that_are_no_series_are_refused():
    with pytest.raises(ValueError, match="Use data series"):
        Config().build((1, 8, 8), 3)
