"""Distilling a run into one of few steps: the student's recipe, and what its steps are worth."""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from noiseloom.config import from_mapping, override, parse, to_mapping
from noiseloom.errors import InputError
from noiseloom.evaluate.report import write_report
from noiseloom.evaluate.rulers import Ruler
from noiseloom.runs.drawing import draw
from noiseloom.runs.judging import shown
from noiseloom.runs.recipe import EXCLUSIVE, Recipe
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import Draws, Request
from noiseloom.tasks.few_step_image_generation import STEPS, FewStepGeneration, check_teacher
from noiseloom.training.loop import Device, Working
from noiseloom.tuning.passes import Passes

FILE = "distillation.json"
TEACHER_STEPS = (4, 8, 16, 32)
MINUTES = 10.0


def student_recipe(teacher: Run, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a student of `teacher`: that run's own, but for its task and its pace.

    Raises InputError where the run cannot teach, or an override is wrong.
    """
    try:
        check_teacher(teacher.recipe.task)
    except ValueError as error:
        raise InputError(f"{teacher.folder} cannot be distilled: {error}") from error
    document = to_mapping(teacher.recipe)
    document["name"] = f"{teacher.recipe.name}-few-steps"
    document["task"] = {
        "name": "few-step-image-generation",
        "teacher": {"run": str(teacher.folder)},
    }
    training = document["training"]
    training |= {"steps": None, "max_minutes": MINUTES}
    training |= {"checkpoint_every": None, "sample_every": None}
    asked = override(from_mapping(document), overrides, exclusive=EXCLUSIVE)
    _slow(training["optimizer"], parse(Recipe, asked).task.method.pace)
    return parse(Recipe, override(from_mapping(document), overrides, exclusive=EXCLUSIVE))


def _slow(optimizer: dict[str, Any], pace: float) -> None:
    """Lower the learning rate of an optimiser's settings, and of the one inside it."""
    for key, value in optimizer.items():
        if key == "learning_rate":
            optimizer[key] = pace * value
        elif isinstance(value, dict):
            _slow(value, pace)


def measure_curve(
    run: Run,
    *,
    num: int | None = None,
    seed: int = 0,
    device: Device | None = None,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """The figure that its evaluation goes by, against network passes: of a student and its teacher.

    All samples are drawn from the same noise. Writes distillation.json and the report. Raises
    InputError where `run` is no distilled run.
    """
    student, step = run.trained_task(device=device, on_event=on_event)
    if not isinstance(student, FewStepGeneration):
        raise InputError(
            f"{run.folder} was not distilled, so there is no teacher to compare it with. Distil it "
            f"first: noiseloom distill {run.folder}"
        )
    dataset = run.open_data(on_event)
    config = run.recipe.evaluation
    num = config.num if num is None else num
    ruler = config.ruler(dataset, num, progress=shown(on_event))
    labels = config.labels(dataset, num)
    rows: list[dict[str, Any]] = []
    wanted: list[tuple[str, Draws, Request]] = [
        *(("teacher", student.teacher, one) for one in _possible(student.teacher, TEACHER_STEPS)),
        *(("student", student, one) for one in _possible(student, STEPS)),
    ]
    for place, (who, task, request) in enumerate(wanted):
        on_event(Working("Measuring steps", place, len(wanted)))
        rows.append({"who": who, **_row(task, request, ruler, labels, num, seed)})
    on_event(Working("Measuring steps", len(wanted), len(wanted)))
    result = {
        "metric": ruler.name,
        "floor": ruler.floor,
        "rows": rows,
        "protocol": {
            "num": num,
            "seed": seed,
            "trained_steps": step,
            "data": dataset.fingerprint,
            "teacher": student.teacher.describe(Request()),
            "student": student.describe(Request()),
        },
    }
    run.write_json(FILE, result)
    write_report(run.folder)
    return result


def _possible(task: Draws, steps: Sequence[int]) -> list[Request]:
    """The task as it is where its times are learned, and as many steps as each of `steps`.

    Those are even in t where the times that were learned are for another number; an adaptive
    sampler, which chooses its own, is taken as it is.
    """
    found = []
    for number in steps:
        for request in (Request(steps=number), Request(steps=number, spacing="uniform")):
            try:
                task.describe(request)
            except InputError:
                continue
            found.append(request)
            break
    is_learned = task.describe(Request()).get("times") is not None
    return [Request(), *found] if is_learned or not found else found


def _row(
    task: Draws, request: Request, ruler: Ruler, labels: Any, num: int, seed: int
) -> dict[str, Any]:
    """Steps, passes through the network a sample, seconds for all of them, and their figure."""
    with Passes(task) as passes:
        began = perf_counter()
        samples = draw(task, request, labels, num=num, seed=seed)
        seconds = perf_counter() - began
    return {
        "steps": task.describe(request).get("steps"),
        "passes": round(passes.items / num, 2),
        "seconds": round(seconds, 2),
        ruler.name: ruler.of(samples.items),
    }


def curve_in_words(curve: dict[str, Any], folder: Path) -> str:
    """The curve as a table, each figure beside the teacher's best."""
    name = curve["metric"]
    best = min(row[name] for row in curve["rows"] if row["who"] == "teacher")
    figure = name.replace("_", " ")
    lines = [f"{'':<9}{'steps':>6}{'passes':>8}  {figure}  of the teacher's best"]
    for row in curve["rows"]:
        value = f"{row[name]:.4g}"
        lines.append(
            f"{row['who']:<9}{row['steps'] or '':>6}{row['passes']:>8g}  {value:>{len(figure)}}"
            f"  {row[name] / best:.2f} x"
        )
    return "\n".join(
        [
            *lines,
            f"Real data scores {curve['floor']:.4g} ({curve['protocol']['num']} samples).",
            f"Use: noiseloom sample {folder} --steps 1",
        ]
    )
