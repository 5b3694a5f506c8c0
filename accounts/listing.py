"""What the accounts list of a domain can be asked: filters, orders, search. And what the words mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext, override, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from accounts.growth import days_until_full
from accounts.models import Account, State
from accounts.querysets import AccountQuerySet
from domains.models import Domain
from qmailux_site.keyset import Order

FILTERS: dict[str, tuple[object, Callable[[AccountQuerySet], AccountQuerySet]]] = {
    "locked": (_("locked"), lambda accounts: accounts.filter(state="locked")),
    "over-quota": (_("over quota"), lambda accounts: accounts.over_quota()),
    "almost-full": (_("almost full"), lambda accounts: accounts.almost_full()),
    "never": (_("never logged in"), lambda accounts: accounts.never_logged_in()),
    "outside": (_("forwarding outside"), lambda accounts: accounts.forwarding_outside()),
    "answering": (_("autoresponder on"), lambda accounts: accounts.answering()),
}
ORDERS = {
    "address": Order(("localpart", "pk")),
    "used": Order(("used_bytes", "pk")),
    "quota": Order(("quota_bytes", "pk")),
    "login": Order(("logged_in_at", "pk")),
}
DEFINITIONS = [
    (_("locked"), _("The account itself is locked, or its whole domain; the badge says which.")),
    (
        _("over quota"),
        _("As much space is used as the quota allows, or more. An unlimited mailbox never is."),
    ),
    (
        _("almost full"),
        _("90 % of the quota or more is used, and it is not over quota yet."),
    ),
    (
        _("full in so many days"),
        _("If the mailbox goes on growing as it did in the last one to two weeks."),
    ),
    (_("never logged in"), _("Neither to the panel nor with a mail program.")),
    (_("forwarding outside"), _("Mail is forwarded to an address whose domain is not on this server.")),
    (_("autoresponder on"), _("It is switched on, also for days that are still to come.")),
    (
        pgettext_lazy("one", "local alias"),
        _("Every target lies on this server. The catch-all and the names of the domain count apart."),
    ),
]
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Question:
    """What the address of the page asks for; what it does not know means nothing."""

    search: str
    filter: str
    sort: str

    @classmethod
    def of(cls, asked: QueryDict) -> Question:
        wanted, sort = asked.get("filter", ""), asked.get("sort", "")
        return cls(
            search=asked.get("q", "").strip()[:254],
            filter=wanted if wanted in FILTERS else "",
            sort=sort if sort.removeprefix("-") in ORDERS else "address",
        )

    @property
    def order(self) -> Order:
        return Order(ORDERS[self.sort.removeprefix("-")].columns, is_descending=self.sort.startswith("-"))

    @property
    def is_narrowed(self) -> bool:
        return bool(self.search or self.filter)

    @property
    def query(self) -> str:
        """The same question in an address, without the place in the list."""
        return self.with_sort(self.sort)

    def with_sort(self, sort: str) -> str:
        asked = {"q": self.search, "filter": self.filter, "sort": "" if sort == "address" else sort}
        return urlencode({key: value for key, value in asked.items() if value})

    def accounts(self, domain: Domain, actor: Actor) -> AccountQuerySet:
        found = Account.objects.visible_to(actor).filter(domain=domain).search(self.search)
        if self.filter == "locked" and domain.is_locked:
            return found
        return FILTERS[self.filter][1](found) if self.filter else found

    def heads(self) -> dict[str, tuple[str, str]]:
        """For each order: the address that asks for it (or for its reverse), and what aria-sort says."""
        return {name: (self.with_sort(self._turned(name)), self._direction(name)) for name in ORDERS}

    def _turned(self, name: str) -> str:
        """Numbers and times begin with the most."""
        first, second = (name, f"-{name}") if name == "address" else (f"-{name}", name)
        return second if self.sort == first else first

    def _direction(self, name: str) -> str:
        return {name: "ascending", f"-{name}": "descending"}.get(self.sort, "none")


def with_forecast(accounts: Iterable[Account]) -> Iterator[tuple[Account, int | None]]:
    """Each with the days until it is full, where that can be told. Their usage is loaded."""
    today = timezone.localdate()
    for account in accounts:
        usage = getattr(account, "usage", None)
        yield account, days_until_full(usage, account.quota_bytes, today) if usage else None


def export_heading() -> tuple[str, ...]:
    """For people, in their language; programs ask `manage.py account list --json`."""
    return (
        gettext("Address"),
        gettext("Name"),
        gettext("Used, MB"),
        gettext("Quota, MB"),
        gettext("State"),
        gettext("Last login"),
        gettext("Language"),
    )


def export_rows(accounts: AccountQuerySet, domain: Domain, language: str) -> Iterator[tuple[object, ...]]:
    """language: that of the reader; a file is sent when the request is over, and its language with it."""
    for account in accounts.order_by("localpart").iterator(chunk_size=2000):
        with override(language):
            yield _exported(account, domain)


def _exported(account: Account, domain: Domain) -> tuple[object, ...]:
    """Whole numbers, rounded up, and times without a zone: every spreadsheet takes them for what they are."""
    seen = timezone.localtime(account.logged_in_at)
    return (
        account.address,
        account.name,
        -(-account.used_bytes // MEGABYTE),
        -(-account.quota_bytes // MEGABYTE) or gettext("unlimited"),
        State.LOCKED.label if account.is_locked or domain.is_locked else State.ACTIVE.label,
        f"{seen:%Y-%m-%d %H:%M}" if account.has_logged_in else gettext("never"),
        account.get_language_display(),
    )
