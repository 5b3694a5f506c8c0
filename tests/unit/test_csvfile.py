"""Bulk files of every shape that spreadsheets make."""

from __future__ import annotations

import time

import pytest

from accounts.csvfile import MAX_ERRORS, BadFile, Columns, FileError, Row, read_rows

COLUMNS = Columns(
    required=frozenset({"address"}),
    optional=frozenset({"password", "password_hash", "name", "quota_mb"}),
    refused={"role": "Rights are not given by a file."},
)
HEADING = "address,password,name,quota_mb"
TWO = f"""\
{HEADING}
u1@example.com,Haslo-01-test,Użytkownik ąć 1,100
u2@example.com,Haslo-02-test,Użytkownik 2,
"""
TWO_ROWS = [
    Row(
        2,
        {
            "address": "u1@example.com",
            "password": "Haslo-01-test",
            "name": "Użytkownik ąć 1",
            "quota_mb": "100",
        },
    ),
    Row(
        3, {"address": "u2@example.com", "password": "Haslo-02-test", "name": "Użytkownik 2", "quota_mb": ""}
    ),
]


def rows(text: str) -> list[Row]:
    return read_rows(text.encode(), columns=COLUMNS)


def errors(raw: bytes | str) -> tuple[FileError, ...]:
    with pytest.raises(BadFile) as caught:
        read_rows(raw.encode() if isinstance(raw, str) else raw, columns=COLUMNS)
    return caught.value.errors


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_BLK_01_utf8_with_and_without_mark(encoding: str) -> None:
    assert read_rows(TWO.encode(encoding), columns=COLUMNS) == TWO_ROWS


@pytest.mark.parametrize(
    ("encoding", "line"), [("cp1250", 2), ("iso8859-2", 2), ("utf-16", 1), ("utf-16-le", 2), ("utf-32", 1)]
)
def test_BLK_01_other_encodings_are_refused(encoding: str, line: int) -> None:
    assert errors(TWO.encode(encoding))[0].line in (1, line)


def test_BLK_01_broken_byte_names_its_line() -> None:
    raw = TWO.replace("\n", "\r\n").encode().replace(b"nik 2", b"nik \xff\xfe 2")
    (error,) = errors(raw)
    assert (error.line, error.column) == (3, "")
    assert "CSV UTF-8" in error.message


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_BLK_02_separator_is_that_of_the_heading(separator: str) -> None:
    assert rows(TWO.replace(",", separator)) == TWO_ROWS


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_BLK_02_every_line_end(line_end: str) -> None:
    assert rows(TWO.replace("\n", line_end)) == TWO_ROWS


def test_BLK_02_mixed_line_ends_and_none_at_the_end() -> None:
    assert rows(TWO.replace("\n", "\r\n", 1).removesuffix("\n")) == TWO_ROWS


def test_BLK_02_quoting_and_physical_line_numbers() -> None:
    text = (
        f'{HEADING}\r\nq1@example.com,"a,b;c","Kowalska, Anna",100\r\nq2@example.com,"a""b","x\n\ny",\r\n'
        "q4@example.com,haslo4-test,'Jan',100\r\n"
    )
    assert [(row.line, row.values["password"], row.values["name"]) for row in rows(text)] == [
        (2, "a,b;c", "Kowalska, Anna"),
        (3, 'a"b', "x\n\ny"),
        (6, "haslo4-test", "'Jan'"),
    ]


def test_BLK_02_columns_in_any_order_with_notes() -> None:
    (row,) = rows("Quota_MB,uwagi, Name ,address,password\n100,x,Anna,c1@example.com,Haslo-c1-test\n")
    assert row.values == {
        "quota_mb": "100",
        "name": "Anna",
        "address": "c1@example.com",
        "password": "Haslo-c1-test",
    }


def test_BLK_02_empty_lines_and_trailing_separators_are_skipped() -> None:
    text = f"\n \n{HEADING},,\n\nu1@example.com,Haslo-01-test,A,100,,\n\n,,,\nu2@example.com,x,B,\n"
    assert [row.line for row in rows(text)] == [5, 8]


def test_BLK_02_unclosed_quotation_mark_names_the_line_where_it_opens() -> None:
    (error,) = errors(f'{HEADING}\nu1@example.com,x,"A,100\nu2@example.com,x,B,100\n')
    assert (error.line, error.message) == (2, "The quotation mark that opens here is never closed.")


def test_BLK_02_shifted_cells_are_refused() -> None:
    found = errors(f"{HEADING}\nu1@example.com,x\nu2@example.com,x,B,100,more\n")
    assert [error.line for error in found] == [2, 3]


def test_BLK_03_all_errors_are_listed_by_line() -> None:
    found = errors(f'{HEADING}\n,x,A,1\nu@example.com,"x"y,A,1\nv@example.com,x,{"A" * 20_000},1\n')
    assert [(error.line, error.column) for error in found] == [(2, "address"), (3, ""), (4, "name")]
    assert str(found[0]) == "Line 2: The column “address” is empty."


def test_BLK_05_columns_that_would_give_rights_are_refused() -> None:
    found = errors("address,role,is_superuser\nx@example.com,superadmin,1\n")
    assert [error.column for error in found] == ["role", "is_superuser"]
    assert found[0].message == "Rights are not given by a file."


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("address,address", "address"),
        ("address,,name", ""),
        ("name,password", "address"),
        ("a@x.example,b", "b"),
    ],
)
def test_a_wrong_heading_is_refused(heading: str, column: str) -> None:
    assert column in [error.column for error in errors(f"{heading}\nx,y,z\n")]


@pytest.mark.parametrize("raw", [b"", b"\n\n", b",,\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(raw: bytes) -> None:
    assert "empty" in errors(raw)[0].message


def test_PRM_10_zero_bytes_are_refused() -> None:
    assert errors("address\nanna\0@example.com\n")[0].line == 2


def test_PWD_05_cells_come_as_they_stand() -> None:
    text = "address,password,password_hash\nb1@example.com,{SSHA}abcd,\nb3@example.com, $6$salt$hash ,\n"
    assert [row.values["password"] for row in rows(text)] == ["{SSHA}abcd", " $6$salt$hash "]


def test_BLK_07_huge_cell_is_refused_quickly() -> None:
    started = time.process_time()
    found = errors(f"{HEADING}\nu1@example.com,x,{'A' * 5_000_000},1\nu2@example.com,x,B\n")
    assert [error.line for error in found] == [2, 3]
    assert time.process_time() - started < 2


def test_a_file_that_is_wrong_everywhere_is_not_explained_to_its_end() -> None:
    assert len(errors(HEADING + "\nx" * 10_000)) == MAX_ERRORS
