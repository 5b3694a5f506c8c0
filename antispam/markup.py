"""What the spam check wrote into a message, and how it is taken out again.

Bytes, because the rest must stay as it is.
"""

from __future__ import annotations

import re

_OURS = re.compile(rb"(?:X-Spam-[A-Za-z-]+|X-QM-[A-Za-z-]+)\s*:", re.IGNORECASE)
_SUBJECT = re.compile(rb"Subject\s*:", re.IGNORECASE)
_PREVIOUS = re.compile(rb"X-Spam-Prev-Subject\s*:", re.IGNORECASE)
_TAG = re.compile(rb"^(Subject\s*:\s*)\[SPAM\] ?", re.IGNORECASE)
_FIELD = re.compile(rb"[^\r\n]*(?:\r?\n|\Z)(?:[ \t][^\r\n]*(?:\r?\n|\Z))*")


def without_markup(message: bytes) -> bytes:
    """The message as it came: our header fields gone, the subject as it was."""
    head, body = _parted(message)
    fields = _FIELD.findall(head)
    previous = next((field for field in fields if _PREVIOUS.match(field)), None)
    kept = [_own_subject(field, previous) for field in fields if not _OURS.match(field)]
    return b"".join(kept) + body


def _own_subject(field: bytes, previous: bytes | None) -> bytes:
    if not _SUBJECT.match(field):
        return field
    if previous is not None:
        return _PREVIOUS.sub(b"Subject:", previous, count=1)
    return _TAG.sub(rb"\1", field, count=1)


def _parted(message: bytes) -> tuple[bytes, bytes]:
    """Header fields, and the empty line with all that follows."""
    found = re.search(rb"(?:\A|\r?\n)(?=\r?\n)", message)
    return (message, b"") if found is None else (message[: found.end()], message[found.end() :])
