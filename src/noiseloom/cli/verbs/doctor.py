"""`noiseloom doctor`"""

from __future__ import annotations

from noiseloom.cli.options import AsJson, Debug
from noiseloom.cli.output import answer


def verb(as_json: AsJson = False, debug: Debug = False) -> None:
    """Say what this machine can do and what it lacks."""
    from noiseloom.cli.machine import examine, in_words

    machine = examine()
    answer(in_words(machine), machine, as_json)
