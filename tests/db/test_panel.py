"""The panel's pages: they call actions, show refusals at their field, and show nobody what is not theirs."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Account, Alias
from domains.models import Domain
from tests.conftest import PASSWORD


@pytest.fixture(autouse=True)
def plain_static(settings: object) -> None:
    """Pages name static files; hashes are made by collectstatic, which tests do not need."""
    settings.STORAGES = {  # type: ignore[attr-defined]
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


def logged_in(account: Account) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(account, backend="accounts.backends.AddressBackend")
    client.cookies["django_language"] = "en"
    return client


def test_login_with_the_mail_password_and_logout(ala: Account) -> None:
    client = Client()
    answer = client.post("/login/", {"username": "ALA@firma.test", "password": PASSWORD})
    assert answer.status_code == 302
    assert client.get("/").status_code == 200
    assert client.post("/logout/").status_code == 302
    assert client.get("/").status_code == 302


def test_wrong_password_keeps_what_was_typed(ala: Account) -> None:
    answer = Client().post("/login/", {"username": "ala@firma.test", "password": "zle-haslo"})
    assert answer.status_code == 200
    assert b"ala@firma.test" in answer.content


def test_the_chosen_language_is_remembered_before_the_login_and_for_the_account(ala: Account) -> None:
    visitor = Client()
    for language, heading in (("en", "Log in"), ("pl", "Logowanie")):
        visitor.post("/language/", {"language": language, "next": "/login/"})
        assert heading in visitor.get("/login/").content.decode()
    client = logged_in(ala)
    client.post("/language/", {"language": "en", "next": "/"})
    assert '<html lang="en"' in logged_in(ala).get("/").content.decode()
    client.post("/language/", {"language": "pl", "next": "/"})
    assert '<html lang="pl"' in logged_in(ala).get("/").content.decode()


def test_guessing_is_locked_out_for_that_login_only(ala: Account, pola: Account) -> None:
    client = Client()
    for _attempt in range(10):
        client.post("/login/", {"username": "ala@firma.test", "password": "zle-haslo"})
    assert client.post("/login/", {"username": "ala@firma.test", "password": PASSWORD}).status_code == 429
    assert client.post("/login/", {"username": "pola@firma.test", "password": PASSWORD}).status_code == 302


def test_password_change_ends_other_sessions(ala: Account) -> None:
    here, elsewhere = logged_in(ala), logged_in(ala)
    answer = here.post(
        "/password/", {"current": PASSWORD, "password": "Calkiem-Inne-4", "repeated": "Calkiem-Inne-4"}
    )
    assert answer.status_code == 302
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"current": "zle", "password": "Calkiem-Inne-4", "repeated": "Calkiem-Inne-4"}, "To nie jest"),
        ({"current": PASSWORD, "password": "krótkie", "repeated": "krótkie"}, "co najmniej 8"),
        ({"current": PASSWORD, "password": "Calkiem-Inne-4", "repeated": "inne"}, "różnią"),
    ],
)
def test_refused_password_says_why_and_changes_nothing(
    ala: Account, typed: dict[str, str], sentence: str
) -> None:
    answer = logged_in(ala).post("/password/", typed)
    assert sentence in answer.content.decode()
    ala.refresh_from_db()
    assert ala.check_password(PASSWORD)


def test_superadmin_adds_a_domain_and_its_postmaster_an_account(root: Account, pola: Account) -> None:
    logged_in(root).post("/domains/add/", {"name": "Nowa.test", "language": "pl"})
    assert Domain.objects.filter(name="nowa.test").exists()
    answer = logged_in(pola).post("/domain/firma.test/accounts/add/", {"localpart": "ewa", "name": "Ewa"})
    assert "pokazane tylko teraz" in answer.content.decode()
    assert Account.objects.filter(address="ewa@firma.test").exists()


def test_taken_name_is_refused_at_its_field(pola: Account, ala: Account) -> None:
    answer = logged_in(pola).post("/domain/firma.test/accounts/add/", {"localpart": "ala"})
    assert "Konto ala@firma.test już istnieje" in answer.content.decode()


def test_postmaster_locks_unlocks_and_deletes(pola: Account, ala: Account) -> None:
    client = logged_in(pola)
    base = f"/domain/firma.test/accounts/{ala.pk}"
    client.post(f"{base}/lock/", {"mode": "reject", "reason": "faktury"})
    ala.refresh_from_db()
    assert (ala.state, ala.lock_mode) == ("locked", "reject")
    client.post(f"{base}/unlock/")
    client.post(f"{base}/delete/", {"typed": "nie ten"})
    assert Account.objects.filter(pk=ala.pk).exists()
    client.post(f"{base}/delete/", {"typed": "ala@firma.test"})
    assert not Account.objects.filter(pk=ala.pk).exists()


def test_alias_page_adds_and_deletes(pola: Account, ala: Account) -> None:
    client = logged_in(pola)
    client.post(
        "/domain/firma.test/aliases/add/",
        {"localpart": "biuro", "targets": "ala@firma.test\nx@gmail.example"},
    )
    alias = Alias.objects.get(address="biuro@firma.test")
    assert alias.targets.count() == 2
    assert "biuro@firma.test" in client.get("/domain/firma.test/aliases/").content.decode()
    client.post(f"/domain/firma.test/aliases/{alias.pk}/delete/")
    assert not Alias.objects.exists()


def test_locked_account_is_out_at_the_next_click(ala: Account, pola: Account) -> None:
    client = logged_in(ala)
    assert client.get("/").status_code == 200
    logged_in(pola).post(f"/domain/firma.test/accounts/{ala.pk}/lock/", {"mode": "accept"})
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    "payload", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}"]
)
def test_PRM_06_scripts_in_names_are_text(pola: Account, ala: Account, payload: str) -> None:
    client = logged_in(pola)
    base = f"/domain/firma.test/accounts/{ala.pk}"
    client.post(f"{base}/", {"name": payload, "quota": "10", "language": "pl"})
    for page in (f"{base}/", "/domain/firma.test/", "/domain/firma.test/accounts/"):
        text = client.get(page).content.decode()
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_admin_shows_no_hash_and_acts_through_actions(root: Account, ala: Account) -> None:
    client = logged_in(root)
    page = client.get(f"/admin/accounts/account/{ala.pk}/change/").content.decode()
    assert "argon2" not in page
    client.post(
        f"/admin/accounts/account/{ala.pk}/change/",
        {"name": "Ala Nowa", "quota_bytes": "5000000", "language": "pl", "new_password": ""},
    )
    ala.refresh_from_db()
    assert ala.name == "Ala Nowa"
    client.post(
        "/admin/domains/domain/add/", {"name": "z-admina.test", "default_quota_bytes": "0", "language": "pl"}
    )
    assert Domain.objects.filter(name="z-admina.test").exists()
    refused = client.post(
        "/admin/domains/domain/add/", {"name": "firma.test", "default_quota_bytes": "0", "language": "pl"}
    )
    assert "already exists" in refused.content.decode()


def test_admin_lists_open(root: Account, ala: Account) -> None:
    client = logged_in(root)
    for page in (
        "accounts/account",
        "accounts/alias",
        "accounts/deletedmailbox",
        "domains/domain",
        "domains/domainalias",
        "provisioning/appliedrevision",
        "provisioning/change",
        "provisioning/run",
        "provisioning/node",
        "audit/auditevent",
    ):
        assert client.get(f"/admin/{page}/?q=a").status_code == 200, page
