"""What a person may be called."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

from domains.names import describe_character
from qmailux_site.errors import ActionRefused

MAX_NAME_CHARACTERS = 150


def person_name(text: str) -> str:
    """On one line: spreadsheets break lines in cells, and a name goes into headers of mail.

    Raises ActionRefused for what is too long and for control characters.
    """
    name = " ".join(text.split())
    if len(name) > MAX_NAME_CHARACTERS:
        raise ActionRefused("name", _("A name has at most 150 characters."))
    for character in name:
        if unicodedata.category(character) == "Cc":
            sentence = _("A name cannot contain the character %(character)s.")
            raise ActionRefused("name", sentence % {"character": describe_character(character)})
    return name
