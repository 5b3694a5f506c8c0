"""Sessions in the panel: where somebody is logged in.

Django keeps them; here stands what people know them by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from accounts.actor import Actor

# From what a browser says of itself; the first that fits, for most name others too.
_PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
LONGEST_BROWSER = 200


class PanelSessionQuerySet(models.QuerySet["PanelSession"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Everybody: the own ones."""
        if actor.sees_everything:
            return self
        return self.none() if actor.person is None else self.filter(account=actor.person)

    def alive(self) -> Self:
        """Neither run out nor ended by a newer password."""
        newer = Q(account__password_changed_at=None) | Q(seen_at__gte=F("account__password_changed_at"))
        return self.filter(newer, session__expire_date__gt=timezone.now())

    def search(self, beginning: str) -> Self:
        """Beginning of the login or of the network address."""
        if not beginning:
            return self
        return self.filter(
            Q(account__address__startswith=beginning.lower()) | Q(address__startswith=beginning)
        )


class PanelSession(models.Model):
    """One login that is still good. It goes with Django's own row: at logout, when revoked, when swept."""

    session = models.OneToOneField("sessions.Session", models.CASCADE, related_name="panel_session")
    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="panel_sessions")
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=LONGEST_BROWSER, blank=True)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    objects = PanelSessionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.browser_name} {self.address}"

    @property
    def browser_name(self) -> str:
        """ "Firefox, Windows"; what is not known by name is shown as it named itself."""
        known = [
            next((name for mark, name in names if mark in self.browser), "")
            for names in (_PROGRAMS, _SYSTEMS)
        ]
        return ", ".join(name for name in known if name) or self.browser[:60] or str(_("unknown program"))
