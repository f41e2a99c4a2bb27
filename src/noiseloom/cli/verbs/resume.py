"""`noiseloom resume RUN`"""

from __future__ import annotations

from noiseloom.cli.options import AsJson, Debug, Evaluate, RunFolder


def verb(
    run: RunFolder,
    evaluate: Evaluate = True,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Go on with a run that was interrupted.

    It ends with the same weights, to the bit, as if it never had been.
    """
    from noiseloom.cli.training import train_and_report
    from noiseloom.runs import Run

    train_and_report(Run.open(run), evaluate=evaluate, as_json=as_json)
