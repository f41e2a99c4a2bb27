"""Which views fit a run, for its user: their names, what they show, what may be set."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from noiseloom.config import Entry, describe
from noiseloom.explain import VIEWS, fitting
from noiseloom.menu import member
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.training.loop import Device


@dataclass(frozen=True)
class Listing:
    """The same for people and for programs."""

    text: str
    document: dict[str, Any]


def listing(run: Run, *, device: Device | None = None, on_event: OnEvent = ignore) -> Listing:
    """The views that fit a run."""
    task, _ = run.trained_task(device=device, on_event=on_event)
    lines, entries = [], {}
    for word in fitting(task):
        config = member(VIEWS, word).Config
        options = describe(config)
        entries[word] = {"shows": config.about, "options": {one.key: one.help for one in options}}
        lines.append(f"{word:<14}{config.about}")
        lines += [f"{'':<14}  {_with_default(one)}: {one.help}" for one in options]
    folder = shlex.quote(str(run.folder))
    lines += ["", f"Look with: noiseloom explain {folder} {next(iter(entries), 'WHAT')}"]
    return Listing("\n".join(lines), {"views": entries})


def _with_default(option: Entry) -> str:
    """An option as it would be typed to leave it as it is; its name where that is null."""
    if option.default is None:
        return option.key
    default = option.default
    typed = str(default).lower() if isinstance(default, bool) else str(default)
    return f"{option.key}={typed}"
