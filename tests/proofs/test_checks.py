"""Every check holds here, takes its time, and fails where the program is wrong."""

import json
import math

import pytest
import torch

from noiseloom import cli
from noiseloom.diffusion.schedules import SCHEDULES, Cosine
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


class Wrong(Cosine):
    """A derivative with the wrong sign."""

    def _curves(self, t: torch.Tensor):  # type: ignore[no-untyped-def]
        at = super()._curves(t)
        return at._replace(d_alpha=-at.d_alpha)


def test_the_command_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SCHEDULES, "cosine", Wrong)
    assert cli.main(["doctor", "--math", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert set(found[0]) >= {"check", "expected", "measured", "tolerance", "ok"}
    failed = {finding["check"] for finding in found if not finding["ok"]}
    assert "cosine: derivatives" in failed
    assert "edm: derivatives" not in failed
