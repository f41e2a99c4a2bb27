"""Where a run runs: the device, and the facts that a later reader of its figures needs."""

import os
import platform
from typing import Any

import torch

import noiseloom
from noiseloom.errors import InputError
from noiseloom.training import distributed
from noiseloom.training.loop import Device, TrainingConfig


def choose_device(wanted: Device) -> torch.device:
    """The device asked for; `auto` is a GPU where there is one. InputError for a missing GPU."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "The device asked for is cuda, but torch finds no CUDA GPU here. Train with "
            "training.device=auto or cpu; sample and evaluate with --device cpu"
        )
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return distributed.local_gpu()


def describe_environment(config: TrainingConfig) -> dict[str, Any]:
    """Versions, processor and threads, as environment.json holds them."""
    device = choose_device(config.device)
    return {
        "noiseloom": noiseloom.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device.type,
        "processor": processor() if device.type == "cpu" else torch.cuda.get_device_name(device),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": distributed.size(),
    }


def processor() -> str:
    """The processor's name, with the vector instructions torch uses."""
    name = platform.processor() or "unknown"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
        name = names[0] if names else name
    except OSError:
        pass
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What has changed of the things that decide the last bit of a result."""
    keys = ("torch", "device", "processor", "threads", "processes")
    return [f"{k} {then[k]} -> {now[k]}" for k in keys if k in then and then[k] != now[k]]
