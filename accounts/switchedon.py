"""What is switched on at a mailbox, for its owner's first page."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.filtering import FilterRule
from accounts.models import Account, Autoresponder, Forwarding
from accounts.notifying import Notification


@dataclass(frozen=True, slots=True)
class Switch:
    """words: how it stands, in a few words."""

    label: str
    url: str
    is_on: bool
    words: str


def switches_of(account: Account) -> list[Switch]:
    return [_forwarding(account), _autoresponder(account), _filters(account), _sms(account)]


def _forwarding(account: Account) -> Switch:
    found = Forwarding.objects.filter(account=account).prefetch_related("targets").first()
    words = ", ".join(target.address for target in found.targets.all()) if found else _("off")
    return Switch(_("Forwarding"), reverse("forwarding"), found is not None, words)


def _autoresponder(account: Account) -> Switch:
    found = Autoresponder.objects.filter(account=account, is_on=True).first()
    words = _("off")
    if found is not None:
        until = found.ends_on and date_format(found.ends_on, "DATE_FORMAT")
        words = _("on until %(day)s") % {"day": until} if until else _("on")
    return Switch(_("Autoresponder"), reverse("autoresponder"), found is not None, words)


def _filters(account: Account) -> Switch:
    count = FilterRule.objects.filter(account=account, is_on=True).count()
    words = ngettext("%(count)d filter", "%(count)d filters", count) % {"count": count}
    return Switch(_("Filters"), reverse("filters"), bool(count), words)


def _sms(account: Account) -> Switch:
    found = Notification.objects.filter(account=account).first()
    is_on = found is not None and found.counts
    return Switch(_("SMS"), reverse("notifications"), is_on, found.number if found and is_on else _("off"))
