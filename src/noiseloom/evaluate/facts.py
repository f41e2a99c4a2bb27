"""What a run's folder says about itself: everything the report and the model card are made from.

Only files are read, never the data or the model, so the page of a run that came from elsewhere is
as good. Whatever is missing or damaged is simply not there; only `recipe.yaml` must be.
"""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from noiseloom import menu
from noiseloom.config import Document, read_yaml
from noiseloom.errors import InputError
from noiseloom.networks import Answer

TASKS = "noiseloom.tasks"

ItemKind = Literal["images", "points", "texts", "series", "clips"]
_KINDS: dict[str, ItemKind] = {
    "PointForm": "points",
    "TextForm": "texts",
    "SeriesForm": "series",
    "VideoForm": "clips",
    "CaptionedVideoForm": "clips",
}


def kind_of_items(data_report: Mapping[str, Any]) -> ItemKind:
    """What a run's items are, by its data_report.json; images where that says nothing.

    Where it does not name the form, items of one axis are points.
    """
    if kind := (data_report.get("form") or {}).get("kind"):
        return _KINDS.get(str(kind), "images")
    return "points" if len(data_report.get("item_shape") or []) == 1 else "images"


def items_of(folder: Path) -> ItemKind:
    """The same of the run in `folder`."""
    return kind_of_items(_read_json(folder / "data_report.json"))


def prompt_of(folder: Path) -> str:
    """An example of what samples of a run are asked for in words; "" where they are not."""
    recipe = folder / "recipe.yaml"
    return _prompt_of(folder, read_yaml(recipe)) if recipe.is_file() else ""


def _prompt_of(folder: Path, recipe: Document) -> str:
    task = str(recipe.get("task.name") or recipe.get("task"))
    if task not in menu.words(TASKS):
        return ""
    asks = getattr(menu.member(TASKS, task).Config, "takes_prompts", False)
    examples = _read_json(folder / "captions.json").get("examples") if asks else None
    return str(examples[0]) if examples else ""


@dataclass(frozen=True)
class Facts:
    """A run's files as plain values; an empty one is one that is not there."""

    folder: Path
    recipe: Document
    recipe_text: str
    environment: dict[str, Any]
    data: dict[str, Any]
    evaluation: dict[str, Any]
    steps: list[dict[str, float]]
    held_out: list[dict[str, float]]

    @property
    def name(self) -> str:
        return str(self.recipe.get("name") or self.folder.resolve().name)

    @property
    def place(self) -> str:
        """The folder's path, from where the report was written if it lies below."""
        path, here = self.folder.resolve(), Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)

    @property
    def command_folder(self) -> str:
        """The same as a shell wants it."""
        return shlex.quote(self.place)

    @property
    def trained_steps(self) -> int:
        return int(self.steps[-1]["step"]) if self.steps else 0

    @property
    def planned_steps(self) -> int | None:
        """The steps the run was to have, where that is known."""
        settled = self.environment.get("settled") or {}
        return settled.get("total_steps") or self.recipe.get("training.steps")

    @property
    def seconds(self) -> float | None:
        return self.steps[-1].get("seconds") if self.steps else None

    @property
    def class_names(self) -> list[str]:
        form = self.data.get("form") or {}
        return [str(name) for name in form.get("class_names") or self.data.get("classes") or []]

    @property
    def answers(self) -> Answer:
        """What the run is for; a task that is not there (any more) is taken to draw."""
        task = str(self.recipe.get("task.name") or self.recipe.get("task"))
        if task not in menu.words(TASKS):
            return "items"
        answers: Answer = menu.member(TASKS, task).Config.answers
        return answers

    @property
    def in_order(self) -> bool:
        """Whether the run tells the numbers of an item one after the other, and knows no noise."""
        task = str(self.recipe.get("task.name") or self.recipe.get("task"))
        return task in menu.words(TASKS) and getattr(
            menu.member(TASKS, task).Config, "in_order", False
        )

    @property
    def prompt(self) -> str:
        """An example of what its samples are asked for in words; "" where they are not."""
        return _prompt_of(self.folder, self.recipe)

    @property
    def is_points(self) -> bool:
        """Whether items are points rather than pictures."""
        return self.items == "points"

    @property
    def items(self) -> ItemKind:
        """What the items are."""
        return kind_of_items(self.data)

    @property
    def written(self) -> str:
        """`samples/final.txt`, where the run writes text."""
        return _read_text(self.folder / "samples" / "final.txt")

    def picture(self, name: str) -> Path | None:
        """A file of `samples/`, if it is there."""
        path = self.folder / "samples" / name
        return path if path.is_file() else None

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the run, {} where it is not there or damaged."""
        return _read_json(self.folder / name)

    @property
    def previews(self) -> list[tuple[int, Path]]:
        """The sheets drawn on the way, (step, file), in order."""
        found = [
            (int(path.stem.removeprefix("step-")), path)
            for path in (self.folder / "samples").glob("step-*.png")
            if path.stem.removeprefix("step-").isdigit()
        ]
        return sorted(found)


def read_facts(folder: Path) -> Facts:
    """The facts in a run's folder; InputError where it is none."""
    recipe = folder / "recipe.yaml"
    if not recipe.is_file():
        raise InputError(f"{folder} is not a run: it has no recipe.yaml.")
    lines = read_lines(folder / "metrics.jsonl")
    return Facts(
        folder=folder,
        recipe=read_yaml(recipe),
        recipe_text=recipe.read_text(encoding="utf-8"),
        environment=_read_json(folder / "environment.json"),
        data=_read_json(folder / "data_report.json"),
        evaluation=_read_json(folder / "evaluation.json"),
        steps=[line for line in lines if "loss" in line],
        held_out=[line for line in lines if "held_out_loss" in line],
    )


def read_lines(path: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl; torn ones and numbers that are not finite are left out."""
    lines = []
    for text in _read_text(path).splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append({k: v for k, v in line.items() if _is_number(v)})
    return lines


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path) or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _read_text(path: Path) -> str:
    if not path.is_file() or not os.access(path, os.R_OK):
        return ""
    return path.read_text(encoding="utf-8", errors="replace")
