"""The details of an event in people's words: each has a label, and its value no code that only we know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.utils.translation import get_language, gettext_lazy, pgettext_lazy
from django.utils.translation import gettext as _

from accounts.models import Language, LockMode
from accounts.quotas import format_bytes
from accounts.recovering import PasswordReset
from antispam.models import AllowedPast, SenderListEntry, TaughtBatch, UpdateRun
from antispam.protections import KINDS
from domains.models import Domain
from domains.names import display_domain
from enforcement.models import Block, Certificate, EncryptionRule, RemoteEncryption
from webmail.models import Webmail

LABELS = {
    "accounts": gettext_lazy("accounts"),
    "address": gettext_lazy("network address"),
    "after": gettext_lazy("after"),
    "before": gettext_lazy("before"),
    "bounces": gettext_lazy("returned messages, %"),
    "colleague": gettext_lazy("colleague"),
    "count": gettext_lazy("number"),
    "default_quota_bytes": gettext_lazy("quota of new accounts"),
    "default_webmail": gettext_lazy("first webmail"),
    "deletes_account": gettext_lazy("the account is deleted then"),
    "domain": pgettext_lazy("one", "domain"),
    "ends_on": gettext_lazy("until"),
    "faults": gettext_lazy("faults"),
    "fingerprint": gettext_lazy("fingerprint"),
    "forced": gettext_lazy("without waiting for DNS"),
    "foreign_domains": gettext_lazy("domains of others"),
    "found": gettext_lazy("found"),
    "hostname": gettext_lazy("host name"),
    "impersonation_policy": gettext_lazy("acting for its people"),
    "is_offered": gettext_lazy("offered"),
    "is_on": gettext_lazy("on"),
    "is_present": gettext_lazy("on the machine"),
    "is_scanned": gettext_lazy("spam check"),
    "is_superuser": gettext_lazy("superadmin"),
    "keeps_copy": gettext_lazy("keeps a copy"),
    "kind": gettext_lazy("kind"),
    "language": gettext_lazy("language"),
    "languages": gettext_lazy("languages"),
    "level": gettext_lazy("applies to"),
    "limit": gettext_lazy("limit"),
    "max_account_quota_bytes": gettext_lazy("largest quota of one account"),
    "max_account_sms": gettext_lazy("SMS a month for one account"),
    "max_accounts": gettext_lazy("most accounts"),
    "max_aliases": gettext_lazy("most aliases"),
    "max_quota_bytes": gettext_lazy("quotas of all accounts together"),
    "max_sms": gettext_lazy("SMS a month"),
    "measure": gettext_lazy("noticed by"),
    "messages": gettext_lazy("messages"),
    "messages_day": gettext_lazy("messages a day"),
    "messages_hour": gettext_lazy("messages an hour"),
    "minutes": gettext_lazy("minutes"),
    "mode": gettext_lazy("incoming mail"),
    "name": gettext_lazy("name"),
    "numbers": gettext_lazy("numbers"),
    "offered": gettext_lazy("offered"),
    "passes_viruses": gettext_lazy("past the virus check too"),
    "patterns": gettext_lazy("senders"),
    "probable": gettext_lazy("folder SPAM from"),
    "quota_bytes": gettext_lazy("quota"),
    "reason": gettext_lazy("reason"),
    "recipients": gettext_lazy("recipients"),
    "recipients_day": gettext_lazy("recipients a day"),
    "recipients_hour": gettext_lazy("recipients an hour"),
    "recovery_policy": gettext_lazy("forgotten passwords"),
    "rule": gettext_lazy("filter"),
    "selector": gettext_lazy("selector"),
    "sender": gettext_lazy("sender"),
    "service": gettext_lazy("service"),
    "spam": gettext_lazy("messages like spam"),
    "spam_days": gettext_lazy("days in folder SPAM"),
    "starts": gettext_lazy("starts"),
    "starts_on": gettext_lazy("from"),
    "suspected": gettext_lazy("[SPAM] from"),
    "targets": gettext_lazy("targets"),
    "threshold": gettext_lazy("threshold"),
    "to": gettext_lazy("server"),
    "user": gettext_lazy("user name"),
    "wanted": gettext_lazy("chosen"),
    "way": gettext_lazy("way"),
    "webhook": gettext_lazy("webhook"),
}
# Words of what is stored as a code. One name may stand for several lists, whose codes all differ.
VALUES: dict[str, dict[str, object]] = {
    "impersonation_policy": dict(Domain.Impersonation.choices),
    "kind": {
        **dict(SenderListEntry.Kind.choices),
        **dict(TaughtBatch.Kind.choices),
        **dict(AllowedPast.Kind.choices),
        **dict(UpdateRun.Kind.choices),
        **dict(Certificate.Kind.choices),
        **dict(Webmail.Kind.choices),
    },
    "language": dict(Language.choices),
    "level": {**dict(EncryptionRule.Level.choices), **dict(RemoteEncryption.Level.choices)},
    "mode": dict(LockMode.choices),
    "recipients": dict(Domain.RelayRecipients.choices),
    "recovery_policy": dict(Domain.Recovery.choices),
    "service": dict(Block.Service.choices),
    "way": dict(PasswordReset.Way.choices),
}
_PROTECTIONS = {kind.name: kind.title for kind in KINDS}
_SWITCHES = {
    "on": gettext_lazy("on"),
    "off": gettext_lazy("off"),
    "server": gettext_lazy("as the server"),
}


def details_of(details: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Label and value. What was there before stands before what came after."""
    for name, value in sorted(details.items(), key=lambda item: (item[0] == "after", item[0])):
        if value not in ("", None, []):
            yield label_of(name), _plain(name, value)


def label_of(name: str) -> str:
    return str(LABELS.get(name) or _PROTECTIONS.get(name) or name)


def _plain(name: str, value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(_part(name, str(part)) for part in value)
    return _readable(name, str(value))


def _part(of: str, text: str) -> str:
    """One of several; a setting such as "language=pl" by its word."""
    name, _equals, value = text.partition("=")
    return f"{label_of(name)}: {_readable(name, value)}" if value and name in LABELS else _readable(of, text)


def _readable(name: str, text: str) -> str:
    """Codes by their words, sizes with a unit, days as people write them, addresses with their domain so."""
    if text in VALUES.get(name, {}):
        return str(VALUES[name][text])
    if name in _PROTECTIONS and text in _SWITCHES:
        return str(_SWITCHES[text])
    if name.endswith("_bytes") and text.isdecimal():
        return format_bytes(int(text), get_language() or "en") if int(text) else _("unlimited")
    if text == "None":
        return _("unlimited")
    localpart, at, domain = text.rpartition("@")
    return f"{localpart}@{display_domain(domain)}" if at and " " not in domain else text
