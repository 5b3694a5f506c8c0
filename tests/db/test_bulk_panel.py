"""Many accounts and aliases at once in the panel: preview, one transaction, result once, nothing kept."""

from __future__ import annotations

import csv
import io
import logging
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import actions, bulk, bulk_aliases, bulk_jobs, vault
from accounts.actor import Actor
from accounts.models import Account, Alias, BulkJob
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.models import Change
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases" / "files"
ACCOUNTS, ALIASES = "/domain/firma.test/accounts/add-many/", "/domain/firma.test/aliases/add-many/"
TWO = "address,name,password\newa@firma.test,Ewa Żółć,Tajne-Haslo-5\nadam,Adam,\n"


@pytest.fixture(autouse=True)
def english_postmaster(pola: Account) -> None:
    Account.objects.filter(pk=pola.pk).update(language="en")
    pola.refresh_from_db()


@pytest.fixture
def client(pola: Account) -> Client:
    return logged_in(pola)


def give(client: Client, path: str, text: str | bytes) -> Any:
    if isinstance(text, bytes):
        return client.post(path, {"file": SimpleUploadedFile("konta.csv", text)})
    return client.post(path, {"text": text})


def given(client: Client, path: str, text: str | bytes) -> str:
    """The address of the job's page."""
    answer = give(client, path, text)
    faults = re.findall(r"refused</span> ([^<]+)", answer.content.decode())
    assert answer.status_code == 302, faults
    return str(answer["Location"])


def confirm(client: Client, page: str) -> BulkJob:
    """Confirmed, and done as the worker does it."""
    client.post(f"{page}start/")
    job = job_at(page)
    bulk_jobs.run_bulk_job(job.pk)
    return job_at(page)


def job_at(page: str) -> BulkJob:
    return BulkJob.objects.get(uuid=page.rstrip("/").rpartition("/")[2])


def shown(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def kept_files() -> list[Path]:
    return sorted((settings.QMAILUX_LAYOUT.run / "bulk").glob("*"))


@pytest.fixture(autouse=True)
def empty_vault() -> None:
    for path in kept_files():
        path.unlink()


def test_each_row_has_its_verdict_before_anything_is_done(client: Client, ala: Account) -> None:
    text = "address;password\nala@firma.test;\nnowy@firma.test;\nzly adres;\nmarek@firma.test;abc\n"
    page = shown(give(client, ACCOUNTS, text))
    assert "There is already an account ala@firma.test." in page
    assert "3 faults: nothing is added" in page
    assert page.count("can be added") == 1
    assert "marek@firma.test;abc" in page, "what was pasted stays"
    assert not Account.objects.filter(localpart="nowy").exists()
    assert not BulkJob.objects.exists()
    assert kept_files() == []


def test_accounts_with_own_and_random_passwords(client: Client, pola: Account) -> None:
    page = given(client, ACCOUNTS, TWO)
    assert "2 accounts to be added" in shown(client.get(page))
    assert not Account.objects.filter(localpart="ewa").exists(), "only looked at so far"
    job = confirm(client, page)
    assert (job.state, job.done_count, job.error) == ("done", 2, "")
    raw = client.post(f"{page}passwords.csv").content.decode("utf-8-sig")
    rows = {row["address"]: row for row in csv.DictReader(io.StringIO(raw))}
    assert rows["ewa@firma.test"]["password"] == "Tajne-Haslo-5"
    assert rows["ewa@firma.test"]["name"] == "Ewa Żółć"
    for address, row in rows.items():
        account = Account.objects.get(address=address)
        assert account.check_password(row["password"])
        assert account.must_change_password, "somebody else knows it"
    event = AuditEvent.objects.get(action="accounts.imported")
    assert (event.real, event.role, event.details) == ("pola@firma.test", "postmaster", {"count": 2})
    assert Change.objects.filter(scope="firma.test").last().keys == ["ewa@firma.test", "adam@firma.test"]  # type: ignore[union-attr]


def test_result_is_given_once_in_each_form_and_then_gone(client: Client) -> None:
    page = given(client, ACCOUNTS, TWO)
    confirm(client, page)
    assert [path.suffix for path in kept_files()] == [".result"], "the upload is gone with its end"
    assert "Tajne-Haslo-5" in client.post(f"{page}passwords.csv").content.decode()
    assert client.post(f"{page}passwords.csv").status_code == 302
    slips = client.post(f"{page}slips/")
    assert "Tajne-Haslo-5" in slips.content.decode()
    assert "no-store" in slips["Cache-Control"]
    assert client.post(f"{page}slips/").status_code == 302
    assert kept_files() == []
    assert "Tajne-Haslo-5" not in client.get(page).content.decode()


def test_BLK_07_result_survives_the_session_and_is_for_the_same_person_alone(
    client: Client, firma: Domain, pola: Account, root: Account, console: Actor
) -> None:
    colleague = actions.add_account(domain=firma, localpart="kolega", password=PASSWORD, by=console)
    domain_actions.set_managers(firma, addresses=[pola.address, colleague.address], by=console)
    page = given(client, ACCOUNTS, TWO)
    confirm(client, page)
    for person in (colleague, root):
        for path in (page, f"{page}progress/"):
            assert logged_in(person).get(path).status_code == 404
        for path in ("passwords.csv", "slips/", "start/", "cancel/"):
            assert logged_in(person).post(f"{page}{path}").status_code == 404
    client.logout()
    assert "Tajne-Haslo-5" in logged_in(pola).post(f"{page}passwords.csv").content.decode()


def test_nothing_of_the_file_is_readable_on_the_disk_in_the_database_or_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    page = given(client, ACCOUNTS, TWO)
    (upload,) = kept_files()
    assert upload.stat().st_mode & 0o777 == 0o600
    assert upload.parent.stat().st_mode & 0o777 == 0o700
    assert b"Tajne-Haslo-5" not in upload.read_bytes()
    assert b"ewa" not in upload.read_bytes()
    confirm(client, page)
    assert all(b"Tajne" not in path.read_bytes() for path in kept_files())
    with connection.cursor() as cursor:
        for table in ("accounts_bulkjob", "audit_auditevent", "django_session", "provisioning_change"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  # our own tables
            assert "Tajne-Haslo" not in str(cursor.fetchall())
    assert "Tajne-Haslo" not in caplog.text


def test_forgotten_after_an_hour(client: Client) -> None:
    unconfirmed, done = given(client, ACCOUNTS, TWO), given(client, ACCOUNTS, TWO)
    confirm(client, done)
    bulk_jobs.sweep_bulk_jobs()
    assert BulkJob.objects.count() == 2
    BulkJob.objects.update(created_at=timezone.now() - timedelta(hours=1, seconds=1))
    bulk_jobs.sweep_bulk_jobs()
    assert kept_files() == []
    for page in (unconfirmed, done):
        assert client.get(page).status_code == 404


def test_file_that_no_row_names_is_removed_too(client: Client) -> None:
    vault.put("stray.upload", b"x", key=vault.new_key())
    (stray,) = kept_files()
    bulk_jobs.sweep_bulk_jobs()
    assert stray.exists()
    os.utime(stray, (0, 0))
    bulk_jobs.sweep_bulk_jobs()
    assert not stray.exists()


def test_BLK_07_pressed_twice_and_run_twice_is_done_once(client: Client) -> None:
    page = given(client, ACCOUNTS, TWO)
    for _press in range(2):
        assert client.post(f"{page}start/").status_code == 302
    job = job_at(page)
    for _delivery in range(2):
        bulk_jobs.run_bulk_job(job.pk)
    assert job_at(page).state == "done"
    assert AuditEvent.objects.filter(action="accounts.imported").count() == 1


def test_BLK_07_one_file_of_a_domain_at_a_time(client: Client) -> None:
    first, second = given(client, ACCOUNTS, TWO), given(client, ACCOUNTS, TWO)
    client.post(f"{first}start/")
    answer = client.post(f"{second}start/")
    assert answer.status_code == 409
    assert "Another bulk file" in shown(answer)
    bulk_jobs.run_bulk_job(job_at(first).pk)
    assert confirm(client, second).state == "failed"
    page = shown(client.get(second))
    assert "Nothing was added" in page
    assert "There is already an account ewa@firma.test." in page


def test_CON_06_job_of_a_worker_that_died_is_done_by_the_next(client: Client) -> None:
    page = given(client, ACCOUNTS, TWO)
    client.post(f"{page}start/")
    long_ago = timezone.now() - timedelta(minutes=11)
    BulkJob.objects.update(state="running", attempt=1, changed_at=long_ago)
    bulk_jobs.sweep_bulk_jobs()
    assert job_at(page).state == "queued"
    bulk_jobs.run_bulk_job(job_at(page).pk)
    assert job_at(page).state == "done"


def test_CON_06_worker_that_was_given_up_adds_nothing_any_more(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = given(client, ACCOUNTS, TWO)
    client.post(f"{page}start/")
    hash_passwords = bulk.hash_passwords

    def taken_over(rows: Any, report: Any) -> Any:
        BulkJob.objects.update(attempt=2)
        return hash_passwords(rows, lambda done, total: None)

    monkeypatch.setattr(bulk, "hash_passwords", taken_over)
    bulk_jobs.run_bulk_job(job_at(page).pk)
    assert not Account.objects.filter(localpart="ewa").exists()
    assert job_at(page).state == "running"
    assert [path.suffix for path in kept_files()] == [".upload"], "for the worker that has it now"


def test_cancelled_while_it_runs_adds_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    page = given(client, ACCOUNTS, TWO)
    client.post(f"{page}start/")
    assert "You may leave this page" in shown(client.get(page))
    hash_passwords = bulk.hash_passwords

    def cancelled(rows: Any, report: Any) -> Any:
        client.post(f"{page}cancel/")
        return hash_passwords(rows, report)

    monkeypatch.setattr(bulk, "hash_passwords", cancelled)
    bulk_jobs.run_bulk_job(job_at(page).pk)
    assert not Account.objects.filter(localpart="ewa").exists()
    assert "Cancelled." in shown(client.get(page))
    assert kept_files() == []


def test_programming_error_leaves_nothing_half_done(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    page = given(client, ACCOUNTS, TWO)
    client.post(f"{page}start/")

    def broken(*_rows: Any, **_by: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(bulk_jobs, "add_accounts", broken)
    with pytest.raises(ZeroDivisionError):
        bulk_jobs.run_bulk_job(job_at(page).pk)
    assert "Nothing is half done" in shown(client.get(page))
    assert kept_files() == []


def test_BLK_09_domain_deleted_between_preview_and_end(
    client: Client, firma: Domain, console: Actor, pola: Account
) -> None:
    page = given(client, ACCOUNTS, TWO)
    client.post(f"{page}start/")
    job = job_at(page)
    pola_elsewhere = Account.objects.filter(pk=pola.pk)
    other = domain_actions.add_domain(name="inna.test", by=console)
    pola_elsewhere.update(domain=other, address="pola@inna.test")
    domain_actions.delete_domain(firma, by=console)
    bulk_jobs.run_bulk_job(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"
    assert "You have no domain firma.test here." in job.error
    assert not Account.objects.filter(address__endswith="@firma.test").exists()
    assert kept_files() == []


def test_BLK_09_row_added_by_hand_between_preview_and_confirmation(
    client: Client, firma: Domain, console: Actor
) -> None:
    page = given(client, ACCOUNTS, TWO)
    actions.add_account(domain=firma, localpart="ewa", password=PASSWORD, by=console)
    assert "Something has been changed since" in shown(client.get(page))
    assert confirm(client, page).state == "failed"
    assert not Account.objects.filter(localpart="adam").exists()


def test_BLK_05_rows_of_foreign_domains_and_columns_with_rights_are_refused(
    client: Client, obca: Domain
) -> None:
    page = shown(give(client, ACCOUNTS, "address\nx@obca.test\ny@sub.firma.test\nz@nie-ma.test\n"))
    for name in ("obca.test", "sub.firma.test", "nie-ma.test"):
        assert f"You have no domain {name} here." in page
    event = AuditEvent.objects.get(action="accounts.import_refused")
    assert event.details["foreign_domains"] == ["nie-ma.test", "obca.test", "sub.firma.test"]
    page = shown(give(client, ACCOUNTS, (CASES / "BLK-05-foreign-domain.csv").read_bytes()))
    assert "The column “role” is unknown" in page
    page = shown(give(client, ALIASES, "address,targets\nx@obca.test,y@daleko.test\n"))
    assert "You have no domain obca.test here." in page
    assert not BulkJob.objects.exists()


@pytest.mark.parametrize("name", ["utf16le", "cp1250", "iso8859-2", "broken-byte"])
def test_BLK_01_letters_in_doubt_are_refused_with_what_to_do(client: Client, name: str) -> None:
    page = shown(give(client, ACCOUNTS, (CASES / f"BLK-01-{name}.csv").read_bytes()))
    assert "CSV UTF-8" in page
    assert not BulkJob.objects.exists()


@pytest.mark.parametrize(
    "name",
    [
        "BLK-01-utf8",
        "BLK-01-utf8-bom",
        "BLK-02-semicolon",
        "BLK-02-tab",
        "BLK-02-crlf-mixed",
        "BLK-02-lone-cr",
        "BLK-02-quoting",
        "BLK-02-columns-reordered",
        "BLK-02-no-final-newline",
        "BLK-02-blank-and-trailing",
    ],
)
def test_BLK_01_BLK_02_every_spelling_of_a_table_can_be_given(
    client: Client, name: str, pola: Account, console: Actor
) -> None:
    example = domain_actions.add_domain(name="example.com", by=console)
    domain_actions.set_managers(example, addresses=[pola.address], by=console)
    raw = (CASES / f"{name}.csv").read_bytes()
    # Two passwords there are shorter than the policy allows.
    raw = raw.replace(b'"a,b;c"', b'"a,b;c-Papuga-7"').replace(b'"a""b"', b'"a""b-Papuga-7"')
    given(client, ACCOUNTS, raw)
    rows = [line for line in re.split(rb"[\r\n]+", raw) if b"@" in line]
    assert BulkJob.objects.get().total_count == len(rows)


def test_BLK_03_bad_rows_are_named_and_the_second_run_is_harmless(
    client: Client, pola: Account, console: Actor
) -> None:
    example = domain_actions.add_domain(name="example.com", by=console)
    domain_actions.set_managers(example, addresses=[pola.address], by=console)
    actions.add_account(domain=example, localpart="f120", password=PASSWORD, by=console)
    page = shown(give(client, ACCOUNTS, (CASES / "BLK-03-fails-at-121.csv").read_bytes()))
    assert "faults: nothing is added until they are mended" in page
    assert Account.objects.filter(domain=example).count() == 1


def test_limit_of_the_domain_is_said_in_the_preview(client: Client, firma: Domain, console: Actor) -> None:
    domain_actions.edit_domain(firma, settings={"max_accounts": 2, "max_aliases": 1}, by=console)
    assert "may have 2 accounts" in shown(give(client, ACCOUNTS, TWO))
    text = "address,targets\na,x@daleko.test\nb,x@daleko.test\n"
    assert "may have 1 aliases: that would be too many" in shown(give(client, ALIASES, text))


def test_aliases_with_catch_all_and_alias_names(
    client: Client, firma: Domain, ala: Account, console: Actor
) -> None:
    domain_actions.add_domain_alias(firma, name="druga.test", by=console)
    text = (
        "address;targets\nbiuro@firma.test;ala@firma.test x@daleko.test\n"
        "*@druga.test;ala@firma.test\nzarzad;ala@firma.test\n"
    )
    page = given(client, ALIASES, text)
    assert "3 aliases to be added" in shown(client.get(page))
    assert confirm(client, page).state == "done"
    assert set(Alias.objects.values_list("address", flat=True)) == {
        "biuro@firma.test",
        "@druga.test",
        "zarzad@firma.test",
    }
    biuro = Alias.objects.get(address="biuro@firma.test")
    assert list(biuro.targets.values_list("address", "account_id")) == [
        ("ala@firma.test", ala.pk),
        ("x@daleko.test", None),
    ]
    assert AuditEvent.objects.get(action="aliases.imported").details == {"count": 3}
    assert kept_files() == []


def test_aliases_at_fault_are_named(client: Client, ala: Account) -> None:
    text = (
        "address,targets\nala@firma.test,x@daleko.test\npetla@firma.test,petla@firma.test\n"
        "raz@firma.test,x@daleko.test\nraz@firma.test,y@daleko.test\nzly@firma.test,nie adres\n"
    )
    page = shown(give(client, ALIASES, text))
    for sentence in (
        "There is already an account ala@firma.test.",
        "petla@firma.test cannot lead to itself.",
        "raz@firma.test stands in line 4 already.",
    ):
        assert sentence in page, re.findall(r"refused</span> ([^<]+)", page)
    assert "4 faults" in page
    assert "The column “targets” is empty." in shown(give(client, ALIASES, "address,targets\nx,\n"))
    assert not Alias.objects.exists()


def test_CON_04_two_overlapping_files_one_wins(client: Client, firma: Domain, console: Actor) -> None:
    """The second was judged before the first was added: the constraint decides."""
    first = bulk.judge_file(TWO.encode(), by=console, default_domain="firma.test")
    second = bulk_aliases.judge_alias_file(
        b"address,targets\nnowy@firma.test,x@daleko.test\newa@firma.test,x@daleko.test\n", by=console
    )
    assert not first.faults
    assert not second.faults
    actions.add_accounts(list(bulk.hash_passwords(first.rows, lambda done, total: None)), by=console)
    with pytest.raises(Exception, match=r"ewa@firma\.test is already taken"):
        actions.add_aliases([row.alias for row in second.rows], by=console)
    assert not Alias.objects.exists()


def test_PRM_06_script_in_a_bulk_file_is_text(client: Client) -> None:
    payload = "<script>alert(1)</script>"
    page = shown(give(client, ACCOUNTS, f"address,name\n{payload}@firma.test,x\nok@firma.test,{payload}\n"))
    assert payload not in page
    assert "&lt;script&gt;" in page
    job = given(client, ACCOUNTS, f"address,name\nok@firma.test,{payload}\n")
    assert payload not in shown(client.get(job))
    confirm(client, job)
    assert payload not in shown(client.post(f"{job}slips/"))


def test_PRM_10_path_names_touch_no_path(client: Client, pola: Account, console: Actor) -> None:
    page = shown(give(client, ACCOUNTS, (CASES / "PRM-10-path-names.csv").read_bytes()))
    assert "nothing is added until" in page
    assert kept_files() == []


def test_name_that_looks_like_a_formula_is_text_in_the_result(client: Client) -> None:
    page = given(client, ACCOUNTS, "address,name\nok@firma.test,=1+1\n")
    confirm(client, page)
    assert '"\'=1+1"' in client.post(f"{page}passwords.csv").content.decode()


def test_preview_of_many_rows_is_paged(client: Client) -> None:
    page = given(client, ACCOUNTS, "address\n" + "".join(f"k{n:04}@firma.test\n" for n in range(250)))
    assert "k0000@firma.test" in shown(client.get(page))
    last = shown(client.get(f"{page}?page=3"))
    assert "k0249@firma.test" in last
    assert "k0000@firma.test" not in last
    assert "k0249@firma.test" in shown(client.get(f"{page}?page=99"))


def test_nothing_given_says_so(client: Client) -> None:
    assert "Paste some rows, or choose a file." in shown(give(client, ACCOUNTS, ""))
    assert "There is no row below the heading." in shown(give(client, ACCOUNTS, "address\n"))


def test_progress_tells_how_far_it_is(client: Client) -> None:
    page = given(client, ACCOUNTS, TWO)
    client.post(f"{page}start/")
    BulkJob.objects.update(state="running", done_count=1)
    answer = client.get(f"{page}progress/")
    assert "1 of 2" in shown(answer)
    assert "HX-Refresh" not in answer
    BulkJob.objects.update(state="done")
    assert client.get(f"{page}progress/")["HX-Refresh"] == "true"
