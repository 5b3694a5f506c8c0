"""One function writes the audit; actions call it inside their transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from audit.models import AuditEvent

if TYPE_CHECKING:
    from accounts.actor import Actor

Plain = str | int | bool | None | list[str]


def record(by: Actor, action: str, target: object, *, scope: str = "", **details: Plain) -> AuditEvent:
    """Add one event: ``action`` such as "alias.added" on ``target``. details never hold secrets."""
    return AuditEvent.objects.create(
        real=_name_of(by),
        role=by.role(),
        acting_as=by.acting_as.address if by.acting_as else "",
        channel=by.channel,
        address=by.address,
        action=action,
        target=str(target)[:254],
        scope=scope,
        details=details,
    )


def record_many(by: Actor, action: str, targets: Sequence[str], *, scope: str = "", **details: Plain) -> None:
    """One event each, for an act on many objects."""
    role, name = by.role(), _name_of(by)
    AuditEvent.objects.bulk_create(
        (
            AuditEvent(
                real=name,
                role=role,
                acting_as=by.acting_as.address if by.acting_as else "",
                channel=by.channel,
                address=by.address,
                action=action,
                target=target[:254],
                scope=scope,
                details=details,
            )
            for target in targets
        ),
        batch_size=1000,
    )


def _name_of(by: Actor) -> str:
    if by.real is not None:
        return by.real.address
    return "console" if by.channel == "command" else "server"
