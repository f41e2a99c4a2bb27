"""The folder of a run: made once, never overwritten, found again."""

import json
from pathlib import Path

from noiseloom.errors import InputError
from noiseloom.runs.environment import describe_environment
from noiseloom.runs.recipe import Recipe
from noiseloom.training import distributed
from noiseloom.training.checkpoints import disk_errors, write_text


def make_folder(recipe: Recipe, out: Path | None) -> Path:
    """See `Run.create`. A torchrun that starts a run again finds its folder and goes on."""
    if out is not None and distributed.attempt() and (out / "recipe.yaml").is_file():
        return out
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"{out} already exists and is not empty; a run is never overwritten. Name "
            f"another folder with --out, or go on with it: noiseloom resume {out}"
        )
    environment = json.dumps(describe_environment(recipe.training), indent=1)  # is there a GPU?
    with disk_errors("The run's folder", out or Path("runs")):
        if out is None:
            folder = make_next_folder(Path("runs"), recipe.name)
        else:
            folder = out
            folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "recipe.yaml", recipe.to_yaml())
        write_text(folder / "environment.json", environment)
    return folder


def read_recipe(folder: Path) -> Recipe:
    if not (folder / "recipe.yaml").is_file():
        raise InputError(f"{folder} is not a run: it has no recipe.yaml.{_newest(folder)}")
    return Recipe.load(folder / "recipe.yaml")


def make_next_folder(parent: Path, name: str) -> Path:
    """A new folder `parent/name-<n>` with the first n above all there are, ours alone."""
    parent.mkdir(parents=True, exist_ok=True)
    taken = [path.name.removeprefix(f"{name}-") for path in parent.glob(f"{name}-*")]
    number = max((int(tail) for tail in taken if tail.isdigit()), default=0) + 1
    while True:
        folder = parent / f"{name}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:  # another training took it a moment ago
            number += 1
        else:
            return folder


def _newest(folder: Path) -> str:
    """A sentence naming the newest runs near `folder`."""
    found = [path.parent for root in (folder, Path("runs")) for path in root.glob("*/recipe.yaml")]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return f" The newest runs are {', '.join(map(str, found[:3]))}." if found else ""
