"""Every settings file against its golden file and against the part's own parser."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from provisioning.layout import Layout
from provisioning.render import (
    clamav,
    domainproof,
    dovecot,
    nginx,
    postfix,
    programs,
    sieve,
    spamassassin,
    webmail,
)
from provisioning.render.files import HEADER, RenderedFile
from provisioning.render.plane import MailPlane, NodeAddress
from tests.golden.conftest import compare_with_golden

SERVER_WISHES = spamassassin.SpamWishes(
    suspected=Decimal("4.5"), languages=("pl", "en"), entries=[("QM_DENY_SERVER_DOMAIN", "*@zly.example")]
)


def rendered(plane: MailPlane) -> list[RenderedFile]:
    return [
        *clamav.settings(plane),
        *domainproof.settings(plane),
        *spamassassin.settings(plane, SERVER_WISHES),
        *postfix.settings(plane),
        *dovecot.settings(plane),
        *nginx.settings(plane, has_ipv6=True),
        *webmail.settings(plane),
        *programs.settings(plane),
        sieve.server_script(plane),
        sieve.learn_script(plane),
    ]


def test_settings_match_their_golden_files(mail_plane: MailPlane) -> None:
    for file in rendered(mail_plane):
        compare_with_golden(file)


def test_settings_with_addresses_match_their_golden_files(with_addresses: MailPlane) -> None:
    for file in [*postfix.settings(with_addresses), *dovecot.settings(with_addresses)]:
        compare_with_golden(dataclasses.replace(file, path=f"with-addresses/{file.path}"))


@pytest.mark.parametrize("port", [465, 587])
def test_settings_with_a_smarthost_match_their_golden_files(with_addresses: MailPlane, port: int) -> None:
    hop = f"[smtp.isp.example]:{port}"
    plane = dataclasses.replace(with_addresses, relayhost=hop, relayhost_logs_in=True)
    for file in postfix.settings(plane):
        if file.path.endswith(("/main.cf", "/by_server_smarthost")):
            compare_with_golden(dataclasses.replace(file, path=f"with-smarthost-{port}/{file.path}"))


def test_a_server_bound_to_all_lists_its_addresses_beside_named_ones(with_addresses: MailPlane) -> None:
    layout = dataclasses.replace(with_addresses.layout, bind="*")
    plane = dataclasses.replace(with_addresses, layout=layout, other_addresses=("127.0.0.1", "192.0.2.11"))
    assert plane.listen == ("127.0.0.1",)
    assert dataclasses.replace(plane, addresses=(), other_addresses=()).listen == ("*",)


def test_same_values_give_the_same_bytes(mail_plane: MailPlane) -> None:
    assert rendered(mail_plane) == rendered(mail_plane)


def test_every_file_says_whose_it_is(mail_plane: MailPlane) -> None:
    for file in rendered(mail_plane):
        assert HEADER.encode() in file.content[:300], file.path


@pytest.fixture
def with_addresses(mail_plane: MailPlane) -> MailPlane:
    """One in use, one that the machine lacks, one of IPv6 that is the default."""
    return dataclasses.replace(
        mail_plane,
        addresses=(
            NodeAddress(1, "192.0.2.11", "mail.alfa.example", is_present=True),
            NodeAddress(2, "192.0.2.12", "mail.beta.example", is_present=False),
            NodeAddress(7, "2001:db8::7", "mail.gamma.example", is_present=True, is_default=True),
        ),
    )


@pytest.fixture(params=["without addresses", "with addresses"])
def written(
    request: pytest.FixtureRequest, mail_plane: MailPlane, with_addresses: MailPlane
) -> Iterator[MailPlane]:
    """The files in a folder of their own, with a certificate beside, for the real parsers."""
    layout = Layout(Path(f"/tmp/qxg{os.getpid()}"), "127.0.0.1", 10000, "mail.firma.test")
    chosen = with_addresses if request.param == "with addresses" else mail_plane
    plane = dataclasses.replace(chosen, layout=layout)
    for file in rendered(plane):
        path = layout.node / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    layout.tls.mkdir(exist_ok=True)
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=x",
            "-keyout",
            plane.key,
            "-out",
            plane.chain,
        ],
        check=True,
        capture_output=True,
    )
    for address in plane.addresses:
        plane.chain_of(address).parent.mkdir(exist_ok=True)
        shutil.copy(plane.chain, plane.chain_of(address))
        shutil.copy(plane.key, plane.key_of(address))
    yield plane
    shutil.rmtree(layout.home)


def test_postfix_accepts_its_settings_without_a_warning(written: MailPlane) -> None:
    folder = str(written.layout.etc / "postfix")
    for options in (["-n"], ["-M"]):
        done = subprocess.run(
            ["postconf", "-c", folder, *options], capture_output=True, text=True, check=True
        )
        unexpected = [line for line in done.stderr.splitlines() if "unused parameter" not in line]
        assert unexpected == []


@pytest.mark.parametrize("after", ["postlog", "smtp-x10", "smtp-x499"])
def test_postfix_check_finds_a_faulty_service_among_many(written: MailPlane, after: str) -> None:
    """It asks postconf part by part."""
    services = written.layout.etc / "postfix" / "master.cf"
    many = "".join(f"smtp-x{number} unix - - n - - smtp\n    -o x=y\n" for number in range(500))
    good = services.read_text(encoding="utf-8") + many
    services.write_text(good, encoding="utf-8")
    assert _postfix_check(written) == (0, "")
    before, after_it = good.split(f"\n{after} ")
    services.write_text(f"{before}\nfaulty inet n - n\n{after} {after_it}", encoding="utf-8")
    line = before.count("\n") + 2
    said = f"postconf: fatal: file {services}: line {line}: bad field count\n"
    assert _postfix_check(written) == (1, said)


def test_postfix_check_finds_a_fault_in_main_cf_and_says_where(written: MailPlane) -> None:
    settings = written.layout.etc / "postfix" / "main.cf"
    with settings.open("a", encoding="utf-8") as file:
        file.write("virtual_mailbox_maps = lmdb:${oops\n")
    code, said = _postfix_check(written)
    assert code == 1
    assert f"{settings}, line " in said
    assert "macro processing error" in said


def _postfix_check(plane: MailPlane) -> tuple[int, str]:
    check = plane.layout.bin / "postfix-check"
    check.chmod(0o755)
    plane.layout.node_run.mkdir(exist_ok=True)
    done = subprocess.run([check], capture_output=True, text=True, check=False)
    assert list(plane.layout.node_run.iterdir()) == []
    return done.returncode, done.stderr


def test_dovecot_accepts_its_settings(written: MailPlane) -> None:
    conf = str(written.layout.etc / "dovecot" / "dovecot.conf")
    done = subprocess.run(["doveconf", "-c", conf, "-n"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "Error" not in done.stderr


def test_sieve_compiles_the_server_script(written: MailPlane) -> None:
    script = written.layout.etc / "dovecot" / "sieve" / "server.sieve"
    conf = str(written.layout.etc / "dovecot" / "dovecot.conf")
    done = subprocess.run(["sievec", "-c", conf, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_filter_scripts_match_their_golden_files_and_compile(written: MailPlane) -> None:
    rules = [
        sieve.Rule(
            joined="any",
            conditions=(
                sieve.Condition("subject", "contains", 'Łódź "${1}" \\'),
                sieve.Condition("sender", "matches", "*@sklep.example"),
            ),
            folder="Klienci/Żółta Łódź",
            marks_read=True,
            flags=True,
            copy_to="kopia@obcy.example",
            stops=True,
        ),
        sieve.Rule(
            joined="all", conditions=(sieve.Condition("recipient", "is", "x@y.example"),), discards=True
        ),
    ]
    script = sieve.panel_script(home="ab/abe", forward_to=["x@gmail.example"], rules=rules)
    assert script is not None
    trial = sieve.trial_script(path="sieve/ab/trial.sieve", rules=rules)
    conf = str(written.layout.etc / "dovecot" / "dovecot.conf")
    for file in (script, trial):
        compare_with_golden(file)
        path = written.layout.node / "filters.sieve"
        path.write_bytes(file.content)
        done = subprocess.run(["sievec", "-c", conf, str(path)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_spamassassin_accepts_its_settings(written: MailPlane) -> None:
    argv = ["spamassassin", "--lint", "--local", "--nocreate-prefs", "--prefs-file=/dev/null"]
    folder = written.layout.etc / "spamassassin"
    done = subprocess.run([*argv, f"--siteconfigpath={folder}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_spam_preferences_match_their_golden_file_and_lint(written: MailPlane) -> None:
    domain = spamassassin.preferences("spamassassin/domains/firma.test.cf", SERVER_WISHES)
    path = written.layout.node / domain.path
    path.parent.mkdir(parents=True)
    path.write_bytes(domain.content)
    wishes = spamassassin.SpamWishes(
        suspected=Decimal("3"),
        entries=[("QM_ALLOW_USER_ADDRESS", "ala@dobry.example"), ("QM_DENY_USER_PATTERN", "*@*.zly.example")],
    )
    compare_with_golden(spamassassin.preferences("spamassassin/ab/abc/user_prefs", wishes, include="/x.cf"))
    own = spamassassin.preferences("spamassassin/ab/abc/user_prefs", wishes, include=str(path))
    preferences = path.with_name("user_prefs")
    preferences.write_bytes(own.content)
    argv = ["spamassassin", "--lint", "--local", "--nocreate-prefs", f"--prefs-file={preferences}"]
    folder = written.layout.etc / "spamassassin"
    done = subprocess.run([*argv, f"--siteconfigpath={folder}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_forwarding_script_matches_its_golden_file() -> None:
    script = sieve.panel_script(
        home="ab/abc", forward_to=["ola@firma.test", "x@gmail.example"], keep_copy=True
    )
    assert script is not None
    compare_with_golden(script)
    assert sieve.panel_script(home="ab/abc") is None


def test_autoresponder_script_matches_its_golden_file() -> None:
    answer = sieve.Answer(
        sender_name="Jan Żak",
        sender="jan@firma.test",
        addresses=("biuro@firma.test", "jan@firma.test"),
        subject="Urlop – wrócę",
        text='Cena ${1}\n.\n"cytat" i \\',
        begins="2026-07-01T22:00:00",
        ends="2026-07-15T22:00:00",
        interval_hours=36,
        period=2,
        forgotten=(("ola@obcy.example", 1),),
    )
    script = sieve.panel_script(home="ab/abd", answer=answer)
    assert script is not None
    compare_with_golden(script)


@pytest.mark.parametrize("percents", [(80, 95), (95, 95)])
def test_quota_warnings_in_the_wrong_order_are_refused(
    mail_plane: MailPlane, percents: tuple[int, ...]
) -> None:
    with pytest.raises(Exception, match="highest"):
        dataclasses.replace(mail_plane, quota_warning_percents=percents)
