"""The second factor of the panel's door: a code from a phone, and recovery codes for when it is lost."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import notices
from accounts.actions.app_passwords import CHARACTERS, must_own
from accounts.actor import Actor
from accounts.models import Account, Notice
from accounts.roles import GRANTED, RoleGrant
from audit import record as audit
from provisioning import outbox
from qmailux_site.errors import ActionRefused, NotAllowed

RECOVERY_CODES = 10
RECOVERY_CODE_LENGTH = 12


def begin_second_factor(account: Account, *, by: Actor) -> TOTPDevice:
    """The key that a phone is to take over. It counts only once ``turn_on_second_factor`` has seen a code."""
    must_own(account, by)
    device, _is_new = TOTPDevice.objects.get_or_create(user=account, confirmed=False)
    return device


def turn_on_second_factor(account: Account, *, code: str, by: Actor) -> list[str]:
    """The panel asks for a code from now on, and the main password no longer opens the mail plane.

    Returns the recovery codes, each good for one login. A wrong code is refused, and slows down the next.
    """
    must_own(account, by)
    device = TOTPDevice.objects.filter(user=account, confirmed=False).first()
    # Outside the transaction: a refusal must not take back the count of wrong codes.
    if account.second_factor_at is not None or device is None or not device.verify_token(code):
        raise ActionRefused("code", _("This code is wrong or has run out. Enter the one that is shown now."))
    with transaction.atomic():
        fresh = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        codes = _new_recovery_codes(fresh)
        _set(fresh, is_on=True, by=by)
    account.second_factor_at = fresh.second_factor_at
    return codes


@transaction.atomic
def turn_off_second_factor(account: Account, *, by: Actor) -> None:
    """The password alone opens the panel and the mail plane again. The owner, or who manages the account
    (for somebody who has lost the phone). The owner is refused where the server's rules ask for one.
    """
    by.must_act_in_person()
    by.must_be(account)
    if by.person is not None and by.person.pk == account.pk and is_second_factor_required(account):
        raise NotAllowed(_("The server's rules ask for two-step login with your rights: it stays on."))
    fresh = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    TOTPDevice.objects.filter(user=fresh).delete()
    StaticDevice.objects.filter(user=fresh).delete()
    _set(fresh, is_on=False, by=by)
    account.second_factor_at = None


def needs_second_factor(account: Account) -> bool:
    """The server's rules ask for one (QMAILUX_SECOND_FACTOR_REQUIRED), and there is none yet."""
    return account.second_factor_at is None and is_second_factor_required(account)


def is_second_factor_required(account: Account) -> bool:
    required = settings.QMAILUX_SECOND_FACTOR_REQUIRED
    if account.is_superuser:
        return "superadmin" in required
    if "postmaster" in required and account.managed_domains.exists():
        return True
    granted = [role for role in required if role in GRANTED]
    return bool(granted) and RoleGrant.objects.filter(account=account, role__in=granted).exists()


def _new_recovery_codes(account: Account) -> list[str]:
    StaticDevice.objects.filter(user=account).delete()
    device = StaticDevice.objects.create(user=account, name="recovery")
    codes = [
        "".join(secrets.choice(CHARACTERS) for _position in range(RECOVERY_CODE_LENGTH))
        for _number in range(RECOVERY_CODES)
    ]
    for code in codes:
        device.token_set.create(token=code)
    return codes


def _set(account: Account, *, is_on: bool, by: Actor) -> None:
    account.second_factor_at = timezone.now() if is_on else None
    account.save(update_fields=["second_factor_at"])
    action = "account.second_factor_on" if is_on else "account.second_factor_off"
    audit.record(by, action, account.address, scope=account.domain.name if account.domain else "")
    kind = Notice.Kind.SECOND_FACTOR_ON if is_on else Notice.Kind.SECOND_FACTOR_OFF
    notices.record(account, kind, by=by)
    if account.domain is not None and account.has_mailbox:
        outbox.record(account.domain.scope, [account.address], nodes=[account.domain.node])
