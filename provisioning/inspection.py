"""What the machine knows of one account, for the page and command that ask what is wrong with it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from accounts.models import Account
from provisioning import evidence
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.models import Inspection

# Of the end of each log: some days on a small server, the last hours on a large one.
LOG_BYTES = 16 * 1024 * 1024
SECONDS = 30


def inspect(account: Account, host: Host, layout: Layout) -> dict[str, Any]:
    """Plain values only. What cannot be read is left out and counts as not known."""
    address = account.address
    logins = _tail(host, "log/dovecot.log")
    attempts = evidence.login_attempts(logins, address)
    sources = {attempt.source for attempt in attempts}
    sources |= set(account.last_logins.values_list("address", flat=True))
    script = host.read(f"mail/{account.home}/.dovecot.sieve") or b""
    queue = host.run(["postqueue", "-c", str(layout.etc / "postfix"), "-j"], timeout=SECONDS)
    return {
        "is_rendered": address in host.query_rows("account", [address]),
        "attempts": [attempt.plain() for attempt in attempts],
        "without_tls": [attempt.plain() for attempt in evidence.refused_without_tls(logins, sources)],
        "queued": evidence.queued(queue.stdout.decode("utf-8", "replace"), address),
        "deliveries": evidence.deliveries(_tail(host, "log/mail.log"), address),
        "own_script_discards": evidence.discards(script.decode("utf-8", "replace")),
    }


def answer(account: Account, host: Host, layout: Layout) -> None:
    """Write down for the page what `inspect` finds."""
    found = inspect(account, host, layout)
    values = {"found": found, "answered_at": timezone.now()}
    Inspection.objects.update_or_create(account=account, defaults=values)


def _tail(host: Host, path: str) -> str:
    done = host.run(["tail", "-c", str(LOG_BYTES), path], timeout=SECONDS, check=False)
    return done.stdout.decode("utf-8", "replace")
