"""BLEU and chrF of translations, by sacreBLEU (Post 2018, arXiv:1804.08771).

The only file that imports sacrebleu, an extra of noiseloom. Its signatures say how a figure came
about; two figures with different signatures do not compare.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from noiseloom.errors import InputError
from noiseloom.evaluate.beside import Figures

try:
    from sacrebleu.metrics import BLEU, CHRF
except ImportError as error:
    raise InputError(
        "Translations are measured by the package sacrebleu, which is not installed. Install it "
        "with: pip install 'noiseloom[text]'; or train with --no-evaluate"
    ) from error


@dataclass(frozen=True)
class Scored:
    """Figures of translations, and the signature of each."""

    figures: Figures
    signatures: dict[str, str]


def score(outputs: Sequence[str], references: Sequence[str], *, bootstrap: int) -> Scored:
    """`sacrebleu` and `chrf` of raw text, and `bleu_tokenised`: BLEU of lower-cased text.

    All split text into words by mteval's rules (13a); for `bleu_tokenised` capitals do not count,
    as in figures that were published on lower-cased text. Intervals hold 95 % of `bootstrap`
    resamples of the sentences (Koehn 2004), as far from the estimate on either side.
    """
    kinds: dict[str, BLEU | CHRF] = {
        "sacrebleu": BLEU(),
        "chrf": CHRF(),
        "bleu_tokenised": BLEU(lowercase=True),
    }
    metrics, intervals, signatures = {}, {}, {}
    for name, kind in kinds.items():
        found = kind.corpus_score(list(outputs), [list(references)], n_bootstrap=bootstrap)
        signatures[name] = kind.get_signature().format()
        said = json.loads(found.format(4, signature=signatures[name], is_json=True))
        metrics[name] = float(found.score)
        half = float(said.get("confidence_var", 0.0))  # it says nothing of 0
        intervals[name] = (max(0.0, metrics[name] - half), min(100.0, metrics[name] + half))
    return Scored(Figures(metrics, intervals), signatures)
