"""What a likelihood comes to: figures per dimension with their errors, and the words for them.

Of a denoiser all is computed by `diffusion.likelihood`, of a model that tells pixels in order by
its task; here nats of items become bits (and nats) per dimension. Of 8-bit images these are bits of
the levels themselves; of points they are bits of a density in the data's units, which may be below
0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from noiseloom.diffusion.flow import CALLS_PER_STEP
from noiseloom.diffusion.likelihood import Bound, Density

LN2 = math.log(2)


def bound_figures(bound: Bound, dimensions: int) -> dict[str, Any]:
    """The bound with its parts, bits per dimension."""
    parts = {
        "prior": bound.prior,
        "diffusion": bound.diffusion,
        "reconstruction": bound.reconstruction,
    }
    each = {name: float(part.mean()) / (dimensions * LN2) for name, part in parts.items()}
    return {**_figures(bound.total, dimensions), "parts": each}


def density_figures(density: Density, dimensions: int, steps: int) -> dict[str, Any]:
    """The density by the ODE, bits per dimension, with how it was solved."""
    probes = density.probes
    spread = None
    if probes > 1:  # one probe's part is within the error over items
        means = density.each.mean(dim=1) / (dimensions * LN2)
        spread = float(means.std() / math.sqrt(probes))
    return {
        **_figures(density.total, dimensions),
        "standard_error_of_probes": spread,
        "divergence": "Hutchinson" if probes else "exact",
        "probes": probes,
        "steps": steps,
        "calls": CALLS_PER_STEP * steps,
    }


def exact_figures(nats: Tensor, dimensions: int) -> dict[str, Any]:
    """The likelihood itself, bits per dimension."""
    return _figures(nats, dimensions)


def _figures(nats: Tensor, dimensions: int) -> dict[str, Any]:
    each = nats / (dimensions * LN2)
    return {
        "value": float(each.mean()),
        "standard_error": float(each.std() / math.sqrt(len(each))),
        "nats_per_dimension": float(each.mean()) * LN2,
    }


def sentences(likelihood: Mapping[str, Any]) -> list[str]:
    """A likelihood of evaluation.json in words: both figures, what they are of, and their gap."""
    if not likelihood:
        return []
    if "exact" in likelihood:
        return [
            _head(likelihood),
            f"{_with_error(likelihood['exact'])}, exactly: every number given those before it",
            _kept(likelihood),
        ]
    bound, ode = likelihood["bound"], likelihood["ode"]
    parts = ", ".join(f"{name} {value:.3f}" for name, value in bound["parts"].items())
    solved = f"{ode['steps']} steps of the ODE, {ode['divergence']} divergence"
    return [
        _head(likelihood),
        f"at most {_with_error(bound)} by the variational bound ({bound['kind']}; {parts})",
        f"{_with_error(ode)} by the probability flow ({solved})",
        _gap(likelihood),
    ]


def _head(likelihood: Mapping[str, Any]) -> str:
    kind = str(likelihood["weights"])
    weights = {"ema": "averaged weights", "raw": "raw weights"}.get(kind, f"weights {kind}")
    return (
        f"Bits per dimension of {likelihood['num']:,} {likelihood['split']} items "
        f"({weights}, {likelihood['dimensions']:,} numbers each):"
    )


def _kept(likelihood: Mapping[str, Any]) -> str:
    if likelihood["lossless"]:
        return "They are bits of the items as they are stored."
    return (
        f"They are bits of the items at the nearest of {likelihood['levels']} levels, which is "
        "less than what is stored: no bits of 256 levels can be compared with them."
    )


def _gap(likelihood: Mapping[str, Any]) -> str:
    bound, ode = likelihood["bound"], likelihood["ode"]
    gap = bound["value"] - ode["value"]
    spread = ", and spreads levels over their cells" if likelihood["of_levels"] else ""
    return (
        f"The two differ by {gap:+.3f}: the bound is of samples drawn with fresh noise at every "
        f"step, the flow's of those drawn without{spread}; only an exact denoiser makes them one."
    )


def _with_error(figures: Mapping[str, Any]) -> str:
    return f"{figures['value']:.3f} ± {figures['standard_error']:.3f}"
