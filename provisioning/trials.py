"""Trying filters: the node's own Sieve decides, on a script that files by rule and is never executed."""

from __future__ import annotations

import json
import logging
import re
from email import message_from_string, policy

from django.utils import timezone

from accounts.filtering import FilterRule, FilterTrial
from provisioning.daemons import sievec_argv
from provisioning.hosts.base import Host
from provisioning.layout import MAIL_USER, Layout
from provisioning.render.files import RenderedFile
from provisioning.render.sieve import trial_script
from provisioning.scripts import rule_of
from qmailux_site.broker import tell_worker
from qmailux_site.errors import QmailuxError

log = logging.getLogger(__name__)

NEWEST_MESSAGES = 10
SECONDS_A_MESSAGE = 20
MESSAGE = "message.eml"
_FIRED = re.compile(r"store message in folder: rule-(\d+)")

Result = dict[str, object]


def order_trial(trial: FilterTrial) -> None:
    """Tell the node's worker. While the broker is dead the sweep finds it."""
    from provisioning.tasks import node_try_filters

    tell_worker(node_try_filters, trial.pk, otherwise=f"the sweep will try filters account={trial.pk}")


def run_trial(trial: FilterTrial, host: Host, layout: Layout) -> None:
    """Try the rules that are on, and note what they would do; a question asked anew meanwhile stays open."""
    error, results = "", []
    try:
        results = _results(trial, host, layout)
    except QmailuxError as failure:
        log.warning("filters not tried account=%s: %s", trial.account.address, failure)
        error = "failed"
    FilterTrial.objects.filter(pk=trial.pk, asked_at=trial.asked_at).update(
        done_at=timezone.now(), results=results, error=error, message=""
    )


def _results(trial: FilterTrial, host: Host, layout: Layout) -> list[Result]:
    rules = list(FilterRule.objects.filter(account=trial.account, is_on=True).prefetch_related("conditions"))
    messages = [trial.message] if trial.message else newest_headers(trial.account.address, host, layout)
    folder = f"spool/trials/{trial.pk}"
    script = trial_script(path=f"{folder}/rules.sieve", rules=[rule_of(rule) for rule in rules])
    argv = ["sieve-test", "-c", str(_conf(layout)), "-u", trial.account.address, "-r", trial.account.address]
    argv += [str(layout.node / script.path), str(layout.node / folder / MESSAGE)]
    try:
        host.write(script)
        # The mail user, as whom it is tried, may not write the compiled form beside it.
        host.run(sievec_argv(layout, layout.node / script.path))
        return [_result(host, argv, f"{folder}/{MESSAGE}", message, rules) for message in messages]
    finally:
        host.remove_tree(folder)


def _result(host: Host, argv: list[str], path: str, message: str, rules: list[FilterRule]) -> Result:
    text = message.replace("\r\n", "\n").rstrip("\n") + "\n\n"
    content = text.encode("utf-8", "replace")
    host.write(RenderedFile(path=path, content=content, daemon="", mode=0o640, group=MAIL_USER))
    decided = host.run(argv, timeout=SECONDS_A_MESSAGE).stdout.decode("utf-8", "replace")
    fired = {int(number) for number in _FIRED.findall(decided)}
    subject = message_from_string(text, policy=policy.default)["Subject"]
    return {
        "subject": str(subject or "")[:200],
        "fired": [rule.name for number, rule in enumerate(rules) if number in fired],
    }


def newest_headers(address: str, host: Host, layout: Layout) -> list[str]:
    """Headers of the newest messages in the inbox, the newest first."""
    doveadm = ["doveadm", "-c", str(_conf(layout)), "-f", "json"]
    status = host.run([*doveadm, "mailbox", "status", "-u", address, "messages", "INBOX"]).stdout
    count = int(json.loads(status)[0]["messages"])
    if not count:
        return []
    newest = f"{max(1, count - NEWEST_MESSAGES + 1)}:{count}"
    fetched = host.run([*doveadm, "fetch", "-u", address, "hdr", "mailbox", "INBOX", newest]).stdout
    return [str(found["hdr"]) for found in reversed(json.loads(fetched.decode("utf-8", "replace")))]


def _conf(layout: Layout) -> object:
    return layout.etc / "dovecot" / "dovecot.conf"
