"""An alarm as a letter and as what a webhook gets."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import Account
from alarms import secret
from alarms.delivery import NotDelivered
from alarms.models import Alarm, AlarmMessage, settings_in_force
from alarms.words import details_of, remedy_of, sentence_of, title_of

SECONDS = 10
SIGNATURE = "X-QmaiLux-Signature"


def letter_of(message: AlarmMessage) -> EmailMessage:
    """In the receiver's language."""
    layout, alarm = settings.QMAILUX_LAYOUT, message.alarm
    letter = EmailMessage()
    with override(language_of(message)):
        when = date_format(timezone.localtime(alarm.raised_at), "DATETIME_FORMAT")
        lines = [sentence_of(alarm), "", _("Server: %(name)s") % {"name": layout.hostname}]
        lines.append(_("Since: %(time)s") % {"time": when})
        if message.event == "cleared" and alarm.cleared_at:
            over = date_format(timezone.localtime(alarm.cleared_at), "DATETIME_FORMAT")
            lines.append(_("Over at: %(time)s") % {"time": over})
        else:
            lines += ["", remedy_of(alarm)]
        lines += ["", url_of(alarm)]
        letter["Subject"] = f"[{layout.hostname}] {headline(message)}"
        letter.set_content("\n".join(lines) + "\n")
    letter["From"] = f"postmaster@{layout.hostname}"
    letter["To"] = ", ".join(recipients_of(message))
    letter["Date"] = format_datetime(message.created_at)
    letter["Message-ID"] = make_msgid(domain=layout.hostname)
    letter["Auto-Submitted"] = "auto-generated"
    return letter


def body_of(message: AlarmMessage) -> bytes:
    """ "text" is what chat programs show; the rest is for programs."""
    alarm = message.alarm
    with override(settings_in_force().language):
        sentence, remedy, title = sentence_of(alarm), remedy_of(alarm), headline(message)
        details = details_of(alarm)
    values = {
        "text": f"[{settings.QMAILUX_LAYOUT.hostname}] {title}: {sentence}",
        "event": message.event,
        "name": alarm.name,
        "about": alarm.about,
        "details": details,
        "remedy": remedy if message.event == "raised" else "",
        "server": settings.QMAILUX_LAYOUT.hostname,
        "raised_at": alarm.raised_at.isoformat(),
        "cleared_at": alarm.cleared_at.isoformat() if alarm.cleared_at else None,
        "url": url_of(alarm),
    }
    return json.dumps(values, ensure_ascii=False).encode()


def send_to_webhook(message: AlarmMessage) -> None:
    """One POST; an answer of 2xx is a delivery. Redirects are not followed."""
    webhook = secret.read()
    if webhook is None:
        raise NotDelivered(_("The webhook's address is gone: enter it again."))
    parts, body = urlsplit(webhook.url), body_of(message)
    headers = {"Content-Type": "application/json", "User-Agent": "QmaiLux"}
    if webhook.key:
        headers[SIGNATURE] = "sha256=" + hmac.new(webhook.key.encode(), body, hashlib.sha256).hexdigest()
    path = parts.path or "/"
    try:
        connection = _connection(parts.scheme, parts.hostname or "", parts.port)
        try:
            connection.request("POST", f"{path}?{parts.query}" if parts.query else path, body, headers)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        # Neither of them names the path, which holds the secret.
        raise NotDelivered(_reason(error)) from error
    if not 200 <= status < 300:
        raise NotDelivered(_("The webhook answered with %(status)d.") % {"status": status})


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=SECONDS)


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    if isinstance(error, OSError):
        return str(error.strerror or error)
    return type(error).__name__


def headline(message: AlarmMessage) -> str:
    title = title_of(message.alarm)
    return _("Over: %(title)s") % {"title": title} if message.event == "cleared" else title


def recipients_of(message: AlarmMessage) -> list[str]:
    """Of a letter: the one, or all who are told of every alarm."""
    return [message.recipient] if message.recipient else list(settings_in_force().mail_addresses)


def url_of(alarm: Alarm) -> str:
    """Of the page about it, else of all alarms."""
    return f"{settings.QMAILUX_LAYOUT.panel_url}{alarm.details.get('path') or reverse('alarms')}"


def language_of(message: AlarmMessage) -> str:
    """Of the account that it goes to, by its address or its confirmed number; else the one that was chosen
    for alarms.
    """
    owners = Account.objects.filter(address=message.recipient)
    if message.channel == AlarmMessage.Channel.SMS:
        owners = Account.objects.filter(notification__number=message.recipient)
    owner = owners.order_by("pk").first() if message.recipient else None
    return owner.language if owner else settings_in_force().language
