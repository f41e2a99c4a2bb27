"""Averages of any length from those that were kept, against averages that were tracked."""

from pathlib import Path

import pytest
import torch
from torch import nn

from noiseloom.errors import InputError
from noiseloom.training.averaging import Average
from noiseloom.training.snapshots import LENGTHS, Kept, SnapshotFolder, combine

STEPS, SNAPSHOTS = 240, 12


class Walk(nn.Module):
    """Weights that wander, and a buffer that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(50))
        self.register_buffer("count", torch.zeros(1, dtype=torch.long))


def tracked(lengths: tuple[float, ...], folder: Path | None = None) -> dict[float, Average]:
    """The averages of a walk, and, in `folder`, its snapshots."""
    model = Walk()
    averages = {length: Average(model, length) for length in {*lengths, *LENGTHS}}
    generator = torch.Generator().manual_seed(0)
    for step in range(1, STEPS + 1):
        model.weight.data += torch.randn(50, generator=generator)
        model.count += 1
        for average in averages.values():
            average.update(model, step)
        if folder is not None and step % (STEPS // SNAPSHOTS) == 0:
            SnapshotFolder(folder).save(step, {k: averages[k].values for k in LENGTHS})
    return averages


def test_a_kept_average_is_given_back_to_the_bit(tmp_path: Path) -> None:
    averages = tracked((), tmp_path)
    for length in LENGTHS:
        values, made = SnapshotFolder(tmp_path).average(length, STEPS)
        assert made.error < 1e-9
        torch.testing.assert_close(values["weight"], averages[length].values["weight"])
        assert values["count"].equal(torch.tensor([STEPS]))


@pytest.mark.parametrize(("length", "error"), [(0.03, 0.06), (0.07, 0.01), (0.15, 0.02)])
def test_another_length_is_the_average_that_was_not_tracked(
    length: float, error: float, tmp_path: Path
) -> None:
    truth = tracked((length,), tmp_path)[length].values["weight"]
    values, made = SnapshotFolder(tmp_path).average(length, STEPS)
    assert made.error < error
    assert sum(made.shares.values()) == pytest.approx(1, abs=1e-12)
    spread = (truth - tracked(()).popitem()[1].values["weight"]).norm()
    assert float((values["weight"] - truth).norm()) < error * float(truth.norm() + spread)


def test_the_stated_error_is_that_of_the_profile() -> None:
    """Against profiles read off averages of unit vectors: update k leaves its weight in place k."""
    model = nn.Linear(1, 1, bias=False)
    model.weight = nn.Parameter(torch.zeros(40, dtype=torch.float64))
    averages = {length: Average(model, length) for length in (0.05, 0.10, 0.15)}
    profiles = {}
    for step in range(1, 41):
        model.weight.data = torch.eye(40, dtype=torch.float64)[step - 1]
        for length, average in averages.items():
            average.update(model, step)
            profiles[step, length] = average.values["weight"].clone()
    kept = [Kept(step, length) for step in (10, 20, 30, 40) for length in LENGTHS]
    made = combine(kept, 0.15, 40)
    summed = sum(share * profiles[k.step, k.length] for k, share in made.shares.items())
    off = (summed - profiles[40, 0.15]).norm() / profiles[40, 0.15].norm()
    assert made.error == pytest.approx(float(off), rel=1e-6)
    # no other shares that add up to 1 do better
    for seed in range(20):
        change = torch.randn(len(kept), generator=torch.Generator().manual_seed(seed)).double()
        change = 1e-3 * (change - change.mean())
        moved = sum(
            (made.shares[k] + float(c)) * profiles[k.step, k.length]
            for k, c in zip(kept, change, strict=True)
        )
        assert (moved - profiles[40, 0.15]).norm() >= (summed - profiles[40, 0.15]).norm()


def test_what_cannot_be_had_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"training\.snapshots"):
        SnapshotFolder(tmp_path / "none").average(0.1, 10)
    tracked((), tmp_path)
    with pytest.raises(ValueError, match=r"0\.28"):
        SnapshotFolder(tmp_path).average(0.5, STEPS)
    SnapshotFolder(tmp_path).path(STEPS).write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read"):
        SnapshotFolder(tmp_path).average(0.07, STEPS)
