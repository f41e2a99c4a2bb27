import numpy as np
import pytest
import torch

from noiseloom.seeds import WORDS_AT_ONCE, WORDS_PER_COUNT, Random, fixed, generator, key


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 5, 5), (2, 9)])
def test_an_item_has_its_numbers_in_every_batch(shape: tuple[int, ...]) -> None:
    whole = Random(7, range(10), 3)
    for items in (range(4, 9), [2, 3, 9], [5]):
        part = Random(7, items, 3)
        assert part.normal("a", shape).equal(whole.normal("a", shape)[list(items)])
        assert part.uniform("a", shape).equal(whole.uniform("a", shape)[list(items)])


def test_seed_purpose_step_scope_and_item_all_matter() -> None:
    base = Random(0, range(2))
    draws = [
        base.normal("a", (4,)),
        base.normal("b", (4,)),
        base.at(1).normal("a", (4,)),
        base.under("block0").normal("a", (4,)),
        Random(1, range(2)).normal("a", (4,)),
    ]
    rows = torch.cat(draws)
    assert len(rows.unique(dim=0)) == len(rows)
    assert base.normal("a", (4,)).equal(draws[0])


def test_seeds_beyond_32_bits_are_told_apart() -> None:
    # torch.Generator on the CPU would give both the same numbers
    assert not Random(5, [0]).uniform("a", (4,)).equal(Random(5 + 2**32, [0]).uniform("a", (4,)))


def test_distributions() -> None:
    random = Random(0, range(1000))
    normal = random.normal("n", (200,))
    assert float(normal.mean()) == pytest.approx(0, abs=0.01)
    assert float(normal.std()) == pytest.approx(1, abs=0.01)
    kurtosis = float(normal.pow(4).mean())
    assert kurtosis == pytest.approx(3, abs=0.1)
    uniform = random.uniform("u", (200,))
    assert float(uniform.min()) >= 0 and float(uniform.max()) < 1
    counts = np.histogram(uniform.numpy(), bins=10, range=(0, 1))[0]
    assert abs(counts / 20000 - 1).max() < 0.03
    # neighbours in an item and in a batch are independent
    for a, b in ((normal[:, :-1], normal[:, 1:]), (normal[:-1], normal[1:])):
        assert abs(float((a * b).mean())) < 0.01
    assert float(random.chance("k", 0.3, (100,)).float().mean()) == pytest.approx(0.3, abs=0.01)


def test_known_numbers_never_change() -> None:
    """They define the streams: a run recorded today must resume with any later version."""
    drawn = Random(0, [0, 1]).uniform("golden", (2,))
    torch.testing.assert_close(drawn, torch.tensor(GOLDEN), rtol=0, atol=1e-7)


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with fixed(0, "weights"):
        first = torch.randn(3)
    Random(0, range(3)).normal("a", (3,))
    generator(0, "order", 1)
    assert torch.get_rng_state().equal(before)
    with fixed(0, "weights"):
        assert torch.randn(3).equal(first)


GOLDEN = [[0.81412876, 0.81555969], [0.22992456, 0.2526269]]


@pytest.mark.parametrize("items", [range(3, 6), [3, 5, 4]])
def test_parts_of_items_have_numbers_of_their_own_whatever_the_batch(items):
    whole = Random(0, range(8), total=8).split(2)
    assert list(whole.items) == list(range(16)) and whole.total == 16
    numbers = whole.uniform("noise", (5,))
    assert len(numbers.unique()) == 16 * 5
    some = Random(0, items, total=8).split(2).uniform("noise", (5,))
    expected = numbers.view(8, 2, 5)[list(items)].flatten(0, 1)
    assert some.equal(expected)
    assert Random(0, items).split(1).uniform("noise").equal(Random(0, items).uniform("noise"))


def test_large_draws_by_threads_are_the_words_of_one_generator() -> None:
    items, size = range(5, 69), 5_000  # more than WORDS_AT_ONCE in all, in several parts
    drawn = Random(3, items, step=2).uniform("noise", (size,))
    counts = -(-size // 2 // WORDS_PER_COUNT)
    philox = np.random.Philox(key=key(3, "noise", 2), counter=items.start * counts)
    words = philox.random_raw(len(items) * counts * WORDS_PER_COUNT).reshape(len(items), -1)
    assert words.size > WORDS_AT_ONCE
    expected = (words.view(np.uint32)[:, :size] >> 8) * 2.0**-24
    np.testing.assert_array_equal(drawn.numpy(), expected.astype(np.float32))
