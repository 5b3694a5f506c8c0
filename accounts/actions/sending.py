"""Sending limits: set by the superadmin, seen by everybody whom they concern."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actions import levels
from accounts.actor import Actor
from accounts.models import Account
from accounts.sending import SendingLimit
from audit import record as audit
from domains.models import Domain
from qmailux_site.errors import ActionRefused

NUMBERS = ("messages_hour", "messages_day", "recipients_hour", "recipients_day")
_PAIRS = (("messages_hour", "messages_day"), ("recipients_hour", "recipients_day"))


@transaction.atomic
def set_sending_limit(
    of: Account | Domain | str, *, numbers: Mapping[str, int | None], by: Actor
) -> SendingLimit | None:
    """numbers: any of NUMBERS; what is not named stays. of: an account, a domain, or a level of the server.
    A limit without numbers goes.

    Refused: an hour's number above the day's, for it could never be reached.
    """
    by.must_be_superadmin()
    owner = _owner(of)
    key = {"level": of} if isinstance(of, str) else levels.key_of(owner)
    row = SendingLimit.objects.select_for_update(of=("self",)).filter(**key).first() or SendingLimit(**key)
    before = levels.numbers_of(row, NUMBERS)
    for number, value in numbers.items():
        if number not in NUMBERS:
            raise TypeError(f"no such limit: {number}")
        if value is not None and value < 0:
            raise ActionRefused(number, _("A limit is a number from 0, or empty."))
        setattr(row, number, value)
    for hour, day in _PAIRS:
        if None not in (getattr(row, hour), getattr(row, day)) and getattr(row, hour) > getattr(row, day):
            raise ActionRefused(hour, _("The limit of an hour is above the one of a day."))
    is_kept = levels.keep_unless_empty(row, NUMBERS)
    name = of if isinstance(of, str) else levels.name_of(owner)
    after = levels.numbers_of(row, NUMBERS)
    audit.record(by, "sending.limit_set", name, scope=levels.scope_of(owner), before=before, after=after)
    levels.record_change(owner)
    return row if is_kept else None


def must_send(account: Account) -> None:
    """Refused: an operator, who has no mailbox to send from."""
    if account.domain is None:
        raise ActionRefused("", _("An operator without a mailbox sends no mail."))


def _owner(of: Account | Domain | str) -> levels.Owner:
    """None for the levels of the server."""
    if isinstance(of, Account):
        must_send(of)
    if isinstance(of, str):
        if of not in (SendingLimit.Level.SERVER, SendingLimit.Level.EVERY_ACCOUNT):
            raise TypeError(f"no such level: {of}")
        return None
    return of
