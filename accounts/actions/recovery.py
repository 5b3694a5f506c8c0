"""A forgotten password: the recovery address, the postmaster's one-time code, and the way back in."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django_otp import match_token

from accounts import notices
from accounts.actions.accounts import change_password
from accounts.actions.app_passwords import CHARACTERS, must_own
from accounts.actions.forwarding import leading_back
from accounts.actor import Actor
from accounts.addresses import parse_address
from accounts.door import account_of_login, canonical_login, may_enter
from accounts.models import Account, Notice
from accounts.passwords import check_policy
from accounts.recovering import PasswordReset, RecoveryAddress, RecoveryRequest
from accounts.rights import Right
from audit import record as audit
from qmailux_site.errors import ActionRefused

LINK_LIFE = timedelta(hours=1)
CODE_LIFE = timedelta(minutes=30)
CONFIRMATION_LIFE = timedelta(hours=1)
COUNTED_FOR = timedelta(hours=1)
KEPT_FOR = timedelta(days=1)
MOST_FROM_ONE_ADDRESS = 20
MOST_LINKS_A_LOGIN = 3
MOST_CONFIRMATIONS = 5
MOST_WRONG_CODES = 5
CODE_LENGTH = 12
CONFIRMATION_DIGITS = 8


# --- The recovery address -----------------------------------------------------------------------------------


def set_recovery_address(account: Account, *, address: str, by: Actor) -> RecoveryAddress:
    """A code is mailed there; the address counts once ``confirm_recovery_address`` has seen it, and one that
    was confirmed before counts until then. Refused: an address that leads into this mailbox itself.
    """
    must_own(account, by)
    domain = account.domain
    if domain is None or not account.has_mailbox:
        raise ActionRefused("", _("This login has no mailbox."))
    canonical = str(parse_address(address))
    if leading_back(account, domain, [canonical]):
        sentence = _("This address leads into this mailbox, which you could not open. Enter another one.")
        raise ActionRefused("address", sentence)
    with transaction.atomic():
        Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
        recent = RecoveryRequest.objects.filter(
            kind=RecoveryRequest.Kind.CONFIRMATION,
            login=account.address,
            asked_at__gt=timezone.now() - COUNTED_FOR,
        )
        if recent.count() >= MOST_CONFIRMATIONS:
            raise ActionRefused("address", _("Too many codes were sent. Try again in an hour."))
        values = {"pending": canonical, "code_hash": "", "code_sent_at": None, "wrong_codes": 0}
        stored = RecoveryAddress.objects.update_or_create(account=account, defaults=values)[0]
        RecoveryRequest.objects.create(
            kind=RecoveryRequest.Kind.CONFIRMATION, login=account.address, address=by.address[:45]
        )
        audit.record(by, "account.recovery_address_asked", account.address, scope=domain.name, name=canonical)
    return stored


def confirm_recovery_address(account: Account, *, code: str, by: Actor) -> RecoveryAddress:
    """The pending address counts from now on; the owner is told by mail. A code is good for an hour and ends
    after some wrong ones.
    """
    must_own(account, by)
    stored = RecoveryAddress.objects.filter(account=account).exclude(pending="").first()
    sentence = _("This code is wrong or has run out.")
    if stored is None or not _code_fits(stored, code):
        if stored is not None:
            # Outside the transaction: a refusal must not take back the count of wrong codes.
            RecoveryAddress.objects.filter(pk=stored.pk).update(wrong_codes=F("wrong_codes") + 1)
        raise ActionRefused("code", sentence)
    with transaction.atomic():
        fresh = RecoveryAddress.objects.select_for_update().get(pk=stored.pk)
        if fresh.code_hash != stored.code_hash:
            raise ActionRefused("code", sentence)
        before, fresh.address, fresh.pending = fresh.address, fresh.pending, ""
        fresh.confirmed_at, fresh.code_hash = timezone.now(), ""
        fresh.save()
        # A link that went to the address before is no good any more.
        PasswordReset.objects.filter(account=account, way=PasswordReset.Way.LINK).delete()
        audit.record(
            by,
            "account.recovery_address_set",
            account.address,
            scope=_scope(account),
            before=before,
            after=fresh.address,
        )
        notices.record(account, Notice.Kind.RECOVERY_ADDRESS, by=by, detail=fresh.address)
    return fresh


@transaction.atomic
def remove_recovery_address(account: Account, *, by: Actor) -> None:
    """No link is mailed any more; the owner is told. Nothing to remove is no error."""
    must_own(account, by)
    stored = RecoveryAddress.objects.select_for_update().filter(account=account).first()
    if stored is None:
        return
    PasswordReset.objects.filter(account=account, way=PasswordReset.Way.LINK).delete()
    stored.delete()
    if stored.address:
        audit.record(
            by,
            "account.recovery_address_removed",
            account.address,
            scope=_scope(account),
            before=stored.address,
        )
        notices.record(account, Notice.Kind.RECOVERY_ADDRESS_GONE, by=by, detail=stored.address)


def new_confirmation_code() -> str:
    return f"{secrets.randbelow(10**CONFIRMATION_DIGITS):0{CONFIRMATION_DIGITS}d}"


@transaction.atomic
def note_confirmation_sent(stored: RecoveryAddress, *, code: str, by: Actor) -> None:
    """The code that was just mailed is the one that counts; if the address was changed meanwhile, none is."""
    by.must_be_superadmin()
    still = RecoveryAddress.objects.filter(pk=stored.pk, pending=stored.pending)
    still.update(code_hash=hash_of(code), code_sent_at=timezone.now(), wrong_codes=0)


def _code_fits(stored: RecoveryAddress, code: str) -> bool:
    if not stored.code_hash or stored.code_sent_at is None or stored.wrong_codes >= MOST_WRONG_CODES:
        return False
    is_fresh = timezone.now() - stored.code_sent_at < CONFIRMATION_LIFE
    return constant_time_compare(stored.code_hash, hash_of(code)) and is_fresh


# --- Coming back in -----------------------------------------------------------------------------------------


def ask_for_reset(*, login: str, by: Actor) -> None:
    """Somebody at the door, not logged in, has forgotten the password. Only noted here, whatever was typed:
    who the address belongs to is looked up where the link is mailed, so that no answer and no time tells.
    Refused: too many requests from one network address.
    """
    _check_door(by, field="address")
    canonical = canonical_login(login)[:254]
    RecoveryRequest.objects.create(kind=RecoveryRequest.Kind.LINK, login=canonical, address=by.address[:45])


def wants_link(request: RecoveryRequest) -> tuple[Account, str] | None:
    """Whom the link of the request is for, and where it goes; None when none is mailed."""
    account = account_of_login(request.login)
    if account is None or account.domain is None or not may_enter(account):
        return None
    recovery = RecoveryAddress.objects.filter(account=account, confirmed_at__isnull=False).first()
    earlier = RecoveryRequest.objects.filter(
        kind=RecoveryRequest.Kind.LINK,
        login=request.login,
        asked_at__gt=request.asked_at - COUNTED_FOR,
        pk__lt=request.pk,
    )
    if recovery is None or not account.domain.mails_recovery or earlier.count() >= MOST_LINKS_A_LOGIN:
        return None
    return account, recovery.address


def new_link_secret() -> str:
    return secrets.token_urlsafe(32)


@transaction.atomic
def note_link_sent(account: Account, *, secret: str, network_address: str, by: Actor) -> None:
    """The link that was just mailed opens the door for an hour; one that was sent before no longer does."""
    by.must_be_superadmin()
    _replace(account, PasswordReset.Way.LINK, secret, life=LINK_LIFE)
    audit.record(
        by, "account.recovery_link_sent", account.address, scope=_scope(account), name=network_address
    )


@transaction.atomic
def start_password_reset(account: Account, *, by: Actor) -> None:
    """Mail the owner a link for a new password: who starts it learns nothing. Refused where the owner has
    confirmed no address elsewhere.
    """
    by.must_act_in_person()
    by.must_outrank(account, Right.RESET)
    request = RecoveryRequest.objects.create(kind=RecoveryRequest.Kind.LINK, login=account.address)
    if wants_link(request) is None:
        sentence = _("No link can be mailed: %(address)s has confirmed no address elsewhere, or got several.")
        raise ActionRefused("", sentence % {"address": account.address})
    audit.record(by, "account.reset_started", account.address, scope=_scope(account))


@transaction.atomic
def make_recovery_code(account: Account, *, by: Actor) -> str:
    """A one-time code for somebody who asks the postmaster; returned once, good for half an hour. The owner
    is told. Refused where the domain's rule says so.
    """
    by.must_act_in_person()
    by.must_outrank(account)
    if account.domain is None or not account.domain.takes_recovery_codes:
        raise ActionRefused("", _("The server's rules for this domain do not allow one-time codes."))
    code = "".join(secrets.choice(CHARACTERS) for _position in range(CODE_LENGTH))
    _replace(account, PasswordReset.Way.CODE, code, life=CODE_LIFE)
    audit.record(by, "account.recovery_code_made", account.address, scope=_scope(account))
    notices.record(account, Notice.Kind.RECOVERY_CODE, by=by)
    return code


def reset_by_link(secret: str) -> PasswordReset | None:
    found = _usable().filter(way=PasswordReset.Way.LINK, secret_hash=hash_of(secret)).first()
    return found if found is not None and may_reset(found) else None


def reset_by_code(*, login: str, code: str, by: Actor) -> PasswordReset:
    """The reset that address and code open. Refused with one sentence, whether the address exists or not."""
    _check_door(by, field="code")
    canonical = canonical_login(login)
    typed = "".join(code.split()).replace("-", "").lower()
    found = _usable().filter(way=PasswordReset.Way.CODE, account__address=canonical).first()
    is_right = found is not None and constant_time_compare(found.secret_hash, hash_of(typed))
    if found is None or not is_right or not may_reset(found):
        RecoveryRequest.objects.create(
            kind=RecoveryRequest.Kind.WRONG_CODE, login=canonical[:254], address=by.address[:45]
        )
        if found is not None:
            PasswordReset.objects.filter(pk=found.pk).update(wrong_tries=F("wrong_tries") + 1)
        raise ActionRefused("code", _("Address and code do not match, or the code has run out."))
    return found


def reset_again(pk: int, secret_hash: str) -> PasswordReset | None:
    """The one that a link or a code has opened a moment ago, while it is still good."""
    found = _usable().filter(pk=pk, secret_hash=secret_hash).first()
    return found if found is not None and may_reset(found) else None


def may_reset(reset: PasswordReset) -> bool:
    domain = reset.account.domain
    if domain is None or not may_enter(reset.account):
        return False
    by_link = reset.way == PasswordReset.Way.LINK
    return domain.mails_recovery if by_link else domain.takes_recovery_codes


def reset_password(reset: PasswordReset, *, password: str, code: str = "", by: Actor) -> Account:
    """The account has the new password, every session of it ends, and link or code are spent.

    code: of the second factor, which is still needed where one is on. by: the owner, who has proved it.
    """
    account = reset.account
    by.must_be(account)
    # First, so that a refusal costs no code: each counts once.
    check_policy(password, address=account.address, name=account.name)
    needs_code = account.second_factor_at is not None
    if needs_code and match_token(account, code) is None:
        raise ActionRefused(
            "code", _("This code is wrong or has run out. Wait a moment and enter a new one.")
        )
    change_password(account, password=password, proof=reset, by=by)
    return account


def forget_old_requests() -> None:
    """Called where requests are answered."""
    RecoveryRequest.objects.filter(asked_at__lt=timezone.now() - KEPT_FOR).delete()
    PasswordReset.objects.filter(expires_at__lt=timezone.now()).delete()


def hash_of(secret: str) -> str:
    """Of random secrets only: they need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _usable() -> QuerySet[PasswordReset]:
    return PasswordReset.objects.select_related("account__domain__node").filter(
        expires_at__gt=timezone.now(), wrong_tries__lt=MOST_WRONG_CODES
    )


def _replace(account: Account, way: PasswordReset.Way, secret: str, *, life: timedelta) -> None:
    PasswordReset.objects.filter(account=account, way=way).delete()
    PasswordReset.objects.create(
        account=account, way=way, secret_hash=hash_of(secret), expires_at=timezone.now() + life
    )


def _check_door(by: Actor, *, field: str) -> None:
    recent = RecoveryRequest.objects.filter(
        address=by.address[:45], asked_at__gt=timezone.now() - COUNTED_FOR
    ).exclude(kind=RecoveryRequest.Kind.CONFIRMATION)
    if recent.count() >= MOST_FROM_ONE_ADDRESS:
        raise ActionRefused(field, _("Too many tries from your network. Try again in an hour."))


def _scope(account: Account) -> str:
    return account.domain.name if account.domain else ""
