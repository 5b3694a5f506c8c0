"""Whom mandatory encryption would shut out: logins without TLS, from the message trace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Max
from django.utils import timezone

from accounts.models import Account
from domains.models import Domain
from maillog.models import Entry, Kind, Verdict

LOOK_BACK = timedelta(days=14)
_SESSIONS = ("imap", "pop3", "managesieve")
# In Dovecot's line of the login; a folder's or a person's name cannot stand there.
_ENCRYPTED_LOGIN = r"-login: (Info: )?Login: user=<[^>]*>, [^\n]*mpid=[0-9]+, TLS"


@dataclass(frozen=True, slots=True)
class PlainLogin:
    """An account that came without TLS, over which protocol, how often and when last."""

    address: str
    protocol: str
    count: int
    last_at: datetime


def logins_without_tls(owner: Account | Domain | None, *, now: datetime | None = None) -> list[PlainLogin]:
    """Of the last 14 days, the newest first."""
    since = (now or timezone.now()) - LOOK_BACK
    sessions = Entry.objects.filter(kind=Kind.SESSION, verdict=Verdict.LOGGED_IN, service__in=_SESSIONS)
    # The reason is that of the end once a session is over.
    sessions = sessions.exclude(lines__text__regex=_ENCRYPTED_LOGIN)
    sent = Entry.objects.filter(kind=Kind.MESSAGE, lines__text__contains="sasl_username=")
    sent = sent.exclude(lines__text__contains=" TLS connection established from ")
    found: list[PlainLogin] = []
    for entries, protocol in ((sessions, ""), (sent, "smtp")):
        wanted = entries.filter(began_at__gte=since).exclude(login="")
        if isinstance(owner, Domain):
            wanted = wanted.filter(login__endswith=f"@{owner.name}")
        elif owner is not None:
            wanted = wanted.filter(login=owner.address)
        counted = wanted.values("login").annotate(
            over=F("service") if not protocol else F("kind"), number=Count("pk"), last=Max("last_at")
        )
        found += [
            PlainLogin(row["login"], protocol or row["over"], row["number"], row["last"])
            for row in counted.order_by("login")
        ]
    return sorted(found, key=lambda login: login.last_at, reverse=True)
