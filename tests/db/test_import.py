"""manage.py account import: all rows or none, every fault with its line and reason."""

from __future__ import annotations

import base64
import contextlib
import crypt
import csv
import hashlib
import io
import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpRequest
from django.test.utils import CaptureQueriesContext

from accounts import actions
from accounts.actions.bulk import NewAccount
from accounts.actor import Actor
from accounts.bulk import check_file, hash_passwords
from accounts.csvfile import BadFile
from accounts.models import Account
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.models import Change
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases" / "files"
# Of "Zielona-Papuga-7", made once: 5,000 rows must not wait for hashes.
BCRYPT = crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))  # noqa: S324 - of another system


class Import:
    """The command with a file; ``out`` is what it printed last."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "accounts.csv"
        self.passwords = folder / "passwords.csv"
        self.out = ""

    def run(self, text: str | bytes, *options: str) -> str:
        self.file.write_bytes(text.encode() if isinstance(text, str) else text)
        printed = io.StringIO()
        try:
            call_command("account", "import", str(self.file), *options, stdout=printed)
        finally:
            self.out = printed.getvalue()
        return self.out

    def faults(self, text: str | bytes, *options: str) -> list[dict[str, object]]:
        with pytest.raises(CommandError, match=r"faults, nothing was added"):
            self.run(text, "--json", *options)
        faults: list[dict[str, object]] = json.loads(self.out)
        return faults

    def random_passwords(self) -> dict[str, str]:
        with self.passwords.open(encoding="utf-8", newline="") as stream:
            return {row["address"]: row["password"] for row in csv.DictReader(stream)}


@pytest.fixture
def imports(tmp_path: Path) -> Import:
    return Import(tmp_path)


@pytest.fixture
def example(console: Actor, firma: Domain) -> Domain:
    """The domain of the case files."""
    return domain_actions.add_domain(name="example.com", by=console)


def logs_in(address: str, password: str) -> bool:
    return authenticate(HttpRequest(), username=address, password=password) is not None


def addresses() -> set[str]:
    return set(Account.objects.values_list("address", flat=True))


def as_person(account: Account) -> Actor:
    return Actor(real=account, channel="panel")


def plain(rows: list[tuple[str, str]]) -> str:
    return "address,password\n" + "".join(f"{address},{password}\n" for address, password in rows)


# --- what is added ------------------------------------------------------------------------------------------


def test_every_column_arrives(imports: Import, firma: Domain) -> None:
    text = "language;quota_mb;name;password;address\nEN;2 GB;Jan Żak;Calkiem-Inne-4;Jan@FIRMA.test\n"
    assert "added: 1" in imports.run(text)
    jan = Account.objects.get(address="jan@firma.test")
    assert (jan.name, jan.quota_bytes, jan.language) == ("Jan Żak", 2 * 1024**3, "en")
    assert logs_in("jan@firma.test", "Calkiem-Inne-4")


def test_QTA_01_empty_takes_the_default_of_the_domain_and_zero_is_unlimited(
    imports: Import, firma: Domain, console: Actor
) -> None:
    domain_actions.edit_domain(firma, settings={"default_quota_bytes": 7 * 1024**2}, by=console)
    imports.run(f"address,password_hash,quota_mb\na@firma.test,{BCRYPT},\nb@firma.test,{BCRYPT},0\n")
    quotas = dict(Account.objects.values_list("address", "quota_bytes"))
    assert quotas == {"a@firma.test": 7 * 1024**2, "b@firma.test": 0}


def test_BLK_01_utf8_with_a_mark(imports: Import, example: Domain) -> None:
    imports.run((CASES / "BLK-01-utf8-bom.csv").read_bytes())
    assert Account.objects.get(address="u01@example.com").name == "Użytkownik 1"


@pytest.mark.parametrize("name", ["utf16le", "cp1250", "iso8859-2", "broken-byte"])
def test_BLK_01_nothing_is_added_when_letters_are_in_doubt(
    imports: Import, example: Domain, name: str
) -> None:
    (fault,) = imports.faults((CASES / f"BLK-01-{name}.csv").read_bytes())
    assert "UTF-8" in str(fault["fault"])
    assert not addresses()


def test_BLK_02_a_name_with_a_line_break_becomes_one_line(imports: Import, firma: Domain) -> None:
    imports.run(f'address,password_hash,name\na@firma.test,{BCRYPT},"Linia 1\nLinia 2"\n')
    assert Account.objects.get().name == "Linia 1 Linia 2"


def test_an_import_is_one_change_of_the_mail_plane(imports: Import, firma: Domain) -> None:
    Change.objects.all().delete()
    imports.run("address,password_hash\n" + "".join(f"a{n}@firma.test,{BCRYPT}\n" for n in range(50)))
    assert Change.objects.count() == 1


def test_5000_rows_are_checked_and_stored_together_and_not_one_by_one(imports: Import, firma: Domain) -> None:
    text = "address,password_hash,name\n" + "".join(f"a{n}@firma.test,{BCRYPT},A {n}\n" for n in range(5000))
    with CaptureQueriesContext(connection) as queries:
        imports.run(text)
    assert Account.objects.count() == 5000
    assert len(queries) < 500


def test_dry_run_changes_nothing(imports: Import, firma: Domain) -> None:
    out = imports.run("address,password\na@firma.test,\nb@firma.test,Calkiem-Inne-4\n", "--dry-run")
    assert out == "would be added: 2\nrandom passwords: 1\n"
    assert not addresses()


# --- all or nothing -----------------------------------------------------------------------------------------


def test_BLK_03_one_bad_row_keeps_all_out_and_the_second_run_is_harmless(
    imports: Import, example: Domain, console: Actor
) -> None:
    text = (CASES / "BLK-03-fails-at-121.csv").read_text(encoding="utf-8")
    actions.add_account(domain=example, localpart="f120", password_hash=_stored(), by=console)
    faults = imports.faults(text)
    assert faults[0] == {
        "line": 121,
        "column": "address",
        "fault": "There is already an account f120@example.com.",
    }
    assert addresses() == {"f120@example.com"}
    # Bad rows taken out: the rest goes in once, and never twice.
    bad_lines = {fault["line"] for fault in faults}
    good = "".join(
        line for number, line in enumerate(text.splitlines(keepends=True), start=1) if number not in bad_lines
    )
    ready = _with_hashes(good)
    imports.run(ready)
    before = Account.objects.count()
    assert before == 200 - len(bad_lines) + 1
    again = imports.faults(ready)
    assert {fault["column"] for fault in again} == {"address"}
    assert all("already an account" in str(fault["fault"]) for fault in again)
    assert Account.objects.count() == before


def test_BLK_03_every_bad_row_is_reported_with_line_column_and_reason(
    imports: Import, ala: Account, firma: Domain, console: Actor
) -> None:
    actions.add_alias(domain=firma, localpart="biuro", targets=["ala@firma.test"], by=console)
    faults = imports.faults(
        "address,password,name,quota_mb,language\n"
        "ok@firma.test,Calkiem-Inne-4,,,\n"
        "ala@firma.test,Calkiem-Inne-4,,,\n"
        "BIURO@firma.test,Calkiem-Inne-4,,,\n"
        '"two@firma.test",Calkiem-Inne-4,"a\nb",,\n'
        "Two@Firma.test,Calkiem-Inne-4,,,\n"
        "weak@firma.test,abc,,,\n"
        "quota@firma.test,Calkiem-Inne-4,,0.5,\n"
        "language@firma.test,Calkiem-Inne-4,,,de\n"
        f"name@firma.test,Calkiem-Inne-4,{'x' * 151},,\n"
        "bell@firma.test,Calkiem-Inne-4,a\x07b,,\n"
        "double-bounce@firma.test,Calkiem-Inne-4,,,\n"
        "a b@firma.test,Calkiem-Inne-4,,,\n"
        "nothing,Calkiem-Inne-4,,,\n"
    )
    assert [(fault["line"], fault["column"]) for fault in faults] == [
        *((3, "address"), (4, "address"), (7, "address"), (8, "password"), (9, "quota_mb"), (10, "language")),
        *((11, "name"), (12, "name"), (13, "address"), (14, "address"), (15, "address")),
    ]
    assert faults[2]["fault"] == "two@firma.test stands in line 5 already."
    assert all(fault["fault"] for fault in faults)
    assert addresses() == {"ala@firma.test"}


def test_BLK_03_a_limit_of_the_domain_keeps_all_out(imports: Import, firma: Domain, console: Actor) -> None:
    domain_actions.edit_domain(firma, settings={"max_accounts": 1}, by=console)
    with pytest.raises(CommandError, match="may have 1 accounts; 1 more can be added"):
        imports.run(f"address,password_hash\na@firma.test,{BCRYPT}\nb@firma.test,{BCRYPT}\n")
    assert not addresses()


def test_ADR_02_letter_case_makes_no_second_account(imports: Import, ala: Account) -> None:
    (fault,) = imports.faults(f"address,password_hash\nALA@Firma.TEST,{BCRYPT}\n")
    assert "ala@firma.test" in str(fault["fault"])


# --- rights -------------------------------------------------------------------------------------------------


def test_BLK_05_columns_that_would_give_rights_are_refused(imports: Import, example: Domain) -> None:
    faults = imports.faults((CASES / "BLK-05-foreign-domain.csv").read_bytes())
    assert [fault["column"] for fault in faults] == ["role", "is_superuser"]
    assert not addresses()


def test_BLK_05_a_postmaster_imports_into_own_domains_only_and_the_attempt_is_audited(
    pola: Account, obca: Domain
) -> None:
    raw = (
        f"address,password_hash\nok@firma.test,{BCRYPT}\nx@obca.test,{BCRYPT}\n"
        f"y@sub.firma.test,{BCRYPT}\nz@nowa.example,{BCRYPT}\n"
    ).encode()
    with pytest.raises(BadFile) as caught:
        check_file(raw, by=as_person(pola))
    assert [(error.line, error.message) for error in caught.value.errors] == [
        (3, "You have no domain obca.test here."),
        (4, "You have no domain sub.firma.test here."),
        (5, "You have no domain nowa.example here."),
    ]
    event = AuditEvent.objects.get(action="accounts.import_refused")
    assert event.real == "pola@firma.test"
    assert event.details == {
        "faults": 3,
        "foreign_domains": ["nowa.example", "obca.test", "sub.firma.test"],
    }


def test_BLK_05_an_account_taken_elsewhere_is_not_told_to_a_stranger(pola: Account, obcy: Account) -> None:
    with pytest.raises(BadFile) as caught:
        check_file(f"address,password_hash\nobcy@obca.test,{BCRYPT}\n".encode(), by=as_person(pola))
    assert [error.message for error in caught.value.errors] == ["You have no domain obca.test here."]


# --- meanwhile ----------------------------------------------------------------------------------------------


def _ready(raw: str) -> list[NewAccount]:
    return list(hash_passwords(check_file(raw.encode(), by=Actor.console()), lambda _done, _total: None))


def test_BLK_09_the_domain_is_deleted_meanwhile(firma: Domain, obca: Domain, console: Actor) -> None:
    rows = _ready(f"address,password_hash\na@firma.test,{BCRYPT}\nb@obca.test,{BCRYPT}\n")
    domain_actions.delete_domain(firma, by=console)
    with pytest.raises(ActionRefused, match=r"firma\.test no longer exists"):
        actions.add_accounts(rows, by=console)
    assert not addresses()


def test_BLK_09_one_of_the_rows_is_added_by_hand_meanwhile(firma: Domain, console: Actor) -> None:
    rows = _ready(f"address,password_hash\na@firma.test,{BCRYPT}\nb@firma.test,{BCRYPT}\n")
    actions.add_account(domain=firma, localpart="b", password_hash=_stored(), by=console)
    with pytest.raises(ActionRefused, match=r"b@firma\.test is already taken"):
        actions.add_accounts(rows, by=console)
    assert addresses() == {"b@firma.test"}


def test_BLK_09_the_domain_is_locked_meanwhile(firma: Domain, console: Actor) -> None:
    rows = _ready(f"address,password_hash\na@firma.test,{BCRYPT}\n")
    domain_actions.lock_domain(firma, by=console)
    actions.add_accounts(rows, by=console)
    assert Account.objects.get().domain == firma
    assert not logs_in("a@firma.test", PASSWORD)


# --- passwords ----------------------------------------------------------------------------------------------


def _stored() -> str:
    return f"imported${{BLF-CRYPT}}{BCRYPT}"


def _with_hashes(text: str) -> str:
    """The same rows with ready hashes instead of passwords, so that a test need not wait."""
    rows = list(csv.DictReader(io.StringIO(text)))
    return "address,password_hash\n" + "".join(f"{row['address']},{BCRYPT}\n" for row in rows)


def test_PWD_05_what_looks_like_a_hash_is_a_password(imports: Import, firma: Domain) -> None:
    passwords = {"b1": "{SSHA}abcd", "b2": "{PLAIN}secret", "b3": "$6$salt$hash"}
    imports.run(plain([(f"{name}@firma.test", password) for name, password in passwords.items()]))
    for name, password in passwords.items():
        assert logs_in(f"{name}@firma.test", password)
    assert not logs_in("b2@firma.test", "secret")


def test_PWD_05_broken_and_plain_hashes_and_both_at_once_are_refused(
    imports: Import, example: Domain
) -> None:
    faults = imports.faults((CASES / "PWD-05-hash-lookalikes.csv").read_bytes())
    assert [(fault["line"], fault["column"]) for fault in faults] == [
        *((5, "password_hash"), (6, "password_hash"), (7, "password_hash"), (8, "password_hash")),
    ]


def test_PWD_05_imported_hashes_log_in_and_give_way_to_our_own(imports: Import, firma: Domain) -> None:
    salted = base64.b64encode(hashlib.sha256(PASSWORD.encode() + b"salt").digest() + b"salt").decode()
    hashes = {
        "bcrypt": BCRYPT,
        "sha512": "{SHA512-CRYPT}" + crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_SHA512)),
        "sha256": crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_SHA256)),
        "md5": crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_MD5)),  # noqa: S324 - of another system
        "ssha": "{SSHA256}" + salted,
    }
    imports.run(
        "address,password_hash\n" + "".join(f"{name}@firma.test,{text}\n" for name, text in hashes.items())
    )
    for name in hashes:
        assert not logs_in(f"{name}@firma.test", PASSWORD + "x")
        assert logs_in(f"{name}@firma.test", PASSWORD)
        assert Account.objects.get(address=f"{name}@firma.test").password.startswith("argon2$argon2id$")


def test_PWD_10_random_passwords_need_a_file(imports: Import, firma: Domain) -> None:
    with pytest.raises(CommandError, match="--passwords-file"):
        imports.run("address\na@firma.test\n")
    assert not addresses()


def test_PWD_10_random_passwords_stand_in_the_file_alone(
    imports: Import, firma: Domain, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    text = "address\n" + "".join(f"a{number}@firma.test\n" for number in range(20))
    out = imports.run(text, "--passwords-file", str(imports.passwords))
    passwords = imports.random_passwords()
    assert len(set(passwords.values())) == 20
    assert stat.S_IMODE(imports.passwords.stat().st_mode) == 0o600
    assert logs_in("a7@firma.test", passwords["a7@firma.test"])
    captured = capsys.readouterr()
    elsewhere = "\n".join(
        [
            *(out, caplog.text, captured.out, captured.err),
            *(str(row) for model in (Account, AuditEvent, Change) for row in model._default_manager.values()),
        ]
    )
    assert not [password for password in passwords.values() if password in elsewhere]


def test_PWD_10_an_existing_file_is_never_written_over(imports: Import, firma: Domain) -> None:
    imports.passwords.write_text("old")
    with pytest.raises(CommandError, match="cannot be made"):
        imports.run("address\na@firma.test\n", "--passwords-file", str(imports.passwords))
    assert imports.passwords.read_text() == "old"
    assert not addresses()


def test_PWD_10_passwords_of_nobody_are_not_kept(imports: Import, firma: Domain, console: Actor) -> None:
    domain_actions.edit_domain(firma, settings={"max_accounts": 0}, by=console)
    with pytest.raises(CommandError):
        imports.run("address\na@firma.test\n", "--passwords-file", str(imports.passwords))
    assert not imports.passwords.exists()


@contextlib.contextmanager
def _given(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
        yield


def test_the_file_may_come_by_standard_input(firma: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    with _given(monkeypatch, f"address,password_hash\na@firma.test,{BCRYPT}\n".encode()):
        call_command("account", "import", "-", stdout=io.StringIO())
    assert addresses() == {"a@firma.test"}


def test_a_file_that_is_not_there_is_one_clear_sentence(
    imports: Import, firma: Domain, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("account", "import", str(tmp_path / "none.csv"), stdout=io.StringIO())
