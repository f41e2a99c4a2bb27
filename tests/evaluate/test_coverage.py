import pytest
import torch

from noiseloom.evaluate import coverage
from noiseloom.evaluate.coverage import covered, radii


def on_a_line(*places):
    return torch.tensor(places)[:, None]


def test_radii_by_hand():
    assert radii(on_a_line(0.0, 1.0, 3.0, 7.0), 1).tolist() == [1, 1, 4, 16]
    assert radii(on_a_line(0.0, 1.0, 3.0, 7.0), 2).tolist() == [9, 4, 9, 36]


def test_doubles_reach_nowhere():
    assert radii(on_a_line(2.0, 2.0, 5.0), 1).tolist() == [0, 0, 9]


def test_covered_by_hand():
    real = on_a_line(0.0, 1.0, 10.0, 11.0)
    reach = radii(real, 1)
    inside = covered(on_a_line(-1.0, 0.5, 2.0, 5.0, 12.5), real, reach)
    assert inside.tolist() == [True, True, True, False, False]


def test_a_narrow_model_is_precise_and_forgets():
    real, narrow = on_a_line(0.0, 1.0, 10.0, 11.0), on_a_line(0.25, 0.5, 0.75, 1.0)
    assert covered(narrow, real, radii(real, 1)).float().mean() == 1.0
    assert covered(real, narrow, radii(narrow, 1)).float().mean() == 0.5  # both ends of 0 and 1


def test_parts_change_nothing(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 8, generator=generator), torch.randn(40, 8, generator=generator)
    reach, inside = radii(y, 3), covered(x, y, radii(y, 3))
    monkeypatch.setattr(coverage, "CHUNK_ENTRIES", 120)
    assert torch.allclose(radii(y, 3), reach)
    assert torch.equal(covered(x, y, reach), inside)


def test_too_few_for_the_neighbours():
    with pytest.raises(ValueError, match="at least 4"):
        radii(torch.zeros(3, 2), 3)
