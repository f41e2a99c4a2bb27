"""Text as its tokens come, one by one: whole characters, and never a part of a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from noiseloom.data.tokenizer import Tokenizer


class Spelling:
    """A text that tokens are added to; each costs as much as it is long.

    `text` holds neither half a character nor what may turn out to be the beginning of one of the
    strings `stop`. The first of these that appears ends the text right before it.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()) -> None:
        self.tokenizer = tokenizer
        self.stop = tuple(stop)
        self.is_done = False
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._shown = ""
        self._held = ""  # what may begin a stop string

    @property
    def text(self) -> str:
        """What stands for certain."""
        return self._shown

    def add(self, token: int) -> None:
        """Go on with a token; `is_done` is then true where that completed a stop string."""
        self._read(self._characters.decode(self.tokenizer.piece(token)))

    def close(self) -> None:
        """Nothing more comes: what was held back is text, half a character is U+FFFD."""
        if not self.is_done:
            self._read(self._characters.decode(b"", final=True))
            self._shown, self._held = self._shown + self._held, ""
            self.is_done = True

    def _read(self, text: str) -> None:
        if self.is_done or not text:
            return
        if not self.stop:
            self._shown += text
            return
        open_text = self._held + text
        places = [place for one in self.stop if (place := open_text.find(one)) >= 0]
        if places:
            self._shown, self._held = self._shown + open_text[: min(places)], ""
            self.is_done = True
            return
        held = max(_begun(open_text, one) for one in self.stop)
        cut = len(open_text) - held
        self._shown, self._held = self._shown + open_text[:cut], open_text[cut:]


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of `text` may be the beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if stop.startswith(text[-size:])), 0)
