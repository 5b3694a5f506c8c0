"""Who does something, on whose behalf, and through which door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext as _

from qmailux_site.errors import NotAllowed

if TYPE_CHECKING:
    from accounts.models import Account
    from domains.models import Domain

Channel = Literal["panel", "admin", "api", "command", "task"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Rights are those of ``acting_as or real``; the audit names both.

    real is None for a command that somebody with the machine's root typed, and for our own tasks: they may
    everything. address is the network address of the person, where there is one.
    """

    real: Account | None
    channel: Channel
    acting_as: Account | None = None
    address: str = ""
    writes_allowed: bool = True

    @classmethod
    def console(cls) -> Actor:
        """Somebody at the server's own console, through manage.py."""
        return cls(real=None, channel="command")

    @classmethod
    def task(cls) -> Actor:
        """The server itself, in a background task."""
        return cls(real=None, channel="task")

    @property
    def person(self) -> Account | None:
        return self.acting_as or self.real

    @property
    def sees_everything(self) -> bool:
        if self.person is not None:
            return self.person.is_superuser
        return self.channel in ("command", "task")

    def must_be_superadmin(self) -> None:
        self._must_write()
        if not self.sees_everything:
            raise NotAllowed(_("Only the superadmin may do this."))

    def must_manage(self, domain: Domain) -> None:
        """Superadmin or a postmaster of the domain."""
        self._must_write()
        if self.sees_everything:
            return
        if self.person is None or not self.person.managed_domains.filter(pk=domain.pk).exists():
            raise NotAllowed(_("Only a postmaster of %(domain)s may do this.") % {"domain": domain})

    def must_outrank(self, account: Account) -> None:
        """May the actor change what lets somebody act as this account (password, lock, deletion)?

        A postmaster never touches a superadmin or somebody who manages a domain that the postmaster does not
        (PRM-01): otherwise a password reset would be a way up.
        """
        if account.domain is None:
            self.must_be_superadmin()
            return
        self.must_manage(account.domain)
        if self.sees_everything or self.person is None or account.pk == self.person.pk:
            return
        own = self.person.managed_domains.values("pk")
        if account.is_superuser or account.managed_domains.exclude(pk__in=own).exists():
            raise NotAllowed(_("%(address)s has more rights than you.") % {"address": account.address})

    def must_be(self, account: Account) -> None:
        """The owner of the account, or somebody who manages it."""
        self._must_write()
        if self.person is None or self.person.pk != account.pk:
            self.must_outrank(account)

    def _must_write(self) -> None:
        if not self.writes_allowed:
            raise NotAllowed(_("You are looking only: switch writing on first."))
