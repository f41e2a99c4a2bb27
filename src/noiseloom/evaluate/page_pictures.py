"""The report's pictures: samples, predictions, reconstructions, noise, nearest training images."""

from __future__ import annotations

from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.page_parts import picture, picture_of

PREVIEWS = 3


def samples(facts: Facts) -> str:
    if facts.answers != "items":
        return ""
    final = facts.picture("final.png")
    shown = ""
    if final:
        classes = ", ".join(facts.class_names[:10])
        by_class = f" Columns: {classes}." if 1 < len(facts.class_names) <= 10 else ""
        columns = "" if facts.is_points else by_class
        text = f"Samples of the finished run, not picked by hand.{columns}"
        shown = picture(final, "A sheet of samples of the finished run", text)
    if moving := facts.picture("final.gif"):
        shown += picture(moving, "The same clips, moving", "The same, moving.")
    if animated := facts.picture("denoising.gif"):
        shown += picture(animated, "Samples as they form, animated", "How they form.")
    shown = f'<div class="row wide">{shown}</div>' if shown else ""
    on_the_way = _on_the_way(facts, "Samples")
    return f"<h2>Samples</h2>{shown}{on_the_way}" if shown or on_the_way else ""


def _on_the_way(facts: Facts, noun: str) -> str:
    """Some of the sheets drawn while training."""
    previews = facts.previews
    if len(previews) > PREVIEWS:
        places = [round(i * (len(previews) - 1) / (PREVIEWS - 1)) for i in range(PREVIEWS)]
        previews = [previews[place] for place in places]
    shown = "".join(
        picture(path, f"{noun} at step {step}", f"Step {step:,}") for step, path in previews
    )
    return f'<h3>On the way there</h3><div class="row">{shown}</div>' if shown else ""


def predictions(facts: Facts) -> str:
    pictures = (
        (
            "predictions.png",
            "Held-out items with the class read in each",
            "Held-out items, not picked by hand, and the class read in each. Red: read wrong, with "
            "the right class in brackets.",
        ),
        (
            "mistakes.png",
            "Held-out items read wrong",
            "The mistakes it is surest of: some may be the data's, wrongly labelled.",
        ),
        (
            "confusion.png",
            "The confusion matrix",
            "How often items of each class (rows) are read as each (columns).",
        ),
    )
    found = [
        picture(path, alt, text) for name, alt, text in pictures if (path := facts.picture(name))
    ]
    if not any(found):
        return ""
    first, *others = found  # its captions need the width
    return f'<h2>What it reads</h2>{first}<div class="row wide">{"".join(others)}</div>'


def reconstructions(facts: Facts) -> str:
    if facts.answers != "reconstructions":
        return ""
    on_the_way = _on_the_way(facts, "Reconstructions")
    shown = picture_of(
        facts,
        "reconstructions.png",
        "Held-out images over what came back of them",
        "Held-out images, not picked by hand, each over what came back of it through the latents.",
    )
    return f"<h2>There and back</h2>{shown}{on_the_way}" if shown else ""


def noising(facts: Facts) -> str:
    pictures = (
        (
            "forward.png",
            "Real items, from clean at the left to noise at the right",
            "The way there, which needs no learning: real held-out items get noisier from left to "
            "right.",
        ),
        (
            "denoising.png",
            "Samples, from noise at the left to clean at the right",
            "The way back, which the model has learned: noise becomes a sample, step by step.",
        ),
    )
    shown = "".join(
        picture(path, alt, text) for name, alt, text in pictures if (path := facts.picture(name))
    )
    if not shown:
        return ""
    side_by_side = "" if facts.is_points else ' class="row wide"'  # scatter plots need the width
    return f"<h2>Into noise and back</h2><div{side_by_side}>{shown}</div>"


def memorisation(facts: Facts) -> str:
    path = facts.picture("nearest.png")
    if path is None:
        return ""
    text = (
        "The samples most like a single training image (above), each with that training image "
        "(below). Copies would match stroke for stroke."
    )
    return f"<h2>Nearest training images</h2>{picture(path, 'Samples above training images', text)}"
