"""Which exit code an error ends with, and the sentence that says what to do.

0    done
1    a bug of ours
2    the input is wrong
3    the data is wrong
4    the machine failed us: disk, memory, permissions, numbers that are not finite
130  interrupted (training has written a checkpoint)
"""

from __future__ import annotations

import errno
from dataclasses import asdict, dataclass
from typing import Any

import typer

from noiseloom.errors import (
    ConfigError,
    DataError,
    InputError,
    MachineError,
    Problem,
    is_out_of_memory,
)

_MACHINE_ERRNO = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ENOMEM,
    errno.EMFILE,
    errno.EFBIG,
}


@dataclass(frozen=True)
class Failure:
    """How a verb ended other than well."""

    exit_code: int
    sentence: str
    problems: tuple[Problem, ...] = ()

    def as_mapping(self) -> dict[str, Any]:
        """For `--json`."""
        problems = [asdict(problem) for problem in self.problems]
        return {"exit_code": self.exit_code, "message": self.sentence, "problems": problems}


def explain(error: BaseException) -> Failure:
    """The exit code and the words for an error that reached the command."""
    match error:
        case KeyboardInterrupt():
            return Failure(130, _sentence(error) or "Interrupted.")
        case typer.TyperException():
            return Failure(2, _usage(error))
        case ConfigError():
            return Failure(2, str(error), error.problems)
        case InputError():
            return Failure(2, _sentence(error))
        case DataError():
            return Failure(3, _sentence(error))
        case MachineError():
            return Failure(4, _sentence(error))
    if is_out_of_memory(error):
        return Failure(
            4,
            "Memory ran out. Lower training.batch_size (training.accumulate keeps the result the"
            " same) or --batch-size, or close other programs.",
        )
    if isinstance(error, OSError) and error.errno in _MACHINE_ERRNO:
        where = f"{error.filename}: " if error.filename else ""
        return Failure(4, f"{where}{error.strerror}. Make room or choose another folder.")
    kind = type(error).__name__
    return Failure(
        1,
        f"This is a bug in noiseloom, not a mistake of yours ({kind}: {error})."
        " Please run the same command again with --debug and report what it prints.",
    )


def _usage(error: typer.TyperException) -> str:
    text = error.format_message()
    context = getattr(error, "ctx", None)
    option = str(getattr(error, "option_name", ""))
    if "." in option:
        text = f"{option} is no option; a recipe's keys are given without dashes:"
        text += f" {option.lstrip('-')}=VALUE"
    elif option and (close := getattr(error, "possibilities", None)):
        text = f"There is no option {option}. Did you mean {' or '.join(close)}?"
    path = context.command_path if context else "noiseloom"
    return f"{_ended(text)} See: {path} --help"


def _sentence(error: BaseException) -> str:
    return _ended(str(error)) if str(error) else ""


def _ended(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."
