"""Optimisers as recipes name them, and the learning-rate plan.

`muon` orthogonalises the update of the hidden matrices (Jordan et al. 2024, "Muon: an optimizer for
hidden layers") and gives the rest to AdamW (Loshchilov & Hutter, arXiv:1711.05101).
torch.optim.Muon computes in bfloat16 only, 400 times slower than float32 on processors without it,
and one matrix at a time; this one works in the dtype it is given (see `orthogonalisation`), and
several processes share the matrices out.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import AdamW as TorchAdamW

from noiseloom.config import option
from noiseloom.errors import InputError
from noiseloom.training.orthogonalisation import orthogonalise
from noiseloom.training.parts import local, part
from noiseloom.training.sharing import share_out


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """AdamW on every parameter."""

    learning_rate: float = option(1e-3, "step size at the plan's peak")
    betas: tuple[float, float] = option((0.9, 0.99), "decay of the running mean and square")
    weight_decay: float = option(0.0, "pull towards 0 per step, times the learning rate")

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.weight_decay)
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas is {list(self.betas)}; allowed is 0 to below 1 each")

    def build(self, model: nn.Module) -> "Optimizer":
        return Optimizer(model, [_adamw(model.parameters(), self)])


@dataclass(frozen=True, kw_only=True)
class Muon:
    """Muon on the hidden matrices (those in a network's `blocks`), AdamW on the rest."""

    learning_rate: float = option(0.02, "Muon's step size at the plan's peak")
    momentum: float = option(0.95, "decay of Muon's running mean of gradients")
    weight_decay: float = option(0.0, "pull of the hidden matrices towards 0, times the rate")
    newton_schulz: int = option(3, "steps towards an orthogonal update: 2 is cheaper and rougher")
    rest: AdamW = option(help="AdamW for all other parameters", default_factory=AdamW)

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.weight_decay)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum}; allowed is 0 to below 1")
        if self.newton_schulz < 1:
            raise ValueError(f"newton_schulz is {self.newton_schulz}; at least 1 step is needed")

    def build(self, model: nn.Module) -> "Optimizer":
        hidden = [p for name, p in model.named_parameters() if is_hidden_matrix(name, p)]
        if not hidden:
            raise InputError(
                "training.optimizer muon moves the matrices of a network's `blocks`, and this "
                "network has none; set training.optimizer=adamw"
            )
        chosen = {id(p) for p in hidden}
        others = [p for p in model.parameters() if id(p) not in chosen]
        return Optimizer(model, [_adamw(others, self.rest), MuonEngine(hidden, self)])


OPTIMIZERS: dict[str, type[AdamW] | type[Muon]] = {"adamw": AdamW, "muon": Muon}


def _check(learning_rate: float, weight_decay: float) -> None:
    if not (0 < learning_rate < 1e6 and 0 <= weight_decay < 1e6):
        raise ValueError(
            f"learning_rate {learning_rate} and weight_decay {weight_decay} are given; allowed is "
            "a learning_rate above 0 and a weight_decay of 0 or more"
        )


def is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Whether a parameter maps hidden state to hidden state: a matrix inside `blocks`."""
    return parameter.ndim == 2 and "blocks" in name.split(".")


def _adamw(parameters: Iterable[nn.Parameter], config: AdamW) -> TorchAdamW:
    return TorchAdamW(
        parameters,
        lr=config.learning_rate,
        betas=config.betas,
        weight_decay=config.weight_decay,
        fused=True,
    )


class Optimizer:
    """One or more torch optimisers stepped as one, with its state as named tensors."""

    def __init__(self, model: nn.Module, engines: list[torch.optim.Optimizer]) -> None:
        self.engines = engines
        self.names = {id(p): name for name, p in model.named_parameters()}
        self.peaks = [[group["lr"] for group in engine.param_groups] for engine in engines]

    def step(self, rate: float) -> None:
        """One update with every step size at `rate` times its peak; gradients are then freed."""
        for engine, peaks in zip(self.engines, self.peaks, strict=True):
            for group, peak in zip(engine.param_groups, peaks, strict=True):
                group["lr"] = peak * rate
            engine.step()
            engine.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """The state as `parameter:field` -> tensor."""
        return {
            f"{self.names[id(parameter)]}:{field}": value
            for engine in self.engines
            for parameter, fields in engine.state.items()
            for field, value in fields.items()
        }

    def load(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """Take over a state that `tensors` gave, named and whole."""
        places = {
            self.names[id(parameter)]: (engine.state, parameter)
            for engine in self.engines
            for group in engine.param_groups
            for parameter in group["params"]
        }
        for key, value in tensors:
            name, field = key.rsplit(":", 1)
            state, parameter = places[name]
            # a copy, since the file it was read from may be cleared away
            state[parameter][field] = part(value, parameter)


class MuonEngine(torch.optim.Optimizer):
    """Momentum whose update is replaced by the nearest matrix with equal singular values."""

    def __init__(self, parameters: Iterable[nn.Parameter], config: Muon) -> None:
        self.config = config
        super().__init__(parameters, {"lr": config.learning_rate})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every matrix that has a gradient."""
        config = self.config
        for group in self.param_groups:
            matrices = [p for p in group["params"] if p.grad is not None]
            gradients = [p.grad for p in matrices]
            momentum = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in matrices]
            torch._foreach_lerp_(momentum, gradients, 1 - config.momentum)
            # Nesterov: look one step ahead along the momentum; the gradients are spent with it
            torch._foreach_lerp_(gradients, momentum, config.momentum)
            if config.weight_decay:
                torch._foreach_mul_(matrices, 1 - group["lr"] * config.weight_decay)
            updates = share_out(lambda own: orthogonalise(own, config.newton_schulz), gradients)
            for matrix, update in zip(matrices, updates, strict=True):
                rows, columns = matrix.shape
                scale = math.sqrt(max(1.0, rows / columns))
                local(matrix).add_(update, alpha=-group["lr"] * scale)


@dataclass(frozen=True, kw_only=True)
class Plan(ABC):
    """A learning-rate plan: the factor on the peak step size at each step."""

    @abstractmethod
    def rate(self, step: int, total: int) -> float: ...


@dataclass(frozen=True, kw_only=True)
class WarmDown(Plan):
    """A short linear rise, a level, and a linear fall to 0 over the last part of the run."""

    warmup: float = option(0.02, "share of the run in which the rate rises from 0")
    fall: float = option(0.7, "share of the run, at its end, in which the rate falls to 0")

    def __post_init__(self) -> None:
        if not (self.warmup >= 0 and self.fall >= 0 and self.warmup + self.fall <= 1):
            raise ValueError(
                f"warmup {self.warmup} and fall {self.fall} are given; both are shares of the run "
                "and together at most 1"
            )

    def rate(self, step: int, total: int) -> float:
        done = (step + 1) / (total + 1)
        rise = done / self.warmup if self.warmup else 1.0
        down = (1 - done) / self.fall if self.fall else 1.0
        return min(1.0, rise, down)


PLANS: dict[str, type[Plan]] = {"warm-down": WarmDown}
