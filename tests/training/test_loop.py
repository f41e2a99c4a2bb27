import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from noiseloom.data.dataset import Split
from noiseloom.data.forms import Batch
from noiseloom.errors import InputError, MachineError
from noiseloom.runs import Recipe
from noiseloom.runs.building import build_task
from noiseloom.runs.trainer import measure_statistics
from noiseloom.seeds import Random
from noiseloom.training.loop import Training, TrainingConfig
from noiseloom.training.optimizers import AdamW
from noiseloom.training.order import Order


class Regression:
    """A task: learn y = items @ w from noisy inputs, so that order and noise both matter."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(3, 1)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[torch.Tensor, int]]:
        x = torch.from_numpy(batch.items) + 0.1 * random.normal("noise", (3,))
        error = self.model(x)[:, 0] - torch.from_numpy(batch.items).sum(1)
        return {"loss": (error.square().sum(), len(error))}


ITEMS = np.random.default_rng(0).normal(size=(37, 3)).astype(np.float32)


def make(steps: int = 30, items: np.ndarray = ITEMS, **changes) -> Training:  # type: ignore[no-untyped-def]
    config = TrainingConfig(steps=steps, **{"batch_size": 8, "optimizer": AdamW(), **changes})
    return Training(config, Regression(), Split(items), "float32", steps)


def test_every_epoch_sees_every_item_once_in_a_new_order() -> None:
    seen = np.concatenate([Order(0, 8, 37).batch(step) for step in range(37 * 2 // 8 + 1)])
    first, second = seen[:37], seen[37:74]
    assert sorted(first) == sorted(second) == list(range(37))
    assert list(first) != list(second)
    assert not np.array_equal(first, Order(1, 37, 37).batch(0))
    assert len(Order(0, 100, 37).batch(0)) == 100  # a batch larger than the data


def test_the_loss_falls() -> None:
    losses = [progress.loss for progress in make(200, optimizer=AdamW(learning_rate=0.05)).run()]
    assert np.mean(losses[-10:]) < 0.1 * np.mean(losses[:10])


class Tending(Regression):
    """Keeps what it finds when it is tended."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[torch.Tensor, torch.Tensor, float]] = []

    def tend(self, random: Random) -> None:
        gradient = self.model.weight.grad
        assert gradient is not None
        number = float(random.uniform("number"))
        self.found.append((gradient.clone(), self.model.weight.detach().clone(), number))


def tended(accumulate: int) -> list[tuple[torch.Tensor, torch.Tensor, float]]:
    """What a task finds in three steps; the weights it finds are those of before the step."""
    config = TrainingConfig(steps=3, batch_size=8, accumulate=accumulate, optimizer=AdamW())
    task = Tending()
    training = Training(config, task, Split(ITEMS), "float32", 3)
    before = [task.model.weight.detach().clone()]
    before += [task.model.weight.detach().clone() for _ in training.run()]
    assert all(w.equal(own) for (_, w, _), own in zip(task.found, before[:-1], strict=True))
    return task.found


def test_a_task_is_tended_between_backward_and_update_with_the_batch_s_gradient() -> None:
    whole, parts = tended(1), tended(4)
    for (gradient, _, number), (same, _, same_number) in zip(whole, parts, strict=True):
        torch.testing.assert_close(gradient, same)
        assert gradient.abs().max() > 0 and number == same_number
    assert len({number for *_, number in whole}) == 3


@pytest.mark.parametrize("accumulate", [2, 4, 8])
def test_micro_batches_are_one_batch(accumulate: int) -> None:
    whole, parts = make(), make(accumulate=accumulate)
    for one, other in zip(whole.run(), parts.run(), strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
    torch.testing.assert_close(whole.task.model.weight, parts.task.model.weight)


def test_a_network_without_blocks_cannot_be_compiled() -> None:
    with pytest.raises(InputError, match="set training.compile=false"):
        make(compile=True)


@pytest.mark.slow  # it calls a C++ compiler
def test_compiled_blocks_train_as_they_are() -> None:
    losses = {}
    for compiled in (False, True):
        recipe = Recipe.load("digits", ["training.steps=4", "training.precision=float32"])
        data = recipe.data.open(lambda what, done, total: None)
        task = build_task(recipe, data.form, measure_statistics(data), "cpu")
        config = replace(recipe.training, compile=compiled)
        training = Training(config, task, data.train, "float32", total_steps=4)
        losses[compiled] = [training.advance()[0] for _ in range(4)]
    assert losses[True] == pytest.approx(losses[False], rel=1e-4)


def test_going_on_from_a_checkpoint_is_exact() -> None:
    whole, first = make(), make()
    for progress in first.run():
        if progress.step == 13:
            break
    checkpoint = first.checkpoint()
    resumed = make()
    resumed.restore(checkpoint)
    list(whole.run())
    list(resumed.run())
    assert resumed.step == whole.step == 30
    one, other = whole.checkpoint(), resumed.checkpoint()
    for group, tensors in one.groups.items():
        assert tensors.keys() == other.groups[group].keys()
        for name, value in tensors.items():
            assert value.equal(other.groups[group][name]), (group, name)


def test_gradients_are_clipped_to_their_norm() -> None:
    training = make(1, clip=1e-3, optimizer=AdamW(learning_rate=1e-9))
    batch = Batch(ITEMS[Order(0, 8, 37).batch(0)], None)
    loss, count = training.task.loss(batch, Random(0, range(8)))["loss"]
    (loss / count).backward()
    true_norm = math.sqrt(
        sum(float(p.grad.square().sum()) for p in training.task.model.parameters())
    )
    training.task.model.zero_grad()
    (progress,) = training.run()
    assert progress.gradient_norm == pytest.approx(true_norm, rel=1e-5)


def test_a_loss_that_is_not_finite_names_its_batch_and_touches_nothing() -> None:
    items = ITEMS.copy()
    items[11] = np.nan
    training = make(items=items)
    before: dict[str, torch.Tensor] = {}
    with pytest.raises(MachineError, match=r"training items .*\b11\b") as caught:
        for _ in training.run():
            before = {k: v.clone() for k, v in training.task.model.state_dict().items()}
    assert "the loss is nan" in str(caught.value)
    for name, value in training.task.model.state_dict().items():
        assert not before or value.equal(before[name])
        assert value.isfinite().all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": None}, "set one of the two"),
        ({"max_minutes": 1.0}, "set one of the two"),
        ({"accumulate": 3}, "does not divide batch_size"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"clip": math.inf}, "clip is inf"),
        ({"average": 0.5}, "allowed is above 0, up to 0.28"),
    ],
)
def test_impossible_settings_are_refused(changes, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=said):
        TrainingConfig(**{"steps": 10, "batch_size": 8, **changes})
