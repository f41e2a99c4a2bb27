"""Pages opened in a browser, each in a frame as wide as a phone, and what is seen of them there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from html import escape, unescape
from pathlib import Path
from typing import Any

WIDTH = 390
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
LOOK = """
addEventListener("load", () => {
  const seen = [...document.querySelectorAll("iframe")].map(({ contentWindow: page }) => {
    const root = page.document.documentElement;
    const figure = page.document.querySelector(".turned"), turned = [];
    if (figure) {
      const slider = figure.querySelector("input"), button = figure.querySelector("button");
      const told = () => [[...figure.querySelectorAll("img")].findIndex((one) => !one.hidden),
        figure.querySelector("output").textContent, button.getAttribute("aria-pressed")];
      turned.push(told());
      slider.value = 1;
      slider.dispatchEvent(new page.Event("input"));
      turned.push(told());
      button.click();
      turned.push(told());
    }
    return { width: root.scrollWidth, turned,
      loaded: page.performance.getEntriesByType("resource").map((one) => one.name) };
  });
  document.body.textContent = "SEEN" + JSON.stringify(seen) + "SEEN";
});
"""


def look(pages: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """Of each page its width in a frame of `WIDTH`, what it loads, and what its slider does.

    `turned` are (number of the picture seen, what is told of it, whether it plays) at first, after
    the slider was moved to 1 and after the button was pressed; none where nothing turns.
    """
    frames = "".join(
        f'<iframe width="{WIDTH}" height="800" srcdoc="{escape(page, quote=True)}"></iframe>'
        for page in pages
    )
    around = folder / "around.html"
    around.write_text(f"<!doctype html><body><script>{LOOK}</script>{frames}</body>", "utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000"]
    command += ["--dump-dom", around.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search("SEEN(.*)SEEN", done.stdout, re.DOTALL)
    assert found, f"the browser showed {done.stdout[:500]!r} and said {done.stderr[-500:]!r}"
    seen: list[dict[str, Any]] = json.loads(unescape(found[1]))
    return seen
