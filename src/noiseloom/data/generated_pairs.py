"""English sentences and their German, made by rules: something to translate on any machine.

Who did what with how many things, when, and for how much. Words change places: German counts ones
before tens in one long word, moves its participle to the end and its verb before the subject, and
calls half past seven half eight. All follows from the seed.
"""

from __future__ import annotations

import numpy as np

from noiseloom import seeds
from noiseloom.data.number_words import (
    english,
    english_ordinal,
    english_year,
    german,
    german_ordinal,
    german_year,
)

VERSION = 1  # of the rules here: raised when they change
NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ida", "Jonas")
VERBS = (  # past, German past, German participle (the English one is as its past, but for two)
    ("bought", "kaufte", "gekauft"),
    ("sold", "verkaufte", "verkauft"),
    ("counted", "zählte", "gezählt"),
    ("found", "fand", "gefunden"),
    ("painted", "malte", "gemalt"),
    ("brought", "brachte", "gebracht"),
    ("ordered", "bestellte", "bestellt"),
    ("lost", "verlor", "verloren"),
)
KINDS = (
    ("red", "rote"),
    ("green", "grüne"),
    ("old", "alte"),
    ("new", "neue"),
    ("small", "kleine"),
    ("big", "große"),
    ("beautiful", "schöne"),
    ("expensive", "teure"),
    ("heavy", "schwere"),
    ("round", "runde"),
)
THINGS = (
    ("apples", "Äpfel"),
    ("bicycles", "Fahrräder"),
    ("books", "Bücher"),
    ("chairs", "Stühle"),
    ("houses", "Häuser"),
    ("pictures", "Bilder"),
    ("ships", "Schiffe"),
    ("shoes", "Schuhe"),
    ("tables", "Tische"),
    ("windows", "Fenster"),
    ("trees", "Bäume"),
    ("keys", "Schlüssel"),
)
DAYS = (
    ("Monday", "Montag"),
    ("Tuesday", "Dienstag"),
    ("Wednesday", "Mittwoch"),
    ("Thursday", "Donnerstag"),
    ("Friday", "Freitag"),
    ("Saturday", "Samstag"),
    ("Sunday", "Sonntag"),
)
MONTHS = (
    ("January", "Januar"),
    ("February", "Februar"),
    ("March", "März"),
    ("April", "April"),
    ("May", "Mai"),
    ("June", "Juni"),
    ("July", "Juli"),
    ("August", "August"),
    ("September", "September"),
    ("October", "Oktober"),
    ("November", "November"),
    ("December", "Dezember"),
)
HALVES = (("in the morning", "morgens"), ("in the evening", "abends"))

Pair = tuple[str, str]


def generate(number: int, seed: int) -> list[Pair]:
    """So many different pairs, English and German."""
    numbers = np.random.Generator(np.random.Philox(key=seeds.key(seed, "generated pairs")))
    found: dict[str, str] = {}
    while len(found) < number:
        source, target = _sentence(numbers)
        found[source] = target
    return list(found.items())


def _sentence(numbers: np.random.Generator) -> Pair:
    name = NAMES[numbers.integers(len(NAMES))]
    english_past, german_past, participle = VERBS[numbers.integers(len(VERBS))]
    things_en, things_de = _things(numbers)
    form = numbers.integers(4)
    if form == 0:
        return (
            f"{name} has {english_past} {things_en}.",
            f"{name} hat {things_de} {participle}.",
        )
    if form == 1:
        price_en, price_de = _price(numbers)
        return (
            f"{name} says that {things_en} cost {price_en}.",
            f"{name} sagt, dass {things_de} {price_de} kosten.",
        )
    when_en, when_de = _date(numbers) if form == 2 else _time(numbers)
    return (
        f"{when_en} {name} {english_past} {things_en}.",
        f"{when_de} {german_past} {name} {things_de}.",
    )


def _things(numbers: np.random.Generator) -> Pair:
    """So many things of a kind; as many tens as ones, hundreds and thousands."""
    many = int(2 * 10 ** numbers.uniform(0, 5.3))
    kind_en, kind_de = KINDS[numbers.integers(len(KINDS))]
    thing_en, thing_de = THINGS[numbers.integers(len(THINGS))]
    return f"{english(many)} {kind_en} {thing_en}", f"{german(many)} {kind_de} {thing_de}"


def _price(numbers: np.random.Generator) -> Pair:
    euros, cents = (int(number) for number in numbers.integers(2, 100, size=2))
    return (
        f"{english(euros)} euros and {english(cents)} cents",
        f"{german(euros)} Euro und {german(cents)} Cent",
    )


def _date(numbers: np.random.Generator) -> Pair:
    (day_en, day_de), (month_en, month_de) = (
        table[numbers.integers(len(table))] for table in (DAYS, MONTHS)
    )
    day, year = int(numbers.integers(1, 29)), int(numbers.integers(1700, 2000))
    return (
        f"On {day_en} the {english_ordinal(day)} of {month_en} {english_year(year)}",
        f"Am {day_de}, dem {german_ordinal(day)}n {month_de} {german_year(year)},",
    )


def _time(numbers: np.random.Generator) -> Pair:
    hour, part = int(numbers.integers(1, 13)), int(numbers.integers(12))
    half_en, half_de = HALVES[numbers.integers(len(HALVES))]
    after = hour % 12 + 1
    now_en, now_de = english(hour), german(hour)
    if part == 0:
        return f"At {now_en} o'clock {half_en}", f"Um {_full_hour(hour)} Uhr {half_de}"
    if part == 6:
        return f"At half past {now_en} {half_en}", f"Um halb {german(after)} {half_de}"
    if part == 3:
        return f"At a quarter past {now_en} {half_en}", f"Um Viertel nach {now_de} {half_de}"
    if part == 9:
        return (
            f"At a quarter to {english(after)} {half_en}",
            f"Um Viertel vor {german(after)} {half_de}",
        )
    if part < 6:
        past = 5 * part
        return (
            f"At {english(past)} past {now_en} {half_en}",
            f"Um {german(past)} nach {now_de} {half_de}",
        )
    left = 60 - 5 * part
    return (
        f"At {english(left)} to {english(after)} {half_en}",
        f"Um {german(left)} vor {german(after)} {half_de}",
    )


def _full_hour(hour: int) -> str:
    return "ein" if hour == 1 else german(hour)
