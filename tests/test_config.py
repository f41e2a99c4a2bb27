"""Recipes: strict types, all problems at once with file and line, overrides, round trips."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge

from noiseloom.config import (
    ConfigError,
    Entry,
    describe,
    from_mapping,
    option,
    override,
    parse,
    read_text,
    read_yaml,
    to_mapping,
    write_commented,
    write_yaml,
)
from noiseloom.errors import InputError, Problem


@dataclass(frozen=True, kw_only=True)
class Linear:
    steps: int = option(1000, "steps")


@dataclass(frozen=True, kw_only=True)
class Cosine:
    clip: float = option(0.0, "smallest alpha")


SHAPES: dict[str, type] = {"linear": Linear, "cosine": Cosine}


@dataclass(frozen=True, kw_only=True)
class Dit:
    depth: Annotated[int, Ge(1)] = option(4, "number of blocks")
    heads: int = option(4, "attention heads")
    dropout: float = option(0.0, "share of activations dropped")


@dataclass(frozen=True, kw_only=True)
class Mlp:
    depth: int = option(2, "number of layers")
    hidden: tuple[int, ...] = option((64, 64), "widths")


@dataclass(frozen=True, kw_only=True)
class Training:
    steps: int | None = option(None, "optimiser steps")
    max_minutes: float | None = option(None, "time budget in minutes")
    precision: Literal["auto", "fp32", "bf16"] = option("auto", "arithmetic")
    interval: tuple[float, float] = option((0.0, 1.0), "where guidance acts, in t")

    def __post_init__(self) -> None:
        if self.steps is None and self.max_minutes is None:
            raise ValueError("give steps or max_minutes")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    seed: int = option(0, "seed")
    out: Path | None = option(None, "folder")
    fast: bool = option(False, "whether to hurry")
    network: Any = option(help="the network", choices={"dit": Dit, "mlp": Mlp})
    schedule: Any = option(Linear(steps=10), "noise schedule", choices=SHAPES)
    training: Training = option(Training(steps=5), "how to train")


@dataclass(frozen=True, kw_only=True)
class Data:
    path: str = option(help="folder of images")
    size: int | None = option(None, "side in pixels")


@dataclass(frozen=True, kw_only=True)
class Needy:
    data: Data = option(help="the data")
    training: Training = option(help="how to train")


def problems(text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(Recipe, override(read_text(text, "r.yaml"), overrides))
    return str(caught.value).splitlines()


def good(text: str, *overrides: str) -> Recipe:
    return parse(Recipe, override(read_text(text, "r.yaml"), overrides))


def test_values_and_defaults() -> None:
    recipe = good("network: {name: mlp, hidden: [8, 9]}\ntraining: {max_minutes: 2}\nout: runs/x\n")
    assert recipe.network == Mlp(hidden=(8, 9))
    assert recipe.schedule == Linear(steps=10)
    assert recipe.out == Path("runs/x")
    assert recipe.training.max_minutes == 2.0
    assert isinstance(recipe.training.max_minutes, float)


def test_a_bare_word_chooses_with_defaults() -> None:
    assert good("network: dit\nschedule: cosine").network == Dit()


def test_what_a_section_leaves_out_keeps_its_value() -> None:
    """`training.precision=fp32` must not reset the steps that the recipe's default gives."""
    recipe = good("network: dit", "training.precision=fp32", "schedule.name=linear")
    assert recipe.training == Training(steps=5, precision="fp32")
    assert recipe.schedule == Linear(steps=10)


def test_all_problems_are_told_at_once_with_line_and_nearest() -> None:
    text = """\
seed: "4"
netwrok: dit
network:
  name: dit
  dpeth: 4
  heads: four
  hidden: [1]
schedule: cosin
training:
  precision: bf61
  steps: 1e3
"""
    assert problems(text) == [
        "r.yaml:1: 'seed' is \"4\". Allowed: a whole number.",
        "r.yaml:2: unknown key 'netwrok'. Allowed: fast, network, out, schedule, seed, training."
        " Did you mean 'network'?",
        "r.yaml:5: unknown key 'network.dpeth'. Allowed: depth, dropout, heads."
        " Did you mean 'depth'?",
        "r.yaml:6: 'network.heads' is \"four\". Allowed: a whole number.",
        "r.yaml:7: unknown key 'network.hidden'. Allowed: depth, dropout, heads.",
        "r.yaml:8: 'schedule' is \"cosin\". Allowed: linear, cosine. Did you mean 'cosine'?",
        "r.yaml:10: 'training.precision' is \"bf61\". Allowed: auto, fp32, bf16."
        " Did you mean 'bf16'?",
        "r.yaml:11: 'training.steps' is 1000.0. Allowed: a whole number or null."
        " Did you mean '1000'?",
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("seed: 4.0", "'seed' is 4.0"),
        ("seed: true", "'seed' is true"),
        ("fast: no", "'fast' is \"no\". Allowed: true or false"),
        ("fast: 1", "'fast' is 1"),
        ("network: {name: dit, dropout: true}", "'network.dropout' is true"),
        ("network: {name: dit, dropout: .nan}", "'network.dropout' is NaN"),
        (
            "network: {name: dit, depth: 0}",
            "'network.depth' is 0. Allowed: a whole number, at least 1",
        ),
        ("network: {name: mlp, hidden: [1, x]}", "Allowed: a list of whole numbers"),
        ("network: {depth: 4}", "'network.name' is missing. Allowed: dit, mlp"),
        ("network: 7", "'network' is 7. Allowed: dit, mlp"),
        ("network: [dit]", "'network' is [\"dit\"]"),
        ("training: fast", "'training' is \"fast\". Allowed: a section with the keys steps"),
        ("training: {interval: [0, 1, 2]}", "Allowed: a list of 2: a number, a number"),
    ],
)
def test_wrong_types(line: str, fault: str) -> None:
    text = line if line.startswith("network") else f"network: dit\n{line}"
    (problem,) = problems(text)
    assert fault in problem


def test_missing_and_invariants_are_told_at_their_section() -> None:
    text = "seed: 1\ntraining:\n  steps: null\n  max_minutes:\n"
    assert problems(text) == [
        "r.yaml:1: 'network' is missing (the network). Allowed: dit, mlp.",
        "r.yaml:2: 'training': give steps or max_minutes.",
    ]


def test_a_section_that_must_be_given_names_its_missing_keys() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Needy, read_text("training: {max_minutes: .inf}", "r.yaml"))
    assert (
        str(caught.value) == "r.yaml:1: 'data.path' is missing (folder of images). Allowed: text."
    )


def test_a_key_known_elsewhere_says_where() -> None:
    (problem,) = problems("network: dit", "max_minutes=3")
    assert problem.startswith("command line: unknown key 'max_minutes'")
    assert problem.endswith("Did you mean 'training.max_minutes'?")


def test_problems_carry_their_parts() -> None:
    with pytest.raises(ConfigError) as caught:
        good("network: dit\nseed: x")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.key) == ("r.yaml", 2, "seed")
    assert (problem.given, problem.allowed, problem.nearest) == ("x", "a whole number", None)


# Overrides -------------------------------------------------------------------------------------


def test_overrides_do_not_depend_on_their_order() -> None:
    for order in ([0, 1], [1, 0]):
        items = ["network.depth=3", "network=mlp"]
        assert good("network: {name: dit, heads: 2}", *[items[i] for i in order]).network == Mlp(
            depth=3
        )


def test_a_new_choice_drops_the_old_choices_keys() -> None:
    text = "network:\n  name: dit\n  depth: 7\n  heads: 2\n"
    assert good(text, "network.name=mlp").network == Mlp(depth=7)


def test_a_new_choice_drops_neither_typos_nor_what_was_just_asked_for() -> None:
    text = "network:\n  name: dit\n  haeds: 2\n"
    unknown = problems(text, "network.name=mlp", "network.heads=2")
    assert [line.split(". ")[0] for line in unknown] == [
        "command line: unknown key 'network.heads'",
        "r.yaml:3: unknown key 'network.haeds'",
    ]


def test_exclusive_keys_unset_each_other() -> None:
    document = read_text("network: dit\ntraining: {steps: 9}", "r.yaml")
    pair = [("training.steps", "training.max_minutes")]
    one = parse(Recipe, override(document, ["training.max_minutes=1"], exclusive=pair))
    assert one.training == Training(max_minutes=1.0)
    document = from_mapping(to_mapping(one))
    assert parse(Recipe, override(document, ["training.steps=3"], exclusive=pair)).training == (
        Training(steps=3)
    )
    both = override(document, ["training.steps=3", "training.max_minutes=2"], exclusive=pair)
    assert parse(Recipe, both).training == Training(steps=3, max_minutes=2.0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("12", 12),
        ("0x10", 16),
        ("-.inf", float("-inf")),
        ("true", True),
        ("no", "no"),
        ("", None),
        ("null", None),
        ("[1, two]", [1, "two"]),
        ("{a: 1}", {"a": 1}),
        ('"12"', "12"),
        ("/pics #2: new", "/pics #2: new"),
        ("*.png", "*.png"),
        ("a=b", "a=b"),
        ("~/digits", "~/digits"),
        ("1_000", "1_000"),
        ("9" * 5000, float("inf")),
    ],
)
def test_override_values(text: str, value: object) -> None:
    assert override(read_text("", "r.yaml"), [f"a.b={text}"]).get("a.b") == value


def test_malformed_overrides_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        override(read_text("", "r.yaml"), ["steps", "a..b=1", "=3", "c=[1"])
    assert len(caught.value.problems) == 4
    assert "'steps' is not key=value" in str(caught.value)


def test_override_into_a_plain_value_is_refused() -> None:
    (problem,) = problems("network: dit\nseed: 3", "seed.x=1")
    assert "'seed' is {\"x\": 1}" in problem


# YAML ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "r.yaml:3: 'a' is given twice, first on line 1"),
        ("a: [1\nb: 2", "r.yaml:2: this is not YAML"),
        ("- 1\n", "is made of 'key: value' lines; this is a list"),
        ("hello\n", "this is 'hello'"),
        ("a: !!python/object:os.system x", "tag '.*' is not allowed"),
        ("a: !!int x", "'x' is not a YAML int"),
        ("? [a]\n: 1", "a key must be a word"),
        ("a: 1\n---\nb: 2", "this is not YAML: but found another document"),
        ("a: &x [*x]", "nested too deeply, or inside themselves"),
        ("a: \x00", "this is not YAML"),
    ],
)
def test_bad_yaml(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_text(text, "r.yaml")


def test_anchors_are_allowed_but_may_not_explode() -> None:
    assert read_text("a: &x {b: 1}\nc: *x", "r.yaml").get("c.b") == 1
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    with pytest.raises(InputError, match="100,000 values"):
        read_text(bomb, "r.yaml")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_yaml(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InputError, match="not a text file"):
        read_yaml(tmp_path / "binary.yaml")


def test_a_file_with_a_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes("\ufeffseed: 1\r\nnetwork: dti\r\n".encode())
    with pytest.raises(ConfigError, match=r"r\.yaml:2: 'network' is"):
        parse(Recipe, read_yaml(file))


def test_yaml_written_is_yaml_read() -> None:
    values = {
        "words": [
            "no",
            "yes",
            "on",
            "1e-3",
            "1_000",
            "012",
            "null",
            "",
            "a: b",
            "# x",
            "é",
            "12:30",
        ],
        "numbers": [1, -2, 0.1, 1e-5, 1e22, float("inf"), 3.0],
        "others": {"a": None, "b": True, "c": {}, "d": [], "e": "two\nlines\n"},
    }
    again = read_text(write_yaml(values), "again.yaml").root.plain()
    assert again == values
    assert isinstance(again["numbers"][-1], float)


# Round trips and descriptions ------------------------------------------------------------------


def test_a_config_round_trips_through_its_mapping() -> None:
    recipe = good("network: {name: mlp, hidden: [3]}\nout: a/b", "schedule={name: cosine, clip: 1}")
    mapping = to_mapping(recipe)
    assert mapping["network"] == {"name": "mlp", "depth": 2, "hidden": [3]}
    assert mapping["out"] == "a/b"
    assert parse(Recipe, from_mapping(mapping)) == recipe
    assert parse(Recipe, read_text(write_yaml(mapping), "again.yaml")) == recipe


def test_describe_a_class_and_a_config() -> None:
    by_class = {entry.key: entry for entry in describe(Recipe)}
    assert by_class["seed"] == Entry("seed", "a whole number", 0, "seed")
    assert by_class["network"] == Entry(
        "network", "dit | mlp", None, "the network", required=True, is_choice=True
    )
    assert by_class["training.steps"].type == "a whole number or null"
    by_config = {entry.key: entry for entry in describe(good("network: {name: dit, depth: 9}"))}
    assert by_config["network"].default == "dit"
    assert by_config["network.depth"].default == 9


def test_a_config_with_comments_reads_back_unchanged() -> None:
    recipe = good("network: {name: mlp, hidden: [3]}\nout: 'no'", "schedule.name=cosine")
    text = write_commented(recipe)
    assert parse(Recipe, read_text(text, "again.yaml")) == recipe
    assert text.splitlines()[:7] == [
        "seed: 0                               # seed",
        "out: 'no'                             # folder",
        "fast: false                           # whether to hurry",
        "network:",
        "  name: mlp                           # the network (dit | mlp)",
        "  depth: 2                            # number of layers",
        "  hidden: [3]                         # widths",
    ]


def test_menus_of_packages() -> None:
    """A folder's members are found, chosen and named through the same option."""

    @dataclass(frozen=True, kw_only=True)
    class Holder:
        part: Any = option(None, "a part", menu="noiseloom.config")

    assert parse(Holder, read_text("part: null", "r.yaml")).part is None
    with pytest.raises(ConfigError, match="'part' is \"x\""):
        parse(Holder, read_text("part: x", "r.yaml"))


def test_a_config_error_reaches_another_process_whole() -> None:
    problem = Problem(file="r.yaml", line=3, key="a.b", fault="unknown key 'a.b'", nearest="a.c")
    sent = pickle.loads(pickle.dumps(ConfigError([problem])))
    assert sent.problems == (problem,) and str(sent) == str(problem)
