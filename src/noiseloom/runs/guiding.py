"""Finding the model that guides samples: an earlier checkpoint, another run, a classifier."""

from dataclasses import dataclass, replace
from pathlib import Path

from noiseloom.config import Earlier, RunReference
from noiseloom.diffusion.guidance import Autoguidance, ClassifierGuidance, Guidance
from noiseloom.errors import InputError
from noiseloom.runs.drawing import about, class_number, prompts_of
from noiseloom.runs.references import frozen, open_beside
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import Draws, Guided, Request, Task
from noiseloom.training.checkpoints import DamagedCheckpoint
from noiseloom.training.loop import Device, Note

WITHOUT = (
    "The previews are drawn without guidance: it is by an earlier checkpoint of this run, which is "
    "there once the run is trained. noiseloom sample and evaluate use it."
)


@dataclass(frozen=True, kw_only=True)
class Guiding:
    """How samples are to be guided; None means as the recipe says. See `Run.sample`."""

    scale: float | None = None
    interval: tuple[float, float] | None = None
    rescale: float | None = None
    negative: str | int | None = None
    autoguide: float | str | Path | None = None
    classifier: str | Path | None = None

    @property
    def given(self) -> list[str]:
        """The options that say something, as the command names them."""
        options = {
            "--guidance": self.scale,
            "--guidance-interval": self.interval,
            "--rescale": self.rescale,
            "--negative": self.negative,
            "--autoguide": self.autoguide,
            "--classifier": self.classifier,
        }
        return [name for name, value in options.items() if value is not None]

    def apply(
        self,
        run: Run,
        task: Draws,
        *,
        raw: bool = False,
        device: Device | None = None,
        on_event: OnEvent = ignore,
    ) -> Draws:
        """`task`, which is `run`'s, guided by the model asked for; InputError where none fits."""
        if self.autoguide is None and self.classifier is None:
            return task
        if self.autoguide is not None and self.classifier is not None:
            raise InputError("--autoguide and --classifier are both given; samples have one guide")
        if not isinstance(task, Guided):
            given = "--classifier" if self.autoguide is None else "--autoguide"
            raise InputError(f"{run.folder} draws samples that nothing guides; leave {given} out")
        if self.classifier is not None:
            reference = RunReference(run=str(self.classifier))
            guide = open_beside("--classifier", reference, device, on_event)
            return _guided(task, ClassifierGuidance(guide=reference), guide)
        share = _number(self.autoguide)
        if share is None:
            reference = RunReference(run=str(self.autoguide), raw=raw)
            guide = open_beside("--autoguide", reference, device, on_event)
            return _guided(task, Autoguidance(guide=reference), guide)
        try:
            asked = Autoguidance(guide=Earlier(at=share))
        except ValueError as error:
            raise InputError(f"--autoguide: {error}") from error
        step = earlier_step(run, share)
        on_event(Note(f"Guided by the checkpoint of step {step}."))
        guide = earlier_self(run, step, raw=raw, device=device)
        return _guided(task, replace(asked, guide=Earlier(at=step)), guide)

    def ask(self, task: Draws, request: Request, on_event: OnEvent = ignore) -> Request:
        """`request` with the rest of what is asked; InputError for an unknown label."""
        negative: int | str | None = None
        if self.negative is not None and (captions := prompts_of(task)) is not None:
            negative = str(self.negative)
            for note in about(captions.encode([negative]), captions):
                on_event(Note(note))
        elif self.negative is not None:
            if not task.form.class_names:
                raise InputError("This run was trained without labels; leave --negative out")
            negative = class_number(task.form.class_names, str(self.negative))
        return replace(
            request,
            guidance=self.scale,
            interval=self.interval,
            rescale=self.rescale,
            negative=negative,
        )


def with_earlier_guide(
    run: Run,
    task: Task,
    *,
    raw: bool = False,
    device: Device | None = None,
    on_event: OnEvent = ignore,
) -> Task:
    """`task` guided by the earlier checkpoint of `run` that its recipe names, if it names one.

    Where none is kept, or it is damaged, nothing is guided, and that is said.
    """
    if not needs_earlier(task):
        return task
    assert isinstance(task, Guided) and isinstance(task.guidance, Autoguidance)
    assert isinstance(task.guidance.guide, Earlier)
    try:
        step = earlier_step(run, task.guidance.guide.at)
        guide = earlier_self(run, step, raw=raw, device=device)
    except InputError as error:
        on_event(Note(f"Samples are not guided: {error}."))
        return task
    return _guided(task, replace(task.guidance, guide=Earlier(at=step)), guide)


def needs_earlier(task: Task) -> bool:
    """Whether its recipe has an earlier checkpoint of the same run guide the samples of `task`."""
    if not isinstance(task, Guided) or not isinstance(task.guidance, Autoguidance):
        return False
    return isinstance(task.guidance.guide, Earlier)


def earlier_guide(run: Run, newest: int) -> int | None:
    """The step of the checkpoint before `newest` that guides `run` as its recipe says, if any."""
    guidance = getattr(run.recipe.task, "guidance", None)
    if not isinstance(guidance, Autoguidance) or not isinstance(guidance.guide, Earlier):
        return None
    return earlier_step(run, guidance.guide.at, newest)


def earlier_step(run: Run, at: float, newest: int | None = None) -> int:
    """The step of the kept checkpoint nearest to `at` (see `Earlier`), of those before `newest`.

    That is the newest there is if None. Raises InputError where there is none before it.
    """
    steps = run.checkpoints.steps()
    newest = steps[-1] if newest is None else newest
    earlier = [step for step in steps if step < newest]
    if not earlier:
        raise InputError(
            f"{run.folder} keeps one checkpoint, that of step {newest}, and none before it to be "
            "its guide. Name another run as the guide"
        )
    wanted = at if at >= 1 else at * newest
    if wanted >= newest:
        raise InputError(
            f"the guide is to be step {wanted:g}, and the newest checkpoint is of step {newest}; "
            f"allowed is one before it: {', '.join(map(str, earlier))}"
        )
    return min(earlier, key=lambda step: abs(step - wanted))


def earlier_self(run: Run, step: int, *, raw: bool = False, device: Device | None = None) -> Task:
    """The frozen task of `run` as it was at `step`; InputError where that checkpoint is damaged."""
    try:
        checkpoint = run.checkpoints.load(step)
    except DamagedCheckpoint as damage:
        raise InputError(f"The guide: {damage} Name another step") from damage
    assert checkpoint is not None  # a step was named
    task = run.build_task(device)
    task.model.load_state_dict(checkpoint.groups["model" if raw else "average"])
    return frozen(task)


def _guided(task: Guided, guidance: Guidance, guide: Task) -> Guided:
    try:
        return task.guided(guidance, guide)
    except ValueError as error:
        raise InputError(f"The guide does not fit: {error}") from error


def _number(text: float | str | Path | None) -> float | None:
    """`text` as a number; None where it is none, and so a folder."""
    try:
        return float(str(text))
    except ValueError:
        return None
