"""Edits of real files by a tiny run: what is kept, written, said, and refused before any work."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseloom import cli
from noiseloom.errors import InputError
from noiseloom.media import picture_of, save_png
from noiseloom.runs import Recipe, Run
from noiseloom.runs.editing import Editor

DIT = ("network.depth=1", "network.width=24", "network.heads=2", "training.batch_size=8")
QUICK = {"num": 3, "steps": 4}


def train(folder: Path, recipe: str, *overrides: str) -> Run:
    run = Run.create(Recipe.load(recipe, overrides), folder)
    run.train(evaluate=False)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("runs") / "r", "digits", *DIT, "training.steps=3")


@pytest.fixture(scope="module")
def editor(run: Run) -> Editor:
    return Editor(run)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """Two digits, masks, and pictures smaller and larger than the run's 8 x 8 pixels."""
    folder = tmp_path_factory.mktemp("files")
    first, second = run.open_data().reference.items[:2]
    for name, item in {"a": first, "b": second, "crop": first[1:6, 2:6]}.items():
        save_png(picture_of(item), folder / f"{name}.png")
    blocks = first.reshape(4, 2, 4, 2, 1).mean((1, 3)).round().astype(np.uint8)
    save_png(picture_of(blocks), folder / "small.png")
    mask = np.zeros((8, 8, 1), np.uint8)
    save_png(picture_of(mask), folder / "black.png")
    mask[4:, 2:] = 255
    save_png(picture_of(mask), folder / "mask.png")
    save_png(picture_of(np.full((9, 8, 1), 255, np.uint8)), folder / "tall.png")
    save_png(picture_of(np.full((8, 9, 1), 255, np.uint8)), folder / "wide.png")
    Image.fromarray(first.repeat(10, 0).repeat(6, 1)[:, :, 0]).save(folder / "photo.png")
    Image.fromarray(mask.repeat(10, 0).repeat(6, 1)[:, :, 0]).save(folder / "photo-mask.png")
    (folder / "text.png").write_text("no picture")
    return folder


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))[:, :, None]


def num_frames(path: Path) -> int:
    with Image.open(path) as image:
        return image.n_frames


# What comes out --------------------------------------------------------------------------------


def test_inpainting_keeps_what_is_black_to_the_pixel(editor: Editor, files: Path) -> None:
    edited = editor.inpaint(files / "a.png", files / "mask.png", label="7", **QUICK)
    items, given = edited.samples.items, read(files / "a.png")
    is_kept = read(files / "mask.png")[:, :, 0] == 0
    for item in items:
        np.testing.assert_array_equal(item[is_kept], given[is_kept])
    assert not np.array_equal(items[0], items[1]) and not np.array_equal(items[0], given)
    assert edited.samples.labels is not None and edited.samples.labels.tolist() == [7, 7, 7]
    assert [word for word, _ in edited.given] == ["given", "kept"]
    one = editor.inpaint(files / "a.png", files / "mask.png", label="7", num=1, steps=4)
    np.testing.assert_array_equal(one.samples.items[0], items[0])  # whatever their number
    other = editor.inpaint(files / "a.png", files / "mask.png", label="7", seed=1, **QUICK)
    assert not np.array_equal(other.samples.items, items)


def test_a_photo_and_its_mask_are_made_square_alike(editor: Editor, files: Path) -> None:
    edited = editor.inpaint(files / "photo.png", files / "photo-mask.png", **QUICK)
    kept = dict(edited.given)["kept"]
    given = dict(edited.given)["given"]
    is_empty = (kept == 128)[:, :, 0] & (given != 128)[:, :, 0]
    assert is_empty.any() and not is_empty[:3].any()  # the lower part was white
    np.testing.assert_array_equal(edited.samples.items[0][:3], given[:3])


def test_outpainting_keeps_the_picture_where_it_is_put(editor: Editor, files: Path) -> None:
    crop = read(files / "crop.png")
    for place, (x, y) in {(3, 2): (3, 2), None: (2, 1)}.items():
        edited = editor.outpaint(files / "crop.png", place=place, **QUICK)
        for item in edited.samples.items:
            np.testing.assert_array_equal(item[y : y + 5, x : x + 4], crop)
        assert [word for word, _ in edited.given] == ["kept"]


def test_upscaling_gives_what_averages_to_the_small_picture(editor: Editor, files: Path) -> None:
    edited = editor.upscale(files / "small.png", **QUICK)
    found = edited.samples.items.reshape(3, 4, 2, 4, 2, 1).mean((2, 4))
    difference = float(np.abs(found - read(files / "small.png")).max())
    assert difference <= 0.5  # each pixel is rounded to 8 bits
    assert edited.figures == {"largest_difference": pytest.approx(difference, abs=1e-3)}
    assert "averaged again, at most" in edited.said()[0]


def test_the_strength_of_a_variation_is_how_far_it_goes(editor: Editor, files: Path) -> None:
    given = read(files / "a.png").astype(float)

    def away(strength: float) -> float:
        edited = editor.vary(files / "a.png", strength=strength, **QUICK)
        return float(np.abs(edited.samples.items - given).mean())

    assert away(0.01) < 3 < away(0.5) < away(1.0)


def test_interpolation_begins_and_ends_with_the_pictures(editor: Editor, files: Path) -> None:
    edited = editor.interpolate(files / "a.png", files / "b.png", num=5, steps=40)
    items = edited.samples.items.astype(int)
    assert len(items) == 5
    assert np.abs(items[0] - read(files / "a.png")).mean() < 2
    assert np.abs(items[-1] - read(files / "b.png")).mean() < 2
    assert [word for word, _ in edited.given] == ["from", "to"]


def test_inversion_errs_less_with_more_steps(editor: Editor, files: Path) -> None:
    edited = editor.invert([files / "a.png", files / "b.png"], sampler="ddim")
    errors = list(edited.figures["error_by_steps"].values())
    assert errors == sorted(errors, reverse=True) and errors[-1] < errors[0] / 3
    assert "5 steps there and back" in edited.said()[0]
    asked = editor.invert([files / "a.png"], steps=7, label="3")
    assert list(asked.figures["error_by_steps"]) == [7]


# The command -----------------------------------------------------------------------------------


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    capsys.readouterr()
    assert cli.main(["edit", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_writes_a_sheet_a_gif_the_arrays_or_a_folder(
    run: Run, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, image = str(run.folder), str(files / "a.png")
    quick = ["--num", "2", "--steps", "3"]
    document = told(capsys, "inpaint", folder, image, "--mask", str(files / "mask.png"), *quick)
    assert document["edit"] == "inpaint" and document["out"].endswith("samples/inpaint.png")
    with Image.open(document["out"]) as sheet:
        assert sheet.width > 4 * 80  # given, kept and two answers
    for out, check in {
        "way.gif": lambda path: num_frames(path) == 3,
        "all.npz": lambda path: np.load(path)["images"].shape == (2, 8, 8, 1),
        "each/": lambda path: len(list(path.iterdir())) == 2,
    }.items():
        target = f"{tmp_path}/{out}"
        document = told(capsys, "vary", folder, image, *quick, "--strength", "1", "--out", target)
        assert check(Path(document["out"])), out


def test_a_gif_of_an_interpolation_goes_there_and_back(
    run: Run, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "way.gif")
    ends = [str(files / "a.png"), str(files / "b.png")]
    told(capsys, "interpolate", str(run.folder), *ends, "--num", "4", "--steps", "5", "--out", out)
    assert 2 <= num_frames(Path(out)) <= 6  # equal frames are one


def test_the_command_says_what_it_found(
    run: Run, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "sheet.png")]
    document = told(capsys, "invert", str(run.folder), str(files / "a.png"), "--steps", "4", *out)
    assert set(document["error_by_steps"]) == {"4"}
    document = told(
        capsys, "upscale", str(run.folder), str(files / "small.png"), "--num", "2", *out
    )
    assert document["largest_difference"] <= 0.5
    crop = [str(files / "crop.png"), "--place", "0,0", "--num", "1", "--steps", "2"]
    assert cli.main(["edit", "outpaint", str(run.folder), *crop, *out]) == 0
    assert capsys.readouterr().out.strip() == out[1]


# Refusals --------------------------------------------------------------------------------------


REFUSED = [
    (("inpaint", "a.png", "--mask", "tall.png"), "8 x 9 pixels, and .*a.png has 8 x 8.*same size"),
    (("inpaint", "a.png", "--mask", "black.png"), "black all over.*Paint white"),
    (("inpaint", "text.png", "--mask", "mask.png"), "text.png cannot be read as an image"),
    (("inpaint", "a.png", "--mask", "gone.png"), "gone.png cannot be read"),
    (("inpaint", "a.png", "--mask", "mask.png", "--label", "teb"), "There is no class 'teb'"),
    (("inpaint", "a.png", "--mask", "mask.png", "--sampler", "heum"), "Did you mean 'heun'"),
    (("inpaint", "a.png", "--mask", "mask.png", "--sampler", "unipc"), "more than one move.*ddpm"),
    (("inpaint", "a.png", "--mask", "mask.png", "--guidance", "3"), "nothing without a label"),
    (("outpaint", "a.png"), "8 x 8 pixels, and this run draws 8 x 8: .*nothing to add"),
    (("outpaint", "wide.png"), "9 x 8 pixels.*Give a smaller picture"),
    (("outpaint", "crop.png", "--place", "5,0"), "placed at 5,0; allowed is 0,0 to 4,3"),
    (("outpaint", "crop.png", "--place", "five"), "--place is five; allowed are two numbers"),
    (("vary", "a.png", "--strength", "0"), "strength is 0; allowed is above 0"),
    (("vary", "a.png", "--strength", "1.5"), "strength is 1.5"),
    (("vary", "text.png"), "text.png cannot be read"),
    (("vary", "a.png", "--sampler", "adaptive"), "adaptive sampler chooses its times"),
    (("interpolate", "a.png", "text.png"), "text.png cannot be read"),
    (("interpolate", "a.png", "b.png", "--sampler", "ddpm"), "does not go back.*ddim, euler, heun"),
    (("invert", "a.png", "gone.png"), "gone.png cannot be read"),
    (("upscale", "a.png"), "8 x 8 pixels, and this run draws 8 x 8; .*4 x 4, 2 x 2, 1 x 1"),
    (("upscale", "crop.png"), "sizes that divide it evenly"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=lambda value: " ".join(value))
def test_what_cannot_be_edited_is_refused_before_any_network_call(
    words: tuple[str, ...],
    said: str,
    run: Run,
    files: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def called(self: object, *args: object, **kwargs: object) -> None:
        raise AssertionError("the network was called")

    monkeypatch.setattr("noiseloom.diffusion.denoiser.Denoiser.forward", called)
    kind, *rest = (str(files / word) if word.endswith(".png") else word for word in words)
    assert cli.main(["edit", kind, str(run.folder), *rest]) == 2
    heard = " ".join(capsys.readouterr().err.split())
    assert re.search(said, heard), heard


def test_only_runs_that_draw_images_edit(tmp_path: Path) -> None:
    tiny = ("network.width=8", "training.steps=1")
    points = train(tmp_path / "p", "toy-2d", *tiny, "network.depth=1", "data.num=200")
    with pytest.raises(InputError, match="draws points in the plane.*noiseloom sample"):
        Editor(points)
    reader = train(tmp_path / "c", "digits-classifier", *tiny, "training.batch_size=8")
    with pytest.raises(InputError, match="predicts classes and draws no samples.*predict"):
        Editor(reader)


def test_a_run_that_always_learned_with_labels_must_be_told_one(
    tmp_path: Path, files: Path
) -> None:
    always = ("task.label_dropout=0", "task.guidance.scale=1", "training.steps=1")
    run = train(tmp_path / "r", "digits", *DIT, *always)
    with pytest.raises(InputError, match="only learned with labels.*--label"):
        Editor(run).vary(files / "a.png")
    assert Editor(run).vary(files / "a.png", label="4", **QUICK).samples.items.shape[0] == 3
