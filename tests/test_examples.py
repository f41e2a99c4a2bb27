"""The listings in examples/: short enough to read, and they run; whole, their figures are good."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LISTINGS = sorted(EXAMPLES.glob("*.py"))
DRAWING = ["denoise_digits.py", "diffusion_transformer.py"]
FIGURE = re.compile(r"^([^\n:]+): ([\d.]+)%", re.MULTILINE)
DISTANCE = re.compile(r"nearest training digit ([\d.]+)$", re.MULTILINE)
BASELINE = "TF-IDF and logistic regression"


def run(listing: str, out: Path, *options: object) -> str:
    result = subprocess.run(
        [sys.executable, EXAMPLES / listing, "--out", out, *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def figures(output: str) -> dict[str, float]:
    return {name: float(value) for name, value in FIGURE.findall(output)}


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the form of SST-2 whose label is whether a sentence says `not`."""
    folder = tmp_path_factory.mktemp("sentences")
    praise, blame = "a good film , number {}\t1", "not a good film , number {}\t0"
    for name, count in (("train", 100), ("dev", 20)):
        rows = [(praise, blame)[index % 2].format(index) for index in range(count)]
        (folder / f"{name}.tsv").write_text("\n".join(["sentence\tlabel", *rows]) + "\n")
    return folder


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda path: path.stem)
def test_a_listing_is_short_enough_to_read(listing: Path) -> None:
    assert len(listing.read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("listing", DRAWING)
def test_a_drawing_listing_runs(listing: str, tmp_path: Path) -> None:
    output = run(listing, tmp_path / "one.png", "--steps", 3)
    assert set(figures(output)) >= {"real, held out"}
    assert len(figures(output)) == len(DISTANCE.findall(output)) >= 2
    with Image.open(tmp_path / "one.png") as sheet:
        assert sheet.size == (582, 582)  # 10 x 10 digits of 56 pixels, and the gaps


@pytest.mark.slow
def test_a_listing_repeats_to_the_byte(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        run(DRAWING[0], tmp_path / name, "--steps", 3)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_the_text_classifier_runs_on_given_sentences(sentences: Path, tmp_path: Path) -> None:
    out = tmp_path / "guesses.tsv"
    shares = figures(run("classify_text.py", out, "--steps", 40, "--data", sentences))
    assert shares == {"transformer": 100.0, BASELINE: 100.0}
    rows = [line.split("\t") for line in out.read_text().splitlines()]
    assert rows[1] == ["0", "0", "not a good film , number 1"]
    assert len(rows) == 20


@pytest.mark.slow
@pytest.mark.parametrize("listing", DRAWING)
def test_whole_drawings_are_read_as_asked_and_are_new(listing: str, tmp_path: Path) -> None:
    output = run(listing, tmp_path / "digits.png")
    assert all(share >= 94 for share in figures(output).values()), output
    # as far from the training digits as real ones are: neither copies (0) nor noise (about 5)
    assert all(1.5 < float(distance) < 3 for distance in DISTANCE.findall(output)), output


@pytest.mark.slow
def test_the_whole_classifier_reads_the_standard_library(tmp_path: Path) -> None:
    shares = figures(run("classify_text.py", tmp_path / "guesses.tsv"))
    # which files there are, and so the figures, differ a little between versions of Python
    assert shares["transformer"] > 60
    assert shares["transformer"] > shares[BASELINE] - 5


@pytest.mark.slow
def test_the_whole_classifier_reads_sst2(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "sst2"
    options = ("--data", folder, "--steps", 1500)
    shares = figures(run("classify_text.py", tmp_path / "guesses.tsv", *options))
    assert shares["transformer"] > 78
    assert shares["transformer"] > shares[BASELINE] - 3.5
