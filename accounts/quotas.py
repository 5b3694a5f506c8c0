"""Quotas as people write and read them: whole MB in, MB or GB out. 1 MB is 1024 * 1024 bytes.

One meaning everywhere: empty is the domain's default, 0 is unlimited.
"""

from __future__ import annotations

import re

from django.utils.formats import get_format
from django.utils.translation import gettext as _

from qmailux_site.errors import ActionRefused

# 1 PB. Dovecot counts in 64 bits with a sign and multiplies a limit by a percentage.
MAX_QUOTA_BYTES = 1024**5

_BYTES_OF_UNIT = {"MB": 1024**2, "GB": 1024**3}
_QUOTA = re.compile(r"([0-9]+) ?(MB|GB)?", re.IGNORECASE | re.ASCII)
_MAX_INPUT_LENGTH = 100


def parse_quota_mb(text: str, *, field: str = "quota") -> int | None:
    """Bytes; None for an empty text (the domain's default), 0 for unlimited.

    Whole MB in ASCII digits, or with a unit ("10 MB", "2 GB"). Anything else, or more than MAX_QUOTA_BYTES,
    raises ActionRefused(field, ...).
    """
    stripped = text.strip()
    if not stripped:
        return None
    match = _QUOTA.fullmatch(stripped)
    if len(stripped) > _MAX_INPUT_LENGTH or not match:
        sentence = _("A quota is a whole number of MB, such as 500, or has its unit: 2 GB. 0 is unlimited.")
        raise ActionRefused(field, sentence)
    count = int(match[1]) * _BYTES_OF_UNIT[(match[2] or "MB").upper()]
    if count > MAX_QUOTA_BYTES:
        sentence = _("A quota is at most %(limit)d MB.") % {"limit": MAX_QUOTA_BYTES // 1024**2}
        raise ActionRefused(field, sentence)
    return count


def format_bytes(size_bytes: int, language: str = "en") -> str:
    """A size to be read, such as "1.5 GB" (Polish: "1,5 GB")."""
    size, unit = float(size_bytes), "B"
    for larger_unit in ("KB", "MB", "GB", "TB"):
        if round(size, 1) < 1024:
            break
        size, unit = size / 1024, larger_unit
    mark = str(get_format("DECIMAL_SEPARATOR", language, use_l10n=True))
    number = f"{size:.1f}".removesuffix(".0").replace(".", mark)
    return f"{number}\N{NO-BREAK SPACE}{unit}"
