from xml.etree import ElementTree

import pytest

from noiseloom.evaluate.charts import (
    MOST_POINTS,
    Axis,
    Line,
    interval_chart,
    line_chart,
    smoothed,
    thin,
    y_axis_of,
)


def test_a_line_lies_where_its_values_are():
    chart = ElementTree.fromstring(line_chart("Loss", [Line("loss", [(0, 0.0), (10, 1.0)])]))
    (line,) = chart.findall("polyline")
    (x0, y0), (x1, y1) = (
        tuple(map(float, point.split(","))) for point in line.attrib["points"].split()
    )
    assert x0 < x1
    assert y0 > y1  # the y axis of SVG points down
    assert "from 0 at step 0 to 1 at step 10" in chart.attrib["aria-label"]


def test_nothing_to_draw_is_no_chart():
    assert line_chart("Loss", []) == ""
    assert line_chart("Loss", [Line("loss", [(1, 2.0)])]) == ""


def test_a_flat_line_is_drawn():
    assert "polyline" in line_chart("Rate", [Line("", [(0, 0.02), (10, 0.02)])])
    assert "polyline" in line_chart("Rate", [Line("", [(0, 0.0), (10, 0.0)])])


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (0.0101, 0.0102), (12, 90_000)])
def test_ticks_are_few_and_within(low, high):
    ticks = Axis(low, high, False, 0, 100).ticks()
    assert 2 <= len(ticks) <= 6
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)


def test_a_wide_range_is_logarithmic_if_it_may_be():
    values = [0.001, 0.01, 1.0]
    assert y_axis_of(values, log=True).log
    assert not y_axis_of(values, log=False).log
    assert y_axis_of(values, log=True).place(0.0) == y_axis_of(values, log=True).start


def test_thinning_keeps_the_mean_and_the_order():
    points = [(float(i), float(i % 7)) for i in range(2000)]
    few = thin(points)
    assert len(few) == MOST_POINTS
    assert few == sorted(few)
    assert sum(y for _, y in few) / len(few) == pytest.approx(3, abs=0.02)
    assert thin(points[:50]) == points[:50]


def test_smoothing_is_unbiased_from_its_start():
    flat = smoothed([(i, 5.0) for i in range(10)], window=4)
    assert [y for _, y in flat] == pytest.approx([5.0] * 10)
    assert smoothed([(0, 1.0), (1, 3.0)], window=1) == [(0, 1.0), (1, 3.0)]


def test_interval_chart_is_sound_with_and_without_intervals():
    whole = ElementTree.fromstring(interval_chart("A & B", 2.0, [1.5, 2.5], 1.0, [0.8, 1.2]))
    assert whole.attrib["aria-label"].startswith("A & B")
    band, sample = whole.find("rect"), whole.find("circle")
    assert float(band.attrib["x"]) < float(sample.attrib["cx"])
    bare = ElementTree.fromstring(interval_chart("A", 1.0, None, None, None))
    assert bare.find("rect") is None
