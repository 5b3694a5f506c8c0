"""Who does something, on whose behalf, and through which door."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from django.apps import apps
from django.utils.translation import gettext as _

from accounts.rights import ALL_RIGHTS, Right, domains_of, first_role, has_rights_beyond, rights_on
from qmailux_site.errors import NotAllowed

if TYPE_CHECKING:
    from django.db.models import QuerySet

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

    def itself(self) -> Actor:
        """The real person alone, for what is theirs whomever they act for."""
        return replace(self, acting_as=None, writes_allowed=True)

    @property
    def person(self) -> Account | None:
        return self.acting_as or self.real

    def name(self) -> str:
        """Who it is, for people who read it later."""
        return self.real.address if self.real else {"command": "console", "task": "server"}[self.channel]

    def role(self) -> str:
        """What the real person is, for the audit; "" for the console and the server."""
        if self.real is None:
            return ""
        if self.real.is_superuser:
            return "superadmin"
        if self.real.managed_domains.exists():
            return "postmaster"
        return first_role(self.real) or "user"

    @property
    def sees_everything(self) -> bool:
        if self.person is not None:
            return self.person.is_superuser
        return self.channel in ("command", "task")

    def domains(self, right: Right = Right.SEE) -> QuerySet[Domain]:
        """Where the actor has the right."""
        if self.sees_everything:
            everywhere: QuerySet[Domain] = apps.get_model("domains", "Domain")._default_manager.all()
            return everywhere
        if self.person is None:
            nowhere: QuerySet[Domain] = apps.get_model("domains", "Domain")._default_manager.none()
            return nowhere
        return domains_of(self.person, right)

    def rights_on(self, domain_name: str) -> frozenset[Right]:
        """What the actor may in one domain."""
        if self.sees_everything:
            return ALL_RIGHTS
        return rights_on(self.person, domain_name) if self.person is not None else frozenset()

    def may(self, right: Right, domain: Domain) -> bool:
        return right in self.rights_on(domain.name)

    def must_be_superadmin(self) -> None:
        self.must_write()
        if not self.sees_everything:
            raise NotAllowed(_("Only the superadmin may do this."))

    def must_manage(self, domain: Domain) -> None:
        """Superadmin or a postmaster of the domain."""
        self.must_have(Right.MANAGE, domain)

    def must_have(self, right: Right, domain: Domain) -> None:
        self.must_write()
        if not self.may(right, domain):
            raise NotAllowed(_("Only a postmaster of %(domain)s may do this.") % {"domain": domain})

    def must_outrank(self, account: Account, right: Right = Right.MANAGE) -> None:
        """May the actor change what lets somebody act as this account (password, lock, deletion)?

        A postmaster never touches a superadmin or somebody who manages a domain that the postmaster does not
        (PRM-01): otherwise a password reset would be a way up.
        """
        if account.domain is None:
            self.must_be_superadmin()
            return
        self.must_have(right, account.domain)
        if self.sees_everything or self.person is None or account.pk == self.person.pk:
            return
        if has_rights_beyond(account, self.person):
            raise NotAllowed(_("%(address)s has more rights than you.") % {"address": account.address})

    def must_be(self, account: Account) -> None:
        """The owner of the account, or somebody who manages it."""
        self.must_write()
        if self.person is None or self.person.pk != account.pk:
            self.must_outrank(account)

    def must_act_in_person(self) -> None:
        """Nobody changes what opens an account while acting for somebody else: who may do it does it under
        the own name.
        """
        if self.acting_as is not None:
            sentence = _("Passwords and two-step login are not changed on behalf of somebody else.")
            raise NotAllowed(sentence)

    def must_write(self) -> None:
        """Not while looking only."""
        if not self.writes_allowed:
            raise NotAllowed(_("You are looking only: switch writing on first."))
