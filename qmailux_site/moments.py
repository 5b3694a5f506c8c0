"""Moments as people type them on the command line."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from qmailux_site.errors import ActionRefused

_FROM_NOW = re.compile(r"([0-9]{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_moment(text: str) -> datetime | None:
    """A moment, or a time from now such as 45m, 6h, 2d; "" is None. Anything else is refused."""
    text = text.strip()
    if not text:
        return None
    if found := _FROM_NOW.fullmatch(text):
        return timezone.now() + timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise ActionRefused("until", _("A moment is written like 2026-11-30T08:00, or 45m, 6h, 2d from now."))
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
