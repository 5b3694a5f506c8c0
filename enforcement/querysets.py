"""What is asked of certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import F

from provisioning.layout import covers

if TYPE_CHECKING:
    from enforcement.models import Certificate  # named as text below


class CertificateQuerySet(models.QuerySet["Certificate"]):
    def serving(self) -> Self:
        """Those in use, what was taken last first: it wins where names meet."""
        return self.filter(state="active").order_by(F("taken_at").desc(nulls_last=True), "-pk")

    def good_for(self, host: str) -> Certificate | None:
        """The one that a client is shown who asks for the name; None: one of our own authority."""
        found = (each for each in self.serving() if any(covers(name, host) for name in each.names))
        return next(found, None)
