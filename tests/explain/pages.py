"""What every page that explains must be: complete in itself, told in words, numbers beside it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from noiseloom.explain import Explanation

CONTROLS = ("button", "input", "select", "textarea")
LOADS = ("src", "href", "srcset", "poster", "data", "action")


class Seen(HTMLParser):
    """The elements of a page, and the words inside each control."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def of(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def check_page(explanation: Explanation, folder: Path) -> str:
    """Save an explanation under `folder`, look at all it left, and answer the page."""
    saved = explanation.save(folder, "checked")
    page = (saved / "page.html").read_text(encoding="utf-8")
    seen = Seen()
    seen.feed(page)
    assert len(seen.of("h1")) == 1, "one heading of the first rank is allowed"
    assert explanation.title and explanation.lead and len(explanation.sections) >= 1
    for tag, attributes in seen.elements:
        for name in LOADS:
            loaded = attributes.get(name, "")
            assert not loaded or loaded.startswith(("data:", "#")), f"<{tag}> loads {loaded[:60]}"
        assert not any(name.startswith("on") for name in attributes), f"<{tag}> holds a script"
    assert "@import" not in page and not seen.of("link", "iframe", "object", "embed")
    for part in page.split("url(")[1:]:
        assert part.strip("\"' ").startswith(("data:", "#")), f"a style loads {part[:60]}"
    for image in seen.of("img"):
        assert len(image.get("alt", "")) >= 3, "a picture without words"
    for control in seen.of(*CONTROLS):
        assert control.get("aria-label") or control.get("id"), f"a control without a name {control}"
    for scrolled in [one for one in seen.of("div") if one.get("class") == "scrolled"]:
        assert scrolled.get("tabindex") == "0" and scrolled.get("aria-label")
    document = json.loads((saved / "explanation.json").read_text(encoding="utf-8"))
    assert {"figures", "protocol", "lead", "arrays"} <= set(document)
    assert {"view", "seed", "weights", "trained_steps"} <= set(document["protocol"])
    assert (saved / "arrays.npz").exists() == bool(explanation.arrays)
    if explanation.arrays:
        with np.load(saved / "arrays.npz", allow_pickle=False) as arrays:
            assert set(arrays.files) == set(document["arrays"])
            for name, told in document["arrays"].items():
                assert list(arrays[name].shape) == told["shape"]
                assert told["axes"], f"nobody is told what the axes of {name} are"
    return page
