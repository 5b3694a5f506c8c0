"""Mails the links and codes that people wait for who have forgotten their password.

Their secrets are made here, at the moment of sending: nothing that could open an account lies in the
database, in a queue or in a task's arguments. A crash between sending and noting mails another one.
"""

from __future__ import annotations

import logging

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.actions import recovery
from accounts.actor import Actor
from accounts.models import Account
from accounts.recovering import RecoveryAddress, RecoveryRequest
from provisioning.layout import Layout
from provisioning.letters import new_letter, post
from qmailux_site.errors import QmailuxError

log = logging.getLogger(__name__)

LETTERS_A_RUN = 200


def send_waiting(layout: Layout) -> int:
    """Answer what was asked; returns how many letters went. One that cannot be sent waits for the next run
    and does not stop the others.
    """
    sent = 0
    waiting = RecoveryRequest.objects.filter(answered_at=None)
    for request in waiting.exclude(kind=RecoveryRequest.Kind.WRONG_CODE)[:LETTERS_A_RUN]:
        try:
            sent += _answer(request, layout)
        except QmailuxError as error:
            log.warning("recovery letter waits request=%s: %s", request.pk, error)
            continue
        RecoveryRequest.objects.filter(pk=request.pk).update(answered_at=timezone.now())
    recovery.forget_old_requests()
    return sent


def _answer(request: RecoveryRequest, layout: Layout) -> bool:
    if request.kind == RecoveryRequest.Kind.LINK:
        return _send_link(request, layout)
    return _send_confirmation(request, layout)


def _send_link(request: RecoveryRequest, layout: Layout) -> bool:
    wanted = recovery.wants_link(request)
    if wanted is None:
        return False
    account, recipient = wanted
    secret = recovery.new_link_secret()
    with override(account.language):
        subject = _("A new password for %(address)s") % {"address": account.address}
        lines = [
            _("Somebody asked for a new password of %(address)s.") % {"address": account.address},
            _("If it was you, open this link. It works once, and for an hour:"),
            "",
            f"{layout.panel_url}/forgotten/link/{secret}/",
            "",
            _("If it was not you, do nothing: the password stays as it is."),
        ]
        if request.address:
            lines += ["", _("Asked from the address: %(address)s") % {"address": request.address}]
    _post(account, recipient, subject, lines, layout)
    recovery.note_link_sent(account, secret=secret, network_address=request.address, by=Actor.task())
    return True


def _send_confirmation(request: RecoveryRequest, layout: Layout) -> bool:
    waiting = RecoveryAddress.objects.filter(account__address=request.login).exclude(pending="")
    stored = waiting.select_related("account__domain__node").first()
    if stored is None:
        return False
    account, code = stored.account, recovery.new_confirmation_code()
    with override(account.language):
        subject = _("Code for the recovery address of %(address)s") % {"address": account.address}
        lines = [
            _("The owner of %(address)s wants links to a new password to be sent here.")
            % {"address": account.address},
            _("If it is you, enter this code in the panel, under Forgotten password:"),
            "",
            code,
            "",
            _("It works for an hour. If it is not you, do nothing."),
        ]
    _post(account, stored.pending, subject, lines, layout)
    recovery.note_confirmation_sent(stored, code=code, by=Actor.task())
    return True


def _post(account: Account, recipient: str, subject: str, lines: list[str], layout: Layout) -> None:
    assert account.domain is not None  # noqa: S101  # both callers' accounts have one
    text = "\n".join(lines) + "\n"
    letter = new_letter(domain=account.domain, recipient=recipient, subject=subject, text=text)
    post(letter, domain=account.domain, recipient=recipient, layout=layout)
