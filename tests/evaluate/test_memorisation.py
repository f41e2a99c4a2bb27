import numpy as np
import pytest
import torch

from noiseloom.evaluate import memorisation
from noiseloom.evaluate.memorisation import (
    describe,
    distance_ratio,
    near_copies,
    nearest,
    pairs_picture,
    pixels,
    ratio_interval,
    too_many_copies,
)


def random_images(count, seed, side=8):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 1), dtype=np.uint8)


def test_distance_and_index_are_exact():
    train = random_images(40, 1)
    items = train[[7, 23]].copy()
    items[1, 0, 0, 0] ^= 255
    found = nearest(items, train)
    assert found.index.tolist() == [7, 23]
    assert found.distance[0] == 0
    changed = abs(int(items[1, 0, 0, 0]) - int(train[23, 0, 0, 0])) / 255
    assert float(found.distance[1]) == pytest.approx(changed, rel=1e-6)


def test_equals_a_plain_search_in_any_chunks(monkeypatch):
    train, items = random_images(60, 1), random_images(25, 2)
    flat = [torch.from_numpy(x.reshape(len(x), -1) / 255) for x in (items, train)]
    plain = torch.cdist(flat[0], flat[1], compute_mode="donot_use_mm_for_euclid_dist")
    expected, order = plain.sort(dim=1)
    for chunk in (1_000_000, 64 * 13):
        monkeypatch.setattr("noiseloom.evaluate.features.CHUNK_PIXELS", chunk)
        monkeypatch.setattr(memorisation, "QUERIES", 7)
        found = nearest(items, train)
        assert torch.equal(found.index, order[:, 0])
        assert torch.allclose(found.distance, expected[:, 0])
        standing_out = expected[:, 0] / expected[:, 1:21].mean(dim=1)
        assert torch.allclose(found.standing_out, standing_out, rtol=1e-4)


def test_a_copy_of_a_mirrored_training_image_is_a_copy_where_training_mirrors(shapes):
    train, _ = shapes(300, 1)
    held_out_items, new = shapes(150, 2)[0], shapes(150, 3)[0]
    items = new.copy()
    items[:8] = train[100:108, :, ::-1]
    items[8:10] = train[200:202]
    for flip, copies in ((False, {8, 9}), (True, set(range(10)))):
        held_out = nearest(held_out_items, train, flip=flip)
        found = nearest(items, train, flip=flip)
        assert set(torch.nonzero(found.distance == 0).flatten().tolist()) == copies
        assert copies <= set(near_copies(found, held_out).tolist())
        assert found.mirrored[:8].all() == flip and not found.mirrored[8:10].any()
    assert found.index[:10].tolist() == [*range(100, 108), 200, 201]
    pairs = describe(found, held_out, (0.9, 1.1))["nearest_pairs"]
    assert {pair["sample"] for pair in pairs} <= set(range(10))
    above, below = np.split(pairs_picture({"nearest_pairs": pairs}, items, train), 2)
    assert np.array_equal(above, below)  # a mirrored image is shown as it was copied


def test_mirrored_and_averaged_down_equals_a_plain_search(monkeypatch):
    monkeypatch.setattr("noiseloom.evaluate.features.CHUNK_PIXELS", 70 * 70 * 3 * 11)
    train, items = random_images(40, 1, side=70), random_images(9, 2, side=70)
    queries, plain, turned = (pixels(x) for x in (items, train, train[:, :, ::-1]))
    both = torch.stack(
        [
            torch.cdist(queries, x, compute_mode="donot_use_mm_for_euclid_dist")
            for x in (plain, turned)
        ]
    )
    expected, order = both.amin(0).sort(dim=1)
    found = nearest(items, train, flip=True)
    assert torch.equal(found.index, order[:, 0])
    assert torch.allclose(found.distance, expected[:, 0].double())
    standing_out = expected[:, 0] / expected[:, 1:21].mean(dim=1)
    assert torch.allclose(found.standing_out, standing_out.double(), rtol=1e-4)
    assert torch.equal(found.mirrored, both.argmin(0)[torch.arange(9), order[:, 0]] == 1)
    assert 0 < found.mirrored.sum() < 9


def test_new_images_are_as_far_as_held_out_ones(shapes):
    train, _ = shapes(300, 1)
    held_out, new = nearest(shapes(150, 2)[0], train), nearest(shapes(150, 3)[0], train)
    assert distance_ratio(new, held_out) == pytest.approx(1, abs=0.1)
    interval = ratio_interval(new, held_out, 50, torch.Generator().manual_seed(0))
    assert interval[0] < 1 < interval[1]
    assert not describe(new, held_out, interval)["alarm"]


def test_replayed_images_raise_the_alarm(shapes):
    train, _ = shapes(300, 1)
    held_out = nearest(shapes(150, 2)[0], train)
    faint = np.random.default_rng(0).integers(0, 3, train[:150].shape)
    copies = nearest((train[:150] + faint).clip(0, 255).astype(np.uint8), train)
    interval = ratio_interval(copies, held_out, 50, torch.Generator().manual_seed(0))
    assert distance_ratio(copies, held_out) < 0.2
    noticed = describe(copies, held_out, interval)
    assert noticed["alarm"]
    assert noticed["near_copies"] == 150


def test_a_few_copies_among_many_are_found(shapes):
    train, _ = shapes(300, 1)
    held_out = nearest(shapes(150, 2)[0], train)
    items = shapes(150, 3)[0].copy()
    items[:8] = train[100:108]
    found = nearest(items, train)
    assert set(range(8)) <= set(near_copies(found, held_out).tolist())
    assert too_many_copies(found, held_out)
    pairs = describe(found, held_out, (0.9, 1.1))["nearest_pairs"]
    assert {pair["sample"]: pair["training_image"] for pair in pairs} == {
        i: 100 + i for i in range(8)
    }


def test_duplicates_in_the_data_itself_are_not_held_against_samples(shapes):
    train, _ = shapes(300, 1)
    repeated = shapes(150, 2)[0].copy()
    repeated[:15] = train[:15]
    held_out = nearest(repeated, train)
    items = shapes(150, 3)[0].copy()
    items[:15] = train[30:45]
    assert not too_many_copies(nearest(items, train), held_out)


def test_large_images_are_averaged_down():
    items = np.zeros((2, 100, 100, 3), dtype=np.uint8)
    items[1] = 255
    rows = pixels(items)
    assert rows.shape == (2, 25 * 25 * 3)
    assert rows.unique().tolist() == [0, 1]


def test_one_training_image_is_enough_to_search():
    train = random_images(1, 1)
    assert nearest(train, train).distance.tolist() == [0]


def test_pairs_picture_holds_samples_then_training_images():
    train, items = random_images(5, 1), random_images(3, 2)
    noticed = {
        "nearest_pairs": [
            {"sample": 2, "training_image": 4, "mirrored": False},
            {"sample": 0, "training_image": 1, "mirrored": True},
        ]
    }
    picture = pairs_picture(noticed, items, train)
    assert np.array_equal(picture, np.stack([items[2], items[0], train[4], train[1][:, ::-1]]))
