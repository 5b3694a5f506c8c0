"""From a bulk file to checked rows: every row is judged before anything is done, each fault with line and
reason.

Columns: address, password, password_hash, name, quota_mb, language. password is plain text, always; a hash of
another system stands in password_hash. A row with neither gets a random password.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from django.contrib.auth.hashers import make_password
from django.utils.translation import gettext as _

from accounts.actions.bulk import ROWS_A_STATEMENT, NewAccount
from accounts.actor import Actor
from accounts.addresses import account_localpart, parse_address
from accounts.csvfile import BadFile, Columns, FileError, Row, read_rows
from accounts.models import Account, Alias, Language
from accounts.names import person_name
from accounts.passwords import check_policy, imported_hash, normalise, random_password
from accounts.quotas import parse_quota_mb
from audit import record as audit
from domains.models import Domain
from domains.names import canonical_domain
from qmailux_site.errors import ActionRefused, NotAllowed

COLUMNS = Columns(
    required=frozenset({"address"}),
    optional=frozenset({"password", "password_hash", "name", "quota_mb", "language"}),
)
Progress = Callable[[int, int], None]

_MAX_AUDITED_DOMAINS = 20


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row that can be added. Exactly one of password (plain, still to be hashed) and account.password_hash
    is set.

    is_random: the password was made here and must be shown to whoever asked.
    """

    line: int
    account: NewAccount
    password: str = ""
    is_random: bool = False


def check_file(raw: bytes, *, by: Actor) -> list[CheckedRow]:
    """The rows of the file in order; raises BadFile with every fault found, and then nothing is done.

    A refused file leaves an event in the audit, with the domains that are not the actor's.
    """
    try:
        rows = read_rows(raw, columns=COLUMNS)
    except BadFile as bad:
        audit.record(by, "accounts.import_refused", "", faults=len(bad.errors))
        raise
    names = _domain_names(rows)
    domains = _managed_domains(names, by)
    errors: list[FileError] = []
    checked: list[CheckedRow] = []
    for row in rows:
        try:
            checked.append(_check_row(row, domains))
        except ActionRefused as refusal:
            errors.append(FileError(row.line, refusal.field, refusal.message))
    errors += _duplicates(checked) + _taken(checked)
    if errors:
        foreign = sorted(names - domains.keys())[:_MAX_AUDITED_DOMAINS]
        audit.record(by, "accounts.import_refused", "", faults=len(errors), foreign_domains=foreign)
        raise BadFile(sorted(errors, key=lambda error: error.line))
    return checked


def hash_passwords(rows: Sequence[CheckedRow], progress: Progress) -> Iterator[NewAccount]:
    """The accounts with stored passwords. Argon2 releases the interpreter's lock, so threads use every
    core.
    """

    def finished(row: CheckedRow) -> NewAccount:
        if not row.password:
            return row.account
        return replace(row.account, password_hash=make_password(normalise(row.password)))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done, account in enumerate(pool.map(finished, rows, chunksize=1), start=1):
            progress(done, len(rows))
            yield account


def _domain_names(rows: Sequence[Row]) -> set[str]:
    """The stored names of the domains in the file; what is no name is judged with its row."""
    names: set[str] = set()
    for spelling in {row.values["address"].rpartition("@")[2] for row in rows}:
        with suppress(ActionRefused):
            names.add(canonical_domain(spelling))
    return names


def _managed_domains(names: set[str], by: Actor) -> dict[str, Domain]:
    """Those of the domains that the actor manages."""
    found: dict[str, Domain] = {}
    wanted = sorted(names)
    for start in range(0, len(wanted), ROWS_A_STATEMENT):
        batch = wanted[start : start + ROWS_A_STATEMENT]
        for domain in Domain.objects.visible_to(by).select_related("node").filter(name__in=batch):
            with suppress(NotAllowed):
                by.must_manage(domain)
                found[domain.name] = domain
    return found


def _check_row(row: Row, domains: dict[str, Domain]) -> CheckedRow:
    address = parse_address(row.values["address"])
    localpart = account_localpart(address.localpart, field="address")
    domain = domains.get(address.domain)
    if domain is None or domain.kind != Domain.Kind.HOSTED:
        raise ActionRefused("address", _("You have no domain %(domain)s here.") % {"domain": address.domain})
    account = NewAccount(
        domain=domain,
        localpart=localpart,
        password_hash="",
        name=person_name(row.values.get("name", "")),
        quota_bytes=parse_quota_mb(row.values.get("quota_mb", ""), field="quota_mb"),
        language=_language(row.values.get("language", "")),
    )
    return _with_password(row, account)


def _with_password(row: Row, account: NewAccount) -> CheckedRow:
    password, stored = row.values.get("password", ""), row.values.get("password_hash", "")
    if password and stored:
        raise ActionRefused("password_hash", _("Give a password or a hash, not both."))
    if stored:
        return CheckedRow(row.line, replace(account, password_hash=imported_hash(stored)))
    if not password:
        return CheckedRow(row.line, account, random_password(), is_random=True)
    check_policy(password, address=account.address, name=account.name)
    return CheckedRow(row.line, account, password)


def _language(text: str) -> str:
    language = text.strip().lower()
    if language and language not in Language.values:
        raise ActionRefused("language", _("The language is pl or en."))
    return language


def _duplicates(rows: Sequence[CheckedRow]) -> list[FileError]:
    first_line: dict[str, int] = {}
    errors = []
    for row in rows:
        address = row.account.address
        if address in first_line:
            message = _("%(address)s stands in line %(line)d already.") % {
                "address": address,
                "line": first_line[address],
            }
            errors.append(FileError(row.line, "address", message))
        first_line.setdefault(address, row.line)
    return errors


def _taken(rows: Sequence[CheckedRow]) -> list[FileError]:
    """Rows whose address an account or an alias has; the insert would refuse them anyway, without line
    numbers.
    """
    lines = {row.account.address: row.line for row in rows}
    addresses = list(lines)
    errors = []
    for start in range(0, len(addresses), ROWS_A_STATEMENT):
        batch = addresses[start : start + ROWS_A_STATEMENT]
        for address in Account.objects.filter(address__in=batch).values_list("address", flat=True):
            message = _("There is already an account %(address)s.") % {"address": address}
            errors.append(FileError(lines[address], "address", message))
        for address in Alias.objects.filter(address__in=batch).values_list("address", flat=True):
            message = _("There is already an alias %(address)s.") % {"address": address}
            errors.append(FileError(lines[address], "address", message))
    return errors
