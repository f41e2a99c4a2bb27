"""Invented names and figures: a function for each kind of thing that a sentence can speak of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from noiseloom.data.invented import words
from noiseloom.data.invented.dice import Dice


def word(dice: Dice, syllables: int = 2) -> str:
    """A word that there is not, in small letters."""
    made = "".join(dice.pick(words.ONSETS) + dice.pick(words.VOWELS) for _ in range(syllables - 1))
    made += dice.pick(words.ONSETS) + dice.pick(words.VOWELS) if dice.chance(0.2) else ""
    return made + dice.pick(words.ONSETS) + dice.pick(words.VOWELS) + dice.pick(words.CODAS)


def name(dice: Dice) -> str:
    """The same as a name."""
    return word(dice, dice.number(1, 2)).capitalize()


def woman(dice: Dice) -> str:
    return f"{dice.pick(words.WOMEN)} {_surname(dice)}"


def man(dice: Dice) -> str:
    return f"{dice.pick(words.MEN)} {_surname(dice)}"


def person(dice: Dice) -> str:
    return woman(dice) if dice.chance(0.5) else man(dice)


def city(dice: Dice) -> str:
    if dice.chance(0.15):
        return f"{dice.pick(('Port', 'Saint', 'New', 'Fort', 'San'))} {name(dice)}"
    return name(dice) + dice.pick(("", "", "burg", "ton", "ville", "ford", "grad", "mouth", "ham"))


def country(dice: Dice) -> str:
    return name(dice) + dice.pick(("ia", "land", "stan", "ia", "onia", "mark"))


def region(dice: Dice) -> str:
    one = name(dice)
    return dice.pick(
        (f"the {one} Valley", f"the {one} Islands", f"northern {one}ia", f"the {one} Desert", one)
    )


def river(dice: Dice) -> str:
    return f"the {name(dice)}" if dice.chance(0.3) else f"the {name(dice)} River"


def mountain(dice: Dice) -> str:
    return f"Mount {name(dice)}" if dice.chance(0.6) else f"the {name(dice)} Mountains"


def school(dice: Dice) -> str:
    one = name(dice)
    return dice.pick(
        (f"{one} University", f"the University of {one}", f"{one} College", f"the {one} Academy")
    )


def company(dice: Dice) -> str:
    one = name(dice)
    end = dice.pick(("Corporation", "Company", "Brothers", "Works", "Railway", "Group", "Inc."))
    return dice.pick((f"{one} {end}", f"the {one} {end}", f"{one} & {name(dice)}"))


def society(dice: Dice) -> str:
    kind = dice.pick(("League", "Society", "Party", "Union", "Institute", "Order", "Church"))
    return dice.pick((f"the {name(dice)} {kind}", f"the {kind} of {name(dice)}"))


def building(dice: Dice) -> str:
    kind = dice.pick(
        ("Cathedral", "Castle", "Bridge", "Tower", "Palace", "Library", "Museum", "Theatre", "Dam")
    )
    return f"{name(dice)} {kind}" if dice.chance(0.4) else f"the {name(dice)} {kind}"


def war(dice: Dice) -> str:
    kind = dice.pick(("War", "Rebellion", "Revolt", "Uprising", "Crisis"))
    return f"the {name(dice)} {kind}" if dice.chance(0.5) else f"the Battle of {name(dice)}"


def law(dice: Dice) -> str:
    kind = dice.pick(("Act", "Treaty", "Charter", "Agreement", "Declaration"))
    return f"the {name(dice)} {kind}" if dice.chance(0.5) else f"the {kind} of {name(dice)}"


def work(dice: Dice) -> str:
    quality, thing = dice.pick(words.QUALITIES).title(), dice.pick(words.OBJECTS).title()
    return dice.pick(
        (f"The {quality} {thing}", f"The {thing} of {name(dice)}", f"{quality} {thing}")
    )


def device(dice: Dice) -> str:
    made = word(dice)
    return dice.pick(
        (f"the {made}", f"the {made} engine", f"the {name(dice)} lamp", f"the {made}er")
    )


def substance(dice: Dice) -> str:
    return word(dice, 2) + dice.pick(("ium", "ine", "ite", "ol", "ose", "ane"))


def creature(dice: Dice) -> str:
    return f"the {word(dice, dice.number(1, 2))}" + dice.pick(("", "", " beetle", " fox", " bird"))


def year(dice: Dice) -> str:
    return str(dice.number(1050, 2019) if dice.chance(0.4) else dice.number(1780, 2012))


def date(dice: Dice) -> str:
    month, day = dice.pick(words.MONTHS), dice.number(1, 28)
    return dice.pick(
        (f"{day} {month} {year(dice)}", f"{month} {day}, {year(dice)}", f"{month} {year(dice)}")
    )


def time(dice: Dice) -> str:
    if dice.chance(0.2):
        return (
            f"the {dice.pick(words.ORDINALS)} century"
            if dice.chance(0.5)
            else f"the {year(dice)[:3]}0s"
        )
    return year(dice) if dice.chance(0.6) else date(dice)


def count(dice: Dice) -> str:
    if dice.chance(0.25):
        return dice.pick(words.SMALL)
    whole = dice.number(1, 99) if dice.chance(0.3) else dice.number(100, 9999)
    if dice.chance(0.3):
        whole *= 1000
    number = f"{whole:,}" if dice.chance(0.8) else str(whole)
    return dice.pick(("", "", "", "about ", "more than ", "nearly ")) + number


def money(dice: Dice) -> str:
    amount = f"{dice.number(1, 99)}.{dice.number(0, 9)}" if dice.chance(0.4) else count(dice)
    if dice.chance(0.7):
        amount = amount if amount[0].isdigit() else str(dice.number(2, 900))
        return dice.pick("$£€") + amount + dice.pick(("", " million", " billion", " million"))
    return f"{amount} {dice.pick(('crowns', 'pounds', 'dollars', 'ducats', 'francs'))}"


def share(dice: Dice) -> str:
    if dice.chance(0.2):
        return dice.pick(("half", "a third", "two thirds", "a quarter", "three quarters"))
    number = f"{dice.number(1, 99)}.{dice.number(1, 9)}" if dice.chance(0.4) else dice.number(2, 98)
    return f"{number}%" if dice.chance(0.7) else f"{number} percent"


def duration(dice: Dice) -> str:
    unit = dice.pick(("years", "months", "weeks", "days", "decades", "hours"))
    return f"{dice.pick(words.SMALL) if dice.chance(0.6) else dice.number(11, 90)} {unit}"


def length(dice: Dice) -> str:
    unit = dice.pick(("km", "miles", "metres", "feet", "kilometres"))
    number = dice.number(3, 900) if dice.chance(0.7) else dice.number(1000, 9999)
    return f"{number:,} {unit}"


def goods(dice: Dice) -> str:
    one, another, third = dice.some(words.GOODS, 3)
    return dice.pick((one, one, f"{one} and {another}", f"{one}, {another} and {third}"))


def animals(dice: Dice) -> str:
    one, another = dice.some(words.ANIMALS, 2)
    return one if dice.chance(0.7) else f"{one} and {another}"


def _surname(dice: Dice) -> str:
    made = name(dice)
    if dice.chance(0.15):
        return dice.pick(("van ", "de ", "von ", "O'", "Mac")) + made
    return made + dice.pick(("", "", "", "er", "son", "man", "ski", "ini", "ez"))


def _from(choices: Sequence[str]) -> Callable[[Dice], str]:
    def draw(dice: Dice) -> str:
        chosen = dice.pick(choices)
        for kind in ("goods", "country", "animals"):
            if f"{{{kind}}}" in chosen:
                chosen = chosen.replace(f"{{{kind}}}", KINDS[kind](dice))
        return chosen

    return draw


KINDS: dict[str, Callable[[Dice], str]] = {
    "person": person, "woman": woman, "man": man, "city": city, "country": country,
    "region": region, "river": river, "mountain": mountain, "school": school, "company": company,
    "society": society, "building": building, "war": war, "law": law, "work": work,
    "device": device, "substance": substance, "creature": creature, "year": year, "date": date,
    "time": time, "count": count, "money": money, "share": share, "duration": duration,
    "length": length, "goods": goods, "animals": animals, "job": _from(words.JOBS),
    "field": _from(words.FIELDS), "instrument": _from(words.INSTRUMENTS),
    "tongue": _from(words.TONGUES), "cause": _from(words.CAUSES), "aim": _from(words.AIMS),
    "style": _from(words.STYLES), "part": _from(words.PARTS),
    "position": _from(words.POSITIONS), "group": _from(words.GROUPS),
}  # fmt: skip
