"""From a bulk file of aliases to checked rows. Columns: address, targets.

address: name@domain, with * before the @ for the catch-all; targets: one or more addresses, as a form takes
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.actions.aliases import CATCH_ALL_SPELLINGS
from accounts.actions.bulk_aliases import NewAlias
from accounts.actions.limits import check_new_alias
from accounts.actor import Actor
from accounts.addresses import MAX_ADDRESS_LENGTH, alias_localpart, parse_targets
from accounts.bulk import (
    MAX_AUDITED_DOMAINS,
    completed,
    domain_names,
    duplicates,
    managed_domains,
    taken,
)
from accounts.csvfile import BadFile, Columns, FileError, Row, read_rows
from audit import record as audit
from domains.models import Domain, DomainAlias
from domains.names import canonical_domain
from qmailux_site.errors import ActionRefused

COLUMNS = Columns(required=frozenset({"address", "targets"}))
# More alias names in one file than any domain has.
MAX_NAMES = 1000
Place = tuple[Domain, DomainAlias | None]


@dataclass(frozen=True, slots=True)
class CheckedAlias:
    line: int
    alias: NewAlias


@dataclass(frozen=True, slots=True)
class JudgedAliases:
    """As accounts.bulk.JudgedFile."""

    rows: list[CheckedAlias]
    faults: list[FileError]
    total: int


def judge_alias_file(raw: bytes, *, by: Actor, default_domain: str = "") -> JudgedAliases:
    """Every row judged. Raises BadFile when the file cannot be read as a table.

    A file with faults leaves an event in the audit, with the domains that are not the actor's.
    """
    try:
        rows = completed(read_rows(raw, columns=COLUMNS), default_domain)
    except BadFile as bad:
        audit.record(by, "aliases.import_refused", "", faults=len(bad.errors))
        raise
    names = domain_names(rows)
    places = _places(names, by)
    errors: list[FileError] = []
    checked: list[CheckedAlias] = []
    for row in rows:
        try:
            checked.append(CheckedAlias(row.line, _check_row(row, places)))
        except ActionRefused as refusal:
            errors.append(FileError(row.line, refusal.field, refusal.message))
    lines = [(row.line, row.alias.address) for row in checked]
    errors += duplicates(lines) + taken(lines)
    if errors:
        foreign = sorted(names - places.keys())[:MAX_AUDITED_DOMAINS]
        audit.record(by, "aliases.import_refused", "", faults=len(errors), foreign_domains=foreign)
    return JudgedAliases(checked, sorted(errors, key=lambda error: error.line), len(rows))


def _places(names: set[str], by: Actor) -> dict[str, Place]:
    """The domains among the names that the actor manages, and the alias names of such domains."""
    places: dict[str, Place] = {name: (domain, None) for name, domain in managed_domains(names, by).items()}
    named = DomainAlias.objects.visible_to(by).select_related("domain__node")
    for alias in named.filter(name__in=sorted(names - places.keys())[:MAX_NAMES]):
        places[alias.name] = (alias.domain, alias)
    return places


def _check_row(row: Row, places: dict[str, Place]) -> NewAlias:
    text = row.values["address"].strip()
    local, at, host = text.rpartition("@")
    if not at:
        raise ActionRefused("address", _("Enter an address of the form name@example.org."))
    name = canonical_domain(host)
    place = places.get(name)
    if place is None:
        raise ActionRefused("address", _("You have no domain %(domain)s here.") % {"domain": name})
    domain, domain_alias = place
    localpart = "" if local.strip() in CATCH_ALL_SPELLINGS else alias_localpart(local, field="address")
    alias = NewAlias(domain, localpart, parse_targets(row.values["targets"]), domain_alias)
    if len(alias.address) > MAX_ADDRESS_LENGTH:
        raise ActionRefused("address", _("An address has at most 254 characters in total."))
    if not domain.is_relay and alias.address in alias.targets:
        raise ActionRefused("targets", _("%(address)s cannot lead to itself.") % {"address": alias.address})
    return alias


def past_limits(rows: Sequence[CheckedAlias]) -> list[FileError]:
    counts: dict[Domain, int] = {}
    for row in rows:
        counts[row.alias.domain] = counts.get(row.alias.domain, 0) + 1
    errors = []
    for domain, count in counts.items():
        try:
            check_new_alias(domain, count=count)
        except ActionRefused as refusal:
            errors.append(FileError(0, "", refusal.message))
    return errors
