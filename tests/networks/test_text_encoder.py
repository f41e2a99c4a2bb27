"""The encoder of one text or two: what it answers, and what changes no answer."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseloom.networks.text_encoder import Config, TextEncoder
from noiseloom.seeds import Random, fixed

VOCABULARY, CONTEXT = 11, 9
SETTINGS = {
    "plain": {},
    "apart": {"apart": True},
    "max": {"pooling": "max"},
    "attention": {"pooling": "attention", "ngrams": (40, 50)},
}
KINDS = [(name, columns, True) for name in SETTINGS for columns in (1, 2)]
KINDS += [("plain", columns, False) for columns in (1, 2)]


def build(name: str, columns: int, pooled: bool) -> TextEncoder:
    config = Config(width=16, depth=2, heads=2, ngram_width=4, **SETTINGS[name])
    with fixed(0, "weights"):
        network = config.build(VOCABULARY, CONTEXT, columns, 3, pooled=pooled)
    with torch.no_grad():  # it starts at output 0: move away from it
        for index, parameter in enumerate(network.parameters()):
            parameter.add_(Random(index, [0]).normal("nudge", parameter.shape)[0], alpha=0.1)
    return network


def batch(columns: int, length: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens of four items and which are real: texts of 1 token to all."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(VOCABULARY, (4, columns, length), generator=generator)
    lengths = torch.tensor([[6, 2], [1, 6], [3, 3], [5, 4]])[:, :columns]
    return tokens, torch.arange(length) < lengths[..., None]


@pytest.mark.parametrize(("name", "columns", "pooled"), KINDS)
def test_shape_gradient_and_items_that_do_not_see_one_another(name, columns, pooled) -> None:
    network = build(name, columns, pooled)
    tokens, is_real = batch(columns)
    output = network(tokens, is_real)
    assert output.shape == ((4, 3) if pooled else (4, columns, 6, 3))
    assert output.equal(network(tokens, is_real))
    torch.testing.assert_close(network(tokens[1:2], is_real[1:2]), output[1:2])
    output.square().sum().backward()
    dead = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ]
    assert not dead


@pytest.mark.parametrize(("name", "columns", "pooled"), KINDS)
def test_padding_changes_nothing_whatever_it_holds(name, columns, pooled) -> None:
    network = build(name, columns, pooled)
    tokens, is_real = batch(columns)
    output = network(tokens, is_real)
    other = torch.where(is_real, tokens, (tokens + 5) % VOCABULARY)
    assert not other.equal(tokens)
    kept = slice(None) if pooled else is_real
    torch.testing.assert_close(network(other, is_real)[kept], output[kept])
    longer = torch.nn.functional.pad(tokens, (0, 3), value=7)
    shown = torch.nn.functional.pad(is_real, (0, 3))
    found = network(longer, shown)
    torch.testing.assert_close(found if pooled else found[shown], output[kept])
    short = network(tokens[:1, :, :6], is_real[:1, :, :6])
    torch.testing.assert_close(short[0], output[0])


def test_one_token_changes_the_answer_wherever_it_stands() -> None:
    network = build("plain", 2, True)
    tokens, is_real = batch(2)
    for column, place in ((0, 0), (0, 5), (1, 1)):
        changed = tokens.clone()
        changed[0, column, place] = (changed[0, column, place] + 1) % VOCABULARY
        assert not torch.allclose(network(changed, is_real)[0], network(tokens, is_real)[0])


def test_the_order_of_tokens_and_of_texts_counts() -> None:
    network = build("plain", 2, True)
    tokens, is_real = batch(2)
    assert not torch.allclose(network(tokens.flip(1), is_real.flip(1)), network(tokens, is_real))
    turned = tokens.clone()
    turned[2, 0, :3] = tokens[2, 0, :3].flip(0)
    assert not torch.allclose(network(turned, is_real)[2], network(tokens, is_real)[2])


def test_texts_see_one_another_unless_they_are_read_apart() -> None:
    tokens, is_real = batch(2)
    changed = tokens.clone()
    changed[:, 1] = (changed[:, 1] + 1) % VOCABULARY
    for name, alike in (("plain", False), ("apart", True)):
        network = build(name, 2, True)
        network.pooled = False  # a token of the first text, as it leaves the blocks
        network.head = torch.nn.Identity()
        first, other = (network(one, is_real)[:, 0][is_real[:, 0]] for one in (tokens, changed))
        assert torch.allclose(first, other) is alike


def test_of_two_that_are_read_apart_the_order_counts_only_where_it_is_asked() -> None:
    network = build("apart", 2, True)
    assert network.segments is not None
    with torch.no_grad():
        network.segments.zero_()
        weight = network.head.weight.view(3, 4, -1)
        weight[:, 1] = weight[:, 0]
    tokens, is_real = batch(2)
    torch.testing.assert_close(
        network(tokens.flip(1), is_real.flip(1)), network(tokens, is_real), rtol=1e-4, atol=1e-5
    )


def dropping(**shares: float) -> tuple[TextEncoder, torch.Tensor, torch.Tensor]:
    """A network that drops nothing but `shares`, and a batch for it."""
    shares = {"dropout": 0.0, "embedding_dropout": 0.0, **shares}
    with fixed(0, "weights"):
        network = Config(width=16, depth=1, heads=2, **shares).build(VOCABULARY, CONTEXT, 1, 3)
    torch.nn.init.normal_(network.head.weight)
    return network, *batch(1)


def test_numbers_of_tokens_are_dropped_for_each_item_and_their_mean_is_kept() -> None:
    network, tokens, is_real = dropping(embedding_dropout=0.5)
    network.norm = torch.nn.Identity()  # what is left is linear in what tokens begin with
    clean = network(tokens, is_real)
    items = 4_000
    many = [part.repeat(items // 4, *[1] * (part.ndim - 1)) for part in (tokens, is_real)]
    drawn = network(*many, random=Random(0, range(items)))
    assert len(drawn.unique(dim=0)) > 0.9 * items  # a text of one token may drop the same
    mean, error = drawn.view(-1, 4, 3).mean(dim=0), drawn.view(-1, 4, 3).std(dim=0) / 1000**0.5
    assert ((mean - clean).abs() < 5 * error).all()


def test_hidden_tokens_are_drawn_for_each_item_and_only_in_training() -> None:
    network, tokens, is_real = dropping(token_dropout=0.5)
    clean = network(tokens, is_real)
    drawn = network(tokens, is_real, random=Random(0, range(4)))
    assert not torch.allclose(clean, drawn)
    assert drawn.equal(network(tokens, is_real, random=Random(0, range(4))))
    part = network(tokens[2:], is_real[2:], random=Random(0, range(2, 4)))
    torch.testing.assert_close(part, drawn[2:])
    with torch.no_grad():  # where all tokens are hidden, nothing of them is left
        network.embed.weight[:] = network.embed.weight[VOCABULARY]
    hidden = network(tokens, is_real)
    torch.testing.assert_close(network(tokens, is_real, random=Random(0, range(4))), hidden)


def test_it_saves_and_loads(tmp_path) -> None:
    first = build("attention", 2, True)
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    config = Config(width=16, depth=2, heads=2, ngram_width=4, **SETTINGS["attention"])
    second = config.build(VOCABULARY, CONTEXT, 2, 3)
    second.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    tokens, is_real = batch(2)
    assert first(tokens, is_real).equal(second(tokens, is_real))


def test_it_starts_at_0_and_refuses_what_it_cannot_be() -> None:
    network = Config(width=16, heads=2).build(VOCABULARY, CONTEXT, 1, 3)
    tokens, is_real = batch(1)
    assert not network(tokens, is_real).any()
    with pytest.raises(ValueError, match="10 tokens are given; this network reads texts of up to"):
        network(torch.zeros(1, 1, 10, dtype=torch.long), torch.ones(1, 1, 10, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"token_dropout is 1\.0; allowed is 0 to below 1"):
        Config(token_dropout=1.0)
    with pytest.raises(ValueError, match="a head of width 3"):
        Config(width=12, heads=4)
