"""Two people edit one thing at once: the second is told, and nobody's change is lost silently."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from qmailux_site.errors import ActionRefused


def changed_meanwhile(field: str) -> ActionRefused:
    sentence = _("Somebody else has changed this meanwhile: open the page again and look at it first.")
    return ActionRefused(field, sentence)


def refuse_unseen(stored: Iterable[str], seen: Iterable[str] | None, *, field: str) -> None:
    """seen: the addresses that stood on the page where they were changed; None where there was no page."""
    if seen is not None and sorted(stored) != sorted(seen):
        raise changed_meanwhile(field)
