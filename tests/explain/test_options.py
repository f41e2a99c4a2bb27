"""Options as they are typed: text stays text, and what a run has no use for is refused."""

from dataclasses import dataclass

import pytest

from noiseloom.config import option
from noiseloom.errors import InputError
from noiseloom.explain import view_of
from noiseloom.explain.options import as_words, refuse


@dataclass(frozen=True, kw_only=True)
class Config:
    name: str | None = option(None, "a text")
    num: int | None = option(None, "a number")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("name=3", 'name="3"'),
        ("name= 007 ", 'name="007"'),
        ("name=true", 'name="true"'),
        ('name=a "b"', 'name="a \\"b\\""'),
        ("name='3'", "name='3'"),
        ("name=null", "name=null"),
        ("name=", "name="),
        ("num=3", "num=3"),
        ("nam=3", "nam=3"),
        ("name", "name"),
    ],
)
def test_what_holds_text_is_read_as_text(typed: str, read: str) -> None:
    assert as_words(Config, [typed]) == [read]


def test_a_class_and_a_word_may_look_like_numbers() -> None:
    assert view_of("attribution", ["of=007"]).of == "007"  # type: ignore[attr-defined]
    assert view_of("words", ["word=3"]).word == "3"  # type: ignore[attr-defined]
    assert view_of("words", ["word=null"]).word is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ((0.5, 1.0), "[0.5, 1]"),
        (2.0, "2"),
        (0.1, "0.1"),
        (False, "false"),
        ("red", "red"),
        (0, "0"),
    ],
)
def test_a_refused_option_is_told_as_it_was_typed(value: object, typed: str) -> None:
    with pytest.raises(InputError) as refused:
        refuse({"other": None, "chosen": value}, "there is none")
    assert str(refused.value) == f"chosen={typed} is given, and there is none; leave it out"


def test_what_is_not_given_is_not_refused() -> None:
    refuse({"one": None, "other": None}, "there is none")
