"""What every network must do, whichever are added."""

from inspect import signature
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseloom.menu import member, words
from noiseloom.networks import answers_of
from noiseloom.networks.caption_reader import Kept, Words
from noiseloom.networks.embeddings import Condition
from noiseloom.seeds import Random, fixed

PACKAGE = "noiseloom.networks"
SHAPES = [(1, 8, 8), (3, 8, 16), (2,)]


def answers(word: str) -> str:
    """What the network answers; of several, the first."""
    return answers_of(member(PACKAGE, word).Config)[0]


def is_built_for(word: str, *names: str) -> bool:
    """Whether the network is built from arguments of these names, before any others."""
    asked = list(signature(member(PACKAGE, word).Config.build).parameters)
    return asked[1 : 1 + len(names)] == list(names)


def cases() -> list[tuple[str, tuple[int, ...], int]]:
    """The cases of networks that see items."""
    return [
        (word, shape, n)
        for word in words(PACKAGE)
        if is_built_for(word, "item_shape", "num_classes")
        for shape in SHAPES
        for n in (0, 3)
        if fits(word, shape, n)
    ]


def drawing() -> list[tuple[str, tuple[int, ...], int]]:
    """The cases of networks that answer items."""
    return [case for case in cases() if answers(case[0]) == "items"]


def ask(
    word: str, network: torch.nn.Module, x: torch.Tensor, t: torch.Tensor, labels: object
) -> torch.Tensor:
    """The network's answer; one that reconstructs is told nothing but x."""
    if answers(word) == "reconstructions":
        return network(x).x
    return network(x, t, labels, None)


def fits(word: str, shape: tuple[int, ...], num_classes: int) -> bool:
    """Whether the network takes such items; a refusal must say what to use instead."""
    try:
        member(PACKAGE, word).Config().build(shape, num_classes)
    except ValueError as refusal:
        instead = "Use network" if answers(word) == "items" else "Use data"
        if instead not in str(refusal):
            raise
        return False
    return True


def labels_for(word: str, num_classes: int) -> torch.Tensor | None:
    """Four labels, the last of them "no label"; None where the label is what is asked for."""
    return torch.tensor([0, 1, 2, 3]) if num_classes and answers(word) == "items" else None


def build(word: str, shape: tuple[int, ...], num_classes: int) -> torch.nn.Module:
    with fixed(0, "weights"):
        network = member(PACKAGE, word).Config().build(shape, num_classes)
    with torch.no_grad():  # networks start at output 0: move away from it
        for index, parameter in enumerate(network.parameters()):
            parameter.add_(Random(index, [0]).normal("nudge", parameter.shape)[0], alpha=0.05)
    return network


@pytest.mark.parametrize(("word", "shape", "num_classes"), cases())
def test_shape_gradient_and_determinism(
    word: str, shape: tuple[int, ...], num_classes: int
) -> None:
    network = build(word, shape, num_classes)
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.1, 0.4, 0.6, 0.9])
    labels = labels_for(word, num_classes)
    output = ask(word, network, x, t, labels)
    assert output.shape == ((4, num_classes) if answers(word) == "classes" else x.shape)
    assert output.equal(ask(word, network, x, t, labels))
    loss = output.square().sum()
    if answers(word) == "reconstructions":
        loss = loss + network(x).code.penalty.sum()
    loss.backward()
    dead = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ]
    assert not dead
    # items do not see one another
    torch.testing.assert_close(
        ask(word, network, x[1:2], t[1:2], None if labels is None else labels[1:2]), output[1:2]
    )


@pytest.mark.parametrize(("word", "shape", "num_classes"), cases())
def test_no_label_is_the_label_after_the_last(
    word: str, shape: tuple[int, ...], num_classes: int
) -> None:
    if labels_for(word, num_classes) is None:
        pytest.skip("no labels")
    network = build(word, shape, num_classes)
    x, t = torch.randn(2, *shape), torch.tensor([0.3, 0.7])
    none = torch.full((2,), num_classes)
    torch.testing.assert_close(network(x, t, None, None), network(x, t, none, None))
    assert not torch.allclose(network(x, t, none, None), network(x, t, none - 1, None))


@pytest.mark.parametrize(("word", "shape", "num_classes"), [one for one in drawing() if one[2]])
def test_what_it_is_told_of_augmentation_counts_once_learned(
    word: str, shape: tuple[int, ...], num_classes: int
) -> None:
    with fixed(0, "weights"):
        network = member(PACKAGE, word).Config().build(shape, num_classes, told=5)
    with fixed(0, "weights"):
        plain = member(PACKAGE, word).Config().build(shape, num_classes)
    state = plain.state_dict()
    (name,) = network.state_dict().keys() - state.keys()
    weights = network.get_parameter(name)
    assert not weights.any()
    assert all(
        value.equal(state[key]) for key, value in network.state_dict().items() if key != name
    )
    plain = build(word, shape, num_classes)
    network.load_state_dict({**plain.state_dict(), name: weights.detach()})
    x, t = torch.randn(3, *shape), torch.tensor([0.1, 0.4, 0.9])
    labels, told = torch.arange(3), torch.randn(3, 5)
    untold = network(x, t, labels, None)
    assert untold.equal(plain(x, t, labels, None))
    output = network(x, t, Condition(labels, told), None)
    assert output.equal(untold)
    output.square().sum().backward()
    assert weights.grad is not None and (weights.grad.abs().amax(dim=1) > 0).all()
    with torch.no_grad():
        weights.add_(0.5)
    for nothing in (None, torch.zeros_like(told)):
        assert network(x, t, Condition(labels, nothing), None).equal(untold)
    assert not torch.allclose(network(x, t, Condition(labels, told), None), untold)
    with pytest.raises(ValueError, match="build it with told=5"):
        plain(x, t, Condition(labels, told), None)


@pytest.mark.parametrize(("word", "shape", "num_classes"), cases())
def test_saves_and_loads(word: str, shape: tuple[int, ...], num_classes: int, tmp_path) -> None:
    first = build(word, shape, num_classes)
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    with fixed(1, "weights"):
        second = member(PACKAGE, word).Config().build(shape, num_classes)
    second.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    x, t = torch.randn(2, *shape), torch.tensor([0.3, 0.7])
    assert ask(word, first, x, t, None).equal(ask(word, second, x, t, None))


@pytest.mark.parametrize(("word", "shape", "num_classes"), drawing())
def test_two_outputs_are_two_answers_side_by_side(
    word: str, shape: tuple[int, ...], num_classes: int
) -> None:
    with fixed(0, "weights"):
        network = member(PACKAGE, word).Config().build(shape, num_classes, outputs=2)
    x, t = torch.randn(3, *shape), torch.tensor([0.1, 0.4, 0.9])
    labels = torch.arange(3) if num_classes else None
    assert network(x, t, labels, None).shape == (3, 2 * shape[0], *shape[1:])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    for half in network(x, t, labels, None).chunk(2, dim=1):
        gradients = torch.autograd.grad(
            half.square().sum(), list(network.leave.parameters()), retain_graph=True
        )
        for gradient in gradients:  # each has weights of its own in the last layer
            share = gradient.abs().flatten(1).amax(dim=1) if gradient.ndim > 1 else gradient.abs()
            assert int((share > 0).sum()) == len(gradient) // 2


def by_captions() -> list[tuple[str, tuple[int, ...]]]:
    """Networks that read captions, and shapes that they take."""
    return [
        (word, shape)
        for word, shape, num_classes in drawing()
        if not num_classes and getattr(member(PACKAGE, word).Config, "reads_captions", False)
    ]


@pytest.mark.parametrize(("word", "shape"), by_captions())
def test_one_that_reads_captions_reads_each_item_s_own(
    word: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    words = Words(vocabulary=6, longest=4, padding=5)

    def made(seed: int) -> torch.nn.Module:
        with fixed(seed, "weights"):
            network = member(PACKAGE, word).Config().build(shape, 0, words=words)
        with torch.no_grad():
            for index, parameter in enumerate(network.parameters()):
                nudge = Random(index, [seed]).normal("nudge", parameter.shape)[0]
                parameter.add_(nudge, alpha=0.05)
        return network

    network, x, t = made(0), torch.randn(3, *shape), torch.tensor([0.1, 0.4, 0.9])
    captions = torch.tensor([[0, 1, 2, 3], [4, 5, 5, 5], [5, 5, 5, 5]])
    output = network(x, t, captions, None)
    assert output.shape == x.shape
    output.square().sum().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead
    for one in range(3):
        alone = network(
            x[one : one + 1], t[one : one + 1], captions[one : one + 1, : 4 - one], None
        )
        torch.testing.assert_close(alone, output[one : one + 1])
    torch.testing.assert_close(network(x, t, None, None)[2], output[2])  # padding is no caption
    asked = Condition(captions, kept=Kept())
    torch.testing.assert_close(network(x, t, asked, None), output)
    assert asked.kept is not None and asked.kept.reading is not None
    torch.testing.assert_close(network(x, t, Condition(kept=asked.kept), None), output)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = made(1)
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert again(x, t, captions, None).equal(output)


SIZES = [(8, 16), (16, 8), (8, 8)]


def sized() -> list[str]:
    """Networks that take images of several sizes."""
    return [
        word for word in words(PACKAGE) if getattr(member(PACKAGE, word).Config, "takes_sizes", 0)
    ]


@pytest.mark.parametrize("word", sized())
def test_one_that_takes_sizes_answers_each_and_learns_from_all(word: str, tmp_path: Path) -> None:
    def made(seed: int) -> torch.nn.Module:
        with fixed(seed, "weights"):
            network = member(PACKAGE, word).Config().build((3, *SIZES[0]), 0, sizes=SIZES)
        with torch.no_grad():
            for index, parameter in enumerate(network.parameters()):
                nudge = Random(index, [seed]).normal("nudge", parameter.shape)[0]
                parameter.add_(nudge, alpha=0.05)
        return network

    network, t = made(0), torch.tensor([0.2, 0.7])
    items = [torch.randn(2, 3, *size) for size in SIZES]
    answered = [network(x, t, None, None) for x in items]
    assert [one.shape for one in answered] == [x.shape for x in items]
    torch.testing.assert_close(network(items[1][1:], t[1:], None, None), answered[1][1:])
    sum(one.square().sum() for one in answered).backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead
    with pytest.raises(ValueError, match="images of 16x16 are given"):
        network(torch.randn(1, 3, 16, 16), t[:1], None, None)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = made(1)
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert all(again(x, t, None, None).equal(y) for x, y in zip(items, answered, strict=True))


VOCABULARY, CONTEXT = 13, 9


def reading() -> list[tuple[str, bool]]:
    """Networks that answer text, reading what is before a token, or all."""
    return [
        (word, causal)
        for word in words(PACKAGE)
        if "text" in answers_of(member(PACKAGE, word).Config)
        for causal in (True, False)
    ]


def reader(word: str, causal: bool, seed: int = 0, **changes: object) -> torch.nn.Module:
    """One that has moved away from where it starts, at answers of 0."""
    with fixed(seed, "weights"):
        network = member(PACKAGE, word).Config(**changes).build(VOCABULARY, CONTEXT, causal=causal)
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            nudge = Random(seed, [0]).under(str(index)).normal("nudge", parameter.shape)[0]
            parameter.add_(nudge, alpha=0.05)
    return network


@pytest.mark.parametrize(("word", "causal"), reading())
def test_one_that_answers_text_reads_each_item_alone_and_learns_all_over(
    word: str, causal: bool
) -> None:
    network = reader(word, causal)
    tokens = torch.arange(4 * CONTEXT).view(4, CONTEXT) % VOCABULARY
    logits = network(tokens)
    assert logits.shape == (4, CONTEXT, VOCABULARY)
    assert logits.equal(network(tokens))
    torch.testing.assert_close(
        network(tokens[1:2, :5] if causal else tokens[1:2]),
        logits[1:2, :5] if causal else logits[1:2],
    )
    logits.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    assert hasattr(network, "blocks")  # muon moves their matrices


@pytest.mark.parametrize(("word", "causal"), reading())
def test_one_that_answers_text_saves_and_loads(word: str, causal: bool, tmp_path) -> None:
    first, second = reader(word, causal), reader(word, causal, seed=1)
    tokens = torch.arange(CONTEXT)[None]
    assert not first(tokens).equal(second(tokens))
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    second.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert first(tokens).equal(second(tokens))


@pytest.mark.parametrize(("word", "causal"), reading())
def test_drop_out_of_one_that_answers_text_is_repeated(word: str, causal: bool) -> None:
    network, tokens = reader(word, causal, dropout=0.4), torch.arange(CONTEXT)[None]
    random = Random(0, [3])
    dropped = network(tokens, random=random)
    assert dropped.equal(network(tokens, random=random))
    assert not dropped.equal(network(tokens, random=random.at(1)))
    assert not dropped.equal(network(tokens))
    assert network(tokens).equal(reader(word, causal)(tokens))


OWN = {  # networks that see something else, and where they are tested
    "text-encoder": "tests/networks/test_text_encoder.py",
    "pixel-transformer": "tests/networks/test_pixel_transformer.py",
    "pair-encoder": "tests/networks/test_pair_encoder.py",
    "seq2seq": "tests/networks/test_seq2seq.py",
    "series-encoder": "tests/networks/test_series_encoder.py",
}


@pytest.mark.parametrize("word", words(PACKAGE))
def test_every_network_is_tested_somewhere(word: str) -> None:
    here = is_built_for(word, "item_shape", "num_classes") or "text" in answers_of(
        member(PACKAGE, word).Config
    )
    assert here or Path(OWN[word]).is_file()
