"""An explanation as one HTML page that loads nothing: pictures, style and script are inside it."""

from __future__ import annotations

from html import escape

from noiseloom.evaluate.page import document
from noiseloom.evaluate.page_parts import details, pairs
from noiseloom.explain.explanation import Explanation

STYLE = """<style>
.turned .picture { display: block; width: fit-content; } .turning { display: flex; gap: .6rem;
  align-items: center; max-width: 30rem; margin: .4rem 0; }
.turning input { flex: 1; min-width: 5rem; accent-color: var(--blue); }
.turning button { font: inherit; min-width: 2.6rem; color: var(--ink); background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; padding: .2rem .6rem; cursor: pointer; }
.turning output { color: var(--soft); font-size: .9rem; min-width: 7rem;
  font-variant-numeric: tabular-nums; }
.turned img[hidden] { display: none; }
.picture img { image-rendering: pixelated; }
.scrolled { overflow-x: auto; } .scrolled td { overflow-wrap: normal; }
caption { text-align: left; color: var(--soft); font-size: .9rem; }
.marked { line-height: 2; overflow-wrap: anywhere; white-space: pre-wrap; }
mark { color: inherit; border-radius: 4px; padding: .1rem 0;
  background: color-mix(in srgb, var(--tone) calc(var(--share) * 70%), transparent); }
mark.more { --tone: var(--blue); } mark.less { --tone: var(--orange); }
td.heated { padding: .35rem .7rem; background:
  color-mix(in srgb, var(--blue) calc(var(--share) * 45%), transparent); }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
</style>"""
SCRIPT = """<script>
for (const figure of document.querySelectorAll(".turned")) {
  const images = figure.querySelectorAll("img"), labels = figure.querySelectorAll("ol li");
  const slider = figure.querySelector("input"), button = figure.querySelector("button");
  const told = figure.querySelector("output");
  let timer = null;
  const show = (number) => {
    images.forEach((image, at) => { image.hidden = at !== number; });
    told.textContent = labels[number].textContent;
    slider.value = number;
    slider.setAttribute("aria-valuetext", told.textContent);
  };
  const stop = () => { clearInterval(timer); timer = null; button.textContent = "▶"; };
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  button.addEventListener("click", () => {
    if (timer) { stop(); return; }
    button.textContent = "■";
    timer = setInterval(() => show((Number(slider.value) + 1) % images.length), 350);
  });
}
</script>"""


def page(explanation: Explanation, name: str) -> str:
    """The page of an explanation of the run `name`."""
    header = (
        f'<header>\n<p class="eyebrow">Noiseloom looks inside {escape(name)}</p>\n'
        f"<h1>{escape(explanation.title)}</h1>\n"
        f'<p class="lead">{escape(explanation.lead)}</p>\n</header>'
    )
    sections = [
        f"<section><h2>{escape(section.heading)}</h2>{section.html}</section>"
        for section in explanation.sections
    ]
    arrays = {
        array: " x ".join(map(str, values.shape)) + f": {explanation.axes.get(array, '')}"
        for array, values in explanation.arrays.items()
    }
    files = pairs(arrays) and f"<p>arrays.npz, read with numpy.load:</p>{pairs(arrays)}"
    sections.append(
        "<section><h2>The numbers</h2>"
        f"{details('How it was made', pairs(explanation.protocol))}"
        f"{details('Arrays beside this page', files)}</section>"
    )
    foot = "<footer><p>Made by <code>noiseloom explain</code>. It loads nothing.</p></footer>"
    body = STYLE + "\n".join(sections)
    return document(f"{explanation.title}: {name}", header, body, foot + SCRIPT)
