"""Thresholds, languages and whether mail is scanned at all."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from antispam.actions.owner import Owner, forget_if_empty, locked_preference, must_own, record
from antispam.languages import LANGUAGES
from antispam.models import LEAST_SUSPECTED, MOST_SPAM_DAYS, MOST_STARS, MOST_SUSPECTED
from qmailux_site.errors import ActionRefused

Thresholds = tuple[Decimal, int]


def set_spam_preference(
    owner: Owner,
    *,
    thresholds: Thresholds | None,
    is_scanned: bool | None,
    languages: Sequence[str] = (),
    spam_days: int | None = None,
    by: Actor,
) -> None:
    """What is None (no languages) is left to the level below. Lists of senders stay as they are.

    thresholds: from which score on mail is suspected, and from which it goes into the folder SPAM; refused
    when out of range or out of order. spam_days: how long the folder SPAM keeps mail; a domain's or the
    server's.
    """
    must_own(by, owner)
    if thresholds is not None:
        _check_thresholds(*thresholds)
    if unknown := [code for code in languages if code not in LANGUAGES]:
        raise ActionRefused("languages", _("Unknown language: %(code)s") % {"code": unknown[0][:20]})
    if spam_days is not None and not 1 <= spam_days <= MOST_SPAM_DAYS:
        raise ActionRefused("spam_days", _("Between 1 and %(most)d days.") % {"most": MOST_SPAM_DAYS})
    with transaction.atomic():
        preference, is_new = locked_preference(owner)
        preference.suspected, preference.probable = thresholds or (None, None)
        preference.is_scanned = is_scanned
        preference.languages = " ".join(sorted(set(languages)))
        preference.spam_days = spam_days
        preference.save()
        is_gone = forget_if_empty(preference)
        record(
            by,
            "spam.preference_set",
            owner,
            accounts_too=is_new != is_gone,
            suspected=str(thresholds[0]) if thresholds else "",
            probable=thresholds[1] if thresholds else None,
            is_scanned=is_scanned,
            languages=sorted(set(languages)),
            spam_days=spam_days,
        )


def _check_thresholds(suspected: Decimal, probable: int) -> None:
    if not suspected.is_finite() or not LEAST_SUSPECTED <= suspected <= MOST_SUSPECTED:
        raise ActionRefused(
            "suspected",
            _("Between %(least)d and %(most)d.") % {"least": LEAST_SUSPECTED, "most": MOST_SUSPECTED},
        )
    if suspected != suspected.quantize(Decimal("0.1")):
        raise ActionRefused("suspected", _("At most one digit after the point."))
    if not 1 <= probable <= MOST_STARS:
        raise ActionRefused(
            "probable", _("A whole number from %(least)d to %(most)d.") % {"least": 1, "most": MOST_STARS}
        )
    if probable < suspected:
        raise ActionRefused("probable", _("Not below the first number."))
