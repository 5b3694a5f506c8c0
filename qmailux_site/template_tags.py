"""What templates need beyond Django's own: icons, times and sizes as people read them."""

from __future__ import annotations

import datetime

from django.template import Library
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from accounts.quotas import format_bytes
from domains.names import display_domain
from maillog.reasons import own_reason

register = Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """A symbol of icons.svg, for the eye only."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', static("qmailux/icons.svg"), name
    )


@register.simple_tag
def ago(when: datetime.datetime | None) -> SafeString:
    """A time seen from now, the exact one on hover."""
    return _time(when, relative(when)) if when else SafeString("")


@register.simple_tag
def clock(when: datetime.datetime | None) -> SafeString:
    """The time of day; with its date when it was not today, and the year when it was not this one."""
    if when is None:
        return SafeString("")
    local = timezone.localtime(when)
    today = timezone.localdate()
    shape = "H:i:s" if local.date() == today else ("j E, H:i" if local.year == today.year else "j E Y, H:i")
    return _time(when, date_format(local, shape))


@register.filter
def size(size_bytes: int) -> str:
    """Bytes in MB or GB, with the locale's decimal mark."""
    return format_bytes(size_bytes, get_language() or "en")


@register.filter
def plain_reason(reason: str) -> str:
    """Why a message waits: in plain words where the reason is this server's, else as it is."""
    return own_reason(reason) or reason


@register.filter
def readable(address: str) -> str:
    """An address or a domain as people write it: żółw.example, not xn--w-uga1v8h.example."""
    localpart, at, domain = address.rpartition("@")
    return f"{localpart}{at}{display_domain(domain)}"


@register.filter
def breakable(address: str) -> SafeString:
    """In a narrow column a line ends before the "@" rather than within a word."""
    return mark_safe(conditional_escape(address).replace("@", "<wbr>@"))  # noqa: S308  # escaped just here


@register.filter
def grouped(number: int) -> str:
    """A number with its thousands apart."""
    return number_format(number, use_l10n=True, force_grouping=True)


def relative(when: datetime.datetime) -> str:
    """For the last week; what is older has a date."""
    minutes = int((timezone.now() - when).total_seconds() // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return ngettext("%(count)d minute ago", "%(count)d minutes ago", minutes) % {"count": minutes}
    hours, days = minutes // 60, minutes // 1440
    if days < 1:
        return ngettext("%(count)d hour ago", "%(count)d hours ago", hours) % {"count": hours}
    if days <= 7:
        return ngettext("%(count)d day ago", "%(count)d days ago", days) % {"count": days}
    return date_format(timezone.localtime(when), "j E Y")


def _time(when: datetime.datetime, text: str) -> SafeString:
    local = timezone.localtime(when)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        local.strftime("%Y-%m-%d %H:%M:%S"),
        text,
    )
