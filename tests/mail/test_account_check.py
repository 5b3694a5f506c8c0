"""What is wrong with this account? Page and command, from what the real daemons logged and queued."""

from __future__ import annotations

import contextlib
import io
import json
import smtplib
import subprocess
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.core.management import call_command
from django.urls import reverse
from django_otp.oath import totp

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, MailboxUsage
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.inspection import answer, inspect
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire

__all__ = ["plain_static"]
Check = Callable[[str], tuple[int, list[dict[str, str]]]]


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def check() -> Check:
    def run(address: str) -> tuple[int, list[dict[str, str]]]:
        """Exit code and facts of the command."""
        out, code = io.StringIO(), 0
        try:
            call_command("account", "check", address, "--json", stdout=out)
        except SystemExit as end:
            code = int(end.code or 0)
        return code, json.loads(out.getvalue())

    return run


def bad(facts: list[dict[str, str]]) -> dict[str, str]:
    return {fact["finding"]: fact["remedy"] for fact in facts if fact["level"] == "bad"}


def fail(wire: Wire, address: str, password: str) -> None:
    assert wire.imap_login_command(address, password) == "NO"


def test_healthy_account_has_nothing_wrong(
    wire: Wire, plane: MailInstance, jan: Account, check: Check
) -> None:
    plane.apply()
    assert wire.imap_login_command(jan.address, PASSWORD) == "OK"
    code, facts = check(jan.address)
    assert (code, bad(facts)) == (0, {})
    assert any("imap from 127.0.0.2: good" in fact["finding"] for fact in facts)


def test_wrong_password_is_told_in_words_with_its_remedy(
    wire: Wire, plane: MailInstance, jan: Account, check: Check
) -> None:
    plane.apply()
    fail(wire, jan.address, "zle-haslo")
    code, facts = check(jan.address)
    ((text, remedy),) = bad(facts).items()
    assert code == 1
    assert "IMAP" in text
    assert "from 127.0.0.2): wrong password." in text
    assert remedy == f"manage.py account password {jan.address} --password-stdin"
    with wire.submission() as client, pytest.raises(smtplib.SMTPAuthenticationError):
        wire.smtp_login(client, jan.address, "zle-haslo")
    assert any("SMTP" in text for text in bad(check(jan.address)[1]))
    assert wire.imap_login_command(jan.address, PASSWORD) == "OK"
    assert bad(check(jan.address)[1]) == {}, "a good login since"


def test_lock_is_told_for_mail_programs_and_smtp(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, check: Check
) -> None:
    actions.lock_account(jan, reason="urlop", by=console)
    plane.apply()
    fail(wire, jan.address, PASSWORD)
    with wire.submission() as client, pytest.raises(smtplib.SMTPAuthenticationError):
        wire.smtp_login(client, jan.address, PASSWORD)
    _code, facts = check(jan.address)
    assert any(text.endswith("): locked.") for text in bad(facts))
    assert f"manage.py account unlock {jan.address}" in bad(facts).values()
    assert [fact["finding"].rpartition(" ")[2] for fact in facts if "login " in fact["finding"][:6]] == [
        "locked",
        "locked",
    ]


def test_second_factor_without_app_password_is_told(
    wire: Wire, plane: MailInstance, jan: Account, check: Check
) -> None:
    owner = Actor(real=jan, channel="panel")
    device = actions.begin_second_factor(jan, by=owner)
    actions.turn_on_second_factor(jan, code=f"{totp(device.bin_key):06}", by=owner)
    plane.apply()
    fail(wire, jan.address, PASSWORD)
    found = bad(check(jan.address)[1])
    assert any("no mail program can log in" in text for text in found)
    actions.add_app_password(jan, name="telefon", by=owner)
    plane.apply()
    fail(wire, jan.address, PASSWORD)
    assert any("needs an app password" in text for text in bad(check(jan.address)[1]))


def test_full_mailbox_forwarding_and_own_script_are_told(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, check: Check
) -> None:
    actions.edit_account(jan, quota_bytes=1024 * 1024, by=console)
    actions.set_forwarding(jan, targets=["jan@daleko.test"], keeps_copy=False, by=console)
    plane.apply()
    MailboxUsage.objects.create(account=jan, used_bytes=1024 * 1024, message_count=1)
    wire.put_sieve(jan.address, PASSWORD, '# discard\nif header :is "Subject" "x" { discard; }')
    _code, facts = check(jan.address)
    text = " ".join(fact["finding"] for fact in facts)
    assert "The mailbox is full (1 MB of 1 MB)" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "does not stay here" in text
    assert "throws mail away" in text
    wire.put_sieve(jan.address, PASSWORD, '# discard\nif header :is "Subject" "discard" { keep; }')
    assert "throws mail away" not in str(check(jan.address)[1])


def is_refused(wire: Wire, address: str) -> bool:
    """For want of TLS. While Dovecot reloads, a connection may end early or a login fail for that."""
    with contextlib.suppress(AssertionError, OSError):
        return "PRIVACYREQUIRED" in wire.imap_login_answer(address, PASSWORD)
    return False


@contextlib.contextmanager
def tls_only(plane: MailInstance) -> Iterator[None]:
    """As a server that has switched logins without TLS off."""
    path = plane.layout.etc / "dovecot" / "dovecot.conf"
    before = path.read_text(encoding="utf-8")
    reload = ["doveadm", "-c", str(path), "reload"]
    path.write_text(before.replace("disable_plaintext_auth = no", "disable_plaintext_auth = yes"))
    subprocess.run(reload, check=True)
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")
        subprocess.run(reload, check=True)


def test_login_without_tls_is_told_by_the_address_that_the_account_uses(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, console: Actor, check: Check
) -> None:
    stranger = actions.add_account(domain=firma, localpart="inny", password=PASSWORD, by=console)
    plane.apply()
    assert wire.imap_login_command(jan.address, PASSWORD) == "OK"
    with tls_only(plane):
        wait_until(lambda: is_refused(wire, jan.address), what="TLS only")
        text = "A program at 127.0.0.2 tried to log in without encryption (imap): TLS is required."
        wait_until(lambda: text in bad(check(jan.address)[1]), what=text)
        assert text not in bad(check(stranger.address)[1]), "not known to be theirs"


def test_queue_and_last_messages(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, console: Actor, check: Check
) -> None:
    plane.apply()
    wire.deliver(jan.address, sender="ktos@obcy.example")
    wait_until(lambda: wire.subjects(jan.address, PASSWORD), what="delivery")
    facts = check(jan.address)[1]
    assert any("in ktos@obcy.example: sent" in fact["finding"] for fact in facts)
    plane.stop_daemon("dovecot")
    try:
        wire.deliver(jan.address, sender="ktos@obcy.example")
        seen: dict[str, object] = {}

        def waits() -> object:
            seen.update(inspect(jan, plane.host, settings.QMAILUX_LAYOUT))
            return seen["queued"]

        wait_until(waits, what="a message in the queue")
        assert "1 message waits in the queue" in str(check(jan.address)[1])
    finally:
        plane.start_daemon(plane.daemon("dovecot"))


def test_change_that_is_not_live_and_account_that_the_machine_lost_are_told(
    plane: MailInstance, jan: Account, check: Check
) -> None:
    assert "on its way" in str(check(jan.address)[1])
    plane.apply()
    plane.host.change_rows("account", [], [jan.address])
    assert any("does not know the account" in text for text in bad(check(jan.address)[1]))


def test_alias_and_unknown_address(jan: Account, firma: Domain, console: Actor, check: Check) -> None:
    alias = actions.add_alias(domain=firma, localpart="biuro", targets=[jan.address], by=console)
    assert f"its mail goes to {jan.address}" in str(check(alias.address)[1])
    with pytest.raises(Exception, match="There is no account"), contextlib.suppress(SystemExit):
        call_command("account", "check", f"nikt@{firma.name}")


def test_page_shows_findings_with_buttons_that_mend(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, console: Actor
) -> None:
    pola = actions.add_account(domain=firma, localpart="pola", password=PASSWORD, language="en", by=console)
    domain_actions.set_managers(firma, addresses=[pola.address], by=console)
    actions.lock_account(jan, by=console)
    plane.apply()
    fail(wire, jan.address, PASSWORD)
    client = logged_in(pola)
    path = reverse("account-check", args=[firma.name, jan.pk])
    page = client.get(path).content.decode()
    assert "The account is locked" in page
    assert "The server is being asked" in page
    answer(jan, plane.host, settings.QMAILUX_LAYOUT)
    fragment = client.get(f"{path}answer/").content.decode()
    assert "hx-get" not in fragment
    assert "127.0.0.2" in fragment
    unlock = reverse("account-unlock", args=[firma.name, jan.pk])
    assert f'action="{unlock}"' in fragment
    client.post(unlock)
    plane.apply()
    assert wire.imap_login_command(jan.address, PASSWORD) == "OK"
