"""Every address of the panel, for everybody (STYLE 38). A new URL must be added here."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]

# name -> what anonymous, ala (user), pola (postmaster), obcy (other postmaster), root get for GET
EXPECTED: dict[str, tuple[int, int, int, int, int]] = {
    "home": (302, 200, 200, 200, 302),
    "login": (200, 302, 302, 302, 302),
    "login-code": (302, 302, 302, 302, 302),
    "second-factor": (302, 200, 200, 200, 200),
    "second-factor-off": (302, 405, 405, 405, 405),
    "logout": (405, 405, 405, 405, 405),
    "password": (302, 200, 200, 200, 200),
    "password-strength": (302, 405, 405, 405, 405),
    "password-life": (302, 200, 200, 200, 200),
    "forwarding": (302, 200, 200, 200, 403),
    "forwarding-life": (302, 200, 200, 200, 200),
    "autoresponder": (302, 200, 200, 200, 403),
    "autoresponder-forget": (302, 405, 405, 405, 405),
    "autoresponder-life": (302, 200, 200, 200, 200),
    "app-passwords": (302, 200, 200, 200, 200),
    "app-password-revoke": (302, 405, 405, 405, 405),
    "mail-programs": (302, 200, 200, 200, 200),
    "authority": (302, 200, 200, 200, 200),
    "domains": (302, 403, 200, 200, 200),
    "domain-add": (302, 403, 403, 403, 200),
    "domain": (302, 404, 200, 404, 200),
    "account-add": (302, 404, 200, 404, 200),
    "account": (302, 404, 200, 404, 200),
    "account-password": (302, 405, 405, 405, 405),
    "account-lock": (302, 404, 200, 404, 200),
    "account-unlock": (302, 405, 405, 405, 405),
    "account-forwarding": (302, 405, 405, 405, 405),
    "account-second-factor-off": (302, 405, 405, 405, 405),
    "account-delete": (302, 404, 200, 404, 200),
    "aliases": (302, 404, 200, 404, 200),
    "alias-add": (302, 404, 200, 404, 200),
    "alias-delete": (302, 404, 200, 404, 200),
    "server": (302, 403, 403, 403, 200),
    "health": (200, 200, 200, 200, 200),
    "language": (405, 405, 405, 405, 405),
    "theme": (405, 405, 405, 405, 405),
    "admin-login": (200, 302, 302, 302, 302),
    "admin-logout": (405, 405, 405, 405, 405),
    "admin-password": (302, 302, 302, 302, 302),
    "life": (302, 404, 200, 404, 200),
    "alias": (302, 404, 200, 404, 200),
}
CHANGING = (
    "account-forwarding",
    "account-second-factor-off",
    "account-password",
    "account-lock",
    "account-unlock",
    "account-delete",
    "account",
    "alias",
    "alias-delete",
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


@pytest.fixture
def paths(firma: object, ala: Account, console: Actor) -> dict[str, str]:
    assert ala.domain is not None
    certificate = settings.QMAILUX_LAYOUT.tls / "ca.crt"
    if not certificate.exists():
        certificate.parent.mkdir(parents=True, exist_ok=True)
        certificate.write_text("a certificate")
    owner = Actor(real=ala, channel="panel")
    app_password, _shown = actions.add_app_password(ala, name="Telefon", by=owner)
    alias = actions.add_alias(domain=ala.domain, localpart="biuro", targets=[ala.address], by=console)
    pks = {"app-password-revoke": app_password.pk}
    return {
        name: reverse(
            name,
            kwargs={
                key: {
                    "name": "firma.test",
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


@pytest.mark.parametrize("name", CHANGING)
def test_PRM_07_changing_needs_the_csrf_token(name: str, paths: dict[str, str], pola: Account) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(pola, backend="accounts.backends.AddressBackend")
    assert client.post(paths[name], {"mode": "reject"}).status_code == 403


def test_admin_is_the_superadmins_door_only(ala: Account, pola: Account, root: Account) -> None:
    assert logged_in(root).get("/admin/").status_code == 200
    for person in (ala, pola):
        assert logged_in(person).get("/admin/accounts/account/").status_code == 302
