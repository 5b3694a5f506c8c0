"""Texts that people write and the mail plane sends: line ends as one, no characters that nobody sees."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

from domains.names import describe_character
from qmailux_site.errors import ActionRefused


def paragraphs(text: str, *, field: str, most_bytes: int) -> str:
    """The text with LF line ends, otherwise as typed. Raises ActionRefused for control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _refuse_controls(text, field=field, allowed="\n\t")
    if len(text.encode()) > most_bytes:
        sentence = _("The text is too long: at most %(size)d kB.")
        raise ActionRefused(field, sentence % {"size": most_bytes // 1024})
    return text


def one_line(text: str, *, field: str, most_characters: int) -> str:
    """The text on one line: a break that was pasted in becomes a blank, for a header holds none."""
    line = " ".join(text.split())
    _refuse_controls(line, field=field)
    if len(line) > most_characters:
        sentence = _("Too long: at most %(limit)d characters.")
        raise ActionRefused(field, sentence % {"limit": most_characters})
    return line


def _refuse_controls(text: str, *, field: str, allowed: str = "") -> None:
    for character in text:
        # Cs: half of a character, which no mail can carry.
        if unicodedata.category(character) in ("Cc", "Cs") and character not in allowed:
            sentence = _("The character %(character)s cannot stand here.")
            raise ActionRefused(field, sentence % {"character": describe_character(character)})
