"""SMS through gateways that take mail: it leaves this machine as the account's domain's does."""

from __future__ import annotations

from accounts import smsdesk
from accounts.gateways import NotSent, SendMail
from accounts.models import Account
from accounts.notifying import SmsGateway
from accounts.smsfaults import SmsFault
from accounts.smstrials import run_trials
from domains.models import Domain
from provisioning.layout import Layout
from provisioning.letters import new_letter, post
from qmailux_site.errors import QmailuxError


def send_due_by_mail(layout: Layout) -> int:
    def mailer(account: Account) -> SendMail:
        if account.domain is None:
            raise NotSent(SmsFault.NO_MAILBOX)
        return _mailer(account.domain, layout)

    return smsdesk.send_due(SmsGateway.Kind.MAIL, mailer)


def run_trials_by_mail(layout: Layout) -> int:
    return run_trials(SmsGateway.Kind.MAIL, lambda domain: _mailer(domain, layout))


def _mailer(domain: Domain, layout: Layout) -> SendMail:
    def send(recipient: str, subject: str, text: str) -> None:
        letter = new_letter(domain=domain, recipient=recipient, subject=subject, text=text)
        try:
            post(letter, domain=domain, recipient=recipient, layout=layout)
        except QmailuxError as error:
            raise NotSent(SmsFault.MAIL_NOT_TAKEN, detail=str(error)) from error

    return send
