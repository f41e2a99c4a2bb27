"""Text to tokens and back, without losing a byte.

A `Tokenizer` is learned from the user's own text, by the `tokenizers` library where there is
anything to learn, and kept in the run as `tokenizer.json`. What a model needs besides text (`PAD`,
`END`, …) has numbers after those of the text and no spelling: text that looks like it is text.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import tokenizers

from noiseloom.errors import DataError, InputError

Kind = Literal["bytes", "characters", "bpe", "wordpiece"]
PAD, START, END, SEPARATOR = "<pad>", "<start>", "<end>", "<separator>"
FILE = "tokenizer.json"
BYTES = 256
FEWEST_LEARNED = 64  # pieces beside those that are always there, where the vocabulary is our choice
LONGEST_WORD = 60  # bytes; longer ones are cut, so that text without spaces takes no longer


@dataclass(frozen=True, eq=False)
class Tokenizer(ABC):
    """Numbers from 0 for pieces of text, then those of `specials`, in their order."""

    specials: tuple[str, ...] = ()

    kind: ClassVar[Kind]

    @property
    @abstractmethod
    def pieces(self) -> int:
        """How many pieces of text there are."""

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """The numbers of a text, int32; InputError for a character that has none.

        Half a character (a lone surrogate, which no UTF-8 can spell) is such a one.
        """

    @abstractmethod
    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for, in UTF-8; those of a special are none."""

    @abstractmethod
    def state(self) -> Any:
        """What the file holds beside kind and specials."""

    @classmethod
    @abstractmethod
    def from_state(cls, specials: tuple[str, ...], state: Any) -> Tokenizer:
        """The inverse of `state`."""

    def encode_all(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The numbers of each text."""
        return [self.encode(text) for text in texts]

    @property
    def vocabulary(self) -> int:
        """How many numbers there are, specials among them."""
        return self.pieces + len(self.specials)

    def special(self, name: str) -> int:
        """The number of a special."""
        return self.pieces + self.specials.index(name)

    @cached_property
    def byte_lengths(self) -> np.ndarray:
        """How many bytes of text each token is, int64 (vocabulary,); 0 for specials."""
        return np.array([len(self.piece(token)) for token in range(self.vocabulary)])

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """The bytes of a text from its numbers; specials and padding are left out."""
        return b"".join(self.piece(int(token)) for token in tokens)

    def decode(self, tokens: Iterable[int]) -> str:
        """The text; what is no valid UTF-8, as half a character is, becomes U+FFFD."""
        return self.decode_bytes(tokens).decode("utf-8", "replace")

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` into `folder`."""
        (folder / FILE).write_text(self.to_json(), encoding="utf-8")

    def to_json(self) -> str:
        """As text that `load` reads."""
        return json.dumps({"kind": self.kind, "specials": self.specials, "state": self.state()})


@dataclass(frozen=True, eq=False)
class Bytes(Tokenizer):
    """A token is a byte: any file is text to it. Bytes that are no UTF-8 travel as surrogates."""

    kind = "bytes"

    @property
    def pieces(self) -> int:
        return BYTES

    def encode(self, text: str) -> np.ndarray:
        """One number a byte; text read with `surrogateescape` keeps bytes that are no UTF-8."""
        return np.frombuffer(_spelled(text, "surrogateescape"), np.uint8).astype(np.int32)

    def piece(self, token: int) -> bytes:
        return bytes([token]) if token < BYTES else b""

    def state(self) -> None:
        return None

    @classmethod
    def from_state(cls, specials: tuple[str, ...], state: Any) -> Bytes:
        return cls(specials)


@dataclass(frozen=True, eq=False)
class Characters(Tokenizer):
    """A token is one of the characters that the training text is made of."""

    characters: str = ""

    kind = "characters"

    @property
    def pieces(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """One number a character; InputError for one that is not in the vocabulary."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        tokens = self._numbers[np.minimum(codes, len(self._numbers) - 1)]
        if (missing := np.flatnonzero(tokens < 0)).size:
            place = int(missing[0])
            raise InputError(
                f"The character {text[place]!r} (number {place + 1} of the text) is not among the "
                f"{self.pieces} that this run knows. Leave it out, or train with "
                "data.tokenizer=bytes or bpe, which know every character"
            )
        return tokens

    @cached_property
    def _numbers(self) -> np.ndarray:
        """The number of each Unicode character up to the last known, -1 for unknown ones."""
        codes = [ord(character) for character in self.characters]
        table = np.full(max(codes, default=0) + 2, -1, np.int32)
        table[codes] = np.arange(len(codes))
        return table

    def piece(self, token: int) -> bytes:
        return self.characters[token].encode() if token < self.pieces else b""

    def state(self) -> str:
        return self.characters

    @classmethod
    def from_state(cls, specials: tuple[str, ...], state: Any) -> Characters:
        return cls(specials, state)


@dataclass(frozen=True, eq=False)
class Learned(Tokenizer):
    """Pieces of several bytes, learned by the `tokenizers` library on the bytes of words.

    Every byte is a piece, so any text can be written: nothing is unknown, and nothing is
    normalised.
    """

    model: tokenizers.Tokenizer | None = None

    @property
    def pieces(self) -> int:
        return self._model.get_vocab_size(with_added_tokens=False)

    @property
    def _model(self) -> tokenizers.Tokenizer:
        assert self.model is not None  # made by `learn` or read by `load`
        return self.model

    def encode(self, text: str) -> np.ndarray:
        _spelled(text)
        return np.array(self._model.encode(text, add_special_tokens=False).ids, np.int32)

    def encode_all(self, texts: Sequence[str]) -> list[np.ndarray]:
        for text in texts:
            _spelled(text)
        found = self._model.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(one.ids, np.int32) for one in found]

    def piece(self, token: int) -> bytes:
        return self._pieces[token] if token < self.pieces else b""

    @cached_property
    def _pieces(self) -> list[bytes]:
        table = _byte_of_character()
        spelled = [self._model.id_to_token(token) or "" for token in range(self.pieces)]
        return [bytes(table[one] for one in self._own(piece)) for piece in spelled]

    def _own(self, piece: str) -> str:
        """A piece without the mark that it continues a word."""
        return piece

    def state(self) -> Any:
        return json.loads(self._model.to_str())

    @classmethod
    def from_state(cls, specials: tuple[str, ...], state: Any) -> Tokenizer:
        return cls(specials, tokenizers.Tokenizer.from_str(json.dumps(state)))


@dataclass(frozen=True, eq=False)
class Bpe(Learned):
    """Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909)."""

    kind = "bpe"


@dataclass(frozen=True, eq=False)
class WordPiece(Learned):
    """WordPiece (Schuster & Nakajima 2012), on bytes: always the longest piece that fits."""

    kind = "wordpiece"

    def _own(self, piece: str) -> str:
        return piece.removeprefix(CONTINUED)


CONTINUED = "##"
KINDS: dict[Kind, type[Tokenizer]] = {
    "bytes": Bytes,
    "characters": Characters,
    "bpe": Bpe,
    "wordpiece": WordPiece,
}


def learn(
    kind: Kind,
    texts: Iterable[str],
    *,
    vocabulary: int,
    specials: tuple[str, ...] = (),
    at_most: bool = False,
) -> Tokenizer:
    """A tokenizer of `kind` for texts like these, of `vocabulary` pieces if it learns any.

    With `at_most` it takes what the texts hold where that is less, and a few more than the pieces
    that are always there where these would leave none; without, DataError and InputError are raised
    there. Raises InputError where a text holds half a character, too.
    """
    if kind == "bytes":
        return Bytes(specials)
    if kind == "characters":
        seen: set[str] = set()
        for text in _all_spelled(texts):
            seen.update(text)
        return Characters(specials, "".join(sorted(seen)))
    always = BYTES if kind == "bpe" else 2 * BYTES
    if at_most:
        vocabulary = max(vocabulary, always + FEWEST_LEARNED)
    if vocabulary <= always:
        what = (
            "the 256 bytes" if kind == "bpe" else "each of the 256 bytes, first in a word or not,"
        )
        raise InputError(
            f"data.vocabulary is {vocabulary}; a {kind} tokenizer needs {what} and what it learns "
            f"beside them: allowed is {always + 1} or more"
        )
    texts = _all_spelled(texts)
    model = _learn_bpe(texts, vocabulary) if kind == "bpe" else _learn_wordpiece(texts, vocabulary)
    pieces = model.get_vocab_size(with_added_tokens=False)
    if pieces < vocabulary and not at_most:
        raise DataError(
            f"data.vocabulary is {vocabulary:,}, and the training text holds no more than "
            f"{pieces:,} different pieces. "
            + (
                f"Set data.vocabulary={pieces}, or less: half of that leaves each piece seen more "
                "often"
                if pieces > always
                else "Set data.tokenizer=bytes, or give it more text"
            )
        )
    learned: type[Learned] = Bpe if kind == "bpe" else WordPiece
    return learned(specials, model)


def load(folder: Path) -> Tokenizer:
    """The tokenizer of a run or of prepared data, from its `tokenizer.json`."""
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return KINDS[content["kind"]].from_state(tuple(content["specials"]), content["state"])


def _spelled(text: str, errors: str = "strict") -> bytes:
    """The bytes of a text; InputError where it holds half a character."""
    try:
        return text.encode("utf-8", errors)
    except UnicodeEncodeError as error:
        raise InputError(
            f"The text holds {text[error.start]!r} (number {error.start + 1} of the text), half a "
            "character, which no UTF-8 can spell. Leave it out; bytes that are no UTF-8 can be "
            "learned with data.tokenizer=bytes"
        ) from error


def _all_spelled(texts: Iterable[str]) -> Iterator[str]:
    """The same texts, each looked at as it passes."""
    for text in texts:
        _spelled(text)
        yield text


def _learn_bpe(texts: Iterable[str], vocabulary: int) -> tokenizers.Tokenizer:
    model = _bytes_of_words(tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=_alphabet(), show_progress=False
    )
    model.train_from_iterator(texts, trainer)
    return model


def _learn_wordpiece(texts: Iterable[str], vocabulary: int) -> tokenizers.Tokenizer:
    """Pieces as the trainer finds them; each byte is also one that begins and one that continues.

    The trainer numbers the continuing bytes as it meets them, in no order, and leaves out those it
    does not meet, unless it is told of them as specials, which come first.
    """
    alphabet = _alphabet()
    model = _bytes_of_words(tokenizers.models.WordPiece(unk_token=alphabet[0]))
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        initial_alphabet=alphabet,
        special_tokens=[CONTINUED + one for one in alphabet],
        continuing_subword_prefix=CONTINUED,
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    return _bytes_of_words(
        tokenizers.models.WordPiece(
            model.get_vocab(),
            unk_token=alphabet[0],
            continuing_subword_prefix=CONTINUED,
            max_input_chars_per_word=LONGEST_WORD,
        )
    )


def _bytes_of_words(model: Any) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
            tokenizers.pre_tokenizers.FixedLength(length=LONGEST_WORD),
        ]
    )
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return tokenizer


def _alphabet() -> list[str]:
    """The 256 characters that stand for bytes, in a fixed order."""
    return sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())


def _byte_of_character() -> dict[str, int]:
    """Which byte each of those characters stands for (Radford et al. 2019, GPT-2's table).

    Printable bytes stand for themselves; the others, in order, for the characters from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{chr(byte): byte for byte in printable},
        **{chr(0x100 + place): byte for place, byte in enumerate(others)},
    }
