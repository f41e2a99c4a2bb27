"""Samplers: each one's order of convergence, and that they end in the same distribution."""

import torch

from noiseloom.diffusion.orders import ORDERS, measure_order
from noiseloom.diffusion.samplers import SAMPLERS, Tolerance
from noiseloom.diffusion.sampling import ADAPTIVE
from noiseloom.diffusion.schedules import Cosine
from noiseloom.diffusion.spacings import SPACINGS
from noiseloom.evaluate.kernel import KernelDistance, negative_distance
from noiseloom.proofs import Check
from noiseloom.proofs.process import mixture
from noiseloom.seeds import Random

NEAR = 0.2  # of a stated order
SAMPLES = 500


def agreement(name: str) -> float:
    """The energy distance of a sampler's samples of a mixture to as many drawn from it."""
    schedule = Cosine()
    data = mixture(schedule)
    random = Random(0, range(SAMPLES))
    x = random.normal("start", (2,)).double()  # the cosine schedule starts at pure noise
    plan = Tolerance() if name in ADAPTIVE else SPACINGS["log-snr"](schedule, 100)
    *_, last = SAMPLERS[name](data.denoise, x, plan, schedule, random)
    truth = data.sample(4 * SAMPLES, torch.Generator().manual_seed(1))
    return KernelDistance.against(truth, negative_distance).of(last.x0)


CHECKS = (
    *(
        Check(
            f"{name}: order",
            f"{order.error}, in {order.of}",
            order.power,
            NEAR,
            lambda name=name: measure_order(name),  # type: ignore[misc]
        )
        for name, order in ORDERS.items()
    ),
    *(
        Check(
            f"{name}: distribution",
            "energy distance to a mixture it samples exactly",
            0.0,
            0.005,
            lambda name=name: agreement(name),  # type: ignore[misc]
        )
        for name in ORDERS
    ),
)
