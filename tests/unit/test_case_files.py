"""The case files line by line (shared/cases/files), where what they expect is decided without a server."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.addresses import MAX_TARGETS, account_localpart, alias_localpart, parse_address, parse_targets
from accounts.bulk import COLUMNS
from accounts.csvfile import BadFile, Row, read_rows
from accounts.passwords import (
    MAX_PASSWORD_BYTES,
    MIN_PASSWORD_LENGTH,
    check_policy,
    imported_hash,
    normalise,
)
from accounts.quotas import parse_quota_mb
from domains.names import canonical_domain
from qmailux_site.errors import ActionRefused

FILES = Path(__file__).resolve().parents[2].parent / "shared" / "cases" / "files"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="the case files are not part of the checkout")


def table(name: str) -> list[dict[str, str]]:
    with (FILES / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def lines(name: str) -> list[str]:
    return (FILES / name).read_text(encoding="utf-8").split("\n")[:-1]


def result(parse: Callable[[str], object], text: str) -> str:
    try:
        return str(parse(text))
    except ActionRefused as refusal:
        return "refused" if refusal.message else "refused without a reason"


def rows(name: str) -> list[Row]:
    return read_rows((FILES / name).read_bytes(), columns=COLUMNS)


def faults(name: str) -> list[tuple[int, str]]:
    with pytest.raises(BadFile) as caught:
        rows(name)
    return [(error.line, error.column) for error in caught.value.errors]


def test_ADR_03_every_line() -> None:
    assert {
        row["domain"]: result(canonical_domain, row["domain"]) for row in table("ADR-03-idn-domains.csv")
    } == {
        "żółw.example": "xn--w-uga1v8h.example",
        "xn--w-uga1v8h.example": "xn--w-uga1v8h.example",
        "ŻÓŁW.example": "xn--w-uga1v8h.example",
        "straße.example": "xn--strae-oqa.example",
        "xn--zzzz-1.example": "refused",
        "example.рф": "example.xn--p1ai",
        "exa mple.com": "refused",
    }


def test_ADR_05_every_line() -> None:
    stripped = {"example.org.", " example.org", "example.org ", "\texample.org", "EXAMPLE.ORG"}
    found = {line: result(canonical_domain, line) for line in lines("ADR-05-pasted-domains.txt")}
    assert found == {line: "example.org" if line in stripped else "refused" for line in found}
    assert stripped < set(found)


def test_ADR_07_every_line() -> None:
    for row in table("ADR-07-lengths.csv"):
        accepted = result(parse_address, row["address"]) == row["address"]
        wanted = not row["expect"].startswith("refuse") and len(row["address"]) <= 254
        assert accepted == wanted, row


def test_ALS_07_pasted_destinations_are_one_too_many() -> None:
    pasted = (FILES / "ALS-07-destinations.txt").read_text(encoding="utf-8")
    assert result(parse_targets, pasted) == "refused"
    targets = parse_targets(pasted.replace("r1000@example.com", ""))
    assert targets == tuple(f"r{number:04}@example.com" for number in range(MAX_TARGETS))


def test_PRM_10_every_line() -> None:
    for row in table("PRM-10-path-names.csv"):
        ways = [result(canonical_domain, row["domain"]), result(account_localpart, row["localpart"])]
        assert "refused" in ways, row
        # An alias is a key of a map, never a path; a slash in it is legal.
        alias = result(alias_localpart, row["localpart"])
        assert alias == "refused" or ".." not in alias, row


def test_PWD_01_every_line_is_judged_by_length_and_content_not_by_its_look() -> None:
    for password in lines("PWD-01-passwords.txt"):
        refused = result(check_policy, password) == "refused"
        assert refused == (len(password) < MIN_PASSWORD_LENGTH or "\t" in password), password


def test_PWD_02_every_line_is_judged_by_its_letters_not_by_its_bytes() -> None:
    for password in lines("PWD-02-unicode-passwords.txt"):
        refused = result(check_policy, password) == "refused"
        assert refused == (len(normalise(password)) < MIN_PASSWORD_LENGTH), password


def test_PWD_06_every_line_is_accepted_up_to_the_limit() -> None:
    for password in lines("PWD-06-long-passwords.txt"):
        refused = result(check_policy, password) == "refused"
        assert refused == (len(password) > MAX_PASSWORD_BYTES), len(password)


def test_PWD_05_lookalikes_are_passwords_and_broken_hashes_are_refused() -> None:
    hashes = {row["address"][:2]: row["password_hash"] for row in table("PWD-05-hash-lookalikes.csv")}
    assert [result(imported_hash, hashes[number]) for number in ("b4", "b5", "b6")] == ["refused"] * 3
    assert result(imported_hash, hashes["b7"]) != "refused"


def test_QTA_01_every_line() -> None:
    found = {
        row["address"][:-12]: result(parse_quota_mb, row["quota_mb"])
        for row in table("QTA-01-quota-values.csv")
    }
    accepted = {"q1": "0", "q2": "None", "q6": str(10 * 1024**2)}
    assert found == {name: accepted.get(name, "refused") for name in found}
    assert len(found) == 10


@pytest.mark.parametrize("name", ["BLK-01-utf8.csv", "BLK-01-utf8-bom.csv"])
def test_BLK_01_utf8(name: str) -> None:
    assert [row.values["name"] for row in rows(name)] == [f"Użytkownik {number}" for number in range(1, 6)]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("BLK-01-utf16le.csv", 1),
        ("BLK-01-cp1250.csv", 2),
        ("BLK-01-iso8859-2.csv", 2),
        ("BLK-01-broken-byte.csv", 4),
    ],
)
def test_BLK_01_other_bytes(name: str, line: int) -> None:
    assert faults(name) == [(line, "")]


@pytest.mark.parametrize(
    ("name", "first_line"),
    [
        ("BLK-02-semicolon.csv", 2),
        ("BLK-02-tab.csv", 2),
        ("BLK-02-crlf-mixed.csv", 2),
        ("BLK-02-lone-cr.csv", 2),
        ("BLK-02-no-final-newline.csv", 2),
        ("BLK-02-blank-and-trailing.csv", 5),
    ],
)
def test_BLK_02_every_shape_gives_the_same_rows(name: str, first_line: int) -> None:
    plain = rows("BLK-01-utf8.csv")
    assert [row.values for row in rows(name)] == [row.values for row in plain]
    assert [row.line for row in rows(name)] == list(range(first_line, first_line + 5))


def test_BLK_02_quoting() -> None:
    assert [(row.line, row.values["password"], row.values["name"]) for row in rows("BLK-02-quoting.csv")] == [
        (2, "a,b;c", "Kowalska, Anna"),
        (3, 'a"b', 'Firma "ABC" sp. z o.o.'),
        (4, "haslo3-test", "Linia 1\nLinia 2"),
        (6, "haslo4-test", "'Jan'"),
    ]


def test_BLK_02_columns_in_another_order() -> None:
    assert [
        (row.values["address"], row.values["quota_mb"]) for row in rows("BLK-02-columns-reordered.csv")
    ] == [
        ("c1@example.com", "100"),
        ("c2@example.com", "100"),
    ]


def test_BLK_03_reads_every_row() -> None:
    assert [row.line for row in rows("BLK-03-fails-at-121.csv")] == list(range(2, 202))


def test_BLK_05_columns_that_would_give_rights_are_refused_by_name() -> None:
    assert faults("BLK-05-foreign-domain.csv") == [(1, "role"), (1, "is_superuser")]
