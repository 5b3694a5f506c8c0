"""What the worker is asked to do at once: fetch updates, teach one message."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.models import Account
from antispam.models import TaughtBatch, TeachRequest, UpdateRun
from audit import record as audit
from provisioning.models import Node
from qmailux_site.errors import ActionRefused

LONGEST_MESSAGE_ID = 600


@transaction.atomic
def ask_for_update(kind: UpdateRun.Kind, *, by: Actor) -> list[UpdateRun]:
    """Every node fetches what is new. One that is asked already is not asked twice."""
    by.must_be_superadmin()
    runs = [
        UpdateRun.objects.filter(node=node, kind=kind, began_at=None).first()
        or UpdateRun.objects.create(node=node, kind=kind)
        for node in Node.objects.all()
    ]
    audit.record(by, "protection.update_asked", str(kind), scope="server")
    return runs


@transaction.atomic
def ask_to_teach(account: Account, *, message_id: str, kind: TaughtBatch.Kind, by: Actor) -> None:
    """The message of the own mailbox is taught within seconds, as if it were put into the folder for it.

    Refused: what is no Message-ID.
    """
    by.must_be(account)
    if not message_id.isascii() or not message_id.isprintable() or not message_id.strip("<> "):
        raise ActionRefused("message_id", _("This message cannot be found: it has no usable Message-ID."))
    if len(message_id) > LONGEST_MESSAGE_ID or '"' in message_id or "\\" in message_id:
        raise ActionRefused("message_id", _("This message cannot be found: it has no usable Message-ID."))
    _request, is_new = TeachRequest.objects.get_or_create(
        account=account, message_id=message_id, done_at=None, defaults={"kind": kind}
    )
    if is_new:
        scope = account.domain.name if account.domain else ""
        audit.record(by, "spam.teaching_asked", account.address, scope=scope, kind=str(kind))
