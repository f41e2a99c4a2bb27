"""The baseline of answers: the run of words around which most of the question stands."""

from noiseloom.evaluate.longest_match import longest_match

CONTEXT = (
    "The old bridge was built in 1893. Mary Stone painted the tower of Welby for the abbot. "
    "In 1901 the mill burned."
)


def test_it_finds_what_stands_among_the_words_of_the_question() -> None:
    assert longest_match(CONTEXT, "Who painted the tower of Welby?").text == "Mary Stone"
    assert longest_match(CONTEXT, "When was the old bridge built?").text == "1893"


def test_a_rare_word_counts_for_more_than_frequent_ones() -> None:
    context = "A tower, a wall, a tower, a red tower. Then men of the old inn told abbot Green."
    assert longest_match(context, "tower abbot?").text == "Green"


def test_there_is_nothing_to_find_in_nothing() -> None:
    assert longest_match("", "Who?").text == ""
    assert longest_match("the of in", "Who?").text == ""
    assert longest_match("who", "Who?").text == ""
