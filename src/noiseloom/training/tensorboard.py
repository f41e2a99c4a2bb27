"""The figures of metrics.jsonl and the sample sheets, for TensorBoard: `tensorboard --logdir RUN`.

The only file that imports tensorboard, an extra of noiseloom. What lies in RUN/tensorboard/ repeats
what the run's folder holds anyway: nothing is read back from it.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from noiseloom.errors import InputError
from noiseloom.training.checkpoints import disk_errors
from noiseloom.training.tracking import Metrics

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError as error:
    raise InputError(
        "training.tensorboard is true, but the package tensorboard is not installed. Install it "
        "with: pip install 'noiseloom[tensorboard]'; or set training.tensorboard=false"
    ) from error

NAMES = {
    "loss": "loss/training",
    "held_out_loss": "loss/held_out",
    "learning_rate": "learning_rate",
    "gradient_norm": "gradient_norm",
    "items_per_second": "items_per_second",
}


class TensorBoardMetrics(Metrics):
    """`Metrics` whose lines, and the sheets in samples/, also go to tensorboard/ beside `path`.

    On a resume TensorBoard is told to forget what came at `step` or after it, and the lines of
    `step` are written anew: a kill just after a checkpoint may have cost some of them.
    """

    def __init__(self, path: Path, *, step: int, every: int, **how: Any) -> None:
        super().__init__(path, step=step, every=every, **how)
        self.step = step
        self.sheet_step = step - 1  # the last one whose sheet was shown

    def __enter__(self) -> Self:
        super().__enter__()
        self.writer: SummaryWriter | None = None
        if not self.silent:
            with self._disk_errors():
                folder = str(self.path.parent / "tensorboard")
                self.writer = SummaryWriter(folder, purge_step=self.step)
            for line in self.kept:
                if line["step"] == self.step:
                    self._show(line)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        if self.writer is not None:
            self.writer.close()

    def _write(self, line: dict[str, float]) -> None:
        super()._write(line)
        self._show(line)

    def _show(self, line: dict[str, float]) -> None:
        """The figures of a line, and the sheets drawn up to its step."""
        if self.writer is None:
            return
        step = int(line["step"])
        with self._disk_errors():
            for name, tag in NAMES.items():
                if name in line:
                    self.writer.add_scalar(tag, line[name], step)
            for path in sorted((self.path.parent / "samples").glob("step-*.png")):
                drawn_at = int(path.stem.removeprefix("step-"))
                if self.sheet_step < drawn_at <= step:
                    self.sheet_step = drawn_at
                    pixels = np.asarray(Image.open(path).convert("RGB"))
                    self.writer.add_image("samples", pixels, drawn_at, dataformats="HWC")
            self.writer.flush()

    def _disk_errors(self) -> AbstractContextManager[None]:
        folder = self.path.parent
        what = "What TensorBoard shows"
        return disk_errors(what, folder, f"Go on with: noiseloom resume {folder}")
