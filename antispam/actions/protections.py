"""Switching protections and setting their options."""

from __future__ import annotations

import re

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from antispam.models import Protection
from antispam.protections import BY_NAME, CHOICES, KINDS
from audit import record as audit
from provisioning import outbox
from qmailux_site.errors import ActionRefused

MOST_WORDS = 50
# A zone, and which of its answers count: an error code of the list is none of them (SPM-12).
_SITE_TEXT = r"(?=.{4,200}\Z)([a-z0-9_-]+\.)+[a-z0-9-]+=127(?:\.(?:[0-9]{1,3}|\[[0-9.;]+\])){3}"
# Each form of a word, and an example of it. "*2" are the points of a list; they may be negative.
_FORMS = {
    "sites": (re.compile(_SITE_TEXT), "bl.example.org=127.0.0.[2..11]"),
    "scored_sites": (re.compile(_SITE_TEXT + r"\*-?[1-9]"), "bl.example.org=127.0.0.[2..11]*2"),
    "endings": (re.compile(r"[a-z0-9]{1,10}"), "exe"),
}


def set_protection(
    name: str, *, is_on: bool | None = None, options: dict[str, list[str]] | None = None, by: Actor
) -> None:
    """Switch it, set its options, or both; what is None stays. It takes effect within seconds."""
    by.must_be_superadmin()
    kind = BY_NAME.get(name)
    if kind is None:
        raise ActionRefused("name", _("There is no protection %(name)s.") % {"name": name[:40]})
    wanted = dict(options or {})
    for option, words in wanted.items():
        if option not in kind.options:
            raise ActionRefused("options", _("%(name)s has no such setting.") % {"name": kind.title})
        _check(option, words)
    with transaction.atomic():
        found, _is_new = Protection.objects.select_for_update().get_or_create(
            name=name, defaults={"is_on": is_on_by_default(name)}
        )
        if is_on is not None:
            found.is_on = is_on
        found.options = {**found.options, **wanted}
        found.save()
        details = {option: words[:MOST_WORDS] for option, words in wanted.items()}
        audit.record(by, "protection.set", name, scope="server", is_on=found.is_on, **details)
        outbox.record_settings()


def is_on_by_default(name: str) -> bool:
    return BY_NAME[name].is_on and name not in settings.QMAILUX_PROTECTIONS_OFF


def states() -> dict[str, tuple[bool, dict[str, list[str]]]]:
    """Whether each is on, and its options, in the order in which a message meets them."""
    stored = {found.name: found for found in Protection.objects.all()}
    return {
        kind.name: (
            stored[kind.name].is_on if kind.name in stored else is_on_by_default(kind.name),
            {**kind.options, **(stored[kind.name].options if kind.name in stored else {})},
        )
        for kind in KINDS
    }


def _check(option: str, words: list[str]) -> None:
    if option in CHOICES:
        if len(words) != 1 or words[0] not in CHOICES[option]:
            raise ActionRefused(option, _("One of: %(choices)s") % {"choices": ", ".join(CHOICES[option])})
        return
    if len(words) > MOST_WORDS:
        raise ActionRefused(option, _("At most %(limit)d entries are possible.") % {"limit": MOST_WORDS})
    pattern, example = _FORMS[option]
    for word in words:
        if not pattern.fullmatch(word):
            sentence = _("“%(word)s” is not of the form %(example)s.")
            raise ActionRefused(option, sentence % {"word": word[:80], "example": example})
