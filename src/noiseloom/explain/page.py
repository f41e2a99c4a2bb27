"""An explanation as one HTML page that loads nothing: pictures, style and script are inside it."""

from __future__ import annotations

from html import escape

from noiseloom.evaluate.page import document
from noiseloom.evaluate.page_parts import details, pairs
from noiseloom.explain.explanation import Explanation

STYLE = """<style>
.turned .picture { display: block; width: fit-content; } .turning { display: flex; gap: .2rem .6rem;
  flex-wrap: wrap; align-items: center; max-width: 38rem; margin: .4rem 0; }
.turning input { flex: 1; min-width: 4rem; max-width: 20rem; accent-color: var(--blue); }
.turning button { font: inherit; min-width: 2.6rem; color: var(--ink); background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; padding: .2rem .6rem; cursor: pointer; }
.turning output { color: var(--soft); font-size: .9rem; min-width: 7rem;
  font-variant-numeric: tabular-nums; }
.turned img[hidden], .turned div.text[hidden] { display: none; }
.picture img { image-rendering: pixelated; }
main, header { overflow-wrap: anywhere; }
.scrolled { overflow-x: auto; position: relative; }
.scrolled table, .scrolled td { overflow-wrap: normal; }
caption { text-align: left; color: var(--soft); font-size: .9rem; }
.marked { line-height: 2; overflow-wrap: anywhere; white-space: pre-wrap; }
mark { color: inherit; border-radius: 4px; padding: .1rem 0;
  background: color-mix(in srgb, var(--tone) calc(var(--share) * var(--full)), transparent); }
.plain tbody th { min-width: 4.8rem; } .lengthy tbody th { min-width: 11rem; }
.plain tbody th { position: sticky; left: 0; background: var(--paper); }
.plain caption { margin: .4rem 0 .2rem; }
.plain th, .plain td { padding: .35rem .7rem .35rem 0; }
.number, .shade { white-space: nowrap; } .shade { background:
  color-mix(in srgb, var(--tone) calc(var(--share) * var(--full)), transparent); }
.plain .shade, .plain:not(.dense):has(.shade) thead th + th { padding-left: .7rem; }
.more { --tone: var(--blue); } .less { --tone: var(--orange); } .shade, mark { --full: 70%; }
@media (prefers-color-scheme: dark) { .shade, mark { --full: 50%; } }
.dense th, .dense .shade { padding: 1px; border: 0; font-size: .78rem; line-height: 1.1; }
.dense .shade { min-width: 1.1rem; height: 1.1rem; --full: 100%; }
.dense .shade span { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
.dense thead th { vertical-align: bottom; } .dense tbody th { min-width: 0; text-align: right;
  white-space: nowrap; padding-right: .4rem; }
.upright thead span { display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg);
  min-height: 1.1rem; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
</style>"""
SCRIPT = """<script>
for (const figure of document.querySelectorAll(".turned")) {
  const images = figure.querySelectorAll("img, div.text");
  const labels = figure.querySelectorAll("ol li");
  const slider = figure.querySelector("input"), button = figure.querySelector("button");
  const told = figure.querySelector("output");
  let timer = null;
  const beside = [...(figure.closest(".together")?.querySelectorAll(".turned") ?? [])];
  const show = (number) => {
    images.forEach((image, at) => { image.hidden = at !== number; });
    told.textContent = labels[number].textContent;
    slider.value = number;
    slider.setAttribute("aria-valuetext", told.textContent);
  };
  const turn = (number) => {
    show(number);
    for (const other of beside) {
      if (other !== figure) other.dispatchEvent(new CustomEvent("turn", { detail: number }));
    }
  };
  const said = (playing) => {
    button.textContent = playing ? "■" : "▶";
    button.setAttribute("aria-pressed", playing);
  };
  const stop = () => { clearInterval(timer); timer = null; said(false); };
  figure.addEventListener("turn", (event) => { stop(); show(event.detail); });
  slider.addEventListener("input", () => { stop(); turn(Number(slider.value)); });
  button.addEventListener("click", () => {
    if (timer) { stop(); return; }
    said(true);
    timer = setInterval(() => turn((Number(slider.value) + 1) % images.length), 350);
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
