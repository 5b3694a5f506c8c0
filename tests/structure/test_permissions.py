"""Every address of the panel, for everybody (STYLE 38). A new URL must be added here."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.bulk_jobs import prepare_bulk_job
from accounts.models import Account
from domains import address_actions, dkim_actions
from domains.actions import add_domain_alias
from domains.models import IPAddress
from enforcement.actions import stop_sending
from maillog.models import Entry, Party, Role
from provisioning.authority import ensure_certificate
from provisioning.models import Node
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])

# name -> what anonymous, ala (user), pola (postmaster), obcy (other postmaster), root get for GET
EXPECTED: dict[str, tuple[int, int, int, int, int]] = {
    "home": (302, 200, 200, 200, 302),
    "login": (200, 302, 302, 302, 302),
    "login-code": (302, 302, 302, 302, 302),
    "forgotten": (200, 200, 200, 200, 200),
    # Nobody has a link or a code here.
    "forgotten-link": (410, 410, 410, 410, 410),
    "forgotten-code": (200, 200, 200, 200, 200),
    "forgotten-password": (410, 410, 410, 410, 410),
    "recovery": (302, 200, 200, 200, 200),
    "recovery-confirm": (302, 405, 405, 405, 405),
    "recovery-remove": (302, 405, 405, 405, 405),
    "account-recovery-code": (302, 405, 405, 405, 405),
    "second-factor": (302, 200, 200, 200, 200),
    "second-factor-off": (302, 405, 405, 405, 405),
    "sessions": (302, 200, 200, 200, 200),
    "sessions-end-others": (302, 405, 405, 405, 405),
    "session-revoke": (302, 405, 405, 405, 405),
    "server-sessions": (302, 403, 403, 403, 200),
    "server-roles": (302, 403, 403, 403, 200),
    "server-role-revoke": (302, 403, 403, 403, 405),
    "domain-roles": (302, 404, 200, 404, 200),
    "domain-role-revoke": (302, 405, 405, 405, 405),
    "account-reset-start": (302, 405, 405, 405, 405),
    "logout": (405, 405, 405, 405, 405),
    "password": (302, 200, 200, 200, 200),
    "password-strength": (302, 405, 405, 405, 405),
    "password-life": (302, 200, 200, 200, 200),
    "forwarding": (302, 200, 200, 200, 403),
    "forwarding-life": (302, 200, 200, 200, 200),
    "autoresponder": (302, 200, 200, 200, 403),
    "autoresponder-forget": (302, 405, 405, 405, 405),
    "autoresponder-forget-sender": (302, 405, 405, 405, 405),
    "autoresponder-life": (302, 200, 200, 200, 200),
    "filters": (302, 200, 200, 200, 403),
    "filter-add": (302, 200, 200, 200, 403),
    "filters-try": (302, 200, 200, 200, 403),
    "filters-trial": (302, 200, 200, 200, 200),
    "filters-life": (302, 200, 200, 200, 200),
    "filter": (302, 200, 404, 404, 404),
    "filter-switch": (302, 405, 405, 405, 405),
    "filter-move": (302, 405, 405, 405, 405),
    "filter-delete": (302, 405, 405, 405, 405),
    "notifications": (302, 200, 200, 200, 403),
    "notification-number": (302, 405, 405, 405, 405),
    "notification-confirm": (302, 405, 405, 405, 405),
    "notification-remove": (302, 405, 405, 405, 405),
    "notifications-life": (302, 200, 200, 200, 200),
    "spam": (302, 200, 200, 200, 403),
    "spam-messages": (302, 200, 200, 200, 403),
    "spam-teach": (302, 405, 405, 405, 405),
    "spam-life": (302, 200, 200, 200, 200),
    "spam-senders": (302, 405, 405, 405, 405),
    "spam-sender-remove": (302, 405, 405, 405, 405),
    "spam-undo": (302, 405, 405, 405, 405),
    "domain-spam": (302, 404, 200, 404, 200),
    "domain-protections": (302, 404, 200, 404, 200),
    "domain-spam-senders": (302, 405, 405, 405, 405),
    "domain-spam-sender-remove": (302, 405, 405, 405, 405),
    "server-spam": (302, 403, 403, 403, 200),
    "server-spam-senders": (302, 403, 403, 403, 405),
    "server-spam-sender-remove": (302, 403, 403, 403, 405),
    "protections": (302, 403, 403, 403, 200),
    "protections-life": (302, 403, 403, 403, 200),
    "protection-allowed-add": (302, 403, 403, 403, 405),
    "protection-allowed-remove": (302, 403, 403, 403, 405),
    "protection-update": (302, 403, 403, 403, 405),
    "protection-switch": (302, 403, 403, 403, 405),
    "protection-options": (302, 403, 403, 403, 405),
    "app-passwords": (302, 200, 200, 200, 200),
    "app-password-revoke": (302, 405, 405, 405, 405),
    "webmail-open": (302, 405, 405, 405, 405),
    "webmail-logo": (404, 404, 404, 404, 404),
    "sms-gateways": (302, 403, 403, 403, 200),
    "sms-gateway-try": (302, 403, 403, 403, 405),
    "webmails": (302, 403, 403, 403, 200),
    "webmails-life": (302, 403, 403, 403, 200),
    "webmail-add": (302, 403, 403, 403, 200),
    "webmail-domain": (302, 403, 403, 403, 200),
    # Roundcube's settings are the server's.
    "webmail-edit": (302, 403, 403, 403, 404),
    "webmail-switch": (302, 403, 403, 403, 405),
    "webmail-delete": (302, 403, 403, 403, 405),
    "mail-programs": (302, 200, 200, 200, 200),
    "authority": (302, 200, 200, 200, 200),
    "domains": (302, 403, 200, 200, 200),
    "domain-add": (302, 403, 403, 403, 200),
    "domain": (302, 404, 200, 404, 200),
    "domain-limits": (302, 404, 200, 404, 200),
    "domain-relay": (302, 403, 403, 403, 200),
    "domain-smarthost": (302, 403, 403, 403, 200),
    "server-smarthost": (302, 403, 403, 403, 200),
    "domain-names": (302, 404, 200, 404, 200),
    "domain-name-delete": (302, 403, 403, 403, 200),
    "accounts": (302, 404, 200, 404, 200),
    "accounts-act": (302, 405, 405, 405, 405),
    "accounts-export": (302, 404, 200, 404, 200),
    "accounts-bulk": (302, 404, 200, 404, 200),
    "aliases-bulk": (302, 404, 200, 404, 200),
    # A bulk job is seen by the person who gave the file, here pola.
    "bulk-job": (302, 404, 200, 404, 404),
    "bulk-progress": (302, 404, 200, 404, 404),
    "bulk-start": (302, 405, 405, 405, 405),
    "bulk-cancel": (302, 405, 405, 405, 405),
    "bulk-csv": (302, 405, 405, 405, 405),
    "bulk-slips": (302, 405, 405, 405, 405),
    "account-add": (302, 404, 200, 404, 200),
    "account": (302, 404, 200, 404, 200),
    "deleted": (302, 404, 200, 404, 200),
    "deleted-restore": (302, 405, 405, 405, 405),
    "account-check": (302, 404, 200, 404, 200),
    "account-check-answer": (302, 404, 200, 404, 200),
    "account-password": (302, 405, 405, 405, 405),
    "account-lock": (302, 404, 200, 404, 200),
    "account-leave": (302, 404, 200, 404, 200),
    "account-unlock": (302, 405, 405, 405, 405),
    "account-forwarding": (302, 405, 405, 405, 405),
    "account-autoresponder": (302, 404, 200, 404, 200),
    "account-second-factor-off": (302, 405, 405, 405, 405),
    "account-delete": (302, 404, 200, 404, 200),
    "aliases": (302, 404, 200, 404, 200),
    "addresses": (302, 403, 403, 403, 200),
    "address": (302, 403, 403, 403, 200),
    "address-default": (302, 403, 403, 403, 405),
    "address-delete": (302, 403, 403, 403, 200),
    "domain-addresses": (302, 403, 403, 403, 200),
    "sending": (302, 200, 200, 200, 200),
    "incidents": (302, 403, 403, 403, 200),
    "domain-incidents": (302, 404, 200, 404, 200),
    "incident": (302, 404, 200, 404, 200),
    "incident-end": (302, 405, 405, 405, 405),
    "account-brake": (302, 404, 200, 404, 200),
    "account-quarantine": (302, 403, 403, 403, 405),
    "domain-quarantine": (302, 403, 403, 403, 405),
    "domain-sending": (302, 404, 200, 404, 200),
    "account-sending": (302, 404, 200, 404, 200),
    "server-sending": (302, 403, 403, 403, 200),
    "domain-dns": (302, 404, 200, 404, 200),
    "domain-dns-check": (302, 405, 405, 405, 405),
    "dkim-add": (302, 405, 405, 405, 405),
    "dkim-force": (302, 405, 405, 405, 405),
    "dkim-delete": (302, 404, 200, 404, 200),
    "alias-add": (302, 404, 200, 404, 200),
    "alias-delete": (302, 404, 200, 404, 200),
    "impersonate": (302, 403, 200, 404, 200),
    "impersonation-writing": (302, 403, 403, 403, 403),
    "impersonation-end": (302, 405, 405, 405, 405),
    "activity": (302, 200, 200, 200, 200),
    "activity-export": (302, 200, 200, 200, 200),
    "domain-audit": (302, 404, 200, 404, 200),
    "domain-audit-export": (302, 404, 200, 404, 200),
    "server-audit": (302, 403, 403, 403, 200),
    "server-audit-export": (302, 403, 403, 403, 200),
    # Without a worker the page says that nobody answers.
    "queue": (302, 403, 403, 403, 200),
    "queue-order": (302, 405, 405, 405, 405),
    "queue-message": (302, 403, 403, 403, 200),
    "domain-queue": (302, 404, 200, 404, 200),
    "domain-queue-order": (302, 405, 405, 405, 405),
    "domain-queue-message": (302, 404, 200, 404, 200),
    "alarms": (302, 403, 403, 403, 200),
    "alarm-settings": (302, 403, 403, 403, 200),
    "alarm-test": (302, 403, 403, 403, 405),
    "alarm-acknowledge": (302, 403, 403, 403, 405),
    "blocks": (302, 403, 403, 403, 200),
    "block-lift": (302, 403, 403, 403, 405),
    "certificates": (302, 403, 403, 403, 200),
    "certificates-life": (302, 403, 403, 403, 200),
    "certificate-upload": (302, 403, 403, 403, 405),
    "certificate": (302, 403, 403, 403, 404),
    "certificate-fetch": (302, 403, 403, 403, 405),
    "certificate-delete": (302, 403, 403, 403, 404),
    "encryption": (302, 403, 403, 403, 200),
    "encryption-switch": (302, 403, 403, 403, 405),
    "domain-certificates": (302, 404, 200, 404, 200),
    "domain-encryption": (302, 404, 200, 404, 200),
    "domain-encryption-switch": (302, 405, 405, 405, 405),
    "account-encryption": (302, 405, 405, 405, 405),
    "remote-encryption-add": (302, 403, 403, 403, 405),
    "remote-encryption-delete": (302, 403, 403, 403, 405),
    "locks": (302, 403, 403, 403, 200),
    "server-unlock": (302, 403, 403, 403, 405),
    "domain-lock": (302, 403, 403, 403, 200),
    "domain-unlock": (302, 403, 403, 403, 405),
    "server": (302, 403, 403, 403, 200),
    "health": (200, 200, 200, 200, 200),
    "language": (405, 405, 405, 405, 405),
    "theme": (405, 405, 405, 405, 405),
    "admin-login": (200, 302, 302, 302, 302),
    "admin-logout": (405, 405, 405, 405, 405),
    "admin-password": (302, 302, 302, 302, 302),
    "my-trace": (302, 200, 200, 200, 403),
    "my-trace-entry": (302, 200, 404, 404, 403),
    "domain-trace": (302, 404, 200, 404, 200),
    "domain-trace-entry": (302, 404, 200, 404, 200),
    "smtp-debug": (302, 403, 403, 403, 200),
    "smtp-debug-end": (302, 403, 403, 403, 405),
    "figures": (302, 403, 403, 403, 200),
    "metrics": (200, 200, 200, 200, 200),
    "server-trace": (302, 403, 403, 403, 200),
    "server-trace-entry": (302, 403, 403, 403, 200),
    "life": (302, 404, 200, 404, 200),
    "alias": (302, 404, 200, 404, 200),
}
# What the help desk and the auditor of the domain get where it is not what a user gets.
READERS: dict[str, tuple[int, int]] = {
    "domains": (200, 200),
    "domain": (200, 200),
    "domain-limits": (200, 200),
    "domain-names": (200, 200),
    "accounts": (200, 200),
    "life": (200, 200),
    "account": (200, 200),
    "account-check": (200, 200),
    "account-check-answer": (200, 200),
    "aliases": (200, 200),
    "alias": (200, 200),
    "deleted": (200, 200),
    "domain-trace": (200, 200),
    "domain-trace-entry": (200, 200),
    "domain-queue": (200, 200),
    # It shows what is written.
    "domain-queue-message": (403, 403),
    "domain-protections": (403, 403),
    "domain-audit": (403, 200),
    "domain-audit-export": (403, 200),
    "account-add": (403, 403),
    "account-lock": (403, 403),
    "account-leave": (403, 403),
    "account-delete": (403, 403),
    "account-autoresponder": (403, 403),
    "accounts-bulk": (403, 403),
    "aliases-bulk": (403, 403),
    "alias-add": (403, 403),
    "alias-delete": (403, 403),
    "domain-spam": (403, 403),
    "domain-sending": (200, 200),
    "account-sending": (200, 200),
    "domain-incidents": (403, 403),
    "incident": (404, 404),
    "account-brake": (403, 403),
    "accounts-export": (200, 200),
    "domain-dns": (403, 403),
    "domain-certificates": (403, 403),
    "domain-encryption": (403, 403),
    "dkim-delete": (403, 403),
    "domain-roles": (403, 403),
    "filter": (404, 404),
    "my-trace-entry": (404, 404),
}
RULE = actions.RuleSettings(
    name="Faktury",
    joined="all",
    conditions=[actions.Condition("subject", "contains", "faktura")],
    folder="Faktury",
)
OWNERS_ALONE = ("filter", "filter-switch", "filter-move", "filter-delete")
TRACE_ENTRIES = ("my-trace-entry", "domain-trace-entry", "server-trace-entry")
CHANGING = (
    "domain-limits",
    "domain-names",
    "account-recovery-code",
    "account-autoresponder",
    "account-encryption",
    "domain-encryption-switch",
    "domain-protections",
    "domain-spam",
    "domain-spam-senders",
    "domain-spam-sender-remove",
    "account-forwarding",
    "account-second-factor-off",
    "account-password",
    "account-leave",
    "account-lock",
    "account-unlock",
    "account-delete",
    "account",
    "alias",
    "alias-delete",
    "deleted-restore",
    "domain-sending",
    "account-sending",
    "account-brake",
    "incident-end",
    "domain-dns-check",
    "dkim-add",
    "dkim-force",
    "dkim-delete",
    "bulk-start",
    "bulk-cancel",
    "bulk-csv",
    "bulk-slips",
    "domain-queue-order",
)


def own_patterns() -> list[URLPattern]:
    found: list[URLPattern] = []
    for entry in get_resolver().url_patterns:
        if isinstance(entry, URLPattern):
            found.append(entry)
        elif isinstance(entry, URLResolver) and "admin" not in str(entry.pattern):
            found += [inner for inner in entry.url_patterns if isinstance(inner, URLPattern)]
    return found


def test_every_url_stands_in_the_matrix() -> None:
    assert {str(pattern.name) for pattern in own_patterns()} == set(EXPECTED)


def name_in(page: str) -> str:
    """What a page's address names: a protection, a webmail, or else a domain."""
    if page in ("webmail-edit", "webmail-switch", "webmail-delete"):
        return "roundcube"
    return "helo" if page.startswith("protection-") else "firma.test"


def added_address(by: Actor) -> IPAddress:
    node = Node.objects.get()
    return address_actions.add_address(
        address="127.0.0.77", hostname="mail.firma.test", node=node, is_present=True, by=by
    )


def traced(account: Account) -> Entry:
    """A message that the account got."""
    now = timezone.now()
    entry = Entry.objects.create(
        id=77,
        kind="message",
        began_at=now,
        last_at=now,
        is_open=False,
        recipient=account.address,
        verdict="delivered",
    )
    domain = account.address.partition("@")[2]
    Party.objects.create(entry=entry, address=account.address, domain=domain, role=Role.RECIPIENT)
    return entry


@pytest.fixture
def paths(firma: object, ala: Account, pola: Account, console: Actor) -> dict[str, str]:
    assert ala.domain is not None
    # A real one: tests that come after in this process read it.
    layout = settings.QMAILUX_LAYOUT
    for folder in (layout.secrets, layout.tls):
        folder.mkdir(parents=True, exist_ok=True)
    ensure_certificate(layout)
    owner = Actor(real=ala, channel="panel")
    app_password, _shown = actions.add_app_password(ala, name="Telefon", by=owner)
    alias = actions.add_alias(domain=ala.domain, localpart="biuro", targets=[ala.address], by=console)
    rule = actions.add_filter(ala, RULE, by=owner)
    other = add_domain_alias(ala.domain, name="inna.test", by=console)
    key = dkim_actions.add_key(ala.domain, by=console)
    pks = {
        "domain-name-delete": other.pk,
        "app-password-revoke": app_password.pk,
        "dkim-force": key.pk,
        "dkim-delete": key.pk,
    }
    pks |= dict.fromkeys(("address", "address-default", "address-delete"), added_address(console).pk)
    pks |= dict.fromkeys(OWNERS_ALONE, rule.pk)
    pks |= dict.fromkeys(TRACE_ENTRIES, traced(ala).pk)
    incident = stop_sending(ala, reason="Podejrzana poczta", by=console)
    pks |= dict.fromkeys(("incident", "incident-end"), incident.pk)
    job = prepare_bulk_job(
        "accounts",
        b"address\nnowy\n",
        domain_name="firma.test",
        total=1,
        by=Actor(real=pola, channel="panel"),
    )
    return {
        name: reverse(
            name,
            kwargs={
                key: {
                    "name": name_in(name),
                    "kind": "rules",
                    "way": "up",
                    "secret": "nobody-has-this-one",
                    "uuid": job.uuid,
                    "queue_id": "4jZKZm4dF2zKdsj",
                    "pk": pks.get(name, alias.pk if name.startswith("alias") else ala.pk),
                }[key]
                for key in pattern.pattern.converters
            },
        )
        for pattern in own_patterns()
        if (name := str(pattern.name))
    }


@pytest.mark.parametrize("name", EXPECTED)
def test_what_each_person_gets(
    name: str, paths: dict[str, str], ala: Account, pola: Account, obcy: Account, root: Account
) -> None:
    clients = [Client(), *(logged_in(person) for person in (ala, pola, obcy, root))]
    assert tuple(client.get(paths[name]).status_code for client in clients) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_what_help_desk_and_auditor_get(
    name: str, paths: dict[str, str], hela: Account, audyt: Account
) -> None:
    found = tuple(logged_in(person).get(paths[name]).status_code for person in (hela, audyt))
    assert found == READERS.get(name, (EXPECTED[name][1],) * 2)


@pytest.mark.parametrize("name", CHANGING)
def test_help_desk_and_auditor_change_nothing(
    name: str, paths: dict[str, str], ala: Account, hela: Account, audyt: Account
) -> None:
    """The unlocking of the help desk has a test of its own (tests/db/test_roles.py)."""
    for person in (hela, audyt):
        typed = {"mode": "reject", "typed": ala.address, "password": PASSWORD}
        answer = logged_in(person).post(paths[name], typed)
        may = name == "account-unlock" and person is hela
        assert answer.status_code in ((302,) if may else (403, 404)), person
    ala.refresh_from_db()
    assert ala.state == "active"
    assert Account.objects.filter(pk=ala.pk).exists()


@pytest.mark.parametrize("name", CHANGING)
def test_PRM_02_changing_what_is_not_yours_is_not_found(
    name: str, paths: dict[str, str], ala: Account, obcy: Account
) -> None:
    for person in (ala, obcy):
        answer = logged_in(person).post(
            paths[name], {"mode": "reject", "typed": ala.address, "password": PASSWORD}
        )
        assert answer.status_code == 404, person
    ala.refresh_from_db()
    assert ala.state == "active"


@pytest.mark.parametrize("name", OWNERS_ALONE)
def test_what_is_the_owners_alone_is_not_found_by_postmasters(
    name: str, paths: dict[str, str], ala: Account, pola: Account, obcy: Account
) -> None:
    for person in (pola, obcy):
        assert logged_in(person).post(paths[name], {"name": "x"}).status_code == 404, person
    assert ala.filter_rules.get().name == RULE.name


@pytest.mark.parametrize("name", [*CHANGING, *OWNERS_ALONE])
def test_PRM_07_changing_needs_the_csrf_token(name: str, paths: dict[str, str], pola: Account) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(pola, backend="accounts.backends.AddressBackend")
    assert client.post(paths[name], {"mode": "reject"}).status_code == 403


def test_admin_is_the_superadmins_door_only(ala: Account, pola: Account, root: Account) -> None:
    assert logged_in(root).get("/admin/").status_code == 200
    for person in (ala, pola):
        assert logged_in(person).get("/admin/accounts/account/").status_code == 302
