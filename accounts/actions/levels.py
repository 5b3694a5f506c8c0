"""Rules of an account, of a domain or of the whole server: whose a row is, and telling the mail plane."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Model

from accounts.models import Account
from domains.models import Domain
from provisioning import outbox

# None is the whole server.
Owner = Account | Domain | None


def key_of(owner: Owner) -> dict[str, object]:
    """The fields by which the owner's row is found and made."""
    if owner is None:
        return {"level": "server"}
    if isinstance(owner, Domain):
        return {"level": "domain", "domain": owner}
    return {"level": "account", "account": owner}


def name_of(owner: Owner) -> str:
    if owner is None:
        return "server"
    return owner.name if isinstance(owner, Domain) else owner.address


def scope_of(owner: Owner) -> str:
    """The domain's name; "" for the server and for an operator without a mailbox."""
    domain = owner.domain if isinstance(owner, Account) else owner
    return domain.name if domain else ""


def record_change(owner: Owner) -> None:
    """What is the owner's is to be applied. An operator without a mailbox has nothing there."""
    if owner is None:
        outbox.record_settings()
    elif isinstance(owner, Domain):
        outbox.record(owner.scope, [owner.name], nodes=[owner.node])
    elif owner.domain is not None:
        outbox.record(owner.domain.scope, [owner.address], nodes=[owner.domain.node])


def keep_unless_empty(row: Model, numbers: Sequence[str]) -> bool:
    """Save a row that names a number; one that names none goes. Returns whether it is kept."""
    if numbers_of(row, numbers):
        row.save()
        return True
    if row.pk:
        row.delete()
    return False


def numbers_of(row: Model, numbers: Sequence[str]) -> list[str]:
    """Those that are set, as the audit tells them."""
    return [f"{number}={value}" for number in numbers if (value := getattr(row, number)) is not None]
