"""Several runs on one page: what is on it, where it leads, and that it needs the folders alone."""

from pathlib import Path

import pytest

from noiseloom.cli import main
from noiseloom.errors import InputError
from noiseloom.evaluate.report import write_together
from noiseloom.runs import Recipe, Run

SMALL = ["network.width=16", "network.depth=1", "network.heads=2", "training.steps=2"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run that draws and one that writes, neither of them measured."""
    place = tmp_path_factory.mktemp("runs")
    (place / "roses.txt").write_text("a rose is a rose is a rose & no <other>. " * 40)
    text = [f"data.path={place / 'roses.txt'}", "data.context=16", "evaluation.max_tokens=8"]
    for name, recipe, changes in (
        ("my digits", "digits", ["network.heads=4", *SMALL[:2], SMALL[3]]),
        ("roses", "shakespeare", [*SMALL, *text]),
    ):
        Run.create(Recipe.load(recipe, changes), place / name).train(evaluate=False)
    return [place / "my digits", place / "roses"]


def test_a_page_shows_each_run_and_leads_to_its_report(folders: list[Path], tmp_path: Path) -> None:
    (folders[1] / "report.html").unlink()
    (folders[1] / "samples" / "final.txt").write_text("A rose & <b>no other</b>.")
    page = write_together(folders, folders[0].parent / "pages" / "page.html").read_text()
    assert page.index("<h2>digits</h2>") < page.index("<h2>shakespeare</h2>")
    assert 'href="../my%20digits/report.html"' in page and 'href="../roses/report.html"' in page
    assert (folders[1] / "report.html").is_file()  # what it leads to is there
    assert page.count("data:image/png;base64,") >= 1 and "data:image/gif;base64," in page
    assert "A rose &amp; &lt;b&gt;no other&lt;/b&gt;." in page
    assert page.count("has not been measured") == 2


def test_the_command_writes_it_and_says_where(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["report", *map(str, folders), "--out", str(page)]) == 0
    assert capsys.readouterr().out.strip() == str(page) and page.is_file()
    (folders[0] / "report.html").unlink()
    assert main(["report", str(folders[0])]) == 0
    assert (folders[0] / "report.html").is_file()
    assert main(["report", *map(str, folders)]) == 2
    assert "add --out" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 2
    assert "is not a run" in capsys.readouterr().err


def test_no_page_is_made_of_what_is_no_run(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run"):
        write_together([folders[0], tmp_path], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
