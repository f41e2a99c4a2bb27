"""Headings that are texts: on one line, whole where they are short, cut to a length where not."""

from noiseloom.explain.text_title import LONGEST, title_of


def test_a_text_is_its_own_title_on_one_line():
    assert title_of("  To be,\n or\tnot  to be ") == "To be, or not to be"
    assert title_of("a" * LONGEST) == "a" * LONGEST


def test_a_longer_one_is_cut_to_the_length_allowed():
    assert title_of("a" * LONGEST + "b") == "a" * (LONGEST - 1) + "…"
    assert title_of("a " * LONGEST) == ("a " * LONGEST)[: LONGEST - 1] + "…"
