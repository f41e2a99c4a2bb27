"""Non-leaky augmentation: exact pictures, told exactly, and nothing of it outside training."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from noiseloom.data.augmentation import LOG_STRENGTH, SHIFT, TOLD, changed, draw
from noiseloom.data.digits import Config as Digits
from noiseloom.data.forms import ImageForm, PointForm, form_from
from noiseloom.data.images import Config as Images
from noiseloom.seeds import Random

NAMES = ("mirror_x", "mirror_y", "scale", "cos", "sin", "stretch_c", "stretch_s", "x", "y")
SHAPES = [(1, 8, 8), (3, 28, 28), (1, 7, 7)]


def images(shape: tuple[int, ...], num: int = 3) -> Tensor:
    return torch.randn(num, *shape, generator=torch.Generator().manual_seed(0))


def told(num: int = 3, **amounts: float) -> Tensor:
    rows = torch.zeros(num, TOLD)
    for name, amount in amounts.items():
        rows[:, NAMES.index(name)] = amount
    return rows


def equal(made: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-6)


def waves(height: int, width: int, x: Tensor, y: Tensor) -> Tensor:
    """A smooth pattern round the middle of an image, at places (x, y) in pixels."""
    r2 = (x - width / 2) ** 2 + (y - height / 2) ** 2
    return torch.sin(0.2 * x + 0.1 * y) * torch.exp(-r2 / 100)


def places(height: int, width: int) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return x, y


@pytest.mark.parametrize("shape", [*SHAPES, (3, 4, 6)])
def test_mirrors_are_exact(shape: tuple[int, ...]) -> None:
    x0 = images(shape)
    equal(changed(x0, told(mirror_x=1)), x0.flip(-1))
    equal(changed(x0, told(mirror_y=1)), x0.flip(-2))
    equal(changed(x0, told(mirror_x=1, mirror_y=1)), x0.flip(-1, -2))


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_quarter_turns_are_exact_and_clockwise(shape: tuple[int, ...], quarters: int) -> None:
    x0, angle = images(shape), quarters * math.pi / 2
    turned = changed(x0, told(cos=math.cos(angle) - 1, sin=math.sin(angle)))
    equal(turned, torch.rot90(x0, -quarters, (-2, -1)))


@pytest.mark.parametrize(("right", "down"), [(2, 0), (0, -3), (-5, 1)])
def test_whole_shifts_move_pixels_and_reflect_at_the_edges(right: int, down: int) -> None:
    x0 = images((2, 8, 16))
    made = changed(x0, told(x=right / (16 * SHIFT), y=down / (8 * SHIFT)))
    around = np.pad(x0.numpy(), ((0, 0), (0, 0), (8, 8), (16, 16)), mode="symmetric")
    wanted = np.roll(around, (down, right), (-2, -1))[:, :, 8:16, 16:32]
    equal(made, torch.from_numpy(wanted))


def test_a_fractional_shift_is_the_mean_of_neighbours() -> None:
    x0 = images((1, 4, 8))
    made = changed(x0, told(x=0.5 / (8 * SHIFT)))
    equal(made[..., 1:], (x0[..., 1:] + x0[..., :-1]) / 2)


def test_scaling_by_two_doubles_what_is_in_the_middle() -> None:
    x0 = torch.zeros(1, 1, 8, 8)
    x0[..., 3:5, 3:5] = 1
    made = changed(x0, told(1, scale=math.log(2) / LOG_STRENGTH))
    # bilinear: a step between two pixels is a ramp between their middles, twice as long now
    ramp = torch.tensor([0, 0.25, 0.75, 1, 1, 0.75, 0.25, 0])
    equal(made, (ramp[:, None] * ramp)[None, None])


@pytest.mark.parametrize(
    ("how", "matrix"),
    [
        (told(1, scale=0.8), np.eye(2) * 2 ** (0.8 / 5)),
        (  # clockwise: right goes down
            told(1, cos=math.cos(0.6) - 1, sin=math.sin(0.6)),
            [[math.cos(0.6), -math.sin(0.6)], [math.sin(0.6), math.cos(0.6)]],
        ),
        (told(1, stretch_c=0.9), np.diag([2 ** (0.9 / 5), 2 ** (-0.9 / 5)])),  # along x
        (told(1, stretch_c=-0.9), np.diag([2 ** (-0.9 / 5), 2 ** (0.9 / 5)])),  # along y
        (  # along the diagonal: 2^(a5/5) on (1, 1), 2^(-a5/5) on (1, -1)
            told(1, stretch_s=1.5),
            np.array([[1, 1], [1, 1]]) * 2 ** (1.5 / 5) / 2
            + np.array([[1, -1], [-1, 1]]) * 2 ** (-1.5 / 5) / 2,
        ),
    ],
)
def test_a_smooth_picture_is_moved_by_the_matrix(how: Tensor, matrix: np.ndarray) -> None:
    side = 64
    x, y = places(side, side)
    back = np.linalg.inv(np.asarray(matrix))
    centred = [x - side / 2, y - side / 2]
    from_x, from_y = (row[0] * centred[0] + row[1] * centred[1] + side / 2 for row in back)
    made = changed(waves(side, side, x, y)[None, None], how)
    assert (made - waves(side, side, from_x, from_y)).abs().max() < 0.02  # of bilinear reading
    assert (made - waves(side, side, x, y)).abs().max() > 0.05


def test_changes_are_made_in_their_order() -> None:
    x0 = images((1, 8, 8))
    quarter = {"cos": -1.0, "sin": 1.0}
    mirrored = changed(x0, told(mirror_x=1))
    turned = changed(mirrored, told(**quarter))
    equal(changed(x0, told(mirror_x=1, **quarter)), turned)
    shifted = changed(turned, told(x=2.0, y=1.0))
    together = changed(x0, told(mirror_x=1, x=2.0, y=1.0, **quarter))
    equal(together[..., 1:, 2:], shifted[..., 1:, 2:])  # the edge reflects once or twice


def test_told_is_zero_exactly_for_images_as_they_are() -> None:
    shape = (3, 8, 8)
    x0 = images(shape, 400)
    how = draw(0.12, (8, 8), Random(0, range(400)))
    made = changed(x0, how)
    is_kept = (made == x0).flatten(1).all(1)
    assert torch.equal(is_kept, (how == 0).all(1))
    assert 100 < is_kept.sum() < 300  # about 0.88 to the 6th power of them
    assert made[is_kept].numpy().tobytes() == x0[is_kept].numpy().tobytes()


def test_probability_0_changes_no_bit() -> None:
    x0 = images((3, 8, 8), 50)
    how = draw(0.0, (8, 8), Random(0, range(50)))
    assert not how.any()
    assert changed(x0, how) is x0


def test_changes_are_made_as_often_and_as_strongly_as_said() -> None:
    num = 20_000
    how = draw(0.3, (32, 16), Random(0, range(num)))
    angle = torch.atan2(how[:, 4], how[:, 3] + 1)
    stretch = how[:, 5:7].square().sum(1)
    made = torch.stack([how[:, 0] > 0, how[:, 1] > 0, how[:, 2] != 0, angle != 0, stretch > 0], 1)
    tolerance = 5 * (0.3 * 0.7 / num) ** 0.5
    assert (made.double().mean(0) - 0.3).abs().max() < tolerance
    both = (made[:, :, None] & made[:, None]).double().mean(0)
    assert (both[~torch.eye(5, dtype=torch.bool)] - 0.09).abs().max() < tolerance
    quarters = angle / (math.pi / 2)
    is_quarter = (quarters - quarters.round()).abs() < 1e-6
    assert abs(float(is_quarter[angle != 0].double().mean()) - 0.5) < 0.04
    assert {1, 2, -1} <= set(quarters[is_quarter].round().int().tolist())
    assert abs(float(stretch[stretch > 0].mean()) - 1) < 0.06  # the square of a normal number
    pixels = how[:, 7:] * SHIFT * torch.tensor([16, 32])
    is_whole = ((pixels - pixels.round()).abs() < 1e-5).all(1)
    moved = (pixels != 0).any(1)
    assert abs(float(is_whole[moved].double().mean()) - 0.5) < 0.05
    for amounts in (how[how[:, 2] != 0, 2], how[~is_whole, 7], how[~is_whole, 8]):
        assert abs(float(amounts.mean())) < 0.1
        assert abs(float(amounts.std()) - 1) < 0.06


def test_seed_step_and_item_decide_whatever_the_batch() -> None:
    x0 = images((1, 8, 8), 64)

    def seen(random: Random, part: slice = slice(None)) -> tuple[Tensor, Tensor]:
        form = ImageForm(item_shape=(1, 8, 8), flip=True, augment_probability=0.3)
        made, how = form.augment(x0[part], random)
        assert how is not None
        return made, how

    whole, how = seen(Random(3, range(64), 7))
    parts = [seen(Random(3, range(s, s + 16), 7), slice(s, s + 16)) for s in (0, 16, 32, 48)]
    assert torch.equal(torch.cat([made for made, _ in parts]), whole)
    assert torch.equal(torch.cat([how for _, how in parts]), how)
    for other in (Random(3, range(64), 8), Random(4, range(64), 7)):
        assert not torch.equal(seen(other)[1], how)


def test_what_is_told_decides_the_picture() -> None:
    """No two changes are told alike: the paper's own numbers for stretching are not so."""
    x0 = images((3, 8, 8), 300)
    form = ImageForm(item_shape=(3, 8, 8), augment_probability=0.5)
    made, how = form.augment(x0, Random(0, range(300)))
    assert how is not None and torch.equal(changed(x0, how), made)
    assert form.told == how.shape[1] == TOLD
    stretched = [changed(x0[:1], told(1, stretch_c=one)) for one in (1.0, -1.0)]
    assert (stretched[0] - stretched[1]).abs().max() > 0.1
    equal(changed(x0[:1], torch.zeros(1, TOLD)), x0[:1])


def test_points_are_not_augmented() -> None:
    form = PointForm(item_shape=(2,), limit=1.0)
    x0 = torch.randn(5, 2)
    made, how = form.augment(x0, Random(0, range(5)))
    assert made is x0 and how is None and form.told == 0


def test_the_form_carries_it_and_an_older_one_has_none() -> None:
    dataset = Digits(augment=0.12).open()
    assert dataset.form.augment_probability == 0.12
    assert form_from(dataset.form.to_mapping(), Path()) == dataset.form
    old = {k: v for k, v in dataset.form.to_mapping().items() if k != "augment_probability"}
    assert form_from(old, Path()) == Digits().open().form
    assert dataset.fingerprint == Digits().open().fingerprint


@pytest.mark.parametrize("given", [-0.1, 1.5, math.nan])
def test_no_probability_is_refused(given: float) -> None:
    for config in (lambda: Digits(augment=given), lambda: Images(path="x", augment=given)):
        with pytest.raises(ValueError, match=r"augment is .*allowed is 0 \(off\) to 1"):
            config()
