"""The processes of an instance: prepared, started, watched and ended under supervisord.

Knows nothing about mail: what the daemons' settings mean lies in ``provisioning.render``, how each is started
in ``provisioning.daemons``.
"""

from __future__ import annotations

from provisioning.stack.failures import ExitCode, StackError
from provisioning.stack.preparation import prepare
from provisioning.stack.running import Status, addresses, down, start_programs, status, stop_programs, up
from provisioning.stack.supervision import ProgramState

__all__ = [
    "ExitCode",
    "ProgramState",
    "StackError",
    "Status",
    "addresses",
    "down",
    "prepare",
    "start_programs",
    "status",
    "stop_programs",
    "up",
]
