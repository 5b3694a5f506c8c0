"""Subjects as people read them, from what a log printed (LOG-06). Pure and total."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header

# A folded header: its line end is printed as "?", so "?=" newline "=?" reads "?=?=?" or "?=? =?".
_FOLD = re.compile(r"\?=\?[ \t]*=\?")
_WORD = re.compile(r"=\?[^?\s]+\?[BbQq]\?[^?]*\?=")
# Cut at about 200 bytes, perhaps within a word.
_UNFINISHED = re.compile(r"=\?[^?\s]*(?:\?[BbQq]?(?:\?[^?\s]*)?)?$")


def readable_subject(raw: str) -> str:
    """RFC 2047 decoded, folds joined, an unfinished last word left out; what cannot be decoded stays raw."""
    if "=?" not in raw:
        return raw
    text = _FOLD.sub("?= =?", raw)
    last = text.rfind("=?")
    if not _WORD.match(text, last) and not text.endswith("?="):
        text = _UNFINISHED.sub("…", text)
    try:
        decoded = "".join(_decoded(part, charset) for part, charset in decode_header(text))
        return storable(decoded).strip() or raw
    except (HeaderParseError, ValueError, LookupError):
        return raw


def storable(text: str) -> str:
    """Without what no database takes: NUL, and halves of characters."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _decoded(part: bytes | str, charset: str | None) -> str:
    if isinstance(part, str):
        return part
    try:
        return part.decode(charset or "utf-8", "replace")
    except LookupError:
        return part.decode("utf-8", "replace")
