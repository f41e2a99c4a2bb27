"""The report's figures, each beside what it is compared with, and how they were measured."""

from __future__ import annotations

from html import escape
from typing import Any

from noiseloom.evaluate.charts import interval_chart
from noiseloom.evaluate.columns import Column, columns
from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.page_parts import details, pairs
from noiseloom.evaluate.wording import MEANINGS, figure, meaning, number


def figures(facts: Facts) -> str:
    own, others = columns(facts.evaluation)
    metrics = own.metrics
    known = [*(name for name in MEANINGS if name in metrics), *metrics.keys() - MEANINGS.keys()]
    rows = "".join(_row(name, own, others) for name in known)
    if not rows:
        return ""
    heads = ["Figure", own.title, *(other.title for other in others), "Beside each other"]
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    table = f'<table class="figures"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    legend = "; or ".join(dict.fromkeys(_beside(name, others).legend for name in known))
    key = (
        f'<p class="note keys"><span><i class="key"></i>{escape(own.title.lower())}, with the 95 % '
        f'interval</span><span><i class="key band"></i>{escape(legend)}</span></p>'
    )
    protocol = facts.evaluation.get("protocol") or {}
    checks = facts.evaluation.get("checks") or {}
    return (
        f'<h2>Figures</h2>{table}{key}<p class="note">{protocol_in_words(protocol)}</p>'
        + _by_class("Label agreement by class", checks.get("label_agreement_by_class"))
        + _by_class("Read right, by class", checks.get("recall_by_class"))
        + details("The whole protocol", pairs(protocol))
    )


def _beside(name: str, others: list[Column]) -> Column:
    """The first column that has the figure, or the first of all."""
    return next((other for other in others if name in other.metrics), others[0])


def _by_class(title: str, shares: dict[str, float] | None) -> str:
    return details(title, pairs({name: f"{share:.1%}" for name, share in (shares or {}).items()}))


def _row(name: str, own: Column, others: list[Column]) -> str:
    value = own.metrics[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    cells = "".join(
        f'<td class="value" data-name="{escape(column.title, quote=True)}">'
        f"{_cell(column, name, bold=column is own)}</td>"
        for column in (own, *others)
    )
    told, beside = meaning(name), _beside(name, others)
    chart = interval_chart(
        told.title,
        value,
        own.intervals.get(name),
        beside.metrics.get(name),
        beside.intervals.get(name),
    )
    return (
        f'<tr><th scope="row">{escape(told.title)}<span class="meaning">{escape(told.sentence)}'
        f"</span></th>{cells}<td>{chart}</td></tr>"
    )


def _cell(column: Column, name: str, *, bold: bool) -> str:
    value = figure(name, column.metrics.get(name))
    shown = f"<b>{value}</b>" if bold else value
    return f"{shown}{_range(name, column.intervals.get(name))}"


def _range(name: str, interval: list[float] | None) -> str:
    if not interval:
        return ""
    return f"<small>{figure(name, interval[0])} to {figure(name, interval[1])}</small>"


def _guidance(protocol: dict[str, Any]) -> str:
    """How samples were guided, where they were."""
    if not protocol.get("guidance"):
        return ""
    kind, guide = protocol.get("guidance_kind"), protocol.get("guide")
    by = f" ({kind} by {escape(str(guide))})" if guide else ""
    back = (
        f", rescale {number(protocol['guidance_rescale'])}"
        if "guidance_rescale" in protocol
        else ""
    )
    away = f", away from {escape(protocol['negative'])}" if "negative" in protocol else ""
    return f"guidance {number(protocol['guidance'])}{by}{back}{away}"


def protocol_in_words(protocol: dict[str, Any]) -> str:
    """How the figures came about, as sentences; what is not known is left out."""
    how = [
        {"ema": "averaged weights", "raw": "raw weights"}.get(str(protocol.get("weights")), ""),
        str(protocol.get("checkpoint") or ""),
        f"{protocol['sampler']} sampler" if protocol.get("sampler") else "",
        f"{protocol['steps']} steps" if protocol.get("steps") else "",
        f"{protocol['spacing']} spacing" if protocol.get("spacing", "uniform") != "uniform" else "",
        f"tolerance {protocol['tolerance'][0]:g}" if protocol.get("tolerance") else "",
        _guidance(protocol),
        f"seed {protocol['seed']}" if "seed" in protocol else "",
    ]
    said = []
    if protocol.get("questions"):
        said.append(
            f"Measured on {number(protocol['questions'])} held-out questions, read in "
            f"{number(protocol.get('windows'))} windows of their contexts"
        )
    elif protocol.get("windows"):
        said.append(
            f"Measured on {number(protocol.get('tokens'))} held-out tokens in "
            f"{number(protocol['windows'])} windows of {number(protocol.get('context'))}"
        )
    if protocol.get("held_out"):
        said.append(f"Measured on {number(protocol['held_out'])} held-out items")
    if protocol.get("num"):
        reference = protocol.get("reference")
        against = f" against {number(reference)} held-out items" if reference else ""
        said.append(f"Measured on {number(protocol['num'])} samples{against}")
    if said:
        said[0] += f" ({', '.join(word for word in how if word)})." if any(how) else "."
    if sizes := protocol.get("sizes"):
        said.append(
            f"Samples, and the images beside them, are of the commonest of {len(sizes)} shapes, "
            f"{protocol.get('size')} (height x width)."
        )
    if asked := protocol.get("prompts_with_a_held_out_pair"):
        pairs = ", ".join(map(str, protocol.get("held_out_pairs") or []))
        said.append(
            f"{number(asked)} of the prompts ask for a pair of colour and shape that training "
            f"never saw ({pairs}); they count in the figure named after them alone."
        )
    if remade := protocol.get("training_images_reconstructed"):
        said.append(
            f"The Fréchet distance is that of {number(remade)} training images as they came back, "
            "against held-out images: what a model that draws such latents can at best reach."
        )
    baseline = protocol.get("baseline") or {}
    if words := baseline.get("words"):
        said.append(str(words))
    elif baseline.get("items") and "converged" in baseline:
        said.append(
            f"Logistic regression learned from the numbers of {number(baseline.get('items'))} "
            "training items, with the penalty that suits a part of them best."
        )
    if protocol.get("floor_draws"):
        said.append(
            f"What real data scores is the mean over {protocol['floor_draws']} draws of as many "
            "training items; for label agreement and distance to training data, held-out items."
        )
    if protocol.get("distance_draws"):
        said.append(
            "What real data scores is what held-out clips do; of the Fréchet distance the mean "
            f"over {protocol['distance_draws']} draws of as many training clips."
        )
    features = protocol.get("features") or {}
    if features:
        accuracy = features.get("accuracy")
        said.append(
            f"Distances are taken in {features.get('dimension')} features learned on the training "
            f"{features.get('of', 'images')} ({features.get('kind')}"
            + (f", which reads {accuracy:.1%} of held-out images right)." if accuracy else ").")
        )
    return escape(" ".join(said))
