"""Synthetic curves whose word is known; real runs are in tests/runs/test_health.py."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from noiseloom.training.health import Health, Watch, assess
from noiseloom.training.loop import Event, Note

Curve = Callable[[int], float]


def flat(step: int) -> float:
    return 1.0


def falling(step: int) -> float:
    return 0.2 + 0.8 * math.exp(-step / 200)


def lines(
    loss: Curve, held_out: Curve, norm: Curve = flat, *, steps: int = 1000, start: bool = True
) -> list[dict[str, float]]:
    found: list[dict[str, float]] = [{"step": 0, "held_out_loss": held_out(0)}] if start else []
    for step in range(10, steps + 1, 10):
        found.append({"step": step, "loss": loss(step), "gradient_norm": norm(step)})
        if step % 100 == 0:
            found.append({"step": step, "held_out_loss": held_out(step)})
    return found


def test_a_falling_curve_is_as_expected() -> None:
    health = assess(lines(falling, falling))
    assert (health.word, health.since, health.cause) == ("as expected", None, None)
    assert health.share == falling(1000)
    assert str(health).endswith("the held-out loss has come 79 % below where it began.")


def test_a_run_that_did_not_measure_before_its_first_step() -> None:
    assert assess(lines(falling, falling, start=False)).word == "as expected"
    assert assess(lines(flat, flat, start=False)).word == "not learning"


def test_nothing_is_said_too_early() -> None:
    assert assess([]).word == "too early to say"
    assert assess(lines(flat, flat, steps=250)).word == "too early to say"  # two measurements
    hasty = [{"step": s, "held_out_loss": 1.0, "loss": 1.0} for s in range(90)]
    assert assess(hasty).word == "too early to say"


def test_a_u_is_over_fitting_since_its_lowest_point() -> None:
    def u(step: int) -> float:
        return 0.5 + ((step - 400) / 1000) ** 2

    seen = [assess(lines(falling, u, steps=steps)) for steps in range(300, 1001, 100)]
    words = [health.word for health in seen]
    # 0.54 at step 600 is 8 % above 0.5, but the first so high; 0.59 at step 700 is the second
    assert words == 4 * ["as expected"] + 4 * ["over-fitting"]
    assert {health.since for health in seen[4:]} == {400}
    assert seen[-1].share == pytest.approx(0.86 / 0.5)
    assert "since step 400: the held-out loss has risen 72 % above its lowest" in str(seen[-1])


def test_held_out_losses_that_only_rise_are_over_fitting_since_step_0() -> None:
    health = assess(lines(falling, lambda step: 1 + step / 1000))
    assert (health.word, health.since) == ("over-fitting", 0)


def test_one_high_measurement_is_not_over_fitting() -> None:
    assert assess(lines(falling, lambda step: 1.0 if step == 900 else falling(step))).word == (
        "as expected"
    )


def test_a_rise_without_a_falling_training_loss_is_not_over_fitting() -> None:
    def u(step: int) -> float:
        return 0.5 + ((step - 400) / 1000) ** 2

    assert assess(lines(lambda step: 0.5, u, steps=700)).word == "as expected"
    assert assess(lines(falling, u, steps=700)).word == "over-fitting"


def test_falling_back_from_an_explosion_is_not_over_fitting() -> None:
    """A low point by chance, then both far above the ceiling, the training loss coming down."""

    def back(step: int) -> float:
        return 0.9 if step == 100 else 1.0 if step == 0 else 1 + 1000 / step

    health = assess(lines(back, back))
    assert (health.word, health.cause) == ("not learning", "learning rate too high")


def test_a_curve_that_explodes_after_learning() -> None:
    def exploding(step: int) -> float:
        return falling(min(step, 500)) * math.exp(max(0, step - 500) / 100)

    health = assess(lines(exploding, exploding))
    assert (health.word, health.cause) == ("not learning", "learning rate too high")
    assert "divide training.optimizer.learning_rate" in str(health)


def test_steps_that_are_too_long() -> None:
    """Thrown far off at first, back at the ceiling later; or gradients that blow up."""
    thrown = assess(lines(lambda step: 5000.0 if step < 50 else 1.0, lambda step: 0.99))
    assert thrown.cause == "learning rate too high"
    grown = assess(lines(flat, lambda step: 0.99, lambda step: 50.0 if step > 800 else 1.0))
    assert grown.cause == "learning rate too high"


@pytest.mark.parametrize("held_out", [flat, lambda step: 1 - 1e-6 * step])
def test_steps_that_are_too_short(held_out: Curve) -> None:
    health = assess(lines(flat, held_out))
    assert (health.word, health.cause) == ("not learning", "learning rate too low")
    assert "multiply training.optimizer.learning_rate" in str(health)


@pytest.mark.parametrize(
    "held_out",
    [lambda step: 1 + 0.004 * math.sin(step), lambda step: 1e-12],
    ids=["noise", "constant"],
)
def test_data_with_nothing_to_learn(held_out: Curve) -> None:
    health = assess(lines(held_out, held_out))
    assert (health.word, health.cause) == ("not learning", "data is noise or constant")
    assert "noiseloom data check" in str(health)


def test_numbers_that_are_not_finite_are_passed_over() -> None:
    found = lines(falling, falling)
    found.insert(30, {"step": 300, "held_out_loss": math.nan, "loss": math.inf})
    assert assess(found) == assess(lines(falling, falling))


def test_the_word_is_said_when_it_changes(tmp_path: Path) -> None:
    log, said = tmp_path / "metrics.jsonl", list[Event]()

    def u(step: int) -> float:
        return 0.5 + ((step - 400) / 1000) ** 2

    def write(steps: int) -> None:
        log.write_text(
            "".join(f"{line}\n".replace("'", '"') for line in lines(falling, u, steps=steps))
        )

    watch = Watch(log, said.append)
    for steps in range(0, 1001, 50):
        write(steps)
        watch.look()
    assert [type(event) for event in said] == [Note, Note]
    assert str(said[0]).startswith("Training goes as expected")
    assert str(said[1]).startswith("Over-fitting since step 400")
    Watch(log, said.append).look()  # after a resume nothing has changed
    assert len(said) == 2


def test_figures_alone_are_no_change() -> None:
    assert Health("as expected", share=0.5).is_as(Health("as expected", share=0.4))
    assert not Health("over-fitting", since=1).is_as(Health("over-fitting", since=2))
