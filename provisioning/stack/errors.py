"""Why an instance cannot run, each with its exit code (the shell scripts of ``machine/`` use the same)."""

from __future__ import annotations

from enum import IntEnum

from qmailux_site.errors import SetupError


class ExitCode(IntEnum):
    FAILED = 1
    NOT_ROOT = 3
    PORT_TAKEN = 4
    PROGRAM_MISSING = 5
    DISK_FULL = 6
    HOME_UNUSABLE = 7
    NOT_READY = 8


class StackError(SetupError):
    """One clear sentence for the operator, and the exit code of the command."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
