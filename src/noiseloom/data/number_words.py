"""Numbers, ordinals and years in English and German words, up to a million."""

from __future__ import annotations

MOST = 999_999


def _words(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


ENGLISH_SMALL = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
ENGLISH_TENS = _words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
ENGLISH_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
GERMAN_SMALL = _words(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
    "fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
GERMAN_TENS = _words("null zehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
GERMAN_ORDINALS = {1: "erste", 3: "dritte", 7: "siebte", 8: "achte"}


def english(number: int) -> str:
    """`three hundred and forty-two`; ValueError for a number not from 0 to `MOST`."""
    _check(number)
    if number < 20:
        return ENGLISH_SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return ENGLISH_TENS[tens] + (f"-{ENGLISH_SMALL[ones]}" if ones else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{ENGLISH_SMALL[hundreds]} hundred" + (f" and {english(rest)}" if rest else "")
    thousands, rest = divmod(number, 1000)
    joint = " " if rest >= 100 else " and "
    return f"{english(thousands)} thousand" + (joint + english(rest) if rest else "")


def german(number: int) -> str:
    """`dreihundertzweiundvierzig`; ValueError for a number not from 0 to `MOST`."""
    _check(number)
    if number < 20:
        return GERMAN_SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return (f"{_joined(ones)}und" if ones else "") + GERMAN_TENS[tens]
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{_joined(hundreds)}hundert" + (german(rest) if rest else "")
    thousands, rest = divmod(number, 1000)
    return f"{_joined(thousands)}tausend" + (german(rest) if rest else "")


def english_ordinal(number: int) -> str:
    """`twenty-third`."""
    words = english(number)
    start, cut, last = words.rpartition("-" if "-" in words else " ")
    if last.endswith("y"):
        return start + cut + last[:-1] + "ieth"
    return start + cut + ENGLISH_ORDINALS.get(last, f"{last}th")


def german_ordinal(number: int) -> str:
    """`dreiundzwanzigste`; of days of a month and the like, up to 99."""
    if number in GERMAN_ORDINALS:
        return GERMAN_ORDINALS[number]
    return german(number) + ("te" if number < 20 else "ste")


def english_year(year: int) -> str:
    """`nineteen eighty-four`, for years from 1100 to 1999."""
    century, rest = divmod(year, 100)
    if rest == 0:
        return f"{english(century)} hundred"
    return f"{english(century)} {'oh ' if rest < 10 else ''}{english(rest)}"


def german_year(year: int) -> str:
    """`neunzehnhundertvierundachtzig`, for years from 1100 to 1999."""
    century, rest = divmod(year, 100)
    return f"{german(century)}hundert" + (german(rest) if rest else "")


def _joined(number: int) -> str:
    """A German number as it begins a longer word: `ein`, not `eins`."""
    words = german(number)
    return words[:-1] if words.endswith("eins") else words


def _check(number: int) -> None:
    if not 0 <= number <= MOST:
        raise ValueError(f"{number} is given; numbers from 0 to {MOST:,} have words here")
