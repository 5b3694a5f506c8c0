"""The end of a deleted mailbox."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from accounts.models import DeletedMailbox
from audit import record as audit


@transaction.atomic
def forget_purged_mailbox(mailbox: DeletedMailbox, *, by: Actor) -> None:
    """The mail of a deleted account has been erased on its node: remember only that it happened."""
    by.must_be_superadmin()
    audit.record(by, "mailbox.purged", mailbox.address, scope=mailbox.address.rpartition("@")[2])
    mailbox.delete()
