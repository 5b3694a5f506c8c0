"""Whom autoresponders have answered, as Dovecot's log tells: its own memory holds no readable address."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from accounts.answered import AnsweredSender
from accounts.models import Autoresponder

ROWS_A_STATEMENT = 900
# The sender's address ends the line; what stands before it may be a Message-ID that somebody made up.
_ANSWER = re.compile(
    r"(\S+) lmtp\(([^)\s]+)\)<[^>]*><[^>]*>: (?:Info: )?sieve: .*"
    r"vacation action: sent vacation response to <([^<>\s]+@[^<>\s]+)>"
)

Answer = tuple[str, str, datetime]


def answers_in(text: str) -> Iterator[Answer]:
    """Account, sender and time of each answer in the order of the log."""
    for line in text.splitlines():
        if "vacation action: sent" not in line or not (found := _ANSWER.fullmatch(line)):
            continue
        try:
            when = datetime.fromisoformat(found[1])
        except ValueError:
            continue
        if when.tzinfo is not None and len(found[3]) <= 254:
            yield found[2].lower(), found[3].lower(), when


def save_answers(answers: Iterable[Answer]) -> int:
    """Note the newest answer to each sender in the present period; returns how many were noted."""
    newest = {(account, sender): when for account, sender, when in answers}
    accounts = sorted({account for account, _sender in newest})
    noted = 0
    for start in range(0, len(accounts), ROWS_A_STATEMENT):
        part = accounts[start : start + ROWS_A_STATEMENT]
        stored = {
            row.account.address: row
            for row in Autoresponder.objects.filter(account__address__in=part).select_related("account")
        }
        rows = [
            AnsweredSender(autoresponder=stored[account], address=sender, answered_at=when)
            for (account, sender), when in newest.items()
            # The log counts in whole seconds.
            if account in stored and when >= stored[account].period_since.replace(microsecond=0)
        ]
        AnsweredSender.objects.bulk_create(
            rows,
            batch_size=ROWS_A_STATEMENT,
            update_conflicts=True,
            unique_fields=["autoresponder", "address"],
            update_fields=["answered_at"],
        )
        noted += len(rows)
    return noted
