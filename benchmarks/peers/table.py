"""The comparison as a table: each peer's figure, and when Noiseloom is no worse."""

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import judge
import numpy as np
import torch

from peers import NAMES
from peers.folder import judge_cache, read, read_arrays, write
from peers.training import take_turns

GOAL = 20  # times less wall clock
OWN_WAYS = ("best", "recipe", "off")
Verdict = Callable[[np.ndarray], dict[str, Any]]
"""What `judge.verdict` says of images uint8 (N, 28, 28, 1) whose labels take turns."""


def write_table(given: argparse.Namespace) -> None:
    """Writes table.json and table.md, and prints the latter."""
    found = compare(given.out, Judging(given.data, given.out / "verdicts.json"))
    write(given.out / "table.json", found)
    text = markdown(found)
    (given.out / "table.md").write_text(text, encoding="utf-8")
    print(text)


class Judging:
    """The outside judge, which keeps what it has said in a file."""

    def __init__(self, data: Path, path: Path) -> None:
        self.train, self.test = (judge.read_digits(data, part) for part in ("train", "t10k"))
        self.judge = judge.prepare(self.train, judge_cache())
        self.path = path

    def __call__(self, images: np.ndarray) -> dict[str, Any]:
        known, key = read(self.path), hashlib.sha256(images.tobytes()).hexdigest()[:16]
        if key not in known:
            looked_at = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
            samples = judge.Digits(looked_at, take_turns(len(images)))
            known[key] = judge.verdict(self.judge, samples, self.train, self.test)
            write(self.path, known)
        return known[key]


# Arithmetic --------------------------------------------------------------------------------------


def compare(folder: Path, verdict: Verdict) -> dict[str, Any]:
    """Everything the table says, from what `folder` has."""
    times, runs = read(folder / "times.json"), read(folder / "train.json").get("runs", [])
    budget = times.get("minutes", 20)
    own = our_samples(folder)
    peers = {}
    for name in NAMES:
        timed = times.get("contestants", {}).get(name)
        peer = best_of([run for run in runs if run["contestant"] == name], timed)
        if "missing" not in peer:
            images = read_arrays(folder / f"samples-{name}.npz")[peer["array"]]
            peer |= {"verdict": verdict(images)}
            for way in OWN_WAYS:
                minutes = no_worse(peer["verdict"], len(images), own, way, verdict)
                peer[f"noiseloom_minutes_{way}"] = minutes
                peer[f"ratio_{way}"] = minutes and budget / minutes
        peers[name] = peer
    return {
        "budget_minutes": budget,
        "goal_ratio": GOAL,
        "machine": times.get("machine"),
        "peers": peers,
        "noiseloom": [{**said, "verdict": verdict(images)} for said, images in own],
    }


def our_samples(folder: Path) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Noiseloom's runs drawn in each way, the shortest training first.

    The best way is the one whose samples for choosing were nearest, as with the peers.
    """
    runs = sorted(read(folder / "ours.json").values(), key=lambda run: run["minutes"])
    found = []
    for run in runs:
        best = min(run["chosen_at"], key=lambda way: run["chosen_at"][way])
        for name in OWN_WAYS:
            way = best if name == "best" else name
            images = read_arrays(folder / "ours" / f"{run['minutes']:g}-{way}.npz")["images"]
            seconds = run["sampling_seconds_1000"][way]
            said = {**run, "way": name, "drawn": way, "sampling_seconds_1000": seconds}
            found.append((said, images))
    return found


def best_of(runs: list[dict[str, Any]], timed: dict[str, Any] | None) -> dict[str, Any]:
    """A contestant's best run and way of sampling, by the samples for choosing.

    `missing` says why where there is none. Runs of fewer steps than the longest do not count.
    """
    if timed is None:
        return {"missing": "not timed"}
    runs = [run for run in runs if not run["search"]]
    whole = [run for run in runs if run["candidates"]]
    if not runs:
        return {**timed, "missing": "not trained"}
    if not whole:
        made = max(run["steps_made"] for run in runs)
        return {**timed, "missing": f"stopped after {made} of {runs[0]['steps']} steps"}
    longest = max(run["steps"] for run in whole)
    best = min(
        (run for run in whole if run["steps"] == longest),
        key=lambda run: min(run["candidates"].values()),
    )
    way = min(best["candidates"], key=lambda way: best["candidates"][way])
    seconds = timed["sampling_seconds_1000"][way.split()[1]]
    return {
        **timed,
        "rate": best["rate"],
        "steps_made": best["steps_made"],
        "device": best["device"],
        "weights_and_sampler": way,
        "sampling_seconds_1000": seconds,
        "chosen_at": best["candidates"][way],
        "array": best["array"],
    }


def no_worse(
    peer: dict[str, Any],
    num: int,
    own: list[tuple[dict[str, Any], np.ndarray]],
    way: str,
    verdict: Verdict,
) -> float | None:
    """The fewest minutes of Noiseloom whose distance, at as many samples, is not above the peer's.

    None where no run reaches it.
    """
    for said, images in own:
        if said["way"] == way:
            distance = verdict(images[:num])["frechet_distance"]
            if distance <= peer["frechet_distance"]:
                return said["minutes"]
    return None


# Markdown ----------------------------------------------------------------------------------------

GUIDED = {"recipe": "", "strong": ", guidance 2", "off": ", unguided"}
HEAD = (
    "contestant",
    "parameters",
    "ms a step",
    "steps",
    "FD / floor",
    "agreement",
    "recall (real)",
    "sampler",
    "s for 1,000",
    "Noiseloom no worse after",
    "with the recipe's guidance",
    "with none",
)


def markdown(found: dict[str, Any]) -> str:
    """The table for a reader."""
    rows = [HEAD, tuple("---" for _ in HEAD)]
    rows += [_peer_row(name, peer) for name, peer in found["peers"].items()]
    rows += [_own_row(run) for run in found["noiseloom"]]
    machine = found["machine"] or {}
    return "\n".join(
        [
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            f"Each peer after {found['budget_minutes']:g} minutes of training on "
            f"{machine.get('processor', 'a processor not timed')}, {machine.get('threads', '?')} "
            f"threads. The goal: Noiseloom no worse in a {found['goal_ratio']}th of them. Seconds "
            "for 1,000 samples are of a peer's network calls alone, of Noiseloom's whole command.",
            "",
        ]
    )


def _peer_row(name: str, peer: dict[str, Any]) -> tuple[str, ...]:
    if "parameters" not in peer:
        return (name, *("" for _ in HEAD[2:]), peer["missing"])
    timed = (f"{peer['parameters']:,}", f"{1e3 * peer['step_seconds']:.0f}")
    if "missing" in peer:
        return (name, *timed, f"{peer['steps']:,}", *("" for _ in HEAD[5:]), peer["missing"])
    made = f"{peer['steps_made']:,}"
    if peer["steps_made"] != peer["steps"]:
        made += f" (not {peer['steps']:,})"
    return (
        f"{name}, rate {peer['rate']:g}",
        *timed,
        made,
        *_figures(peer["verdict"]),
        peer["weights_and_sampler"],
        f"{peer['sampling_seconds_1000']:.0f}",
        *(_reached(peer, way) for way in OWN_WAYS),
    )


def _own_row(run: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"noiseloom, {run['minutes']:g} min",
        "",
        f"{1e3 * run['step_seconds']:.0f}",
        f"{run['steps']:,}",
        *_figures(run["verdict"]),
        f"the recipe's{GUIDED[run['drawn']]}{', its best' if run['way'] == 'best' else ''}",
        f"{run['sampling_seconds_1000']:.0f}",
        "",
        "",
        "",
    )


def _figures(verdict: dict[str, Any]) -> tuple[str, ...]:
    real, num = verdict["real"], verdict["num"]
    return (
        f"{verdict['frechet_distance']:.1f} / {real['frechet_distance']:.1f} = "
        f"{verdict['frechet_over_floor']:.2f} (n = {num:,})",
        f"{verdict['label_agreement']:.1%}",
        f"{verdict['recall']:.2f} ({real['recall']:.2f})",
    )


def _reached(peer: dict[str, Any], way: str) -> str:
    minutes = peer[f"noiseloom_minutes_{way}"]
    if minutes is None:
        return "not reached"
    return f"{minutes:g} min, {peer[f'ratio_{way}']:.0f} x"
