"""The ops commands: what they say, refuse, ask and change in the mail plane."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account, Alias
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance
from tests.mail.wire import Wire

Run = Callable[..., str]


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def run(plane: MailInstance, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command; what it prints on standard output comes back. Changes are applied by the command
    `apply`.
    """
    # There is no worker in this process: do not wait for it.
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)

    def call(*arguments: str, stdin: str = "") -> str:
        out = io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        call_command(*arguments, stdout=out)
        return out.getvalue()

    return call


def test_domain_and_account_from_the_command_line_to_a_login(run: Run, wire: Wire) -> None:
    assert "added komenda.test" in run("domain", "add", "Komenda.test", "--language", "en")
    out = run(
        "account",
        "add",
        "ewa@komenda.test",
        "--name",
        "Ewa",
        "--quota",
        "10",
        "--password-stdin",
        stdin=PASSWORD,
    )
    assert "added: ewa@komenda.test" in out
    assert "local: written 1 account, " in run("apply")
    assert wire.imap_login_command("ewa@komenda.test", PASSWORD) == "OK"
    shown = json.loads(run("account", "show", "ewa@komenda.test", "--json"))
    assert (shown["quota bytes"], shown["language"]) == (10 * 1024 * 1024, "en")


def test_password_command_takes_any_letter_and_random_ones(run: Run, wire: Wire, jan: Account) -> None:
    run("account", "password", jan.address, "--password-stdin", stdin="zażółć€gęślą")
    run("apply")
    assert wire.imap_login_command(jan.address, "zażółć€gęślą") == "OK"
    out = run("account", "password", jan.address, "--random")
    run("apply")
    assert wire.imap_login_command(jan.address, out.splitlines()[0].rpartition(": ")[2]) == "OK"


def test_lock_rename_unlock_delete(run: Run, wire: Wire, jan: Account, firma: Domain) -> None:
    run("account", "lock", jan.address, "--mode", "reject", "--reason", "faktury")
    run("apply")
    assert wire.rcpt(jan.address)[0] == 550
    run("account", "unlock", jan.address)
    run("account", "rename", jan.address, f"janek@{firma.name}")
    run("apply")
    assert wire.rcpt(f"janek@{firma.name}")[0] == 250
    with pytest.raises(CommandError, match="--yes"):
        run("account", "delete", f"janek@{firma.name}")
    run("account", "delete", f"janek@{firma.name}", "--yes")
    run("apply")
    assert wire.rcpt(f"janek@{firma.name}")[0] == 550


def test_alias_command_adds_lists_sets_and_deletes(run: Run, wire: Wire, jan: Account, firma: Domain) -> None:
    domain = firma.name
    run("alias", "add", f"biuro@{domain}", f"{jan.address}, ktos@gmail.example")
    run("alias", "add", f"*@{domain}", jan.address)
    run("apply")
    assert wire.rcpt(f"cokolwiek@{domain}")[0] == 250
    listed = json.loads(run("alias", "list", "--domain", domain, "--json"))
    assert {"address": f"@{domain}", "targets": [jan.address]} in listed
    run("alias", "set", f"biuro@{domain}", jan.address)
    assert Alias.objects.get(address=f"biuro@{domain}").targets.count() == 1
    run("alias", "delete", f"*@{domain}", "--yes")
    run("apply")
    assert wire.rcpt(f"cokolwiek@{domain}")[0] == 550


def test_domain_command_edits_locks_and_deletes(run: Run, wire: Wire, jan: Account, firma: Domain) -> None:
    name = firma.name
    run("domain", "edit", name, "--max-accounts", "1", "--default-quota", "5", "--postmaster", jan.address)
    shown = json.loads(run("domain", "show", name, "--json"))
    assert (shown["max accounts"], shown["postmasters"]) == (1, [jan.address])
    with pytest.raises(CommandError, match="1 accounts"):
        run("account", "add", f"drugi@{name}", "--random")
    run("domain", "alias-add", name, f"alias-{name}")
    run("domain", "lock", name, "--mode", "defer")
    run("apply")
    assert wire.rcpt(f"jan@alias-{name}")[0] == 450
    run("domain", "unlock", name)
    run("domain", "alias-delete", f"alias-{name}", "--yes")
    run("domain", "delete", name, "--yes")
    run("apply")
    assert wire.rcpt(jan.address)[0] == 554
    assert not Domain.objects.filter(name=name).exists()
    assert name not in run("domain", "list")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("domain", "add", "zła domena.test"), "U\\+0020"),
        (("domain", "add", "-x.test"), "."),
        (("domain", "show", "nieznana.test"), "There is no domain nieznana.test"),
        (("account", "add", "a@nieznana.test", "--random"), "There is no domain nieznana.test"),
        (("account", "show", "nikt@nieznana.test"), "There is no account"),
        (("alias", "add", "bez-malpy", "x@y.example"), "name@example.org"),
        (("apply", "--node", "inny"), "no node inny"),
    ],
)
def test_bad_input_gets_one_sentence_and_changes_nothing(
    run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    before = (Domain.objects.count(), Account.objects.count(), Alias.objects.count())
    with pytest.raises(CommandError, match=sentence) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)
    assert (Domain.objects.count(), Account.objects.count(), Alias.objects.count()) == before


def test_dry_run_checks_everything_and_changes_nothing(run: Run, jan: Account, firma: Domain) -> None:
    assert "would be added" in run("account", "add", f"nowa@{firma.name}", "--random", "--dry-run")
    assert not Account.objects.filter(localpart="nowa").exists()
    with pytest.raises(CommandError, match="already an account"):
        run("account", "add", jan.address, "--random", "--dry-run")


def test_apply_check_reports_drift_with_exit_code_one(run: Run, plane: MailInstance, jan: Account) -> None:
    run("apply", "--all", "--confirm-deletions")
    run("apply", "--check")
    run("account", "password", jan.address, "--random")
    with pytest.raises(CommandError, match="differs") as caught:
        run("apply", "--check", "--json")
    assert caught.value.returncode == 1


def test_doctor_names_the_dead_daemon_and_counts_plain_logins(
    run: Run, plane: MailInstance, wire: Wire, jan: Account
) -> None:
    run("apply", "--all", "--confirm-deletions")
    with wire.imap(jan.address, PASSWORD, "none"), wire.submission("none") as smtp:
        wire.smtp_login(smtp, jan.address, PASSWORD)
        smtp.mail(jan.address)
        smtp.rcpt(jan.address)
        smtp.data("Subject: jawnie\r\n\r\nx")
    findings = {finding["check"]: finding for finding in _doctor(run)}
    assert findings["postfix smtp"]["level"] == "ok"
    assert findings["logins"]["level"] == "warning"
    assert findings["logins"]["remedy"]
    plane.stop_daemon("dovecot")
    try:
        dead = [
            finding
            for finding in _doctor(run)
            if finding["check"].startswith("dovecot") and finding["level"] == "error"
        ]
    finally:
        plane.start_daemon(plane.daemon("dovecot"))
    assert len(dead) == 5
    assert all(finding["remedy"] for finding in dead)


def _doctor(run: Run) -> list[dict[str, str]]:
    """Errors make it end with code 1, after it has printed everything."""
    out = io.StringIO()
    with contextlib.suppress(CommandError):
        call_command("doctor", "--json", stdout=out)
    findings: list[dict[str, str]] = json.loads(out.getvalue())
    return findings


def test_setup_twice_keeps_the_one_superadmin(run: Run) -> None:
    first = run("setup")
    assert "password (shown once): " in first
    assert run("setup") == ""
    assert Account.objects.filter(is_superuser=True).count() == 1
