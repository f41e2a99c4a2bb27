"""What was found in the data, for people: the words of `noiseloom data check`."""

from __future__ import annotations

from typing import Any, Protocol

from noiseloom.data.content import Progress
from noiseloom.data.dataset import Dataset

MOST_CLASSES, MOST_FILES = 20, 10


class Openable(Protocol):
    """The config of a data set."""

    def open(self, progress: Progress | None = None) -> Dataset: ...


class Report(dict[str, Any]):
    """A data set's report: plain values, and in words as a string."""

    def __str__(self) -> str:
        return in_words(self)


def check(config: Openable, progress: Progress | None = None) -> Report:
    """Read all of the data and report on it; DataError where it cannot be trained on."""
    return Report(config.open(progress).report)


def in_words(report: dict[str, Any]) -> str:
    """A report for people, a fact a line."""
    counts = report["counts"]
    rows = [
        ("source", f"{report['source']} ({report['kind']})"),
        ("used", f"{counts['used']:,}{_each(report)}"),
        ("train", f"{counts['train']:,}"),
        ("reference", f"{counts['reference']:,} ({report['reference']})"),
    ]
    if report.get("classes"):
        rows.append(("classes", _classes(report["classes"])))
    if report.get("sizes"):
        sizes = ", ".join(f"{size} ({count:,})" for size, count in report["sizes"].items())
        more = report["different_sizes"] - len(report["sizes"])
        rows.append(("sizes", sizes + (f" and {more:,} more" if more else "")))
    if report.get("buckets"):
        shapes = ", ".join(f"{shape} ({n:,})" for shape, n in report["buckets"].items())
        rows.append(("buckets", f"{shapes}, height x width"))
        lost, to_squares = report["cut_away"], report["cut_away_to_squares"]
        rows.append(("cut away", f"{lost:.1%} of an image; to squares it were {to_squares:.1%}"))
    for name in ("cropped", "enlarged"):
        if report.get(name):
            rows.append((name, f"{report[name]:,}"))
    if report.get("bytes"):
        rows.append(("bytes", f"{report['bytes']['train']:,}+{report['bytes']['reference']:,}"))
    if any((cut := report.get("cut") or {}).values()):
        longer = f"texts are longer than {report['item_shape'][-1]:,} tokens and cut there"
        rows.append(("cut", f"{cut['train']:,}+{cut['reference']:,} {longer}"))
    repeated = report.get("duplicates", {}).get("within_train")
    if repeated:
        rows.append(("repeated", f"{repeated:,} training items are copies of others"))
    if report.get("ignored"):
        rows.append(("ignored", ", ".join(f"{n:,} {why}" for why, n in report["ignored"].items())))
    lines = [f"{name:<10} {text}" for name, text in rows]
    lines += [f"skipped    {bad['file']}: {bad['reason']}" for bad in _skipped(report)]
    hidden = counts.get("skipped", 0) - len(_skipped(report))
    lines += [f"skipped    and {hidden:,} more (data_report.json lists the first)"] * (hidden > 0)
    lines += [f"note       {note}" for note in report["notes"]]
    return "\n".join([*lines, *(f"! {warning}" for warning in report["warnings"])])


def _each(report: dict[str, Any]) -> str:
    """What one of the items is."""
    shape = report["item_shape"]
    match report.get("unit"):
        case "tokens":
            return f" tokens, read {shape[-1] - 1:,} at a time"
        case "rows":
            texts = "a text" if shape[0] == 1 else f"{shape[0]} texts"
            return f" rows, each {texts} of up to {shape[-1]:,} tokens"
        case _:
            return f", each {' x '.join(map(str, shape))}"


def _classes(classes: dict[str, dict[str, int]]) -> str:
    shown = [
        f"{name} {n['train']:,}+{n['reference']:,}"
        for name, n in list(classes.items())[:MOST_CLASSES]
    ]
    more = len(classes) - len(shown)
    return f"{len(classes)}: " + ", ".join(shown) + (f" and {more:,} more" if more else "")


def _skipped(report: dict[str, Any]) -> list[dict[str, str]]:
    return report.get("skipped", {}).get("files", [])[:MOST_FILES]
