"""A run of clips from the first step to files: made from nothing, and gone on with."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from noiseloom import cli, media
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run, likelihood
from noiseloom.runs.editing import Editor

TINY = (
    "data.num=60",
    "data.num_reference=20",
    "data.frames=5",
    "network.width=16",
    "network.depth=1",
    "network.heads=2",
    "training.steps=3",
    "training.batch_size=4",
    "task.sampler.steps=2",
    "evaluation.num=12",
    "evaluation.feature_clips=100",
    "evaluation.bootstrap=20",
    "evaluation.draws=2",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = Recipe.load("moving-digits", TINY)
    run = Run.create(recipe, tmp_path_factory.mktemp("runs") / "run")
    run.train()
    return run


def test_what_training_leaves(run: Run) -> None:
    found = run.read_json("evaluation.json")
    wanted = {"trajectory_error_px", "identity_accuracy", "count_accuracy", "frame_error"}
    for figures in (found["metrics"], found["floor"]):
        assert wanted | {"frechet_video_distance"} <= set(figures)
    (copied,) = found["baselines"].values()
    assert wanted == set(copied["metrics"])
    assert found["protocol"]["given_frames"] == [0, 1, 2]
    for name in ("final.png", "final.gif", "denoising.gif", "continued.png", "continued.gif"):
        assert (run.folder / "samples" / name).is_file(), name
    page = (run.folder / "report.html").read_text()
    assert "Trajectory error" in page
    assert "60 clips of 5 frames, 32 × 32 in grey" in page


def test_it_goes_on_with_a_clip_from_a_file(run: Run, tmp_path: Path) -> None:
    clip = run.open_data().reference.items[0]
    path = tmp_path / "clip.gif"
    media.save_gif([media.picture_of(frame) for frame in clip], path, media.milliseconds(8))
    out = tmp_path / "made.gif"
    words = ["--num", "3", "--given", str(path), "--given-frames", "2", "--out", str(out)]
    assert cli.main(["sample", str(run.folder), *words]) == 0
    with Image.open(out) as file:
        frames = [np.asarray(one.convert("L")) for one in ImageSequence.Iterator(file)]
    assert len(frames) == 5
    made = run.sample(num=3, given=path, given_frames=2).items
    for item in made:
        np.testing.assert_array_equal(item[:2], clip[:2])
        assert (item[2:] != clip[2:]).any()
    assert run.sample(num=1, given=path).items[0, 4].shape == (32, 32, 1)


def test_what_cannot_be_given_is_said(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no clip at"):
        run.sample(num=1, given=tmp_path / "none.gif")
    path = tmp_path / "short.gif"
    media.save_gif([Image.new("L", (32, 32), shade) for shade in (0, 90)], path, 120)
    with pytest.raises(InputError, match="--given-frames is 3; .* Allowed is 1 to 2"):
        run.sample(num=1, given=path, given_frames=3)
    with pytest.raises(InputError, match="--given-frames says which frames of --given"):
        run.sample(num=1, given_frames=1)
    with pytest.raises(InputError, match="--given-at says which frames of --given"):
        run.sample(num=1, given_at=[1, 5])
    with pytest.raises(InputError, match="--given-frames and --given-at are both given"):
        run.sample(num=1, given=path, given_frames=1, given_at=[1, 5])
    for at in ([], [1, 2, 3, 4, 5], [2, 2], [0, 3], [1, 6]):
        with pytest.raises(InputError, match="Allowed are rising numbers from 1 to 5, at least"):
            run.sample(num=1, given=path, given_at=at)
    with pytest.raises(InputError, match="has 2 frames at 8 a second. Give a clip of at least 5"):
        run.sample(num=1, given=path, given_at=[1, 2, 5])
    for wrong in ("first", "1,,5", "-1"):
        words = ["sample", str(run.folder), "--given", str(path), f"--given-at={wrong}"]
        assert cli.main(words) == 2


def test_it_fills_in_between_the_frames_of_a_file(run: Run, tmp_path: Path) -> None:
    clip = run.open_data().reference.items[1]
    whole, ends = tmp_path / "clip.gif", tmp_path / "ends"
    media.save_gif([media.picture_of(frame) for frame in clip], whole, media.milliseconds(8))
    ends.mkdir()
    for number, frame in enumerate(clip[[0, 4]]):
        media.picture_of(frame).save(ends / f"{number}.png")
    out = tmp_path / "made.npz"
    for path, at, given in ((ends, "1,5", [0, 4]), (whole, "1-2,5", [0, 1, 4])):
        words = ["--num", "2", "--given", str(path), "--given-at", at, "--out", str(out)]
        assert cli.main(["sample", str(run.folder), *words]) == 0
        made = np.load(out)["clips"]
        others = [frame for frame in range(5) if frame not in given]
        for item in made:
            np.testing.assert_array_equal(item[given], clip[given])
            assert (item[others] != clip[others]).any(axis=(1, 2, 3)).all()


def test_it_has_a_likelihood_and_neither_edits_nor_a_student(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "STEPS", 2)
    monkeypatch.setattr(likelihood, "TIMES", 3)
    found = run.evaluate(likelihood=True, num=3)["likelihood"]
    assert found["dimensions"] == 5 * 32 * 32
    for figures in (found["bound"], found["ode"]):
        assert 0 < figures["value"] < math.inf  # three steps teach nothing of data
        assert figures["standard_error"] > 0
    with pytest.raises(InputError, match="makes clips, .* --given CLIP --given-at 1,5"):
        Editor(run)
    assert cli.main(["distill", str(run.folder)]) == 2
    assert "it makes clips, and students learn to draw images" in capsys.readouterr().err


def test_a_prompt_makes_its_clip(tmp_path: Path) -> None:
    recipe = Recipe.load("moving-digits-text", TINY)
    run = Run.create(recipe, tmp_path / "run")
    run.train(evaluate=False)
    out = tmp_path / "clips"
    words = ["--prompt", "a seven moving up fast", "--num", "2", "--out", f"{out}/"]
    assert cli.main(["sample", str(run.folder), *words]) == 0
    assert len(list(out.glob("*.gif"))) == 2


def test_it_begins_as_a_run_of_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands: a model of frames, and one of clips that begins as it."""
    monkeypatch.chdir(tmp_path)
    small = [word for word in TINY if word.startswith(("network", "training"))]
    of = [word.replace("data.", "data.of.") for word in TINY if word.startswith("data")]
    assert cli.main(["train", "moving-digits-frames", *small, *of, "--no-evaluate"]) == 0
    begun = ["task.begins_as.run=runs/moving-digits-frames-1", "network.joint_tokens=20"]
    assert cli.main(["train", "moving-digits", *TINY, *begun, "--no-evaluate"]) == 0
    said = "Attention in space and time is factorised: clips of 80 tokens, joint up to 20"
    assert said in capsys.readouterr().err
    run = Run.open("runs/moving-digits-1")
    assert said in (run.folder / "log.txt").read_text()
    assert (run.folder / "others" / "task.begins_as" / "recipe.yaml").is_file()
    assert "| Begun as | runs/moving-digits-frames-1" in (run.folder / "README.md").read_text()
    image, _ = Run.open("runs/moving-digits-frames-1").trained_task()
    taken = run.build_task().model.network.state_dict()
    for name, value in image.model.network.state_dict().items():
        assert taken[name].equal(value), name
    trained, _ = run.trained_task()
    assert trained.model.network.space_time.blocks[0].attention.out.weight.any()
    other = [*TINY, *begun, "network.heads=1"]
    assert cli.main(["train", "moving-digits", *other, "--no-evaluate"]) == 2
    assert (
        "whose network is another: heads 2, here 1. Give both the same" in capsys.readouterr().err
    )
