"""Whether the secrets in the database can be opened on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, QuerySet
from django.db.models.functions import Substr

from domains.models import DkimKey, Smarthost
from provisioning.layout import Layout
from qmailux_site.sealing import KEY_ID_LENGTH, key_id, key_ids

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Found:
    """lost: what is sealed with a key that is not here, in words. clear: how many are not sealed."""

    has_key: bool
    lost: tuple[str, ...]
    clear: int

    @property
    def is_well(self) -> bool:
        return self.has_key and not self.lost and not self.clear

    @property
    def lost_in_words(self) -> str:
        named = ", ".join(self.lost[:MOST_NAMED])
        return f"{named} and others" if len(self.lost) > MOST_NAMED else named


def look_at_secrets(layout: Layout) -> Found:
    """Root's question; nothing is opened."""
    known = key_ids(layout.sealing_keys)
    public = layout.sealing_public
    keys, smarthosts = DkimKey.objects.all(), Smarthost.objects.all()
    return Found(
        has_key=public.exists() and key_id(public.read_bytes()) in known,
        lost=(
            *_lost(keys.exclude(state=DkimKey.State.RETIRED), "sealed_key", known, what="DKIM key of"),
            *_lost(smarthosts, "sealed_password", known, what="smarthost password of"),
        ),
        clear=keys.exclude(private_key="").count() + smarthosts.exclude(password="").count(),
    )


def _lost(
    rows: QuerySet[DkimKey] | QuerySet[Smarthost], column: str, known: set[str], *, what: str
) -> Iterator[str]:
    sealed = rows.exclude(**{column: ""}).annotate(sealed_with=Substr(column, 1, KEY_ID_LENGTH)).order_by()
    used = sealed.values("sealed_with").annotate(number=Count("pk"))
    for key in sorted({row["sealed_with"] for row in used} - known):
        names = sealed.filter(sealed_with=key).values_list("domain__name", flat=True)
        for name in names.order_by("domain__name")[: MOST_NAMED + 1]:
            yield f"{what} {name or 'the server'} ({key})"
