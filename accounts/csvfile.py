"""Bulk files: bytes -> rows, or a list of everything that is wrong with them.

Pure parsing (RFC 4180 with what spreadsheets make of it); what the values mean is decided by the callers.
Accepted: UTF-8 with or without byte-order mark; comma, semicolon or tab, as the heading line has it; any line
end, also inside quotation marks; columns in any order; empty lines; surplus empty cells at the end of a line.
Refused, with physical line numbers: other encodings, unknown columns, zero bytes, unclosed quotation marks,
huge cells.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from qmailux_site.errors import ActionRefused

MAX_CELL_CHARACTERS = 10_000
# A file that is wrong everywhere is not explained line by line.
MAX_ERRORS = 100
# Columns that people add for themselves; they are read over.
NOTES = frozenset({"notes", "comment", "comments", "remarks", "uwagi", "notatki", "komentarz"})

_SEPARATORS = ",;\t"
_LINE_END = re.compile(rb"\r\n|\r|\n")
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Columns:
    """What a kind of file may hold. Names are in lower case.

    refused: columns that must not be slipped in, such as "role", each with the sentence to be shown. Any
    other unknown column is refused too. ignored: columns that are read over.
    """

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    refused: dict[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = NOTES

    @property
    def used(self) -> frozenset[str]:
        return self.required | self.optional


@dataclass(frozen=True, slots=True)
class Row:
    """One record: the physical line on which it begins (1 = first of the file), and its cells by column."""

    line: int
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class FileError:
    """line 0: the file as a whole; column "": the line as a whole."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        place = _("Line %(line)d: ") % {"line": self.line} if self.line else ""
        return f"{place}{self.message}"


class BadFile(ActionRefused):
    """The file cannot be used; ``errors`` holds the reasons in the order of the lines, at most MAX_ERRORS."""

    def __init__(self, errors: Sequence[FileError]) -> None:
        super().__init__("file", " ".join(str(error) for error in errors[:3]))
        self.errors = tuple(errors[:MAX_ERRORS])


def read_rows(raw: bytes, *, columns: Columns) -> list[Row]:
    """The records below the heading line; cells as they stand in the file, empty ones as "".

    Every row holds every known column that the heading has. Raises BadFile with all that is wrong.
    """
    text = _decoded(raw)
    lines = _Records(text, _separator(text))
    heading = _heading(lines, columns)
    rows: list[Row] = []
    errors: list[FileError] = []
    for line, cells in lines:
        found = _row_errors(line, cells, heading, columns)
        errors += found
        if len(errors) >= MAX_ERRORS:
            break
        if not found:
            values = {name: cell for name, cell in zip(heading, cells, strict=False) if name in columns.used}
            rows.append(Row(line, values))
    errors += lines.errors
    if errors:
        raise BadFile(sorted(errors, key=lambda error: error.line))
    return rows


def _decoded(raw: bytes) -> str:
    if raw.startswith(_UTF16_MARKS):
        raise BadFile([FileError(1, "", _("The file is in UTF-16. Save it as “CSV UTF-8” and try again."))])
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        broken_at = len(raw) - len(error.object) + error.start
        sentence = _("The file is not in UTF-8. Save it as “CSV UTF-8” and try again.")
        raise BadFile([FileError(_line_of(raw, broken_at), "", sentence)]) from None
    nul_at = raw.find(b"\0")
    if nul_at >= 0:
        sentence = _("There is a zero byte here: this is no text file in UTF-8.")
        raise BadFile([FileError(_line_of(raw, nul_at), "", sentence)])
    return text


def _line_of(raw: bytes, position: int) -> int:
    return 1 + sum(1 for _end in _LINE_END.finditer(raw, 0, position))


def _separator(text: str) -> str:
    """The separator that the heading line has most of."""
    heading = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    return max(_SEPARATORS, key=heading.count)


class _Records:
    """The records that are not empty, as (physical line of the start, cells); faults gather in ``errors``."""

    def __init__(self, text: str, separator: str) -> None:
        # newline="": lines end at CRLF, LF or CR, which stay as they are
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        self.errors: list[FileError] = []

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        while len(self.errors) < MAX_ERRORS:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.errors.append(FileError(line, "", _explained(error)))
                continue
            if any(cell and not cell.isspace() for cell in cells):
                yield line, cells


def _explained(error: csv.Error) -> str:
    reason = str(error)
    if "field limit" in reason:
        return _too_large()
    if "unexpected end of data" in reason:
        return _("The quotation mark that opens here is never closed.")
    return _("After a closing quotation mark a separator must follow.")


def _heading(lines: _Records, columns: Columns) -> list[str]:
    """The column names in lower case, without the empty ones at the end."""
    line, cells = next(iter(lines), (0, []))
    if not cells:
        raise BadFile(lines.errors or [FileError(0, "", _("The file is empty."))])
    names = [cell.strip().lower() for cell in cells]
    while not names[-1]:
        names.pop()
    errors = [FileError(line, name, message) for name, message in _heading_faults(names, columns)]
    if errors:
        raise BadFile(errors)
    return names


def _heading_faults(names: Sequence[str], columns: Columns) -> Iterator[tuple[str, str]]:
    known = columns.used | columns.ignored
    for position, name in enumerate(names, start=1):
        if not name:
            yield "", _("Column %(number)d has no name.") % {"number": position}
        elif name in columns.refused:
            yield name, columns.refused[name]
        elif name not in known:
            sentence = _("The column “%(name)s” is unknown; possible are: %(possible)s.")
            yield name, sentence % {"name": name[:60], "possible": ", ".join(sorted(columns.used))}
        elif name in names[: position - 1]:
            yield name, _("The column “%(name)s” is there twice.") % {"name": name}
    for name in sorted(columns.required.difference(names)):
        yield name, _("The column “%(name)s” is missing.") % {"name": name}


def _row_errors(line: int, cells: list[str], heading: list[str], columns: Columns) -> list[FileError]:
    if len(cells) < len(heading) or any(cell.strip() for cell in cells[len(heading) :]):
        sentence = _("There are %(found)d cells here, but the heading has %(expected)d.")
        numbers = {"found": len(cells), "expected": len(heading)}
        return [FileError(line, "", sentence % numbers)]
    errors = []
    for name, cell in zip(heading, cells, strict=False):
        if len(cell) > MAX_CELL_CHARACTERS:
            errors.append(FileError(line, name, _too_large()))
        elif name in columns.required and not cell.strip():
            errors.append(FileError(line, name, _("The column “%(name)s” is empty.") % {"name": name}))
    return errors


def _too_large() -> str:
    return _("A cell has at most %(limit)d characters.") % {"limit": MAX_CELL_CHARACTERS}
