"""What is wrong with this account? Every finding in words, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.actor import Actor
from accounts.models import Account, Autoresponder, Forwarding, MailboxUsage
from accounts.quotas import format_bytes
from provisioning.life import life_of

Level = Literal["good", "note", "bad"]
ALMOST_FULL = 0.9
PENDING_TOO_LONG = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Remedy:
    """page: the panel's address by name, of this domain and account. posts: whether a click does it. command:
    the same at the console.
    """

    label: str
    page: str
    command: str
    posts: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    text: str
    remedy: Remedy | None = None


def findings_of(account: Account, seen: dict[str, Any] | None, *, by: Actor) -> list[Finding]:
    """The bad ones first. seen: what the machine says (provisioning.inspection), None when not asked."""
    found = [
        *_locks(account),
        *_life(account, seen, by),
        *_space(account),
        *_doors(account),
        *_ways_of_mail(account),
        *(_machine(account, seen) if seen is not None else ()),
    ]
    order: dict[Level, int] = {"bad": 0, "note": 1, "good": 2}
    return sorted(found, key=lambda finding: order[finding.level])


def _locks(account: Account) -> Iterator[Finding]:
    if account.is_locked:
        text = _("The account is locked: no login; incoming mail: %(mode)s.") % {
            "mode": account.get_lock_mode_display()
        }
        reason = f" {account.lock_reason}" if account.lock_reason else ""
        command = f"account unlock {account.address}"
        yield Finding("bad", text + reason, Remedy(_("Unlock"), "account-unlock", command, posts=True))
    domain = account.domain
    if domain is not None and domain.is_locked:
        text = _("The domain is locked by the superadmin: no login; incoming mail: %(mode)s.")
        yield Finding("bad", text % {"mode": domain.get_lock_mode_display()})
    if not account.is_locked and (domain is None or not domain.is_locked):
        yield Finding("good", _("Account and domain are active."))


def _life(account: Account, seen: dict[str, Any] | None, by: Actor) -> Iterator[Finding]:
    if account.domain is None:
        return
    life = life_of(account.domain.scope, account.address)
    waits_long = life.since is not None and timezone.now() - life.since > PENDING_TOO_LONG
    if life.state == "failed":
        why = life.error[:300] if by.sees_everything else life.why
        yield Finding("bad", _("The last change is saved, but not live: %(why)s") % {"why": why})
    elif life.state == "pending":
        level: Level = "bad" if waits_long else "note"
        yield Finding(level, _("The last change is saved and on its way to the server."))
    elif seen is not None and not seen["is_rendered"]:
        yield Finding("bad", _("The server does not know the account: the superadmin must apply everything."))
    else:
        yield Finding("good", _("Every change is live."))


def _space(account: Account) -> Iterator[Finding]:
    usage = MailboxUsage.objects.filter(account=account).first()
    if usage is None or not account.quota_bytes:
        return
    numbers = {"used": format_bytes(usage.used_bytes), "quota": format_bytes(account.quota_bytes)}
    remedy = Remedy(_("Change the quota"), "account", f"account edit {account.address} --quota MB")
    if usage.used_bytes >= account.quota_bytes:
        text = _("The mailbox is full (%(used)s of %(quota)s): mail to it is refused.")
        yield Finding("bad", text % numbers, remedy)
    elif usage.used_bytes >= ALMOST_FULL * account.quota_bytes:
        yield Finding("note", _("The mailbox is almost full: %(used)s of %(quota)s.") % numbers, remedy)
    else:
        yield Finding("good", _("There is room: %(used)s of %(quota)s.") % numbers)


def _doors(account: Account) -> Iterator[Finding]:
    set_password = Remedy(
        _("Set a password"), "account", f"account password {account.address} --password-stdin"
    )
    if account.must_change_password:
        text = _("Somebody else set the password: the panel asks for an own one at the next login.")
        yield Finding("note", text)
    if account.second_factor_at is not None and not account.app_passwords.exists():
        text = _("Two-step login is on and there is no app password: no mail program can log in.")
        remedy = Remedy(_("Turn two-step login off"), "account-second-factor-off", "", posts=True)
        yield Finding("bad", text, remedy)
    last = account.last_logins.order_by("-at").first()
    if last is None:
        yield Finding("note", _("Nobody has ever logged in."), set_password)
    else:
        where = {"door": last.label, "time": _when(last.at), "source": last.address}
        yield Finding("good", _("Last good login: %(door)s, %(time)s, from %(source)s.") % where)


def _ways_of_mail(account: Account) -> Iterator[Finding]:
    forwarding = Forwarding.objects.filter(account=account).prefetch_related("targets").first()
    edit = Remedy(_("Look at the settings"), "account", f"account show {account.address}")
    if forwarding is not None:
        targets = ", ".join(target.address for target in forwarding.targets.all())
        text = _("Mail is forwarded to %(targets)s; a copy stays here.")
        if not forwarding.keeps_copy:
            text = _("Mail is forwarded to %(targets)s and does not stay here.")
        yield Finding("note", text % {"targets": targets}, edit)
    if Autoresponder.objects.filter(account=account, is_on=True).exists():
        yield Finding("note", _("The autoresponder is on."), edit)
    if account.domain is not None and account.domain.is_relay:
        yield Finding("note", _("Mail of the domain is passed on to another server."))


def _machine(account: Account, seen: dict[str, Any]) -> Iterator[Finding]:
    attempts = seen["attempts"]
    if attempts and attempts[0]["reason"]:
        yield _failed_login(account, attempts[0])
    if seen["without_tls"]:
        hit = seen["without_tls"][0]
        text = _("A program at %(source)s tried to log in without encryption (%(service)s): TLS is required.")
        yield Finding("bad", text % hit, Remedy(_("Settings for mail programs"), "mail-programs", ""))
    if seen["queued"]:
        count = len(seen["queued"])
        text = ngettext(
            "%(count)d message waits in the queue: %(why)s",
            "%(count)d messages wait in the queue: %(why)s",
            count,
        )
        yield Finding("note", text % {"count": count, "why": seen["queued"][0]["words"] or "–"})
    if seen["own_script_discards"]:
        yield Finding("note", _("The person's own filter script throws mail away (discard)."))


def _failed_login(account: Account, attempt: dict[str, str]) -> Finding:
    """Why, in words; the main password opens no mail program while the second factor is on."""
    when = datetime.fromisoformat(attempt["at"])
    where = {"service": attempt["service"].upper(), "time": _when(when), "source": attempt["source"]}
    needs_app_password = account.second_factor_at is not None and when > account.second_factor_at
    set_password = Remedy(
        _("Set a password"), "account", f"account password {account.address} --password-stdin"
    )
    if attempt["reason"] == "password" and needs_app_password:
        text = _(
            "The last login failed (%(service)s, %(time)s, from %(source)s): two-step login is on, so a"
            " mail program needs an app password, not the main one."
        )
        return Finding("bad", text % where, Remedy(_("Look at the app passwords"), "account", ""))
    texts = {
        "password": _("The last login failed (%(service)s, %(time)s, from %(source)s): wrong password."),
        "locked": _("The last login failed (%(service)s, %(time)s, from %(source)s): locked."),
        "unknown": _("The last login failed (%(service)s, %(time)s, from %(source)s): unknown login."),
    }
    other = _("The last login failed (%(service)s, %(time)s, from %(source)s).")
    text = texts.get(attempt["reason"], other)
    return Finding("bad", text % where, set_password if attempt["reason"] == "password" else None)


def _when(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S")
