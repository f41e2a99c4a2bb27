"""Claims are judged one by one, objects are matched as well as can be, and shares count claims."""

import pytest

from noiseloom.data.scene.parsing import parse_caption
from noiseloom.data.scene.world import Thing
from noiseloom.evaluate.scene_scores import Judged, judge, shares

RED = Thing(shape="circle", colour="red", size="small", x=0.2, y=0.2)
BLUE = Thing(shape="square", colour="blue", size="large", x=0.7, y=0.3)
LISTED = parse_caption("a small red circle in the top left and a large blue square top right")
RELATED = parse_caption("a red circle left of a blue square")


def changed(thing: Thing, **changes: object) -> Thing:
    return Thing(**{**vars(thing), **changes})  # type: ignore[arg-type]


def test_what_is_asked_for_is_right_in_any_order() -> None:
    for found in ([RED, BLUE], [BLUE, RED]):
        assert judge(LISTED, found) == Judged((2, 2, 2, 2, 0), (2, 2, 2, 2, 0), True)
        assert judge(RELATED, found) == Judged((2, 2, 0, 0, 1), (2, 2, 0, 0, 1), True)
        assert judge(LISTED, found).is_right and judge(RELATED, found).is_right


@pytest.mark.parametrize(
    ("found", "right"),
    [
        ([changed(RED, shape="square"), BLUE], (1, 2, 2, 2, 0)),
        ([changed(RED, shape=None), BLUE], (1, 2, 2, 2, 0)),
        ([RED, changed(BLUE, colour="green")], (2, 1, 2, 2, 0)),
        ([RED, changed(BLUE, colour=None)], (2, 1, 2, 2, 0)),
        ([changed(RED, size="large"), BLUE], (2, 2, 1, 2, 0)),
        ([changed(RED, y=0.8), BLUE], (2, 2, 2, 1, 0)),
        ([changed(RED, colour="blue"), changed(BLUE, colour="red")], (2, 0, 2, 2, 0)),
    ],
)
def test_one_wrong_attribute_is_one_wrong_claim(found: list[Thing], right: tuple[int, ...]) -> None:
    judged = judge(LISTED, found)
    assert judged.right == right and judged.is_count_right and not judged.is_right


def test_a_relation_is_held_or_not() -> None:
    judged = judge(RELATED, [changed(RED, x=0.9), changed(BLUE, x=0.5)])
    assert judged.right == (2, 2, 0, 0, 0) and not judged.is_right
    same = parse_caption("a red circle left of a red circle")
    assert judge(same, [changed(RED, x=0.9), RED]).is_right  # whichever is called the first
    assert not judge(same, [changed(RED, y=0.9), RED]).is_right


def test_what_is_missing_has_every_claim_wrong() -> None:
    assert judge(LISTED, [RED]) == Judged((2, 2, 2, 2, 0), (1, 1, 1, 1, 0), False)
    assert judge(RELATED, [RED]) == Judged((2, 2, 0, 0, 1), (1, 1, 0, 0, 0), False)
    assert judge(LISTED, []) == Judged((2, 2, 2, 2, 0), (0, 0, 0, 0, 0), False)


def test_one_object_too_many_spoils_the_count_alone() -> None:
    judged = judge(LISTED, [RED, BLUE, changed(BLUE, y=0.9)])
    assert judged.right == judged.asked and not judged.is_count_right and not judged.is_right
    crowd = [changed(RED, colour="green", x=x / 40) for x in range(40)]
    assert judge(LISTED, [*crowd, RED, BLUE]).right == (2, 2, 2, 2, 0)


def test_two_alike_must_both_be_there() -> None:
    asked = parse_caption("two red circles")
    assert judge(asked, [RED, changed(RED, x=0.8)]).is_right
    assert judge(asked, [RED, BLUE]).right == (1, 1, 0, 0, 0)


def test_shares_count_claims_and_their_intervals_count_pictures() -> None:
    figures = shares(
        [judge(LISTED, [RED, BLUE]), judge(LISTED, [RED]), judge(RELATED, [RED, BLUE])]
    )
    assert figures.metrics == {
        "joint_accuracy": pytest.approx(2 / 3),
        "count_accuracy": pytest.approx(2 / 3),
        "shape_accuracy": pytest.approx(5 / 6),
        "colour_accuracy": pytest.approx(5 / 6),
        "size_accuracy": pytest.approx(3 / 4),
        "position_accuracy": pytest.approx(3 / 4),
        "relation_accuracy": 1.0,
    }
    low, high = figures.intervals["relation_accuracy"]
    assert low == pytest.approx(1 / (1 + 1.959964**2)) and high == pytest.approx(1)
    low, high = figures.intervals["joint_accuracy"]
    assert low < 2 / 3 < high


def test_a_kind_that_no_caption_claims_has_no_figure() -> None:
    assert set(shares([judge(RELATED, [])]).metrics) == {
        "joint_accuracy",
        "count_accuracy",
        "shape_accuracy",
        "colour_accuracy",
        "relation_accuracy",
    }
