"""A text model of Hugging Face's as it is: what it says of each token of a text.

A folder with `config.json`, `tokenizer.json` and the weights as safetensors. Nothing of it is ever
trained, no code of it is run, and pickled weights are not read. The package transformers is needed
where texts are read, and only there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch

from noiseloom.data.content import Progress, content_hash
from noiseloom.data.huggingface import PREFIX, fetch_model
from noiseloom.data.prepared import cache_root, key_of
from noiseloom.errors import InputError

WEIGHTS = "*.safetensors"
TOGETHER = 2_048  # tokens read at once
HABIT = 512  # a width that a configuration leaves out


@dataclass(frozen=True)
class Kind:
    """How models of a `model_type` are read: by which class, what tells the width, and where."""

    loads: str
    width: str
    section: str | None = None


KINDS = {
    "t5": Kind("T5EncoderModel", "d_model"),
    "mt5": Kind("MT5EncoderModel", "d_model"),
    "umt5": Kind("UMT5EncoderModel", "d_model"),
    "clip": Kind("CLIPTextModel", "hidden_size", "text_config"),
    "clip_text_model": Kind("CLIPTextModel", "hidden_size"),
}


class TextModel:
    """The model in the folder `given`, or of the hub (hf://OWNER/NAME); `width` numbers a token.

    `longest` is the most tokens of a text that are read, those that the model adds among them.
    Raises InputError where there is no such model.
    """

    def __init__(self, given: str, longest: int) -> None:
        self.given = given
        hub = given.startswith(PREFIX)
        self.folder = fetch_model(given) if hub else Path(given).expanduser().absolute()
        settings = self._settings()
        self.model_type = str(settings.get("model_type"))
        if self.model_type not in KINDS:
            raise InputError(
                f"{given} is a model of type {self.model_type}; texts are read by those of type "
                f"{', '.join(KINDS)}"
            )
        self.kind = KINDS[self.model_type]
        own = settings.get(self.kind.section, {}) if self.kind.section else settings
        self.width = int(own.get(self.kind.width, HABIT))
        self.longest = longest
        if self.kind.loads == "CLIPTextModel":  # T5's positions have no end
            self.longest = min(longest, int(own.get("max_position_embeddings", 77)))
        self._model: Any = None

    @cached_property
    def digest(self) -> bytes:
        """The SHA-256 of settings, tokenizer and weights."""
        names = ["config.json", "tokenizer.json", *sorted(p.name for p in self._weights())]
        memory = cache_root(None) / "text-models" / f"{key_of(folder=str(self.folder))}.json"
        files = [(name, self.folder / name) for name in names]
        return bytes.fromhex(content_hash(files, memory))

    def describe(self) -> dict[str, Any]:
        """Which model it is, for whoever reads a run."""
        return {
            "model": self.given,
            "kind": self.model_type,
            "sha256": self.digest.hex(),
            "width": self.width,
            "longest": self.longest,
        }

    def tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The model's own tokens of each text, cut at the longest."""
        read = self._tokenizer.encode_batch(list(texts))
        return [np.array(one.ids, np.int64) for one in read]

    def too_long(self, texts: Sequence[str]) -> list[int]:
        """The places of the texts of which only the first `longest` tokens are read."""
        read = self._tokenizer.encode_batch(list(texts))
        return [place for place, one in enumerate(read) if one.overflowing]

    def read(
        self,
        tokens: Sequence[np.ndarray],
        device: torch.device,
        progress: Progress | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """What the model says of each text's tokens, (tokens, width) float16, with its place.

        Texts of equal length are read together, so that none is filled up; empty ones are left out.
        Raises InputError where the model cannot be loaded, or says what float16 cannot hold.
        """
        model = self._loaded(device)
        by_length: dict[int, list[int]] = {}
        for place, one in enumerate(tokens):
            by_length.setdefault(len(one), []).append(place)
        done = len(by_length.pop(0, []))
        for length, places in sorted(by_length.items()):
            step = max(1, TOGETHER // length)
            for first in range(0, len(places), step):
                chosen = places[first : first + step]
                ids = torch.from_numpy(np.stack([tokens[place] for place in chosen])).to(device)
                yield from zip(chosen, self._said(model, ids), strict=True)
                done += len(chosen)
                if progress:
                    progress("reading captions", done, len(tokens))

    def release(self) -> None:
        """Let go of the weights until they are needed again."""
        self._model = None

    def _said(self, model: Any, ids: torch.Tensor) -> np.ndarray:
        known = model.get_input_embeddings().num_embeddings
        if int(ids.max()) >= known:
            raise InputError(
                f"{self.folder}/tokenizer.json has a token of number {int(ids.max())}, and the "
                f"model knows {known:,}: they do not belong together"
            )
        with torch.no_grad(), torch.autocast(ids.device.type, enabled=False):
            states = model(input_ids=ids).last_hidden_state.to(torch.float16).cpu()
        if not torch.isfinite(states).all():
            raise InputError(
                f"{self.given} says numbers that are not finite in 16 bits; use another model"
            )
        numbers: np.ndarray = states.numpy()
        return numbers

    def _loaded(self, device: torch.device) -> Any:
        if self._model is None:
            self._model = self._load()
        return self._model.to(device)

    def _load(self) -> Any:
        try:
            import transformers
        except ImportError:
            raise InputError(
                f"Reading captions by {self.given} needs the package transformers, which is not "
                "installed. Install it with: pip install 'noiseloom[hf]'"
            ) from None
        self.digest  # noqa: B018 - of the files as they are when they are loaded
        with _quiet(transformers.utils.logging):
            try:
                model, found = getattr(transformers, self.kind.loads).from_pretrained(
                    self.folder,
                    dtype=torch.float32,
                    local_files_only=True,
                    use_safetensors=True,
                    output_loading_info=True,
                )
            except Exception as error:  # of several libraries, of a file that may hold anything
                line = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise InputError(f"{self.given} cannot be loaded: {line}") from None
        if lacking := sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]])):
            raise InputError(
                f"The weights in {self.folder} are not those of its config.json: {lacking[0]} is "
                f"missing or of another shape ({len(lacking)} are). Fetch the model anew"
            )
        return model.eval().requires_grad_(False)

    @cached_property
    def _tokenizer(self) -> tokenizers.Tokenizer:
        path = self.folder / "tokenizer.json"
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise InputError(f"{path} cannot be read as a tokenizer: {error}") from None
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.longest)
        return tokenizer

    def _settings(self) -> dict[str, Any]:
        try:
            settings = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) else error
            raise InputError(
                f"{self.given} holds no text model: its config.json cannot be read ({what}). Name a"
                " folder in Hugging Face's layout, or hf://OWNER/NAME"
            ) from None
        if not isinstance(settings, dict):
            raise InputError(f"{self.folder}/config.json holds no settings of a model")
        if not (self.folder / "tokenizer.json").is_file():
            raise InputError(
                f"{self.given} has no tokenizer.json, which says how it reads a text. Write it "
                "with transformers: AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER)"
            )
        if not self._weights():
            raise InputError(
                f"{self.given} has no weights as safetensors, and no others are read. Write them "
                "with transformers: AutoModel.from_pretrained(MODEL).save_pretrained(FOLDER)"
            )
        return settings

    def _weights(self) -> list[Path]:
        return list(self.folder.glob(WEIGHTS))


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Within it transformers neither draws bars nor lists what it has no use for."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
