"""Series of numbers with a class or a number each: `data: series` in a recipe.

From a table (CSV, TSV, JSON lines, Parquet) in one of two layouts. `wide`: each row is a series,
its columns the steps; what is held out a hash of the numbers picks, so equal rows never stand on
both sides. `long`: each row is a time, in order, its columns the channels; a series is a window of
`steps` rows, its label the one `ahead` rows after its last; the last part of the time is held out,
and no training window or label reaches into it. Without a path the series are made up.

A missing value is the one before it, in time; the first ones are the first there is. A wide row
without a label or any value is skipped, a window without a label left out. Each is counted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.content import Progress, content_hash
from noiseloom.data.dataset import Dataset, Split
from noiseloom.data.forms import SeriesForm
from noiseloom.data.made_series import mackey_glass, waves
from noiseloom.data.measurements import LabelKind, Measurements, read_measurements
from noiseloom.data.prepared import Prepared, cache_root, key_of, open_prepared
from noiseloom.data.series_splits import build_rows, build_times, check_classes, windows
from noiseloom.errors import DataError

VERSION = 1  # of the rules above: raised when they change
Layout = Literal["wide", "long"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Series of numbers, each with a class or a number."""

    path: str | None = option(None, "a table; null: waves in noise, or a chaotic signal if long")
    layout: Layout = option("wide", "what a row is: a series (wide), or a time (long)")
    columns: tuple[str, ...] = option(
        (),
        "columns of numbers, by name or pattern, in order: steps (wide), channels (long); "
        "none: all that hold numbers",
    )
    label: str = option("label", "the column that is asked for")
    labels: LabelKind = option("auto", "what a label is")
    steps: Annotated[int, Ge(1)] = option(64, "long, or made up: steps of a series")
    ahead: Annotated[int, Ge(0)] = option(1, "long: rows from a series' last to its label's")
    stride: Annotated[int, Ge(1)] = option(1, "long: rows from one training series to the next")
    num: Annotated[int, Ge(20)] = option(5000, "made up: how many series, or times")
    held_out: float = option(0.2, "share held out as the reference")
    cache: str | None = option(None, "folder for prepared arrays; null: $XDG_CACHE_HOME/noiseloom")

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; allowed is more than 0 and less than 1")
        if self.path is None and self.layout == "long" and self.labels == "classes":
            raise ValueError(
                "labels is classes, and the long signal made up where path is null has numbers to "
                "tell. Set layout=wide, or name a table with path"
            )

    def describe_source(self) -> str:
        """The source in a few words."""
        if self.path is not None:
            return self.path
        if self.layout == "long":
            return f"a chaotic signal made up (Mackey-Glass), {self.num:,} times"
        return f"waves in noise made up, {self.num:,} series"

    def open(self, progress: Progress | None = None) -> SeriesDataset:
        """Prepare the series, or find them prepared; DataError where they cannot be used."""
        root = cache_root(self.cache)
        facts: dict[str, Any] = {
            "kind": "series",
            "version": VERSION,
            "layout": self.layout,
            "labels": self.labels,
            "held_out": self.held_out,
        }
        if self.path is None:
            facts |= {"num": self.num, "steps": self.steps if self.layout == "wide" else None}
        else:
            path = self._existing(Path(self.path).expanduser())
            memory = root / "seen" / f"{hashlib.sha256(str(path).encode()).hexdigest()[:32]}.json"
            facts |= {
                "content": content_hash([(path.name, path)], memory, progress),
                "columns": list(self.columns),
                "label": self.label,
            }
        prepared = open_prepared(root, key_of(**facts), self._build)
        return self._rows(prepared) if self.layout == "wide" else self._windows(prepared)

    def _existing(self, path: Path) -> Path:
        if not path.is_file():
            raise DataError(f"There is no file {path}; data.path names a table")
        return path

    def _build(self, folder: Path) -> dict[str, Any]:
        build = build_rows if self.layout == "wide" else build_times
        return build(folder, self._read(), self.held_out)

    def _read(self) -> Measurements:
        if self.path is not None:
            return read_measurements(
                Path(self.path).expanduser(),
                self.columns,
                self.label,
                self.labels,
                is_ordered=self.layout == "long",
            )
        if self.layout == "long":
            return mackey_glass(self.num)
        return waves(self.num, self.steps, frequencies=self.labels == "numbers")

    def _rows(self, prepared: Prepared) -> SeriesDataset:
        """Wide: the prepared items as they are."""
        held_out = f"held out by a hash of the numbers, a share of {self.held_out:g}"
        splits = prepared.train, prepared.reference
        return self._dataset(prepared, splits, None, prepared.fingerprint, held_out)

    def _windows(self, prepared: Prepared) -> SeriesDataset:
        """Long: windows over the prepared rows."""
        details = prepared.details
        channels, label, names = details["channels"], details["label"], details["class_names"]
        goes_on = label in channels and not names
        if goes_on and self.ahead == 0:
            raise DataError(
                f"data.ahead is 0 and '{label}' is among the channels, so that the answer would be "
                "seen. Set data.ahead to 1 or more, or name other data.columns"
            )
        train, reference = (
            windows(split.items, self.steps, self.ahead, stride, bool(names), what)
            for split, stride, what in (
                (prepared.train, self.stride, "to train on"),
                (prepared.reference, 1, "held out"),
            )
        )
        return self._dataset(
            prepared,
            (train, reference),
            channels.index(label) if goes_on else None,
            f"{prepared.fingerprint}-{self.steps}-{self.ahead}-{self.stride}",
            f"the last part of the time, a share of {self.held_out:g}",
        )

    def _dataset(
        self,
        prepared: Prepared,
        splits: tuple[Split, Split],
        continued: int | None,
        fingerprint: str,
        held_out: str,
    ) -> SeriesDataset:
        train, reference = splits
        details = prepared.details
        form = SeriesForm(
            item_shape=train.items.shape[1:],
            class_names=tuple(details["class_names"]),
            channels=tuple(details["channels"]),
            columns=tuple(details["columns"]),
            is_long=self.layout == "long",
            channel_means=tuple(details["means"]),
            channel_stds=tuple(details["stds"]),
            continued=continued,
        )
        assert train.labels is not None and reference.labels is not None  # each has one
        if form.class_names:
            check_classes(train.labels, reference.labels, form.class_names)
        else:
            numbers = train.labels - form.anchors(train.items)
            std = float(numbers.std())
            form = replace(form, number_mean=float(numbers.mean()), number_std=std or 1.0)
        counts = {"train": len(train), "reference": len(reference)}
        return SeriesDataset(
            train=train,
            reference=reference,
            class_names=form.class_names,
            fingerprint=fingerprint,
            cache=prepared.learned,
            series_form=form,
            report={
                "source": self.describe_source(),
                "kind": "numbers made up" if self.path is None else "a table of numbers",
                "unit": "series",
                "counts": {"used": sum(counts.values()), **counts},
                "reference": held_out,
                "item_shape": list(form.item_shape),
                "channels": list(form.channels),
                "filled": details["filled"],
                "skipped": details["skipped"],
                "notes": details["notes"],
                "warnings": [],
                "fingerprint": fingerprint,
            },
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class SeriesDataset(Dataset):
    """Series of numbers, float64 (N, steps, channels)."""

    series_form: SeriesForm

    @cached_property
    def form(self) -> SeriesForm:
        return self.series_form
