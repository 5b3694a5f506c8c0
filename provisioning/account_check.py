"""manage.py account check: the same findings as the panel's page, with commands as remedies."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from accounts.actor import Actor
from accounts.checkup import Finding, findings_of
from accounts.circles import mark_ways, words_of
from accounts.models import Account, Alias
from provisioning.hosts import host_of
from provisioning.inspection import inspect
from qmailux_site.console import Fact
from qmailux_site.errors import HostError

Facts = list[dict[str, Fact]]


def facts_of(account: Account) -> Facts:
    """Findings, the worst first, then the last logins and messages. What the machine does not tell, to
    somebody who is not root, is a finding too.
    """
    seen, why_not = _seen(account)
    facts: Facts = [
        {
            "level": finding.level,
            "finding": finding.text,
            "remedy": _command(finding),
        }
        for finding in findings_of(account, seen, by=Actor.console())
    ]
    if why_not:
        facts.append({"level": "note", "finding": f"The machine was not asked: {why_not}", "remedy": None})
    for attempt in (seen or {}).get("attempts", ()):
        verdict = attempt["reason"] or "good"
        text = f"login {attempt['at']} {attempt['service']} from {attempt['source']}: {verdict}"
        facts.append({"level": "log", "finding": text, "remedy": None})
    for passed in (seen or {}).get("deliveries", ()):
        text = "message {time} {direction} {other}: {status} {words}".format(**passed)
        facts.append({"level": "log", "finding": text, "remedy": None})
    return facts


def _command(finding: Finding) -> str | None:
    command = finding.remedy.command if finding.remedy else ""
    return f"manage.py {command}" if command else None


def facts_of_alias(alias: Alias) -> Facts:
    """Where its mail goes; a target that reaches nobody is bad."""
    marked = list(alias.targets.marked())
    mark_ways(marked)
    targets = ", ".join(target.address for target in marked)
    text = f"{alias.address} is an alias without a mailbox; its mail goes to {targets}."
    wrong = [f"{target.address} is {why}" for target in marked if (why := words_of(target))]
    remedy = f"manage.py alias set {alias.address} TARGETS"
    facts: Facts = [{"level": "bad", "finding": finding, "remedy": remedy} for finding in wrong]
    return [*facts, {"level": "note", "finding": text, "remedy": None}]


def _seen(account: Account) -> tuple[dict[str, Any] | None, str]:
    if account.domain is None or not account.has_mailbox:
        return None, "this login has no mailbox."
    try:
        return inspect(account, host_of(account.domain.node), settings.QMAILUX_LAYOUT), ""
    except (HostError, OSError) as error:
        return None, f"{error} (run it as root)"
