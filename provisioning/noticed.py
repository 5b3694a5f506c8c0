"""New mail that an SMS is to tell of, from the event that the account's script has left."""

from __future__ import annotations

from email.utils import parseaddr

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from provisioning.events import Event


def note_mail(account: Account, event: Event) -> None:
    """Noted once, however often the event is read."""
    sender, subject = (*event.words, "", "")[:2]
    actions.note_mail(
        account, event=event.path.name, sender=_who(sender), subject=subject.strip(), by=Actor.task()
    )


def _who(sender: str) -> str:
    """As people call somebody: the name, or else the address."""
    name, address = parseaddr(sender)
    return (name or address or sender).strip()
