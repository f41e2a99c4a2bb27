"""What `noiseloom doctor` finds: versions, processor, measured speed, memory, disk, extras."""

from __future__ import annotations

import os
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

import noiseloom
from noiseloom.data.prepared import cache_root
from noiseloom.runs.environment import choose_device, processor
from noiseloom.training.precision import matmul_seconds, settle

_MATRIX = 512
_LITTLE_DISK, _LITTLE_MEMORY = 2 * 2**30, 2 * 2**30


def examine() -> dict[str, Any]:
    """The facts, in plain values; takes about a second."""
    device = choose_device("auto")
    found: dict[str, Any] = {
        "versions": {
            "noiseloom": noiseloom.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "pillow", "safetensors")},
        },
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "gigaflops": {
            "float32": _gigaflops(torch.float32),
            "bfloat16": _gigaflops(torch.bfloat16),
        },
        "device": device.type,
        "precision": settle("auto", device),
        "memory_bytes": memory_bytes(),
        "disk": {"here": _disk(Path.cwd()), "cache": _disk(cache_root(None))},
        "extras": {name: _missing(packages) for name, packages in extras().items()},
    }
    found["advice"] = _advice(found)
    return found


def in_words(found: dict[str, Any]) -> str:
    """What `examine` found, for people."""
    speed, memory, disk = found["gigaflops"], found["memory_bytes"], found["disk"]
    rows = [
        ("versions", ", ".join(f"{name} {number}" for name, number in found["versions"].items())),
        ("processor", f"{found['processor']}, {found['system']}"),
        ("threads", f"{found['threads']} of {found['cores']} cores"),
        ("GPU", ", ".join(found["gpus"]) or "none that torch can use"),
        (
            "speed",
            f"float32 {speed['float32']:.0f}, bfloat16 {speed['bfloat16']:.0f} GFLOP/s on the"
            f" processor; training on {found['device']} in {found['precision']}",
        ),
        ("memory", f"{_size(memory['available'])} free of {_size(memory['total'])}"),
        ("disk", f"{_size(disk['here']['free_bytes'])} free in {disk['here']['path']}"),
        ("caches", f"{disk['cache']['path']}, {_size(disk['cache']['free_bytes'])} free"),
    ]
    for name, missing in found["extras"].items():
        say = "installed" if not missing else f"lacks {', '.join(missing)}"
        rows.append((f"[{name}]", say))
    lines = [f"{name:<10} {text}" for name, text in rows]
    return "\n".join([*lines, *(f"! {advice}" for advice in found["advice"])])


def memory_bytes() -> dict[str, int | None]:
    """Memory this process may use: the machine's, or its control group's where that is less."""
    total = available = None
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        total, available = sizes["MemTotal"], sizes["MemAvailable"]
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        if limit != "max":
            total, available = min(total, int(limit)), min(available, int(limit) - used)
    except (OSError, KeyError, ValueError):  # another system, or no control group
        pass
    return {"total": total, "available": available}


def extras() -> dict[str, list[str]]:
    """Noiseloom's extras that need packages, and these packages' names."""
    found: dict[str, list[str]] = {}
    for need in requires("noiseloom") or []:
        if match := re.match(r"([\w.-]+).*extra == [\"'](\w+)[\"']", need):
            found.setdefault(match[2], []).append(match[1])
    return found


def _missing(packages: list[str]) -> list[str]:
    def is_installed(package: str) -> bool:
        try:
            return bool(version(package))
        except PackageNotFoundError:
            return False

    return [package for package in packages if not is_installed(package)]


def _gigaflops(dtype: torch.dtype) -> float:
    return round(2 * _MATRIX**3 / matmul_seconds(dtype, _MATRIX) / 1e9, 1)


def _disk(folder: Path) -> dict[str, Any]:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return {"path": str(folder), "free_bytes": shutil.disk_usage(there).free}


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 2**30:.1f} GiB"


def _advice(found: dict[str, Any]) -> list[str]:
    advice = []
    for name, disk in found["disk"].items():
        if disk["free_bytes"] < _LITTLE_DISK:
            where = "set XDG_CACHE_HOME" if name == "cache" else "train elsewhere with --out"
            advice.append(f"Little disk is left in {disk['path']}: make room, or {where}.")
    available = found["memory_bytes"]["available"]
    if available is not None and available < _LITTLE_MEMORY:
        advice.append("Little memory is free: close other programs, or lower training.batch_size.")
    if found["threads"] > found["cores"]:
        advice.append(f"More threads than cores slow torch: set OMP_NUM_THREADS={found['cores']}.")
    if find_spec("torchvision"):
        advice.append("torchvision is installed; a build that does not fit torch breaks others.")
    return advice
