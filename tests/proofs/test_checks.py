"""Every check holds here, takes its time, and fails where the program is wrong."""

import itertools
import json
import math

import pytest

from noiseloom import cli, proofs
from noiseloom.diffusion.samplers import SAMPLERS, Step
from noiseloom.proofs import Check, carry_out, checks

CHECKS = list(checks())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_it_holds(check: Check) -> None:
    finding = carry_out(check)
    assert finding.ok, f"{finding.measured} for {finding.expected} ± {finding.tolerance}"


def test_there_are_many_and_each_has_its_name() -> None:
    assert len(CHECKS) >= 20
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_what_is_not_finite_fails() -> None:
    assert not carry_out(Check("c", "", 0.0, 1.0, lambda: math.nan)).ok
    assert not carry_out(Check("c", "", 0.0, math.inf, lambda: math.inf)).ok


def wrong(denoise, x, plan, schedule, random):  # type: ignore[no-untyped-def]
    """Heun's sampler as it goes wrong: the second call is not averaged with the first."""
    for index, (t, s) in enumerate(itertools.pairwise(plan)):
        first = denoise(x, t.expand(len(x)))
        to = schedule.at(s)
        x_s = float(to.alpha) * first.x0 + float(to.sigma) * first.noise
        if float(to.sigma) > 0:
            second = denoise(x_s, s.expand(len(x)))
            x_s = float(to.alpha) * second.x0 + float(to.sigma) * first.noise
        x = x_s
        yield Step(index, float(s), x, first.x0)


def test_the_command_says_which_sampler_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SAMPLERS, "heun", wrong)
    monkeypatch.setattr(proofs, "SUBJECTS", ("process", "sampling"))  # the others do not sample
    assert cli.main(["doctor", "--math", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert set(found[0]) >= {"check", "expected", "measured", "tolerance", "ok"}
    failed = {finding["check"] for finding in found if not finding["ok"]}
    assert "heun: order" in failed
    assert failed <= {"heun: order", "heun: distribution"}
