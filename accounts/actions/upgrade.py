"""A hash of another system gives way to ours, once its owner has shown the password."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts.actor import Actor
from accounts.models import Account
from audit import record as audit
from provisioning import outbox


def upgrade_password_hash(account: Account, *, password: str, by: Actor) -> None:
    """Store the same password in our own form, for panel and mail plane. The password has just been
    verified.
    """
    by.must_be(account)
    encoded = make_password(password)
    with transaction.atomic():
        account.password = encoded
        account.save(update_fields=["password"])
        scope = account.domain.name if account.domain else ""
        audit.record(by, "account.hash_upgraded", account.address, scope=scope)
        if account.domain is not None and account.has_mailbox:
            outbox.record(account.domain.scope, [account.address], nodes=[account.domain.node])
