"""App passwords: one for each mail program, shown once, revoked one by one."""

from __future__ import annotations

import secrets

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts import notices
from accounts.actor import Actor
from accounts.models import Account, AppPassword, Notice
from audit import record as audit
from provisioning import outbox
from qmailux_site.errors import ActionRefused, NotAllowed

MOST_APP_PASSWORDS = 30
SELECTOR_LENGTH = 8
SECRET_LENGTH = 16
# Neither letters that look alike nor signs that a phone's keyboard hides.
CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def add_app_password(account: Account, *, name: str, by: Actor) -> tuple[AppPassword, str]:
    """A password that opens the mail plane only; returns it once, afterwards only its hash is known.

    Only the owner makes one: it would let anybody else read the mail unseen. Refused: a name that is taken.
    """
    must_own(account, by)
    name = " ".join(name.split())
    if not name or len(name) > 60:
        raise ActionRefused("name", _("Enter a name of at most 60 characters."))
    if account.domain is None or not account.has_mailbox:
        raise ActionRefused("", _("This login has no mailbox."))
    selector, password = _random(SELECTOR_LENGTH), _random(SECRET_LENGTH)
    encoded = make_password(selector + password)
    with transaction.atomic():
        fresh = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
        if fresh.app_passwords.count() >= MOST_APP_PASSWORDS:
            sentence = _("There can be at most %(limit)d app passwords.")
            raise ActionRefused("name", sentence % {"limit": MOST_APP_PASSWORDS})
        made = _saved(AppPassword(account=account, name=name, selector=selector, password=encoded))
        audit.record(by, "app_password.added", account.address, scope=account.domain.name, name=name)
        notices.record(account, Notice.Kind.APP_PASSWORD, by=by, detail=name)
        outbox.record(account.domain.scope, [account.address], nodes=[account.domain.node])
    return made, selector + password


@transaction.atomic
def revoke_app_password(app_password: AppPassword, *, by: Actor) -> None:
    """No program logs in with it any more, and the account's open sessions end. The owner, or who manages
    the account.
    """
    account = app_password.account
    by.must_act_in_person()
    by.must_be(account)
    audit.record(
        by,
        "app_password.revoked",
        account.address,
        scope=account.domain.name if account.domain else "",
        name=app_password.name,
    )
    app_password.delete()
    notices.record(account, Notice.Kind.APP_PASSWORD_GONE, by=by, detail=app_password.name)
    if account.domain is not None:
        outbox.record(account.domain.scope, [account.address], nodes=[account.domain.node])


def must_own(account: Account, by: Actor) -> None:
    """The person itself: who manages the account has no business with its secrets."""
    by.must_act_in_person()
    by.must_be(account)
    if by.person is not None and by.person.pk != account.pk:
        raise NotAllowed(_("Only the owner of the mailbox may do this."))


def _saved(app_password: AppPassword) -> AppPassword:
    try:
        with transaction.atomic():
            app_password.save(force_insert=True)
    except IntegrityError:
        raise ActionRefused("name", _("There is already an app password of this name.")) from None
    return app_password


def _random(length: int) -> str:
    return "".join(secrets.choice(CHARACTERS) for _position in range(length))
