"""Mail comes in by SMTP and is read by IMAP and POP3, in the right mailbox or refused at RCPT."""

from __future__ import annotations

import smtplib
import socket
import subprocess

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import TLS_MODES, Tls, Wire, letter


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def arrives(wire: Wire, account: Account, subject: str, folder: str = "INBOX") -> None:
    wait_until(
        lambda: subject in wire.subjects(account.address, PASSWORD, folder),
        what=f"{subject} in {account.address}",
    )


def test_mail_arrives_and_is_read_over_imap_and_pop3(wire: Wire, plane: MailInstance, jan: Account) -> None:
    plane.apply()
    wire.deliver(jan.address, text=letter("Oferta"))
    arrives(wire, jan, "Oferta")
    assert wire.pop3_subjects(jan.address, PASSWORD) == ["Oferta"]


def test_alias_leads_to_its_targets(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    actions.add_alias(domain=firma, localpart="biuro", targets=[jan.address, ola.address], by=console)
    plane.apply()
    wire.deliver(f"biuro@{firma.name}", text=letter("Do biura"))
    arrives(wire, jan, "Do biura")
    arrives(wire, ola, "Do biura")


def test_plus_address_reaches_the_mailbox(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain
) -> None:
    plane.apply()
    wire.deliver(f"jan+faktury@{firma.name}", text=letter("Faktura"))
    arrives(wire, jan, "Faktura")


def test_address_is_blind_to_case(wire: Wire, plane: MailInstance, jan: Account) -> None:
    plane.apply()
    wire.deliver(jan.address.upper(), text=letter("WIELKIE"))
    arrives(wire, jan, "WIELKIE")


def test_domain_alias_holds_every_address_and_refuses_unknown_ones(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    actions.add_alias(domain=firma, localpart="biuro", targets=[jan.address], by=console)
    domain_actions.add_domain_alias(firma, name=f"alias-{firma.name}", by=console)
    plane.apply()
    wire.deliver(f"jan@alias-{firma.name}", text=letter("Przez alias domeny"))
    wire.deliver(f"biuro@alias-{firma.name}", text=letter("Alias w aliasie"))
    arrives(wire, jan, "Przez alias domeny")
    arrives(wire, jan, "Alias w aliasie")
    assert wire.rcpt(f"nikt@alias-{firma.name}")[0] == 550


def test_account_added_after_the_domain_alias_is_valid_there(
    wire: Wire, plane: MailInstance, firma: Domain, console: Actor
) -> None:
    domain_actions.add_domain_alias(firma, name=f"alias-{firma.name}", by=console)
    plane.apply()
    ela = actions.add_account(domain=firma, localpart="ela", password=PASSWORD, by=console)
    plane.apply()
    wire.deliver(f"ela@alias-{firma.name}", text=letter("Nowa"))
    arrives(wire, ela, "Nowa")


def test_unknown_recipient_and_unknown_domain_are_refused_at_rcpt(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain
) -> None:
    plane.apply()
    assert wire.rcpt(f"nikt@{firma.name}")[0] == 550
    assert wire.rcpt("ktos@nieznana.test")[0] == 554


def test_relaying_is_refused_also_for_processes_on_the_machine(plane: MailInstance, wire: Wire) -> None:
    assert wire.rcpt("ktos@gmail.example")[0] == 554
    script = (
        "import smtplib,sys; c=smtplib.SMTP('127.0.0.1',int(sys.argv[1])); c.ehlo(); c.mail('x@y.example');"
        "print(c.rcpt('ktos@gmail.example')[0])"
    )
    as_www = [
        "setpriv",
        "--reuid",
        "www-data",
        "--regid",
        "www-data",
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        script,
    ]
    done = subprocess.run(
        [*as_www, str(plane.layout.port("smtp"))], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.strip() == "554"


def test_the_socket_for_sieve_mail_is_closed_to_other_users(plane: MailInstance) -> None:
    path = plane.layout.queue / "public" / "sieve"
    script = "import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    as_www = [
        "setpriv",
        "--reuid",
        "www-data",
        "--regid",
        "www-data",
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        script,
    ]
    done = subprocess.run([*as_www, str(path)], capture_output=True, text=True, check=False, cwd="/")
    assert "PermissionError" in done.stderr


def test_ALS_01_catch_all_takes_only_unknown_names(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    domain = firma
    anna = actions.add_account(domain=domain, localpart="anna", password=PASSWORD, by=console)
    locked = actions.add_account(domain=domain, localpart="zamkniety", password=PASSWORD, by=console)
    actions.lock_account(locked, mode="reject", by=console)
    actions.add_alias(domain=domain, localpart="biuro", targets=[jan.address], by=console)
    actions.add_alias(domain=domain, localpart="*", targets=[anna.address], by=console)
    plane.apply()
    wire.deliver(jan.address, text=letter("do jana"))
    wire.deliver(f"biuro@{domain.name}", text=letter("do biura"))
    wire.deliver(f"niewiadomo@{domain.name}", text=letter("do nikogo"))
    arrives(wire, anna, "do nikogo")
    arrives(wire, jan, "do biura")
    assert wire.subjects(anna.address, PASSWORD) == ["do nikogo"]
    assert sorted(wire.subjects(jan.address, PASSWORD)) == ["do biura", "do jana"]
    assert wire.rcpt(locked.address)[0] == 550
    # The sender right of others is untouched by the catch-all.
    wire.submit(jan.address, PASSWORD, jan.address, anna.address, text=letter("od jana"))
    arrives(wire, anna, "od jana")


def test_catch_all_holds_in_the_domain_alias_too(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    anna = actions.add_account(domain=firma, localpart="anna", password=PASSWORD, by=console)
    domain_actions.add_domain_alias(firma, name=f"alias-{firma.name}", by=console)
    actions.add_alias(domain=firma, localpart="", targets=[anna.address], by=console)
    plane.apply()
    wire.deliver(f"cokolwiek@alias-{firma.name}", text=letter("złapane"))
    wire.deliver(f"jan@alias-{firma.name}", text=letter("dla jana"))
    arrives(wire, anna, "złapane")
    arrives(wire, jan, "dla jana")


def test_removed_catch_all_refuses_unknown_names_again(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    alias = actions.add_alias(domain=firma, localpart="", targets=[jan.address], by=console)
    plane.apply()
    assert wire.rcpt(f"nikt@{firma.name}")[0] == 250
    actions.delete_alias(alias, by=console)
    plane.apply()
    assert wire.rcpt(f"nikt@{firma.name}")[0] == 550
    assert wire.rcpt(jan.address)[0] == 250


def test_ADR_15_postmaster_is_always_accepted(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, console: Actor
) -> None:
    plane.apply()
    assert wire.rcpt(f"postmaster@{firma.name}")[0] == 250
    domain_actions.set_managers(firma, addresses=[jan.address], by=console)
    plane.apply()
    wire.deliver(f"postmaster@{firma.name}", text=letter("Do postmastera"))
    arrives(wire, jan, "Do postmastera")


@pytest.mark.parametrize("tls", TLS_MODES)
def test_login_works_in_every_tls_mode_on_every_protocol(
    wire: Wire, plane: MailInstance, jan: Account, tls: Tls
) -> None:
    plane.apply()
    with wire.imap(jan.address, PASSWORD, tls) as imap:
        assert imap.state == "AUTH"
    with wire.pop3(jan.address, PASSWORD, tls) as pop3:
        assert pop3.stat()[0] == 0
    with wire.submission(tls) as smtp:
        wire.smtp_login(smtp, jan.address, PASSWORD)


def test_wrong_password_is_refused_everywhere(wire: Wire, plane: MailInstance, jan: Account) -> None:
    plane.apply()
    with pytest.raises(Exception, match="AUTHENTICATIONFAILED"), wire.imap(jan.address, "zle-haslo"):
        pass
    with pytest.raises(Exception, match="AUTH"), wire.pop3(jan.address, "zle-haslo"):
        pass
    with wire.submission() as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        wire.smtp_login(smtp, jan.address, "zle-haslo")


def test_PRM_11_sender_must_belong_to_the_login(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    domain = firma
    anna = actions.add_account(domain=domain, localpart="anna", password=PASSWORD, by=console)
    actions.add_alias(domain=domain, localpart="biuro", targets=[jan.address], by=console)
    actions.add_alias(domain=domain, localpart="wszyscy", targets=[jan.address, anna.address], by=console)
    domain_actions.add_domain_alias(domain, name=f"alias-{domain.name}", by=console)
    plane.apply()
    allowed = (jan.address, f"biuro@{domain.name}", f"jan@alias-{domain.name}", f"jan+x@{domain.name}", "")
    refused = (anna.address, f"wszyscy@{domain.name}", f"nikt@{domain.name}", "ktos@gmail.example")
    for sender in (*allowed, *refused):
        with wire.submission() as smtp:
            wire.smtp_login(smtp, jan.address, PASSWORD)
            smtp.mail(sender)
            code, answer = smtp.rcpt(anna.address)
            assert (code == 250) == (sender in allowed), (sender, code, answer)


def test_special_use_folders_exist_for_every_mail_program(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    plane.apply()
    with wire.imap(jan.address, PASSWORD) as imap:
        listed = b"\n".join(line for line in imap.list()[1] if isinstance(line, bytes)).decode()
    for flag, name in (("Sent", "Sent"), ("Drafts", "Drafts"), ("Trash", "Trash"), ("Junk", "SPAM")):
        assert f'\\{flag}) "/" {name}' in listed


def test_MSG_01_smuggled_end_of_data_makes_no_second_message(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    plane.apply()
    body = (
        "Subject: pierwszy\r\n\r\ntekst\n.\n"
        f"MAIL FROM:<zly@obcy.example>\r\nRCPT TO:<{jan.address}>\r\nDATA\r\n"
        "Subject: przemycony\r\n\r\nzlo\r\n.\r\n"
    )
    with socket.create_connection(("127.0.0.1", plane.layout.port("smtp"))) as raw:
        stream = raw.makefile("rwb")
        for command in (
            "",
            "EHLO mx.obcy.example",
            "MAIL FROM:<x@obcy.example>",
            f"RCPT TO:<{jan.address}>",
            "DATA",
        ):
            if command:
                stream.write(command.encode() + b"\r\n")
                stream.flush()
            while stream.readline()[3:4] == b"-":
                pass
        stream.write(body.encode())
        stream.flush()
        assert stream.readline()
    wait_until(lambda: wire.subjects(jan.address, PASSWORD), what="anything")
    assert "przemycony" not in wire.subjects(jan.address, PASSWORD)


def test_files_of_the_mail_plane_hide_secrets(plane: MailInstance, jan: Account) -> None:
    plane.apply()
    mode = plane.layout.accounts_file.stat().st_mode & 0o777
    assert mode == 0o640
    assert (plane.layout.tls / "server.key").stat().st_mode & 0o777 == 0o600
    assert plane.layout.auth.stat().st_mode & 0o7777 == 0o2770
