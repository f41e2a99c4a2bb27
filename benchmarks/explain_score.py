"""How far the score that recipe toy-2d learns is from the exact one, at each t.

    python benchmarks/explain_score.py [--out FOLDER] [--times 12] [key=value ...]

Trains the recipe on the mixture of eight Gaussians, whose score is known at every t, and prints the
relative error E|s - s*|² / E|s*|² over xt ~ p_t: of all points together, and of the classes, each
asked for by its label, on average. `key=value` changes the recipe, as for `noiseloom train`. On 2
cores it takes half a minute.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch

from noiseloom.data.forms import PointForm
from noiseloom.evaluate.loss_by_time import even_times
from noiseloom.explain.exact_score import ScoreError, exact_of, score_error
from noiseloom.explain.views.score_field import denoiser_of
from noiseloom.runs import Recipe, Run
from noiseloom.tasks import Denoises

NUM = 4096  # points that each error is taken over, of all and of each class


def main() -> None:
    arguments = argparse.ArgumentParser(description="Learned beside exact score, at each t.")
    arguments.add_argument("--out", type=Path, help="the run's folder, and score.json in it")
    arguments.add_argument("--times", type=int, default=12)
    arguments.add_argument("overrides", nargs="*", metavar="key=value")
    given = arguments.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as aside:
        recipe = Recipe.load("toy-2d", ["data.shape=gaussian-mixture", *given.overrides])
        run = Run.create(recipe, given.out or Path(aside) / "run")
        run.train(evaluate=False)
        rows = measured(run, given.times)
        if given.out:
            run.write_json("score.json", {"relative_error": rows})
    print("| t | log-SNR | all points | by class |")
    print("|---|---|---|---|")
    for row in rows:
        print(f"| {row['t']:.3f} | {row['log_snr']:.2f} | {row['all']:.2g} | {row['class']:.2g} |")
    print(json.dumps({"recipe": "toy-2d", "overrides": given.overrides, "points": NUM}))


def measured(run: Run, times: int) -> list[dict[str, float]]:
    """A row for each t: the relative error of all points, and the mean over classes."""
    task, _ = run.trained_task()
    dataset = run.open_data()
    assert isinstance(task, Denoises) and isinstance(task.form, PointForm)
    schedule = task.judged(None).schedule
    device = next(task.model.parameters()).device
    asked = [None, *range(len(task.form.class_names))]
    known = {label: exact_of(run.recipe.data, dataset, schedule, label) for label in asked}
    rows = []
    for t in even_times(schedule, times).tolist():
        found: dict[int | None, ScoreError] = {
            label: score_error(denoiser_of(task, label, device), exact, t, num=NUM, seed=0)
            for label, exact in known.items()
        }
        by_class = [error.relative for label, error in found.items() if label is not None]
        rows.append(
            {
                "t": t,
                "log_snr": float(schedule.log_snr(torch.tensor(t, dtype=torch.float64))),
                "all": found[None].relative,
                "class": sum(by_class) / len(by_class),
            }
        )
    return rows


if __name__ == "__main__":
    main()
