"""Letters to the owner of a mailbox about changes of what opens it.

`record` is called inside the action's transaction; a task of the ordinary workers sends what waits, so that a
mail plane or broker that is down loses no letter.
"""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.actor import Actor
from accounts.models import Account, Notice

SMTP_SECONDS = 20
NOTICES_A_RUN = 200


def record(account: Account, kind: Notice.Kind, *, by: Actor, detail: str = "", reason: str = "") -> None:
    """The owner is to be told; who has no mailbox cannot be."""
    if account.has_mailbox:
        Notice.objects.create(
            account=account, kind=kind, detail=detail, reason=reason, address=by.address[:45]
        )


def send_waiting() -> int:
    """Send and forget; returns how many. One that the server refuses stays for the next run and does not
    stop the others. A crash in between sends a letter twice rather than never.
    """
    sent = 0
    waiting = list(Notice.objects.select_related("account")[:NOTICES_A_RUN])
    if not waiting:
        return 0
    layout = settings.QMAILUX_LAYOUT
    with smtplib.SMTP(layout.own_address, layout.port("smtp"), layout.hostname, SMTP_SECONDS) as client:
        for notice in waiting:
            try:
                client.send_message(letter_of(notice), "", [notice.account.address])
            except smtplib.SMTPRecipientsRefused:
                continue
            notice.delete()
            sent += 1
    return sent


def letter_of(notice: Notice) -> EmailMessage:
    """In the owner's language: what was changed, when, from where, and what to do about it."""
    layout = settings.QMAILUX_LAYOUT
    letter = EmailMessage()
    with override(notice.account.language):
        sentence = _sentence(notice)
        when = date_format(timezone.localtime(notice.created_at), "DATETIME_FORMAT")
        lines = [sentence, "", _("Account: %(address)s") % {"address": notice.account.address}]
        lines.append(_("Time: %(time)s") % {"time": when})
        if notice.address:
            lines.append(_("From the address: %(address)s") % {"address": notice.address})
        if notice.reason:
            lines.append(_("Reason: %(reason)s") % {"reason": notice.reason})
        lines += ["", _advice(notice)]
        letter["Subject"] = sentence
        letter.set_content("\n".join(lines) + "\n")
    letter["From"] = f"postmaster@{layout.hostname}"
    letter["To"] = notice.account.address
    letter["Date"] = format_datetime(notice.created_at)
    letter["Message-ID"] = make_msgid(domain=layout.hostname)
    letter["Auto-Submitted"] = "auto-generated"
    return letter


def _advice(notice: Notice) -> str:
    if notice.kind == Notice.Kind.IMPERSONATION:
        return _("What is done there stands in your panel under Activity.")
    if notice.kind == Notice.Kind.NOT_TAUGHT:
        return _("It stays in its folder. Move it elsewhere, or delete it yourself.")
    return _("If this was neither you nor your postmaster, change your password now.")


def _sentence(notice: Notice) -> str:
    detail = {"name": notice.detail}
    return {
        Notice.Kind.PASSWORD: _("Your password was changed."),
        Notice.Kind.SECOND_FACTOR_ON: _("Two-step login was turned on."),
        Notice.Kind.SECOND_FACTOR_OFF: _("Two-step login was turned off."),
        Notice.Kind.APP_PASSWORD: _("The app password “%(name)s” was made.") % detail,
        Notice.Kind.FORWARDING: _("Your mail is now forwarded to %(name)s.") % detail,
        Notice.Kind.IMPERSONATION: _("%(name)s acts for you in your panel.") % detail,
        Notice.Kind.NOT_TAUGHT: _("A message could not be taught: %(name)s") % detail,
        Notice.Kind.APP_PASSWORD_GONE: _("The app password “%(name)s” was revoked.") % detail,
        Notice.Kind.RECOVERY_ADDRESS: _("Your recovery address is now %(name)s.") % detail,
        Notice.Kind.RECOVERY_ADDRESS_GONE: _("Your recovery address %(name)s was removed.") % detail,
        Notice.Kind.RECOVERY_CODE: _("A one-time code for your account was made."),
    }[Notice.Kind(notice.kind)]
