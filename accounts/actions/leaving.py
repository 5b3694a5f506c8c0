"""Somebody leaves: one act that locks, answers, hands over and, on its day, ends."""

from __future__ import annotations

from datetime import date

from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions.accounts import delete_account
from accounts.actions.autoresponder import set_autoresponder
from accounts.actions.forwarding import set_forwarding
from accounts.actions.locks import lock_account
from accounts.actor import Actor
from accounts.leaving import CopiedFolder, Departure
from accounts.models import Account, AppPassword, Autoresponder, LockMode
from accounts.recovering import PasswordReset
from audit import record as audit
from provisioning import outbox
from qmailux_site.errors import ActionRefused
from webmail import sessions as webmail_sessions

ANSWER_AGAIN_HOURS = 7 * 24
MOST_FOLDER = 100


@transaction.atomic
def begin_departure(
    account: Account,
    *,
    colleague: Account | None,
    subject: str,
    text: str,
    ends_on: date,
    reason: str = "",
    deletes_account: bool = False,
    by: Actor,
) -> Departure:
    """No login from now on, sessions and app passwords end; who writes gets the answer, the colleague gets
    the mail, and in a folder of its own what was in the mailbox. Until the last day; then mail is refused,
    or the account deleted.

    Refused: a colleague who is no account here that the actor manages, is locked, or is the account itself.
    """
    by.must_act_in_person()
    by.must_outrank(account)
    if account.domain is None or not account.has_mailbox:
        raise ActionRefused("", _("This login has no mailbox."))
    if ends_on < timezone.localdate():
        raise ActionRefused("ends_on", _("This day is over."))
    if Departure.objects.filter(account=account).exists():
        sentence = _("The mail of %(address)s is handed over already.")
        raise ActionRefused("", sentence % {"address": account.address})
    taker = _checked_colleague(account, colleague, by=by)
    AppPassword.objects.filter(account=account).delete()
    PasswordReset.objects.filter(account=account).delete()
    set_autoresponder(
        account,
        is_on=True,
        subject=subject,
        text=text,
        ends_on=ends_on,
        interval_hours=ANSWER_AGAIN_HOURS,
        by=by,
    )
    set_forwarding(account, targets=[taker.address], keeps_copy=False, by=by)
    # Before the departure, which any lock would end.
    lock_account(account, reason=reason, mode=LockMode.ACCEPT, by=by)
    departure = Departure.objects.create(
        account=account,
        colleague=taker,
        folder=folder_for(account),
        ends_on=ends_on,
        deletes_account=deletes_account,
    )
    audit.record(
        by,
        "account.left",
        account.address,
        scope=account.domain.name,
        colleague=taker.address,
        ends_on=str(ends_on),
        deletes_account=deletes_account,
    )
    outbox.record(account.domain.scope, [account.address], nodes=[account.domain.node])
    Session.objects.filter(panel_session__account=account).delete()
    webmail_sessions.end_all(account)
    outbox.copy_mail(account.pk)
    return departure


def end_departures(*, by: Actor) -> int:
    """Those whose last day is over and whose mail is copied; returns how many."""
    by.must_be_superadmin()
    over = Departure.objects.filter(ends_on__lt=timezone.localdate(), copied_at__isnull=False)
    ended = list(over.select_related("account__domain__node"))
    for departure in ended:
        _end(departure, by=by)
    return len(ended)


@transaction.atomic
def _end(departure: Departure, *, by: Actor) -> None:
    account = departure.account
    audit.record(by, "account.departure_ended", account.address, scope=_scope(account))
    if departure.deletes_account:
        delete_account(account, remove_orphans=True, by=by)
        return
    Autoresponder.objects.filter(account=account).update(is_on=False)
    set_forwarding(account, targets=(), keeps_copy=True, by=by)
    lock_account(account, reason=account.lock_reason, mode=LockMode.REJECT, by=by)


def note_copying(departure: Departure, *, total: int | None = None, error: str = "", by: Actor) -> None:
    """How the copying goes: how many messages there are, or why it does not go on."""
    by.must_be_superadmin()
    changed: dict[str, int | str] = {"error": error[:300]}
    if total is not None:
        changed["total_count"] = total
    Departure.objects.filter(pk=departure.pk).update(**changed)


@transaction.atomic
def note_copied(folder: CopiedFolder, *, count: int, by: Actor) -> None:
    """The begun messages of the folder are all there."""
    by.must_be_superadmin()
    fresh = Departure.objects.select_for_update().filter(pk=folder.departure_id).first()
    if fresh is None:
        return
    folder.copied_uid = folder.begun_uid
    folder.save(update_fields=["copied_uid"])
    fresh.copied_count += count
    fresh.total_count = max(fresh.total_count, fresh.copied_count)
    fresh.save(update_fields=["copied_count", "total_count"])


@transaction.atomic
def finish_copying(departure: Departure, *, by: Actor) -> None:
    """Everything is there."""
    by.must_be_superadmin()
    stored = Departure.objects.filter(pk=departure.pk, copied_at=None)
    if stored.update(copied_at=timezone.now(), error=""):
        account = departure.account
        copied = Departure.objects.values_list("copied_count", flat=True).get(pk=departure.pk)
        audit.record(by, "account.mail_copied", account.address, scope=_scope(account), count=copied)


def folder_for(account: Account) -> str:
    """A name that says whose mail it is. The mail store takes no dots, and with the names of folders below
    it must stay short enough for a file.
    """
    return account.address.replace(".", "_")[:MOST_FOLDER]


def _checked_colleague(account: Account, colleague: Account | None, *, by: Actor) -> Account:
    if colleague is None or colleague.domain is None or not colleague.has_mailbox:
        raise ActionRefused("colleague", _("There is no such account in a domain that you manage."))
    by.must_manage(colleague.domain)
    if colleague.pk == account.pk:
        raise ActionRefused("colleague", _("Somebody else must take the mail."))
    if colleague.is_locked or colleague.domain.is_locked:
        sentence = _("%(address)s is locked itself.")
        raise ActionRefused("colleague", sentence % {"address": colleague.address})
    if account.domain is not None and colleague.domain.node_id != account.domain.node_id:
        sentence = _("%(address)s lives on another server.")
        raise ActionRefused("colleague", sentence % {"address": colleague.address})
    return colleague


def _scope(account: Account) -> str:
    return account.domain.name if account.domain else ""
