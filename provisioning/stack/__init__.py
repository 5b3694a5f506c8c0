"""The processes of an instance: which there are, starting, watching and ending them.

Knows nothing about mail: what a daemon's settings mean lies in ``provisioning.render``, how it is started in
``provisioning.daemons``.
"""

from __future__ import annotations

from provisioning.stack.errors import ExitCode, StackError
from provisioning.stack.home import prepare_home
from provisioning.stack.lifecycle import ProgramStatus, down, start_mail_only, status, up
from provisioning.stack.programs import ALL, CONTROL, MAIL, programs_of

__all__ = [
    "ALL",
    "CONTROL",
    "MAIL",
    "ExitCode",
    "ProgramStatus",
    "StackError",
    "down",
    "prepare_home",
    "programs_of",
    "start_mail_only",
    "status",
    "up",
]
