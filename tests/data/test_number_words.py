"""Numbers in words, against what people write, and all of them different."""

import pytest

from noiseloom.data.number_words import (
    english,
    english_ordinal,
    english_year,
    german,
    german_ordinal,
    german_year,
)


@pytest.mark.parametrize(
    ("number", "in_english", "in_german"),
    [
        (0, "zero", "null"),
        (1, "one", "eins"),
        (12, "twelve", "zwölf"),
        (21, "twenty-one", "einundzwanzig"),
        (70, "seventy", "siebzig"),
        (101, "one hundred and one", "einhunderteins"),
        (342, "three hundred and forty-two", "dreihundertzweiundvierzig"),
        (1000, "one thousand", "eintausend"),
        (1001, "one thousand and one", "eintausendeins"),
        (16_016, "sixteen thousand and sixteen", "sechzehntausendsechzehn"),
        (101_101, "one hundred and one thousand one hundred and one",
         "einhunderteintausendeinhunderteins"),
        (999_999, "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
         "neunhundertneunundneunzigtausendneunhundertneunundneunzig"),
    ],
)  # fmt: skip
def test_numbers(number: int, in_english: str, in_german: str) -> None:
    assert (english(number), german(number)) == (in_english, in_german)


def test_no_two_numbers_have_the_same_words() -> None:
    some = [*range(3000), *range(3000, 1_000_000, 997)]
    assert len({english(number) for number in some}) == len(some)
    assert len({german(number) for number in some}) == len(some)


@pytest.mark.parametrize(
    ("number", "in_english", "in_german"),
    [
        (1, "first", "erste"),
        (3, "third", "dritte"),
        (7, "seventh", "siebte"),
        (12, "twelfth", "zwölfte"),
        (20, "twentieth", "zwanzigste"),
        (21, "twenty-first", "einundzwanzigste"),
        (28, "twenty-eighth", "achtundzwanzigste"),
    ],
)
def test_ordinals(number: int, in_english: str, in_german: str) -> None:
    assert (english_ordinal(number), german_ordinal(number)) == (in_english, in_german)


@pytest.mark.parametrize(
    ("year", "in_english", "in_german"),
    [
        (1700, "seventeen hundred", "siebzehnhundert"),
        (1805, "eighteen oh five", "achtzehnhundertfünf"),
        (1984, "nineteen eighty-four", "neunzehnhundertvierundachtzig"),
    ],
)
def test_years(year: int, in_english: str, in_german: str) -> None:
    assert (english_year(year), german_year(year)) == (in_english, in_german)


@pytest.mark.parametrize("number", [-1, 1_000_000])
def test_others_have_no_words(number: int) -> None:
    with pytest.raises(ValueError, match="numbers from 0 to 999,999"):
        english(number)
