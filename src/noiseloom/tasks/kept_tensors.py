"""Tensors that are made once and kept in a run's folder, as safetensors."""

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from noiseloom.media import aside


def kept_tensors(path: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Those at `path`; where there are none, or they are torn, what `make` makes, kept there now.

    Raises MachineError where they cannot be written.
    """
    if path.is_file():
        try:
            return load_file(path)
        except SafetensorError:
            pass  # torn; the same is made again
    made = make()
    with aside(path) as temporary:
        save_file(made, temporary)
    return made
