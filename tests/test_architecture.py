"""The page that says how to add things is true: its sampler works as printed."""

import math
import re
from pathlib import Path

import torch

from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.samplers import deterministic, plan_times, walking
from noiseloom.diffusion.schedules import Cosine
from noiseloom.seeds import Random

PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"


def test_the_sampler_on_the_page_is_of_second_order() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = vars(walking) | vars(deterministic)
    exec(compile(code, str(PAGE), "exec"), names)
    data = Gaussian(0.3, 0.5, Cosine())
    x = torch.randn(16, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ends = torch.tensor([1.0, 0.0], dtype=torch.float64)
    errors = []
    for num_steps in (80, 160):
        plan = plan_times(data.schedule, num_steps)
        *_, last = names["midpoint"](data.denoise, x, plan, data.schedule, Random(0, range(16)))
        errors.append(float((last.x - data.path(x, *ends)).abs().mean()))
    assert abs(math.log2(errors[0] / errors[1]) - 2) < 0.15


def test_the_rooms_on_the_page_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8").split("## Rooms", 1)[1].split("```")[1]
    source = PAGE.parents[1] / "src" / "noiseloom"
    named = re.findall(r"^  ([\w./*]+)", text, re.MULTILINE)
    assert len(named) > 10
    for name in named:
        assert list(source.glob(name.rstrip("/"))), f"{name} is on the page but not there"
