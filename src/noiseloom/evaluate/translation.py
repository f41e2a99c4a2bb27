"""Evaluating translations: how likely the true ones are, and how like them those written are.

Nats per token, sacreBLEU and chrF on raw text, and BLEU of lower-cased text, beside the same of a
table of words learned from the same pairs and of the source left as it is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge

from noiseloom import seeds
from noiseloom.config import option
from noiseloom.data.dataset import Dataset, TextDataset
from noiseloom.data.rows import tokens_of
from noiseloom.evaluate import word_table
from noiseloom.evaluate.beside import Figures, beside
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.resampling import Interval, bootstrap_counts, shifted_interval
from noiseloom.networks import Answer
from noiseloom.seeds import Random
from noiseloom.tasks import Translates
from noiseloom.tasks.translating import readable

BATCH = 50  # sentences translated at once
EXAMPLES = 12
TABLE, COPY = "word table", "source as it is"


@dataclass(frozen=True, kw_only=True)
class Config:
    """How translations are measured: all of a part, by beams as the task says."""

    answers: ClassVar[Answer] = "translations"

    part: Literal["test", "validation"] = option(
        "test", "what is translated; without a test part, the validation part"
    )
    bootstrap: Annotated[int, Ge(20)] = option(1000, "resamples behind each interval")

    def measure(
        self,
        dataset: Dataset,
        task: Translates,
        *,
        seed: int,
        protocol: dict[str, Any],
        progress: Progress = ignore,
    ) -> dict[str, Any]:
        """The figures of `task` on a part of `dataset`; `protocol` says whose they are."""
        from noiseloom.evaluate.translation_scores import score  # sacrebleu is an extra

        assert isinstance(dataset, TextDataset)  # the task saw to it
        rows = dataset.reference_texts
        is_test = self.part == "test" and bool(dataset.test_texts)
        if is_test and dataset.test_texts is not None:
            rows = dataset.test_texts
        sources, references = rows.column(0), rows.column(1)
        form = dataset.form
        read = [readable(source, form.tokenizer, form.context) for source in sources]
        began = time.perf_counter()
        outputs = _translate(task, read, seed, progress)
        seconds = time.perf_counter() - began
        own = score(outputs, references, bootstrap=self.bootstrap)
        loss, interval = self._nats(task, dataset, sources, references, seed)
        progress("measuring the plain baselines", 0.0)
        table = word_table.learn(dataset.train_texts.column(0), dataset.train_texts.column(1))
        worded = [table.translate(source) for source in sources]
        baselines = {
            TABLE: score(worded, references, bootstrap=self.bootstrap).figures,
            COPY: score(sources, references, bootstrap=self.bootstrap).figures,
        }
        progress("measuring the plain baselines", 1.0)
        shown = np.linspace(0, len(sources) - 1, min(EXAMPLES, len(sources))).round().astype(int)
        return beside(
            Figures(
                {"nats_per_token": loss, **own.figures.metrics},
                {"nats_per_token": interval, **own.figures.intervals},
            ),
            baselines,
            protocol={
                **protocol,
                "part": "test" if is_test else "validation",
                "pairs": len(sources),
                "training_items": len(dataset.train),
                "sources_cut": sum(map(str.__ne__, read, sources)),
                "beams": task.usual.beams,
                "length_penalty": task.usual.length_penalty,
                "seconds_to_translate": round(seconds, 2),
                "signatures": own.signatures,
                "bootstrap": self.bootstrap,
                "evaluation_seed": seed,
                "baseline": {"pairs": table.pairs, "rounds": table.rounds},
                "data": dataset.fingerprint,
            },
            checks={
                "examples": [
                    {
                        "input": sources[place],
                        "expected": references[place],
                        "output": outputs[place],
                        TABLE: worded[place],
                    }
                    for place in shown.tolist()
                ]
            },
        )

    def _nats(
        self,
        task: Translates,
        dataset: TextDataset,
        sources: Sequence[str],
        references: Sequence[str],
        seed: int,
    ) -> tuple[float, Interval]:
        """Nats per token of the true translations, the end of each counted as one.

        The interval is over resampled sentences.
        """
        pairs = list(zip(sources, references, strict=True))
        form = dataset.form
        parts = [
            task.score_pairs(tokens_of(form.tokenizer, pairs[start : start + BATCH], form.context))
            for start in range(0, len(pairs), BATCH)
        ]
        nats = torch.cat([nats for nats, _ in parts]).double()
        tokens = torch.cat([tokens for _, tokens in parts]).double()
        drawn = seeds.generator(seed, "evaluate nats per token")
        counts = bootstrap_counts(len(pairs), self.bootstrap, drawn)
        loss = float(nats.sum() / tokens.sum())
        return loss, shifted_interval(loss, (counts @ nats) / (counts @ tokens))


def _translate(
    task: Translates, sources: Sequence[str], seed: int, progress: Progress
) -> list[str]:
    """The translation of each source; those of like lengths together, which wastes least."""
    order = sorted(range(len(sources)), key=lambda place: len(sources[place]))
    outputs = [""] * len(sources)
    for start in range(0, len(order), BATCH):
        progress("translating", start / len(order))
        places = order[start : start + BATCH]
        random = Random(seed, places).under("evaluate")
        (*_, last) = task.write([sources[place] for place in places], task.usual, random)
        for place, text in zip(places, last.texts, strict=True):
            outputs[place] = text
    progress("translating", 1.0)
    return outputs
