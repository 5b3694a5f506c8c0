"""The doors a person has, and the sections behind each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Account
from accounts.rights import Right, domains_of

THEMES = ("light", "dark")
THEME_COOKIE = "theme"

# What opens an account: closed to somebody who acts for its owner, even to look, for the forms would answer
# whether a password is right.
PAGES_OF_SECRETS = {
    "account-leave",
    "account-password",
    "account-recovery-code",
    "account-second-factor-off",
    "app-password-revoke",
    "app-passwords",
    "password",
    "password-strength",
    "recovery",
    "recovery-confirm",
    "recovery-remove",
    "second-factor",
    "second-factor-off",
    "session-revoke",
    "sessions-end-others",
}
_SECTIONS_OF_SECRETS = ("app-passwords", "password", "second-factor")

# Pages by the section that they belong to; what is not named belongs to the section of its own name.
_SECTION_OF_PAGE = {
    "account": "accounts",
    "account-add": "accounts",
    "account-autoresponder": "accounts",
    "account-check": "accounts",
    "account-delete": "accounts",
    "account-leave": "accounts",
    "account-lock": "accounts",
    "account-sending": "accounts",
    "account-brake": "accounts",
    "incident": "incidents",
    "account-password": "accounts",
    "account-recovery-code": "accounts",
    "account-unlock": "accounts",
    "accounts-act": "accounts",
    "accounts-bulk": "accounts",
    "alarm-settings": "alarms",
    "accounts-export": "accounts",
    "alias": "aliases",
    "alias-add": "aliases",
    "alias-delete": "aliases",
    "filter": "filters",
    "filter-add": "filters",
    "filters-try": "filters",
    "domain-queue-message": "domain-queue",
    "domain-queue-order": "domain-queue",
    "queue-message": "queue",
    "queue-order": "queue",
    "recovery": "password",
    "recovery-confirm": "password",
    "recovery-remove": "password",
    "notification-number": "notifications",
    "notification-confirm": "notifications",
    "notification-remove": "notifications",
    "second-factor-off": "second-factor",
    "spam-messages": "spam",
    "sms-gateway-try": "sms-gateways",
    "webmail-add": "webmails",
    "webmail-domain": "webmails",
    "webmail-edit": "webmails",
    "aliases-bulk": "aliases",
    "bulk-job": "accounts",
    "bulk-slips": "accounts",
    "domain-limits": "domain",
    "domain-relay": "domain",
    "domain-smarthost": "domain",
    "server-smarthost": "server-sending",
    "domain-name-delete": "aliases",
    "domain-names": "aliases",
    "domain-add": "domains",
    "address": "addresses",
    "address-delete": "addresses",
    "domain-addresses": "domain-dns",
    "dkim-delete": "domain-dns",
    "certificate": "certificates",
    "certificate-delete": "certificates",
    "certificate-upload": "certificates",
    "domain-lock": "domain",
    "my-trace-entry": "my-trace",
    "domain-trace-entry": "domain-trace",
    "server-trace-entry": "server-trace",
    "smtp-debug": "server-trace",
    "figures": "server-trace",
}
_USER_SECTIONS = {
    "home",
    "forwarding",
    "autoresponder",
    "filters",
    "notifications",
    "spam",
    "my-trace",
    "password",
    "second-factor",
    "app-passwords",
    "mail-programs",
    "sending",
    "sessions",
    "activity",
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


def doors_of(account: Account, page: str, names: list[str]) -> list[Entry]:
    """Own mailbox, managed domains, server: shown when there is more than one. names: see names_of."""
    doors = []
    is_user_page = _section(page) in _USER_SECTIONS
    if account.has_mailbox:
        doors.append(Entry(_("My mailbox"), reverse("home"), "mail", is_user_page))
    if account.is_superuser:
        doors.append(Entry(_("Server"), reverse("server"), "server", not is_user_page))
    elif names:
        url = reverse("domain", args=names) if len(names) == 1 else reverse("domains")
        label = _("My domain") if len(names) == 1 else _("My domains")
        doors.append(Entry(label, url, "people", not is_user_page))
    return doors if len(doors) > 1 else []


def sections_of(
    account: Account, page: str, domain: str = "", *, names: list[str], rights: Collection[str] = ()
) -> list[Entry]:
    """What stands in the left column, at the bottom on phones. domain: the one that the page is about."""
    section = _section(page)
    if section in _USER_SECTIONS and (account.has_mailbox or not account.is_superuser):
        return list(_user_sections(section))
    if account.is_superuser:
        administration = Entry(_("Administration"), reverse("admin:index"), "sliders", is_current=False)
        return [*_server_sections(section), *_domain_sections(section, domain, rights), administration]
    several = [Entry(_("Domains"), reverse("domains"), "globe", section == "domains")]
    return [*(several if len(names) > 1 else []), *_domain_sections(section, domain, rights)]


def without_secrets(sections: list[Entry]) -> list[Entry]:
    """Those that are open to somebody who acts for the owner."""
    closed = {reverse(page) for page in _SECTIONS_OF_SECRETS}
    return [section for section in sections if section.url not in closed]


def _user_sections(section: str) -> Iterator[Entry]:
    yield Entry(_("My account"), reverse("home"), "home", section == "home")
    yield Entry(_("Forwarding"), reverse("forwarding"), "fork", section == "forwarding")
    yield Entry(_("Autoresponder"), reverse("autoresponder"), "mail", section == "autoresponder")
    yield Entry(_("Filters"), reverse("filters"), "sliders", section == "filters")
    yield Entry(_("SMS"), reverse("notifications"), "device", section == "notifications")
    yield Entry(_("Spam"), reverse("spam"), "bin", section == "spam")
    yield Entry(_("Message trace"), reverse("my-trace"), "search", section == "my-trace")
    yield Entry(_("Sending"), reverse("sending"), "mail", section == "sending")
    yield Entry(_("Password"), reverse("password"), "key", section == "password")
    yield Entry(_("Two-step login"), reverse("second-factor"), "lock", section == "second-factor")
    yield Entry(_("App passwords"), reverse("app-passwords"), "device", section == "app-passwords")
    yield Entry(_("Mail programs"), reverse("mail-programs"), "device", section == "mail-programs")
    yield Entry(_("Sessions"), reverse("sessions"), "person", section == "sessions")
    yield Entry(_("Activity"), reverse("activity"), "list", section == "activity")


def _server_sections(section: str) -> Iterator[Entry]:
    yield Entry(_("Overview"), reverse("server"), "server", section == "server")
    yield Entry(_("Alarms"), reverse("alarms"), "list", section == "alarms")
    yield Entry(_("Domains"), reverse("domains"), "globe", section == "domains")
    yield Entry(_("Message trace"), reverse("server-trace"), "search", section == "server-trace")
    yield Entry(_("Activity"), reverse("server-audit"), "list", section == "server-audit")
    yield Entry(_("Sessions"), reverse("server-sessions"), "person", section == "server-sessions")
    yield Entry(_("Roles"), reverse("server-roles"), "key", section == "server-roles")
    yield Entry(_("Queue"), reverse("queue"), "mail", section == "queue")
    yield Entry(_("IP addresses"), reverse("addresses"), "globe", section == "addresses")
    yield Entry(_("Sending"), reverse("server-sending"), "mail", section == "server-sending")
    yield Entry(_("Blocked addresses"), reverse("blocks"), "lock", section == "blocks")
    yield Entry(_("Certificates"), reverse("certificates"), "key", section == "certificates")
    yield Entry(_("Stopped accounts"), reverse("incidents"), "lock", section == "incidents")
    yield Entry(_("Encryption"), reverse("encryption"), "key", section == "encryption")
    yield Entry(_("Locks"), reverse("locks"), "lock", section == "locks")
    yield Entry(_("Protections"), reverse("protections"), "lock", section == "protections")
    yield Entry(_("Spam"), reverse("server-spam"), "bin", section == "server-spam")
    yield Entry(_("SMS gateways"), reverse("sms-gateways"), "device", section == "sms-gateways")
    yield Entry(_("Webmail"), reverse("webmails"), "globe", section == "webmails")


def _domain_sections(section: str, domain: str, rights: Collection[str]) -> Iterator[Entry]:
    """What the person may see of the domain. rights: of accounts.rights."""
    if not domain:
        return
    yield Entry(_("Domain"), reverse("domain", args=[domain]), "home", section == "domain")
    yield Entry(_("Accounts"), reverse("accounts", args=[domain]), "people", section == "accounts")
    yield Entry(_("Aliases"), reverse("aliases", args=[domain]), "fork", section == "aliases")
    sending = reverse("domain-sending", args=[domain])
    yield Entry(_("Sending"), sending, "mail", section == "domain-sending")
    if Right.MANAGE in rights:
        stopped = reverse("domain-incidents", args=[domain])
        yield Entry(_("Stopped accounts"), stopped, "lock", section in ("domain-incidents", "incidents"))
        yield Entry(_("DNS"), reverse("domain-dns", args=[domain]), "globe", section == "domain-dns")
    yield Entry(_("Deleted"), reverse("deleted", args=[domain]), "bin", section == "deleted")
    if Right.AUDIT in rights:
        activity = reverse("domain-audit", args=[domain])
        yield Entry(_("Activity"), activity, "list", section == "domain-audit")
    yield Entry(_("Queue"), reverse("domain-queue", args=[domain]), "mail", section == "domain-queue")
    if Right.MANAGE in rights:
        encryption = reverse("domain-encryption", args=[domain])
        yield Entry(_("Encryption"), encryption, "key", section == "domain-encryption")
        certificates = reverse("domain-certificates", args=[domain])
        yield Entry(_("Certificates"), certificates, "key", section == "domain-certificates")
        yield Entry(_("Spam"), reverse("domain-spam", args=[domain]), "bin", section == "domain-spam")
        protections = reverse("domain-protections", args=[domain])
        yield Entry(_("Protections"), protections, "lock", section == "domain-protections")
    trace = reverse("domain-trace", args=[domain])
    yield Entry(_("Message trace"), trace, "search", section == "domain-trace")
    if Right.MANAGE in rights:
        yield Entry(_("Roles"), reverse("domain-roles", args=[domain]), "key", section == "domain-roles")


def _section(page: str) -> str:
    return _SECTION_OF_PAGE.get(page, page)


def names_of(account: Account) -> list[str]:
    """Domains that the person has a role in; at most two names: whether there are none, one or several."""
    if account.is_superuser:
        return []
    return list(domains_of(account, Right.SEE).order_by("name").values_list("name", flat=True)[:2])
