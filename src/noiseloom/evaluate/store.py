"""What evaluation learned about a dataset, kept beside its prepared arrays as safetensors.

A file is named by what it holds and a hash of everything its contents depend on, the code that made
it included, so it is never stale. A file that cannot be read is made again; a folder that cannot be
written costs only time, and the log says so.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from noiseloom.data.content import source_digest
from noiseloom.errors import MachineError
from noiseloom.media import aside

CODE = (  # modules of noiseloom
    "evaluate/baselines",
    "evaluate/both_sides",
    "evaluate/coverage",
    "evaluate/feature_learning",
    "evaluate/features",
    "evaluate/kernel",
    "evaluate/memorisation",
    "evaluate/ngram",
    "evaluate/pair_features",
    "evaluate/real",
    "evaluate/ridge",
    "evaluate/views",
    "evaluate/windows",
    "networks/image_encoder",
)
logger = logging.getLogger(__name__)


def recall(
    folder: Path, noun: str, key: Mapping[str, Any], make: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """The tensors kept in `folder` under `noun` and `key` (JSON values); made if not there."""
    text = json.dumps({"code": source_digest(CODE), **key}, sort_keys=True)
    path = folder / f"{noun}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"
    if path.exists():
        try:
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            logger.warning("%s cannot be read (%s); making it again", path, error)
    tensors = {name: tensor.contiguous() for name, tensor in make().items()}
    try:
        with aside(path) as temporary:
            save_file(tensors, temporary, metadata={"key": text})
    except (MachineError, SafetensorError) as error:
        logger.warning("the next evaluation will learn %s again: %s", noun, error)
    return tensors
