import torch

from noiseloom.evaluate.views import KINDS, damaged, draw_strengths, moved


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_moving_keeps_shape_and_range():
    images = torch.rand(6, 3, 20, 20, generator=generator()) * 2 - 1
    view = moved(images, generator())
    assert view.shape == images.shape
    assert float(view.abs().max()) <= 1
    assert not torch.allclose(view, images, atol=0.1)


def test_each_image_is_moved_its_own_way():
    images = torch.rand(1, 1, 20, 20, generator=generator()).repeat(2, 1, 1, 1)
    one, other = moved(images, generator())
    assert not torch.allclose(one, other)


def test_no_strength_is_no_damage():
    images = torch.rand(4, 1, 17, 17, generator=generator())
    assert torch.equal(damaged(images, torch.zeros(4, KINDS), generator()), images)


def test_full_coarseness_removes_detail():
    images = torch.rand(4, 1, 32, 32, generator=generator())
    coarse = damaged(images, torch.tensor([[1.0, 0.0]]).repeat(4, 1), generator())
    assert float(coarse.std()) < 0.6 * float(images.std())


def test_grain_has_its_strength():
    grainy = damaged(
        torch.zeros(4, 1, 64, 64), torch.tensor([[0.0, 1.0]]).repeat(4, 1), generator()
    )
    assert 0.57 < float(grainy.abs().max()) <= 0.6  # 30 % of the range of 2


def test_half_of_the_images_stay_whole():
    strengths = draw_strengths(4000, generator())
    whole = float((strengths == 0).all(dim=1).float().mean())
    assert 0.55 < whole < 0.61  # one half, and of the other half 0.4² that no kind chose
    assert strengths.min() >= 0
    assert strengths.max() <= 1
