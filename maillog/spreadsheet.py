"""The trace as a table for people: its headings and words are in the language of whoever asks for it.

Programs read the JSON, or `manage.py trace --csv`; both keep the names of maillog.export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language, override, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from maillog.shown import Shown

Column = tuple[Any, Callable[[Shown], object]]


def spreadsheet(rows: Iterable[Shown], *, is_plain: bool) -> tuple[list[str], Iterator[list[object]]]:
    """Headings, and the rows while they are read. is_plain: without what only a server's keeper knows."""
    columns = PLAIN if is_plain else FULL
    return [str(heading) for heading, _cell in columns], _cells(rows, columns, get_language() or "en")


def _cells(rows: Iterable[Shown], columns: Sequence[Column], language: str) -> Iterator[list[object]]:
    # A file is sent when the request is over, and its language with it.
    for row in rows:
        with override(language):
            yield [cell(row) for _heading, cell in columns]


def _began(row: Shown) -> str:
    """Without a zone, which no spreadsheet takes for a time."""
    return f"{timezone.localtime(row.entry.began_at):%Y-%m-%d %H:%M:%S}"


def _to(row: Shown) -> str:
    return row.entry.login if row.entry.kind == "session" else row.entry.recipient


def _handling(row: Shown) -> str:
    return ", ".join(row.handling)


def _of(name: str) -> Callable[[Shown], object]:
    return lambda row: getattr(row.entry, name)


_WHEN: Column = (_("When"), _began)
_FROM: Column = (_("From"), _of("sender"))
_SUBJECT: Column = (_("Subject"), lambda row: row.acts or row.entry.subject)
_FOLDER: Column = (_("Folder"), _of("folder"))
_SIZE: Column = (_("Size in bytes"), lambda row: row.entry.size_bytes or "")
PLAIN: Sequence[Column] = (
    _WHEN,
    (_("What"), lambda row: row.kind),
    (_("Got or sent"), lambda row: row.direction),
    _FROM,
    (pgettext_lazy("recipient", "To"), _to),
    _SUBJECT,
    (_("What became of it"), lambda row: row.verdict),
    (_("Why it was refused"), lambda row: row.mechanism),
    (_("What was done with it"), _handling),
    _FOLDER,
    _SIZE,
    (_("With"), lambda row: row.service),
    (_("From the computer"), lambda row: row.client),
)
FULL: Sequence[Column] = (
    _WHEN,
    (_("What"), lambda row: row.kind),
    (_("Fate"), lambda row: row.verdict),
    (_("Refused by"), lambda row: row.mechanism),
    (_("Direction"), lambda row: row.direction),
    (_("Client"), lambda row: row.client),
    (_("Client's name"), _of("client_name")),
    ("HELO", _of("helo")),
    (_("Login"), _of("login")),
    (_("Service"), _of("service")),
    _FROM,
    (pgettext_lazy("recipient", "To"), _of("recipient")),
    (_("Number of recipients"), lambda row: row.entry.recipient_count or ""),
    _SUBJECT,
    _SIZE,
    (_("Queue id"), _of("queue_id")),
    ("Message-ID", _of("message_id")),
    _FOLDER,
    (_("In the server's words"), _of("reason")),
    (_("Address of this server"), _of("own_address")),
    (_("Spam points"), _of("spam_score")),
    (_("Spam rules"), lambda row: row.rules),
    (_("Handling"), _handling),
)
