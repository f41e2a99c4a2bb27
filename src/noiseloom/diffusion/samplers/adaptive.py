"""Samplers that choose their own steps, each item for itself, so that errors keep to a tolerance.

They walk along the angle psi = arctan(sigma / alpha), from pi/2 at pure noise to 0 without noise,
in y = xt / sqrt(alpha² + sigma²) = cos(psi) x0 + sin(psi) noise. Every schedule is the same one
there, and the probability flow is finite and smooth from end to end:
    dy/dpsi = v = (cos(psi) y - x0) / sin(psi)            (v of Salimans & Ho, arXiv:2202.00512)
An item's steps depend on that item alone, so it is the same whatever batch it is drawn in. A batch
calls the network until its slowest item is done; those that are done stand still.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise
from noiseloom.diffusion.samplers.walking import Step, Tolerance
from noiseloom.diffusion.schedules import Schedule, expand
from noiseloom.errors import InputError, MachineError
from noiseloom.seeds import Random

SAFETY = 0.9  # share of the step that would just have met the tolerance
LEAST_FACTOR, MOST_FACTOR = 0.2, 5.0  # by which a step shrinks and grows at most
FIRST_SHARE = 0.05  # of the whole way, tried as the first step
SDE_EXPONENT = 0.9  # of the error in the step of the SDE (Jolicoeur-Martineau et al., section 3)


def adaptive(
    denoise: Denoise, x: Tensor, plan: Tolerance, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """The probability-flow ODE by the pair of orders 3 and 2 of Bogacki & Shampine (1989).

    Three network calls for every step tried and one at the start. `Step.t` is that of the item
    furthest behind. Raises MachineError where numbers stop being finite, InputError where
    `plan.most_moves` are not enough.
    """
    circle = Circle(denoise, schedule, check_tolerance(plan))
    psi, end = circle.ends(x)
    y = x / circle.radius(psi, x)
    slope, x0 = circle.slope(y, psi)
    step = FIRST_SHARE * (psi - end)
    for index in range(plan.most_moves):
        step = torch.minimum(step, psi - end)  # 0 for those that are done
        h = expand(step, x).to(x.dtype)
        second, _ = circle.slope(y - 0.5 * h * slope, psi - 0.5 * step)
        third, _ = circle.slope(y - 0.75 * h * second, psi - 0.75 * step)
        there = y - h * (2 / 9 * slope + 1 / 3 * second + 4 / 9 * third)
        fourth, x0_there = circle.slope(there, psi - step)
        error = h * (-5 / 72 * slope + 1 / 12 * second + 1 / 9 * third - 1 / 8 * fourth)
        allowed = plan.absolute + plan.relative * torch.maximum(y.abs(), there.abs())
        size = _size(error, allowed)
        taken = size <= 1
        keep = expand(taken, x)
        y = torch.where(keep, there, y)
        slope = torch.where(keep, fourth, slope)
        x0 = torch.where(keep, x0_there, x0)
        psi = _advance(psi, step, end, taken)
        step = step * _factor(size, 1 / 3)
        yield Step(index, circle.furthest(psi), circle.radius(psi, x) * y, x0)
        if bool((psi <= end).all()):
            return
    raise _too_many(plan)


def adaptive_sde(
    denoise: Denoise, x: Tensor, plan: Tolerance, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """The reverse SDE with steps of its own (Jolicoeur-Martineau et al. 2021, algorithm 1).

    arXiv:2105.14080. Their Euler-Maruyama step is `ddpm`'s here, exact but for x0 and finite at
    pure noise; the better one takes the mean of x0 at both ends with the same noise, goes on from
    there, and its distance from the first is the error. No step goes beyond half its angle: near
    the clean end x0 is whatever the step made of it, and says nothing of its error. Two network
    calls for every step tried. Raises as `adaptive` does.
    """
    circle = Circle(denoise, schedule, check_tolerance(plan))
    psi, end = circle.ends(x)
    y = x / circle.radius(psi, x)
    before, x0 = y, torch.zeros_like(y)
    noise = PathOfNoise.start(y)
    step = FIRST_SHARE * (psi - end)
    for index in range(plan.most_moves):
        step = torch.minimum(step, psi - torch.maximum(0.5 * psi, end))
        to = torch.maximum(psi - step, noise.known_to(psi))
        z = random.at(index).normal_like("ancestral", x)
        grown = noise.between(psi, to, z)
        kept, gained, added = (expand(part, x).to(x.dtype) for part in _ancestral_weights(psi, to))
        first = circle.x0(y, psi)
        euler = kept * y + gained * first + added * grown
        second = circle.x0(euler, to)
        better = euler + 0.5 * gained * (second - first)
        largest = plan.relative * torch.maximum(euler.abs(), before.abs())
        size = _size(euler - better, largest.clamp(min=plan.absolute))
        taken = (size <= 1) & (psi > end)
        keep = expand(taken, x)
        y = torch.where(keep, better, y)
        before = torch.where(keep, euler, before)
        x0 = torch.where(keep, second, x0)
        noise = noise.after(psi, to, grown, taken)
        step = (psi - to) * _factor(size, SDE_EXPONENT)
        psi = torch.where(taken, to, psi)
        yield Step(index, circle.furthest(psi), circle.radius(psi, x) * y, x0)
        if bool((psi <= end).all()):
            return
    raise _too_many(plan)


@dataclass(frozen=True)
class PathOfNoise:
    """What is known of the noise ahead, so that rejecting a step does not choose among noises.

    The SDE's noise is a Brownian motion whose clock is the SNR, cot² psi. A step that is rejected
    leaves known what that motion gains up to `ahead`; shorter steps divide it by a Brownian bridge
    and do not go past it. Without that, large noises would be given less of the way than small
    ones, and samples too little spread.
    """

    ahead: Tensor
    gain: Tensor

    @classmethod
    def start(cls, y: Tensor) -> "PathOfNoise":
        """Nothing known: `ahead` is 0, where no walk comes."""
        nowhere = torch.zeros(len(y), dtype=torch.float64, device=y.device)
        return cls(nowhere, torch.zeros_like(y))

    def known_to(self, psi: Tensor) -> Tensor:
        """How far a step from `psi` may go."""
        return self.ahead.clamp(max=psi)

    def between(self, psi: Tensor, to: Tensor, z: Tensor) -> Tensor:
        """What the motion gains from `psi` to `to`, with fresh `z` for what is not known yet."""
        clock = _snr(to) - _snr(psi)
        known = self.ahead > 0
        whole = torch.where(known, _snr(self.ahead) - _snr(psi), clock)
        share = torch.where(known & (whole > 0), clock / whole, torch.zeros_like(clock))
        spread = (clock * (1 - share)).clamp(min=0).sqrt()
        given, own = (expand(part, z).to(z.dtype) for part in (share, spread))
        return given * self.gain + own * z

    def after(self, psi: Tensor, to: Tensor, grown: Tensor, taken: Tensor) -> "PathOfNoise":
        """What is known once a step was taken, or was not."""
        known = self.ahead > 0
        reached = taken & (to <= self.ahead)
        ahead = torch.where(taken | known, self.ahead, to)
        gain = torch.where(expand(taken | known, grown), self.gain, grown)
        gain = torch.where(expand(taken & known, grown), gain - grown, gain)
        return PathOfNoise(
            torch.where(reached | (taken & ~known), torch.zeros_like(ahead), ahead),
            torch.where(expand(reached, grown), torch.zeros_like(gain), gain),
        )


def _snr(psi: Tensor) -> Tensor:
    return psi.tan() ** -2


def check_tolerance(plan: Tolerance) -> Tolerance:
    """The plan, if it is a tolerance; ValueError for times."""
    if not isinstance(plan, Tolerance):
        raise ValueError(
            "this sampler chooses its own times and was given some; allowed is a Tolerance, such "
            "as Tolerance(relative=0.01, absolute=0.005)"
        )
    return plan


@dataclass(frozen=True)
class Circle:
    """A denoiser in terms of psi, (B,) float64, and y."""

    denoise: Denoise
    schedule: Schedule
    plan: Tolerance

    def ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """psi at which each item starts, and the one at which all end."""
        t = torch.tensor([self.schedule.t_max, self.schedule.t_min], dtype=torch.float64)
        at = self.schedule.at(t)
        start, end = torch.atan2(at.sigma, at.alpha).tolist()
        end = max(end, torch.atan(torch.tensor(self.plan.absolute, dtype=torch.float64)).item())
        return torch.full((len(x),), start, dtype=torch.float64, device=x.device), torch.full(
            (), end, dtype=torch.float64, device=x.device
        )

    def time(self, psi: Tensor) -> Tensor:
        """The schedule's t at psi, float64."""
        t = self.schedule.t_of_log_snr(-2 * psi.tan().log())
        return t.clamp(self.schedule.t_min, self.schedule.t_max)

    def radius(self, psi: Tensor, like: Tensor) -> Tensor:
        """sqrt(alpha² + sigma²), by which xt is y, shaped to broadcast against `like`."""
        at = self.schedule.at(self.time(psi))
        return expand((at.alpha**2 + at.sigma**2).sqrt(), like).to(like.dtype)

    def furthest(self, psi: Tensor) -> float:
        """The t of the item furthest behind."""
        return float(self.time(psi).max())

    def x0(self, y: Tensor, psi: Tensor) -> Tensor:
        """The clean data expected; MachineError where it is not finite."""
        with torch.no_grad():
            x0 = self.denoise(self.radius(psi, y) * y, self.time(psi).to(y.dtype)).x0
        if not bool(x0.isfinite().all()):
            raise MachineError(
                "The network's answers stopped being finite while sampling; its weights are not "
                "usable. Sample from an earlier checkpoint"
            )
        return x0

    def slope(self, y: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
        """dy/dpsi and the clean data expected."""
        x0 = self.x0(y, psi)
        cosine, sine = (expand(part, y).to(y.dtype) for part in (psi.cos(), psi.sin()))
        return (cosine * y - x0) / sine, x0


def _ancestral_weights(psi: Tensor, to: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What y, x0 and the gain of the noise count in an ancestral move.

    With e^-h = tan(to) / tan(psi) they are (sigma_s / sigma_t) e^-h, alpha_s (1 - e^-2h) and, for a
    motion whose clock is the SNR, sigma_s² / alpha_s.
    """
    root = to.tan() / psi.tan()
    kept = root * to.sin() / psi.sin()
    return kept, to.cos() * (1 - root**2).clamp(min=0), to.sin() * to.tan()


def _size(error: Tensor, allowed: Tensor) -> Tensor:
    """The root mean square of an item's errors over those allowed, (B,) float64."""
    return (error / allowed).flatten(1).double().square().mean(dim=1).sqrt()


def _advance(psi: Tensor, step: Tensor, end: Tensor, taken: Tensor) -> Tensor:
    """psi after the steps that were taken; the last lands on `end` exactly."""
    to = torch.where(step >= psi - end, end, psi - step)
    return torch.where(taken, to, psi)


def _factor(size: Tensor, exponent: float) -> Tensor:
    return (SAFETY * size.clamp(min=1e-10) ** -exponent).clamp(LEAST_FACTOR, MOST_FACTOR)


def _too_many(plan: Tolerance) -> InputError:
    return InputError(
        f"The tolerance (relative {plan.relative}, absolute {plan.absolute}) was not met within "
        f"{plan.most_moves} steps. Loosen it, or raise its most_moves"
    )
