"""Pages as a browser shows them on a phone: nothing is loaded, nothing stands out, sliders turn."""

import pytest
from PIL import Image

from noiseloom.evaluate.charts import Line
from noiseloom.explain import Explanation, Section, explain, parts
from noiseloom.explain.page import page
from noiseloom.explain.tables import Cell, table
from tests.explain.browser import BROWSER, WIDTH, look
from tests.explain.test_views import trained

pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium is installed")
LONG = "anextraordinarilylongwordofthekindthatpeopletypeintoprompts" * 2


def made_of(*html, title="T"):
    sections = [Section(f"Section {LONG}", one) for one in html]
    protocol = {"view": LONG, "seed": 0, "weights": "raw", "trained_steps": 1}
    return page(Explanation(title=title, lead=LONG, sections=sections, protocol=protocol), LONG)


def every_part():
    """A page of all that sections are made of, each as wide as it may become."""
    picture = Image.new("RGB", (1400, 80))
    names = [f"a head of many words {number}" for number in range(12)]
    cells = [Cell("0.25", 0.25, below="+0.01", more="more") for _ in names]
    return made_of(
        parts.turned([picture, picture], ["the first", f"the second {LONG}"], "two", LONG),
        parts.row([parts.shown(picture, "wide", LONG)] * 3, wide=True, together=True),
        parts.text(LONG) + parts.marked([f" {LONG}"] * 3, [1.0, 0.0, -1.0]),
        parts.turned_texts([parts.marked([LONG], [1.0])], ["one"], LONG),
        parts.chart(LONG, [Line(LONG, [(0.0, 1.0), (1.0, 2.0)])] * 2, across="t"),
        table(["", *names], [[LONG, *cells], ["plain", *[LONG] * 6, *[1.5] * 6]], LONG),
        table(["", *names], [[LONG, *cells]], LONG, is_dense=True),
    )


def test_pages_fit_a_phone_load_nothing_and_turn(tmp_path):
    sizes = ("network.width=16", "network.depth=1", "network.heads=2")
    run = trained(tmp_path, "digits", *sizes)
    views = [explain(run, "trajectory", (), ["num=1", "steps=3"]), explain(run, "lens")]
    seen = look([every_part(), *(page(one, "digits") for one in views)], tmp_path)
    assert [one["width"] for one in seen] == [WIDTH] * 3
    assert [one["loaded"] for one in seen] == [[]] * 3
    assert seen[0]["turned"] == [
        [0, "the first", "false"],
        [1, f"the second {LONG}", "false"],
        [1, f"the second {LONG}", "true"],
    ]
    assert [shown for shown, *_ in seen[1]["turned"]] == [0, 1, 1]
    assert seen[2]["turned"] == []


def test_what_is_loaded_and_what_stands_out_is_found(tmp_path):
    nowhere = "http://127.0.0.1:9/picture.png"
    loads, wide = look(
        [
            made_of(f'<img src="{nowhere}" alt="from elsewhere">'),
            made_of('<p style="width: 50rem">wide</p>', title="T"),
        ],
        tmp_path,
    )
    assert loads["loaded"] == [nowhere]
    assert wide["width"] > WIDTH
