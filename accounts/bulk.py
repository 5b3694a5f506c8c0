"""From a bulk file to checked rows: every row is judged before anything is done, each fault with line and
reason.

Columns: address, password, password_hash, name, quota_mb, language. password is plain text, always; a hash of
another system stands in password_hash. A row with neither gets a random password.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from accounts.actions.bulk import ROWS_A_STATEMENT, NewAccount
from accounts.actions.limits import check_new_accounts
from accounts.actions.taken import deleted_message
from accounts.actor import Actor
from accounts.addresses import account_localpart, parse_address
from accounts.csvfile import BadFile, Columns, FileError, Row, read_rows
from accounts.handing import is_handed_over as password_is_handed_over
from accounts.hashing import Progress, hashed
from accounts.models import Account, Alias, DeletedMailbox, Language
from accounts.names import person_name
from accounts.passwords import check_policy, imported_hash, random_password
from accounts.quotas import parse_quota_mb
from audit import record as audit
from domains.models import Domain
from domains.names import canonical_domain
from qmailux_site.errors import ActionRefused, NotAllowed

COLUMNS = Columns(
    required=frozenset({"address"}),
    optional=frozenset({"password", "password_hash", "name", "quota_mb", "language"}),
)
MAX_AUDITED_DOMAINS = 20


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


@dataclass(frozen=True, slots=True)
class JudgedFile:
    """What can be added, in the order of the file, and what stands against it. total: all rows."""

    rows: list[CheckedRow]
    faults: list[FileError]
    total: int


def check_file(raw: bytes, *, by: Actor) -> list[CheckedRow]:
    """The rows of the file in order; raises BadFile with every fault found, and then nothing is done."""
    judged = judge_file(raw, by=by)
    if judged.faults:
        raise BadFile(judged.faults)
    return judged.rows


def judge_file(raw: bytes, *, by: Actor, default_domain: str = "") -> JudgedFile:
    """Every row judged. Raises BadFile when the file cannot be read as a table.

    A file with faults leaves an event in the audit, with the domains that are not the actor's.
    default_domain: the one of addresses without an @.
    """
    try:
        rows = completed(read_rows(raw, columns=COLUMNS), default_domain)
    except BadFile as bad:
        audit.record(by, "accounts.import_refused", "", faults=len(bad.errors))
        raise
    names = domain_names(rows)
    domains = managed_domains(names, by)
    errors: list[FileError] = []
    checked: list[CheckedRow] = []
    must_change = password_is_handed_over(by)
    for row in rows:
        try:
            checked.append(_check_row(row, domains, is_handed_over=must_change))
        except ActionRefused as refusal:
            errors.append(FileError(row.line, refusal.field, refusal.message))
    lines = [(row.line, row.account.address) for row in checked]
    errors += duplicates(lines) + taken(lines) + _deleted(lines)
    if errors:
        foreign = sorted(names - domains.keys())[:MAX_AUDITED_DOMAINS]
        audit.record(by, "accounts.import_refused", "", faults=len(errors), foreign_domains=foreign)
    return JudgedFile(checked, sorted(errors, key=lambda error: error.line), len(rows))


def hash_passwords(rows: Sequence[CheckedRow], progress: Progress) -> Iterator[NewAccount]:
    """The accounts with stored passwords."""
    for row, encoded in zip(rows, hashed([row.password for row in rows], progress), strict=True):
        yield replace(row.account, password_hash=encoded) if encoded else row.account


def completed(rows: list[Row], default_domain: str) -> list[Row]:
    """Names without an @ belong to the domain whose page the file was given to."""
    if not default_domain:
        return rows
    return [replace(row, values={**row.values, "address": _whole(row, default_domain)}) for row in rows]


def _whole(row: Row, default_domain: str) -> str:
    address = row.values["address"].strip()
    return address if not address or "@" in address else f"{address}@{default_domain}"


def domain_names(rows: Sequence[Row]) -> set[str]:
    """The stored names of the domains in the file; what is no name is judged with its row."""
    names: set[str] = set()
    for spelling in {row.values["address"].rpartition("@")[2] for row in rows}:
        with suppress(ActionRefused):
            names.add(canonical_domain(spelling))
    return names


def managed_domains(names: set[str], by: Actor) -> dict[str, Domain]:
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


def _check_row(row: Row, domains: dict[str, Domain], *, is_handed_over: bool) -> CheckedRow:
    address = parse_address(row.values["address"])
    localpart = account_localpart(address.localpart, field="address")
    domain = domains.get(address.domain)
    if domain is None or domain.is_relay:
        raise ActionRefused("address", _("You have no domain %(domain)s here.") % {"domain": address.domain})
    account = NewAccount(
        domain=domain,
        localpart=localpart,
        password_hash="",
        name=person_name(row.values.get("name", "")),
        quota_bytes=parse_quota_mb(row.values.get("quota_mb", ""), field="quota_mb"),
        language=_language(row.values.get("language", "")),
    )
    return _with_password(row, account, is_handed_over=is_handed_over)


def _with_password(row: Row, account: NewAccount, *, is_handed_over: bool) -> CheckedRow:
    password, stored = row.values.get("password", ""), row.values.get("password_hash", "")
    if password and stored:
        raise ActionRefused("password_hash", _("Give a password or a hash, not both."))
    if stored:
        return CheckedRow(row.line, replace(account, password_hash=imported_hash(stored)))
    if is_handed_over:
        account = replace(account, must_change_password=True)
    if not password:
        return CheckedRow(row.line, account, random_password(), is_random=True)
    check_policy(password, address=account.address, name=account.name)
    return CheckedRow(row.line, account, password)


def _language(text: str) -> str:
    language = text.strip().lower()
    if language and language not in Language.values:
        raise ActionRefused("language", _("The language is pl or en."))
    return language


def duplicates(rows: Sequence[tuple[int, str]]) -> list[FileError]:
    """rows: line and address."""
    first_line: dict[str, int] = {}
    errors = []
    for line, address in rows:
        if address in first_line:
            message = _("%(address)s stands in line %(line)d already.") % {
                "address": address,
                "line": first_line[address],
            }
            errors.append(FileError(line, "address", message))
        first_line.setdefault(address, line)
    return errors


def taken(rows: Sequence[tuple[int, str]]) -> list[FileError]:
    """Rows whose address an account or an alias has; the insert would refuse them anyway, without line
    numbers.
    """
    lines = {address: line for line, address in rows}
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


def _deleted(rows: Sequence[tuple[int, str]]) -> list[FileError]:
    """Rows whose former owner's mailbox can still be restored: given away one by one, on purpose."""
    lines = {address: line for line, address in rows}
    addresses = list(lines)
    errors = []
    for start in range(0, len(addresses), ROWS_A_STATEMENT):
        batch = addresses[start : start + ROWS_A_STATEMENT]
        kept = DeletedMailbox.objects.restorable().filter(address__in=batch)
        for address in kept.values_list("address", flat=True).distinct():
            errors.append(FileError(lines[address], "address", deleted_message(address)))
    return errors


def past_limits(rows: Sequence[CheckedRow]) -> list[FileError]:
    """Limits of the domains, which all rows together must keep; add_accounts judges them again."""
    quotas: dict[Domain, list[int]] = {}
    for row in rows:
        domain, quota = row.account.domain, row.account.quota_bytes
        quotas.setdefault(domain, []).append(domain.default_quota_bytes if quota is None else quota)
    errors = []
    for domain, wanted in quotas.items():
        try:
            check_new_accounts(domain, wanted)
        except ActionRefused as refusal:
            errors.append(FileError(0, "", refusal.message))
    return errors
