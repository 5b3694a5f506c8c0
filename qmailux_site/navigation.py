"""The doors a person has, and the sections behind each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Account

THEMES = ("light", "dark")
THEME_COOKIE = "theme"

# Pages by the section that they belong to; what is not named belongs to the section of its own name.
_SECTION_OF_PAGE = {
    "account": "accounts",
    "account-add": "accounts",
    "account-delete": "accounts",
    "account-lock": "accounts",
    "account-password": "accounts",
    "account-unlock": "accounts",
    "alias": "aliases",
    "alias-add": "aliases",
    "alias-delete": "aliases",
    "second-factor-off": "second-factor",
    "domain": "accounts",
    "domain-add": "domains",
}
_USER_SECTIONS = {
    "home",
    "forwarding",
    "autoresponder",
    "password",
    "second-factor",
    "app-passwords",
    "mail-programs",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the frame. icon: its symbol in icons.svg."""

    label: str
    url: str
    icon: str
    is_current: bool


def theme_of(request: HttpRequest) -> str:
    """The stored choice; empty follows the machine's."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


def doors_of(account: Account, page: str) -> list[Entry]:
    """Own mailbox, managed domains, server: shown when there is more than one."""
    doors = []
    is_user_page = _section(page) in _USER_SECTIONS
    if account.has_mailbox:
        doors.append(Entry(_("My mailbox"), reverse("home"), "mail", is_user_page))
    if account.is_superuser:
        doors.append(Entry(_("Server"), reverse("server"), "server", not is_user_page))
    elif names := _managed(account):
        url = reverse("domain", args=names) if len(names) == 1 else reverse("domains")
        label = _("My domain") if len(names) == 1 else _("My domains")
        doors.append(Entry(label, url, "people", not is_user_page))
    return doors if len(doors) > 1 else []


def sections_of(account: Account, page: str, domain: str = "") -> list[Entry]:
    """What stands in the left column, at the bottom on phones. domain: the one that the page is about."""
    section = _section(page)
    if section in _USER_SECTIONS and (account.has_mailbox or not account.is_superuser):
        return list(_user_sections(section))
    if account.is_superuser:
        administration = Entry(_("Administration"), reverse("admin:index"), "sliders", is_current=False)
        return [*_server_sections(section), *_domain_sections(section, domain), administration]
    several = [Entry(_("Domains"), reverse("domains"), "globe", section == "domains")]
    return [*(several if len(_managed(account)) > 1 else []), *_domain_sections(section, domain)]


def _user_sections(section: str) -> Iterator[Entry]:
    yield Entry(_("My account"), reverse("home"), "home", section == "home")
    yield Entry(_("Forwarding"), reverse("forwarding"), "fork", section == "forwarding")
    yield Entry(_("Autoresponder"), reverse("autoresponder"), "mail", section == "autoresponder")
    yield Entry(_("Password"), reverse("password"), "key", section == "password")
    yield Entry(_("Second factor"), reverse("second-factor"), "lock", section == "second-factor")
    yield Entry(_("App passwords"), reverse("app-passwords"), "device", section == "app-passwords")
    yield Entry(_("Mail programs"), reverse("mail-programs"), "device", section == "mail-programs")


def _server_sections(section: str) -> Iterator[Entry]:
    yield Entry(_("Overview"), reverse("server"), "server", section == "server")
    yield Entry(_("Domains"), reverse("domains"), "globe", section == "domains")


def _domain_sections(section: str, domain: str) -> Iterator[Entry]:
    if domain:
        yield Entry(_("Accounts"), reverse("domain", args=[domain]), "people", section == "accounts")
        yield Entry(_("Aliases"), reverse("aliases", args=[domain]), "fork", section == "aliases")


def _section(page: str) -> str:
    return _SECTION_OF_PAGE.get(page, page)


def _managed(account: Account) -> list[str]:
    """At most two names: whether there are none, one or several."""
    return list(account.managed_domains.order_by("name").values_list("name", flat=True)[:2])
