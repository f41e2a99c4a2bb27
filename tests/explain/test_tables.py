"""Tables of a page: what cells tell, how they are coloured, and that all text is escaped."""

import re

import pytest

from noiseloom.explain.tables import Cell, table


def test_numbers_are_told_to_four_digits_and_words_as_they_are():
    html = table(["", "a"], [["1.23456", 1.23456], ["many", 1234567], ["few", 2.5e-7]], "Of a")
    assert re.findall("<td[^>]*>(.*?)</td>", html) == ["", "1.235", "1,234,567", "2.5e-07"]
    assert '<th scope="row">1.23456</th>' in html
    assert "<caption>Of a</caption>" in html and 'aria-label="Of a"' in html


@pytest.mark.parametrize(
    ("share", "tone", "shown"),
    [(0.25, "more", "0.25"), (-0.5, "less", "0.50"), (7.0, "more", "1.00"), (-7.0, "less", "1.00")],
)
def test_a_cell_is_coloured_by_its_share_and_no_fuller_than_full(share, tone, shown):
    html = table(["", "a"], [["row", Cell("words", share)]], "Of a")
    assert f'class="shade {tone}" style="--share:{shown}"' in html


def test_a_cell_without_a_share_has_no_colour():
    assert "--share" not in table(["", "a"], [["row", Cell("words")]], "Of a")


def test_a_dense_tables_cells_still_tell_their_words():
    cell = Cell("0.25", 0.25, below="less", more="0.2500")
    html = table(["", "to"], [["from", cell]], "Who", is_dense=True)
    assert '<table class="plain dense">' in html
    assert 'title="0.2500"><span>0.25</span><small>less</small></td>' in html


@pytest.mark.parametrize(("head", "look"), [("to", "plain dense"), ("whom", "plain dense upright")])
def test_only_long_heads_of_a_dense_table_stand_upright(head, look):
    html = table(["", head], [["from", Cell("1", 1.0)]], "Who", is_dense=True)
    assert f'<table class="{look}">' in html


def test_a_row_with_a_long_name_is_given_room():
    assert 'class="plain lengthy"' in table(["", "a"], [["a red circle left of it", 1.0]], "Of a")
    assert 'class="plain"' in table(["", "a"], [["red", 1.0]], "Of a")


def test_no_text_of_a_table_is_read_as_html():
    bad = '<b>"&'
    cell = Cell(bad, 0.5, below=bad, more=bad)
    html = table(["", bad], [[bad, bad, cell]], bad)
    assert "<b>" not in html
    assert html.count("&lt;b&gt;") == 8  # label, caption, head, name, word, title, words, below
    assert '"&' not in re.sub("<[^>]*>", "", html).replace("&quot;", "").replace("&amp;", "")
