"""Distilling a run of points: the student is a run like any other, and says what its steps do."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from noiseloom.cli import main
from noiseloom.errors import ConfigError, InputError
from noiseloom.evaluate.facts import read_facts
from noiseloom.evaluate.page_few_steps import few_steps
from noiseloom.runs import Recipe, Run
from noiseloom.training.loop import Progress
from noiseloom.tuning.distilling import curve_in_words, measure_curve, student_recipe

TINY = ("data.num=400", "network.width=16", "network.depth=1", "task.sampler.steps=4")
SHORT = (
    "training.steps=12",
    "training.batch_size=16",
    "training.checkpoint_every=100",
    "training.sample_every=100",
    "evaluation.num=60",
    "evaluation.draws=2",
    "evaluation.bootstrap=20",
)
PATHS = ("task.method.paths.num=40", "task.method.paths.steps=4")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("distilling") / "teacher"
    training = ("training.steps=40", "training.batch_size=16", "training.sample_every=100")
    run = Run.create(Recipe.load("toy-2d", [*TINY, *training]), folder)
    run.train(evaluate=False)
    return run


@pytest.fixture(scope="module")
def student(teacher: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("distilling") / "student"
    run = Run.create(student_recipe(teacher, [*SHORT, *PATHS]), folder)
    run.train(evaluate=False)
    return run


def checkpoint_bytes(run: Run) -> dict[str, bytes]:
    folder = run.checkpoints.path(run.checkpoints.steps()[-1])
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def files(run: Run) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}


def test_a_student_has_no_likelihood(student: Run) -> None:
    with pytest.raises(InputError, match="has no likelihood"):
        student.evaluate(likelihood=True)


def test_the_recipe_is_the_teachers_but_for_its_task_and_pace(teacher: Run) -> None:
    recipe = student_recipe(teacher)
    assert recipe.name == "toy-2d-few-steps"
    assert recipe.task.teacher.run == str(teacher.folder)
    assert (recipe.data, recipe.network) == (teacher.recipe.data, teacher.recipe.network)
    assert recipe.training.max_minutes == 10 and recipe.training.steps is None
    own, known = recipe.training.optimizer, teacher.recipe.training.optimizer
    assert own.learning_rate == 0.5 * known.learning_rate
    slower = student_recipe(teacher, ["task.method=consistency"])
    assert slower.training.optimizer.learning_rate == 0.1 * known.learning_rate
    chosen = student_recipe(teacher, ["training.optimizer.learning_rate=0.25"])
    assert chosen.training.optimizer.learning_rate == 0.25
    assert Recipe.load(_written(recipe, teacher.folder.parent)) == recipe


def _written(recipe: Recipe, folder: Path) -> Path:
    path = folder / "student.yaml"
    path.write_text(recipe.to_yaml())
    return path


def interrupted_and_resumed(recipe: Recipe, folder: Path) -> Run:
    run = Run.create(recipe, folder)

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="Saved at step"):
        run.train(evaluate=False, on_event=interrupt)
    assert run.checkpoints.steps()[-1] < 12
    Run.open(folder).resume(evaluate=False)
    return run


def test_a_student_of_paths_resumes_to_the_byte_and_leaves_its_teacher(
    teacher: Run, student: Run, tmp_path: Path
) -> None:
    before = files(teacher)
    run = interrupted_and_resumed(student.recipe, tmp_path / "run")
    assert checkpoint_bytes(run) == checkpoint_bytes(student)
    assert files(teacher) == before


def test_a_student_of_consistency_resumes_to_the_byte(teacher: Run, tmp_path: Path) -> None:
    method = ("task.method=consistency", "task.method.halve_every=3")
    recipe = student_recipe(teacher, [*SHORT, *method])
    unbroken = Run.create(recipe, tmp_path / "unbroken")
    unbroken.train(evaluate=False)
    run = interrupted_and_resumed(recipe, tmp_path / "run")
    assert checkpoint_bytes(run) == checkpoint_bytes(unbroken)


def test_the_curve_is_what_evaluate_measures(teacher: Run, student: Run) -> None:
    curve = measure_curve(student)
    rows = {(row["who"], row["steps"]): row for row in curve["rows"]}
    passes = {key: row["passes"] for key, row in rows.items()}
    assert passes == {  # heun calls twice a step; edm ends with noise left, so its last step too
        **{("teacher", steps): 2 * steps for steps in (4, 8, 16, 32)},
        **{("student", steps): steps for steps in (1, 2, 4)},
    }
    for run, who, steps in ((student, "student", 2), (teacher, "teacher", 8)):
        measured = run.evaluate(num=60, steps=steps)["metrics"]["energy_distance"]
        assert rows[who, steps]["energy_distance"] == pytest.approx(measured, rel=1e-4, abs=1e-6)
    assert student.read_json("distillation.json") == json.loads(json.dumps(curve))
    page = (student.folder / "report.html").read_text()
    assert "In few steps" in page and "energy distance against network passes" in page.lower()
    said = curve_in_words(curve, student.folder)
    best = min(row["energy_distance"] for row in curve["rows"] if row["who"] == "teacher")
    assert f"{rows['student', 1]['energy_distance'] / best:.2f} x" in said


@pytest.mark.parametrize(
    "text", ["{", '{"rows": [{"who": "teacher"}, 3], "metric": "x"}', '{"rows": null}']
)
def test_a_damaged_curve_leaves_its_section_out(teacher: Run, tmp_path: Path, text: str) -> None:
    shutil.copy(teacher.folder / "recipe.yaml", tmp_path)
    (tmp_path / "distillation.json").write_text(text)
    assert few_steps(read_facts(tmp_path)) == ""


def test_who_cannot_teach_is_refused_and_nothing_is_left(
    student: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def refused(run: Path, *words: str) -> str:
        assert main(["distill", str(run), "--out", str(out), *words]) == 2
        assert not out.exists()
        return capsys.readouterr().err

    assert "distilled itself" in refused(student.folder)
    reader = Run.create(
        Recipe.load("digits-classifier", ["training.steps=1"]), tmp_path / "classifier"
    )
    assert "draws no samples, so it has nothing to teach" in refused(reader.folder)
    fresh = Run.create(Recipe.load("toy-2d", TINY), tmp_path / "fresh")
    assert "has no checkpoint yet" in refused(fresh.folder)
    assert "is not a run" in refused(tmp_path / "nowhere")
    assert "Did you mean 'reflow'?" in refused(_teacher_of(student), "task.method=reflwo")


def _teacher_of(student: Run) -> Path:
    return Path(student.recipe.task.teacher.run)


def test_distill_prints_the_curve_and_a_student_is_sampled_in_one_step(
    teacher: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "student")
    words = ["distill", str(teacher.folder), *SHORT, *PATHS, "--out", out, "--json"]
    assert main(words) == 0
    summary: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert summary["steps"] == 12
    assert [row["steps"] for row in summary["distillation"]["rows"]] == [4, 8, 16, 32, 1, 2, 4]
    assert main(["distill", out, "--curve"]) == 0
    assert "of the teacher's best" in capsys.readouterr().out
    npz = str(tmp_path / "one.npz")
    assert main(["sample", out, "--num", "4", "--steps", "1", "--out", npz]) == 0
    capsys.readouterr()
    for words, said in (
        (["sample", out, "--steps", "3"], "made for 1, 2 or 4"),
        (["sample", out, "--guidance", "2"], "learned its teacher's guidance"),
        (["distill", out, "--curve", "--minutes", "3"], "leave out --minutes"),
        (["distill", str(teacher.folder), "--curve"], "was not distilled"),
    ):
        assert main(words) == 2
        assert said in capsys.readouterr().err


def test_what_is_wrong_is_refused_before_any_work(teacher: Run) -> None:
    with pytest.raises(ConfigError, match="steps is 3"):
        student_recipe(teacher, ["task.sampler.steps=3"])
    with pytest.raises(InputError, match="was not distilled"):
        measure_curve(teacher)
