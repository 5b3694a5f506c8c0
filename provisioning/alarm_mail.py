"""Alarms by mail, through Postfix's own socket: that needs no login, and no disk of a mailbox."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from accounts.gateways import NotSent
from accounts.notifying import SmsGateway
from accounts.smsfaults import SmsFault
from alarms.delivery import NotDelivered
from alarms.messages import letter_of, recipients_of
from alarms.models import AlarmMessage
from alarms.texting import send_texts
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from qmailux_site.errors import HostError

SECONDS = 60


def send_texts_by_mail(host: Host, layout: Layout) -> int:
    """SMS whose gateway takes them as mail."""

    def send(recipient: str, subject: str, text: str) -> None:
        letter = EmailMessage()
        letter["From"] = f"postmaster@{layout.hostname}"
        letter["To"], letter["Subject"] = recipient, subject
        letter["Date"], letter["Message-ID"] = formatdate(localtime=True), make_msgid(domain=layout.hostname)
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(text)
        argv = [str(layout.bin / "qmailux-submit"), "-f", "", "--", recipient]
        try:
            host.run(argv, stdin=letter.as_bytes(), timeout=SECONDS)
        except HostError as error:
            raise NotSent(SmsFault.MAIL_NOT_TAKEN, detail=str(error)) from error

    return send_texts(SmsGateway.Kind.MAIL, send)


def send_by_mail(message: AlarmMessage, host: Host, layout: Layout) -> None:
    """Queued for every address, or NotDelivered. The sender is empty: nobody answers a bounce of it."""
    addresses = recipients_of(message)
    if not addresses:
        return  # taken away meanwhile
    argv = [str(layout.bin / "qmailux-submit"), "-f", "", "--", *addresses]
    try:
        host.run(argv, stdin=letter_of(message).as_bytes(), timeout=SECONDS)
    except HostError as error:
        raise NotDelivered(str(error)) from error
