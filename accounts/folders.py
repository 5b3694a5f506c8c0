"""Names of folders in a mailbox, as people write them: "Klienci/Żółta Łódź"."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.texts import one_line
from qmailux_site.errors import ActionRefused

# The whole name is one folder on disk, in modified UTF-7.
MOST_BYTES = 200
REFUSED = "*%~."


def folder_name(text: str, *, field: str) -> str:
    """The name with INBOX in its one spelling. Raises ActionRefused for what the mail store cannot name."""
    name = one_line(text, field=field, most_characters=MOST_BYTES)
    levels = name.split("/")
    if any(not level or level != level.strip() for level in levels):
        raise ActionRefused(field, _("Between two / there must be a name, without blanks around it."))
    for character in REFUSED:
        if character in name:
            sentence = _("A folder's name cannot contain %(character)s")
            raise ActionRefused(field, sentence % {"character": character})
    if len(name.encode("utf-7")) > MOST_BYTES:
        raise ActionRefused(field, _("This name is too long for a folder."))
    if levels[0].upper() == "INBOX":
        levels[0] = "INBOX"
    return "/".join(levels)
