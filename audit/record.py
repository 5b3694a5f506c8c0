"""One function writes the audit; actions call it inside their transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.models import AuditEvent

if TYPE_CHECKING:
    from accounts.actor import Actor

Plain = str | int | bool | None | list[str]


def record(by: Actor, action: str, target: object, *, scope: str = "", **details: Plain) -> AuditEvent:
    """Add one event: ``action`` such as "alias.added" on ``target``. details never hold secrets."""
    return AuditEvent.objects.create(
        real=_name_of(by),
        acting_as=by.acting_as.address if by.acting_as else "",
        channel=by.channel,
        address=by.address,
        action=action,
        target=str(target)[:254],
        scope=scope,
        details=details,
    )


def _name_of(by: Actor) -> str:
    if by.real is not None:
        return by.real.address
    return "console" if by.channel == "command" else "server"
