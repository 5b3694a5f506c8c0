"""What the spam check should know of accounts, domains and the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q

from accounts.models import Account
from antispam.models import Level, SpamPreference
from antispam.patterns import reach_of
from domains.models import Domain
from provisioning.hosts.base import Row
from provisioning.layout import Layout, home_of_account
from provisioning.render import spamassassin
from provisioning.render.dovecot import SpamRow, spam_row
from provisioning.render.spamassassin import SpamWishes, list_name
from qmailux_site.errors import UnsafeValue
from qmailux_site.streaming import streamed

FOLDER = "spamassassin"
PREFERENCES = "user_prefs"
LEVEL_NAMES = {Level.SERVER: "SERVER", Level.DOMAIN: "DOMAIN", Level.ACCOUNT: "USER"}


@dataclass(frozen=True, slots=True)
class ServerValues:
    """What counts where nobody wished anything."""

    probable: int = 10
    is_scanned: bool = True
    days: int = 30


def folder_of(account: Account) -> str:
    """Where spamd finds a mailbox's preferences and keeps what it was taught, below the node's folder."""
    return f"{FOLDER}/{home_of_account(account.uuid.hex)}"


def scan_name(account: Account) -> str:
    """Under which name spamd knows the mailbox: its folder, as "localpart@domain" (accounts.sql)."""
    first, _slash, second = home_of_account(account.uuid.hex).partition("/")
    return f"{second}@{first}"


def server_values() -> ServerValues:
    found = SpamPreference.objects.filter(level=Level.SERVER).first()
    default = ServerValues()
    if found is None:
        return default
    return ServerValues(
        probable=found.probable or default.probable,
        is_scanned=default.is_scanned if found.is_scanned is None else found.is_scanned,
        days=found.spam_days or default.days,
    )


def is_wished_by(names: Iterable[str]) -> bool:
    """Whether one of these accounts and domains, or the domain of one, wishes anything: most do not."""
    wanted = set(names)
    domains = {name.rpartition("@")[2] for name in wanted}
    wishes = Q(domain__name__in=domains) | Q(account__address__in=wanted)
    return SpamPreference.objects.filter(wishes).exists()


def server_wishes() -> SpamWishes:
    found = SpamPreference.objects.filter(level=Level.SERVER).prefetch_related("entries").first()
    return _wishes(found) if found else SpamWishes()


def spam_rows(names: Iterable[str] | None = None) -> list[SpamRow]:
    """For Dovecot: the second threshold and whether to scan, of these accounts and domains, or of all."""
    return [
        spam_row(
            _name_of(preference),
            probable=preference.probable,
            is_scanned=preference.is_scanned,
            days=preference.spam_days,
        )
        for preference in _preferences(names)
        if (preference.probable, preference.is_scanned, preference.spam_days) != (None, None, None)
    ]


def spam_file_rows(names: Iterable[str] | None = None) -> tuple[list[Row], dict[str, str]]:
    """For spamd: name, path and content. And the names whose file cannot be rendered, with the reason."""
    rows: list[Row] = []
    broken: dict[str, str] = {}
    for name, path, wishes, include in _files(names):
        try:
            file = spamassassin.preferences(path, wishes, include=include)
        except UnsafeValue as error:
            broken[name] = str(error)
            continue
        rows.append((name, path, file.content.decode()))
    return rows, broken


def _files(names: Iterable[str] | None) -> Iterator[tuple[str, str, SpamWishes, str]]:
    """Of domains first: the files of their accounts include them."""
    layout: Layout = settings.QMAILUX_LAYOUT
    wanted = None if names is None else list(names)
    for preference in _preferences(wanted):
        if preference.domain is not None:
            name = preference.domain.name
            yield name, _domain_path(name), _wishes(preference), ""
    for account in _accounts(wanted):
        own: SpamPreference | None = getattr(account, "spam_preference", None)
        domain = account.domain
        include = ""
        if domain is not None and getattr(domain, "spam_preference", None) is not None:
            include = str(layout.node / _domain_path(domain.name))
        path = f"{folder_of(account)}/{PREFERENCES}"
        yield account.address, path, _wishes(own) if own else SpamWishes(), include


def _domain_path(name: str) -> str:
    return f"{FOLDER}/domains/{name}.cf"


def _accounts(names: list[str] | None) -> Iterable[Account]:
    """Those that wish something, or whose domain does."""
    these = (
        Account.objects.order_by() if names is None else Account.objects.order_by().filter(address__in=names)
    )
    # By their keys: with an "or" of the two the database would ask for every account there is.
    own = these.filter(spam_preference__isnull=False).values("pk")
    wishing = own.union(these.filter(domain__spam_preference__isnull=False).values("pk"))
    stored = Account.objects.filter(pk__in=wishing, has_mailbox=True, domain__in=Domain.objects.hosted())
    stored = stored.select_related("spam_preference", "domain__spam_preference")
    return streamed(stored.prefetch_related("spam_preference__entries"), names=names)


def _preferences(names: Iterable[str] | None) -> Iterable[SpamPreference]:
    hosted = Domain.objects.hosted()
    stored = SpamPreference.objects.filter(
        Q(domain__in=hosted) | Q(account__domain__in=hosted, account__has_mailbox=True)
    )
    if names is not None:
        wanted = list(names)
        stored = stored.filter(Q(domain__name__in=wanted) | Q(account__address__in=wanted))
    stored = stored.select_related("domain", "account").prefetch_related("entries")
    return streamed(stored.order_by("pk"), names=names)


def _name_of(preference: SpamPreference) -> str:
    if preference.domain is not None:
        return preference.domain.name
    return preference.account.address if preference.account else ""


def _wishes(preference: SpamPreference) -> SpamWishes:
    level = LEVEL_NAMES[Level(preference.level)]
    return SpamWishes(
        suspected=preference.suspected,
        languages=preference.language_codes,
        asks_network=preference.asks_network,
        entries=[
            (list_name(entry.kind, level, reach_of(entry.pattern)), entry.pattern)
            for entry in preference.entries.all()
        ],
    )
