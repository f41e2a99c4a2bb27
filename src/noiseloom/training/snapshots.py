"""Averages of any length, chosen after training (Karras et al. 2023, arXiv:2312.02696, part 3.2).

Two power-function averages are tracked, and now and then both are kept:

    snapshots/step-00000500.safetensors     `0.05/<name>` and `0.1/<name>` for every weight

An average's profile says how much of each step's weights is in it. That of another length is
approximated, in the least-squares sense, by a sum of the profiles kept; the same sum of the kept
averages is then nearly that average. Its error is known and stated.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from noiseloom.errors import InputError
from noiseloom.training.averaging import gamma_of
from noiseloom.training.checkpoints import disk_errors, sync_file, sync_folder

LENGTHS = (0.05, 0.10)  # of the averages tracked, as the paper has them
CELLS = 4096  # parts of the run in which profiles are compared


@dataclass(frozen=True)
class Kept:
    """One average of a snapshot: of width `length`, as it was after `step` steps."""

    step: int
    length: float


@dataclass(frozen=True)
class Combination:
    """`share` of each kept average; `error` is that of the profile, relative, in L2."""

    shares: dict[Kept, float]
    error: float


class SnapshotFolder:
    """The snapshots of one run, in `folder`; made when the first is saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, step: int) -> Path:
        """Where the snapshot of `step` lies."""
        return self.folder / f"step-{step:08d}.safetensors"

    def steps(self) -> list[int]:
        """The steps that have a snapshot, rising."""
        names = (path.name for path in self.folder.glob("step-*.safetensors"))
        return sorted(int(name[5:13]) for name in names if re.match(r"step-\d{8}\.", name))

    def save(self, step: int, averages: Mapping[float, Mapping[str, Tensor]]) -> Path:
        """Keep the averages after `step` steps, by their length; written aside, then renamed.

        Raises MachineError where the disk does not take it.
        """
        path = self.path(step)
        aside = path.with_name(f".writing-{path.name}")
        named = {
            f"{length}/{name}": value.detach().cpu().contiguous()
            for length, values in averages.items()
            for name, value in values.items()
        }
        remedy = f"What was saved before is intact: noiseloom resume {self.folder.parent}"
        with disk_errors(f"The snapshot of step {step}", self.folder, remedy):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                save_file(named, aside)
                sync_file(aside)
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)
            sync_folder(self.folder)
        return path

    def average(self, length: float, step: int) -> tuple[dict[str, Tensor], Combination]:
        """The weights of the average of `length` after `step` steps, and how they came about.

        What is no floating-point number is that of the last snapshot. Raises ValueError where
        `length` is none, InputError where there are no snapshots up to `step`.
        """
        steps = [kept for kept in self.steps() if kept <= step]
        if not steps:
            raise InputError(
                f"{self.folder.parent} kept no snapshots, from which an average of another length "
                "could be made. Train with training.snapshots=12; leave --ema out for this run"
            )
        found = combine([Kept(step, kept) for step in steps for kept in LENGTHS], length, step)
        return self._sum(found.shares), found

    def _sum(self, shares: Mapping[Kept, float]) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        dtypes: dict[str, torch.dtype] = {}
        for kept, share in shares.items():
            path = self.path(kept.step)
            try:
                with safe_open(path, framework="pt") as file:
                    prefix = f"{kept.length}/"
                    names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
                    for full in names:
                        name, value = full.removeprefix(prefix), file.get_tensor(full)
                        dtypes[name] = value.dtype
                        if not value.is_floating_point():
                            sums[name] = value
                        elif name in sums:
                            sums[name].add_(value.double(), alpha=share)
                        else:
                            sums[name] = share * value.double()
            except (SafetensorError, OSError) as error:
                raise InputError(
                    f"The snapshot {path} cannot be read ({error}). Remove it, and the average is "
                    "made from the others"
                ) from error
        return {name: value.to(dtypes[name]) for name, value in sums.items()}


def combine(kept: Sequence[Kept], length: float, step: int) -> Combination:
    """The sum of kept averages that is nearest to the average of `length` after `step` steps.

    Shares add up to 1, so that weights which do not change stay as they are.
    """
    edges = torch.linspace(0, step, min(CELLS, step) + 1, dtype=torch.float64)
    widths = edges.diff()
    # densities times the root of the width: their dot product is that of the profiles
    columns = torch.stack([_masses(k.length, k.step, edges) for k in kept], dim=1)
    columns = columns / widths.sqrt()[:, None]
    wanted = _masses(length, step, edges) / widths.sqrt()
    # With the last share as 1 less the others, least squares needs no constraint.
    last = columns[:, -1]
    others = columns[:, :-1] - last[:, None]
    solved = torch.linalg.lstsq(others, (wanted - last)[:, None], driver="gelsd").solution[:, 0]
    shares = torch.cat([solved, 1 - solved.sum(dim=0, keepdim=True)])
    error = (columns @ shares - wanted).norm() / wanted.norm()
    return Combination(dict(zip(kept, shares.tolist(), strict=True)), float(error))


def _masses(length: float, step: int, edges: Tensor) -> Tensor:
    """How much of an average after `step` steps comes from between each two `edges`, steps.

    Update k enters with weight (k^(gamma + 1) - (k - 1)^(gamma + 1)) / step^(gamma + 1), the
    product of the decays after it, so the sums are exact, not an integral's.
    """
    power = gamma_of(length) + 1
    return (edges / step).clamp(max=1).pow(power).diff()
