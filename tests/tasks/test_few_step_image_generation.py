"""A student: what it begins as, what it is taught, and what it refuses."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.config import RunReference
from noiseloom.data.forms import Batch, ImageForm, PointForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.distillation import Consistency, Endpoints, Method, PathPlan, Reflow
from noiseloom.diffusion.guidance import ClassifierFree
from noiseloom.diffusion.sampling import Sampling
from noiseloom.errors import InputError
from noiseloom.networks.convolutional_classifier import Config as Classifier
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Request
from noiseloom.tasks.few_step_image_generation import Config, FewStepGeneration, FewSteps
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.image_classification import Config as Classification
from noiseloom.tasks.paths import FILE, through
from noiseloom.tasks.unconditional_image_generation import Config as Teaching

FORM = PointForm(item_shape=(2,), class_names=("left", "right"), limit=3.0)
IMAGES = ImageForm(item_shape=(1, 8, 8), class_names=("left", "right"))
NETWORK = Mlp(width=16, depth=1)
STATISTICS = Statistics(torch.zeros(2), 1.0)
GUIDANCE = ClassifierFree(scale=3.0, interval=(0.4, 0.8))
NAMED = RunReference(run="runs/teacher")
LABELS = torch.tensor([0, 1, 1, 0])


def build_teacher(form: PointForm = FORM, network: Mlp = NETWORK) -> ImageGeneration:
    config = Teaching(
        preconditioning="edm", guidance=GUIDANCE, sampler=Sampling(name="dpm++2m", steps=4)
    )
    with fixed(0, "weights"):
        teacher = config.build(network, form, STATISTICS, {})
        for parameter in teacher.model.parameters():  # the last layers begin at 0
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    teacher.model.requires_grad_(False)
    return teacher


def build_student(method: Method, teacher: ImageGeneration | None = None) -> FewStepGeneration:
    config = Config(teacher=NAMED, method=method)
    return config.build(NETWORK, FORM, STATISTICS, {"teacher": teacher or build_teacher()})


@pytest.fixture
def batch() -> Iterator[Batch]:
    items = np.random.Generator(np.random.Philox(key=0)).normal(size=(4, 2)).astype(np.float32)
    return Batch(items, LABELS.numpy())


def few_paths(num: int = 6) -> PathPlan:
    return PathPlan(num=num, steps=4)


def ignore(what: str, done: int, total: int) -> None:
    pass


def test_a_student_begins_as_its_teacher() -> None:
    student = build_student(Consistency())
    own, known = student.model.state_dict(), student.teacher.model.state_dict()
    assert own.keys() == known.keys()
    assert all(torch.equal(value, known[name]) for name, value in own.items())
    assert all(parameter.requires_grad for parameter in student.model.parameters())


@pytest.mark.parametrize(
    "method",
    [
        Consistency(),
        Consistency(slope="teacher"),
        Endpoints(paths=few_paths()),
        Reflow(paths=few_paths()),
    ],
)
def test_a_lesson_moves_the_student_and_leaves_the_teacher(
    method: Method, batch: Batch, tmp_path: Path
) -> None:
    student = build_student(method)
    before = {name: value.clone() for name, value in student.teacher.model.state_dict().items()}
    student.prepare(tmp_path, ignore)
    loss, count = student.loss(batch, Random(0, range(4), 0, 4))["loss"]
    loss.backward()
    assert count == 4
    assert all(p.grad is not None for p in student.model.parameters())
    assert all(p.grad is None for p in student.teacher.model.parameters())
    for name, value in student.teacher.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_guidance_adds_is_asked_for_within_its_interval_alone() -> None:
    student = build_student(Consistency())
    teacher, xt = student.teacher, torch.randn(4, 2)
    t = torch.tensor([0.1, 0.4, 0.6, 0.9])
    guided = teacher.walk(Request(labels=LABELS)).denoise(xt, t).x0
    plain = teacher.model(xt, t, LABELS).x0
    push = student._push(xt, t, LABELS)
    torch.testing.assert_close(push, guided - plain)
    assert torch.equal(push[[0, 3]], torch.zeros(2, 2))
    assert (push[[1, 2]] != 0).all()
    assert torch.equal(student._push(xt, t, None), torch.zeros(4, 2))


def test_another_guidance_can_be_learned() -> None:
    config = Config(teacher=NAMED, method=Consistency(), guidance=1.0)
    student = config.build(NETWORK, FORM, STATISTICS, {"teacher": build_teacher()})
    assert torch.equal(
        student._push(torch.randn(4, 2), torch.full((4,), 0.6), LABELS), torch.zeros(4, 2)
    )


# Paths -----------------------------------------------------------------------------------------


def test_paths_end_where_the_teachers_sampler_ends(tmp_path: Path) -> None:
    teacher = build_teacher()
    student = build_student(Endpoints(paths=few_paths()), teacher)
    student.prepare(tmp_path, ignore)
    paths = student.paths
    assert paths is not None and paths.labels is not None
    assert paths.times.tolist() == [1.0, 0.75, 0.5, 0.25]  # also those of the teacher's four steps
    assert paths.points.shape == (6, 4, 2)
    random = Random(0, range(6)).under("paths")
    *steps, last = teacher.sample(Request(labels=paths.labels), random)
    torch.testing.assert_close(paths.x0, last.x0.half())
    torch.testing.assert_close(paths.points[:, 0], teacher.start(random).half())
    for place, step in enumerate(steps, start=1):
        torch.testing.assert_close(paths.points[:, place], step.x.half())


def test_paths_are_walked_once(tmp_path: Path) -> None:
    student = build_student(Endpoints(paths=few_paths()))
    said: list[int] = []
    student.prepare(tmp_path, lambda what, done, total: said.append(done))
    assert said == [0, 6]
    kept = (tmp_path / FILE).read_bytes()
    again = build_student(Endpoints(paths=few_paths()))
    again.prepare(tmp_path, lambda what, done, total: said.append(done))
    assert said == [0, 6]
    assert student.paths is not None and again.paths is not None
    assert torch.equal(again.paths.points, student.paths.points)
    (tmp_path / FILE).write_bytes(kept[:100])  # torn by a power cut
    build_student(Endpoints(paths=few_paths())).prepare(tmp_path, ignore)
    assert (tmp_path / FILE).read_bytes() == kept


def test_a_plan_is_led_through_the_times_without_tiny_steps() -> None:
    times = torch.tensor([1.0, 0.5], dtype=torch.float64)
    plan = torch.tensor([1.0, 0.75, 0.5 + 1e-12, 0.3, 0.0], dtype=torch.float64)
    assert through(times, plan).tolist() == [1.0, 0.75, 0.5, 0.3, 0.0]


def test_paths_must_be_there_before_training(batch: Batch) -> None:
    with pytest.raises(ValueError, match="call prepare"):
        build_student(Reflow()).loss(batch, Random(0, range(4)))


# Sampling --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Consistency(), Endpoints(), Reflow()])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_step_is_one_call_of_the_student(method: Method, steps: int) -> None:
    student = build_student(method)
    called: list[tuple[int, float]] = []
    student.model.register_forward_pre_hook(
        lambda model, inputs: called.append((len(inputs[0]), float(inputs[1][0])))
    )
    request = Request(labels=LABELS, steps=steps)
    *_, last = student.sample(request, Random(0, range(4)))
    assert called == [(4, 1 - step / steps) for step in range(steps)]
    assert {t for _, t in called} <= set(student.times.tolist())
    assert last.t == 0 and last.x0.shape == (4, 2)
    assert student.describe(request)["steps"] == steps


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request(steps=3), "steps is 3; a distilled run is made for 1, 2 or 4"),
        (Request(steps=50), "use the run that taught it"),
        (Request(sampler="heun"), "sampler 'heun' is asked for.*'ddim' alone"),
        (Request(spacing="karras"), "a spacing is asked for"),
        (Request(tolerance=0.1), "a tolerance is asked for"),
        (Request(guidance=2.0), "has learned its teacher's guidance.*task.guidance=2"),
        (Request(interval=(0.0, 0.5)), "leave --guidance-interval out"),
        (Request(rescale=0.5, negative=1), "leave --rescale and --negative out"),
    ],
)
def test_what_it_was_not_made_for_is_refused_before_any_call(request_: Request, said: str) -> None:
    student = build_student(Endpoints())
    student.model.register_forward_pre_hook(lambda *_: pytest.fail("the network was called"))
    with pytest.raises(InputError, match=said):
        student.sample(request_, Random(0, range(4)))
    with pytest.raises(InputError, match=said):
        student.describe(request_)


def test_its_own_sampler_may_be_named() -> None:
    assert build_student(Reflow()).describe(Request(sampler="ddim"))["sampler"] == "ddim"


def test_the_held_out_loss_is_the_energy_distance_of_one_call_samples(batch: Batch) -> None:
    student, random = build_student(Endpoints()), Random(0, range(4))
    (step,) = student.sample(Request(labels=LABELS, steps=1), random)
    x, y = step.x0, torch.from_numpy(batch.items)
    expected = 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()
    losses = student.losses(batch, random, training=False)
    torch.testing.assert_close(losses.mean(), expected / 2**0.5)


# What cannot be --------------------------------------------------------------------------------


def test_a_teacher_that_draws_nothing_is_refused() -> None:
    images = Classification().build(Classifier(width=4, features=8), IMAGES, STATISTICS, {})
    with pytest.raises(ValueError, match=r"task\.teacher cannot teach: it draws no samples"):
        Config(teacher=NAMED).build(NETWORK, FORM, STATISTICS, {"teacher": images})


def test_a_student_is_no_teacher() -> None:
    with pytest.raises(ValueError, match="distilled itself.*distilled from, runs/teacher"):
        Config(teacher=NAMED).build(
            NETWORK, FORM, STATISTICS, {"teacher": build_student(Consistency())}
        )


def test_other_data_and_another_network_are_refused() -> None:
    others = {"teacher": build_teacher()}
    with pytest.raises(ValueError, match="the classes left, right, and the data has .* up, down"):
        Config(teacher=NAMED).build(
            NETWORK, replace(FORM, class_names=("up", "down")), STATISTICS, others
        )
    with pytest.raises(ValueError, match="whose network is another"):
        Config(teacher=NAMED).build(Mlp(width=24, depth=1), FORM, STATISTICS, others)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: FewSteps(steps=3), "steps is 3"),
        (lambda: FewSteps(shift=0.0), "shift is 0.0"),
        (lambda: PathPlan(num=0), "num 0 and steps 12 are given"),
        (lambda: Endpoints(starts=1.5), "starts 1.5"),
        (lambda: Endpoints(huber=0.0), "huber 0.0"),
        (lambda: Reflow(starts=-0.1), "starts is -0.1"),
        (lambda: Consistency(first_gap=0.1, last_gap=0.2), "0 < last_gap <= first_gap <= 1"),
        (lambda: Consistency(halve_every=0), "halve_every 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(build: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()
