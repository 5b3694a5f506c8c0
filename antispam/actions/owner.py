"""Whose preferences they are: an account's, a domain's, or (None) the server's."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.models import Account
from antispam.models import Level, SpamPreference
from audit import record as audit
from domains.models import Domain
from provisioning import outbox
from qmailux_site.errors import ActionRefused

Owner = Account | Domain | None


def must_own(by: Actor, owner: Owner) -> None:
    """The account's owner or who may act for it, the domain's postmaster, the superadmin."""
    if owner is None:
        by.must_be_superadmin()
    elif isinstance(owner, Domain):
        by.must_manage(owner)
    else:
        by.must_be(owner)
        if owner.domain is None or not owner.has_mailbox:
            raise ActionRefused("", _("This login has no mailbox."))


def preference_of(owner: Owner) -> SpamPreference | None:
    if owner is None:
        return SpamPreference.objects.filter(level=Level.SERVER).first()
    if isinstance(owner, Domain):
        return SpamPreference.objects.filter(domain=owner).first()
    return SpamPreference.objects.filter(account=owner).first()


def locked_preference(owner: Owner) -> tuple[SpamPreference, bool]:
    """Under the owner's row lock, made when there is none; and whether it was made."""
    if owner is None:
        preference, is_new = SpamPreference.objects.get_or_create(level=Level.SERVER)
    elif isinstance(owner, Domain):
        fresh = Domain.objects.select_for_update(of=("self",)).get(pk=owner.pk)
        preference, is_new = SpamPreference.objects.get_or_create(
            domain=fresh, defaults={"level": Level.DOMAIN}
        )
    else:
        account = Account.objects.select_for_update(of=("self",)).get(pk=owner.pk)
        preference, is_new = SpamPreference.objects.get_or_create(
            account=account, defaults={"level": Level.ACCOUNT}
        )
    return SpamPreference.objects.select_for_update(of=("self",)).get(pk=preference.pk), is_new


def forget_if_empty(preference: SpamPreference) -> bool:
    """No wish, no row; whether it went."""
    if not preference.is_empty or preference.entries.exists():
        return False
    preference.delete()
    return True


def record(by: Actor, action: str, owner: Owner, *, accounts_too: bool, **details: audit.Plain) -> None:
    """Audit and outbox. accounts_too: the domain's file came or went, which its accounts' files include."""
    if owner is None:
        audit.record(by, action, "server", scope="server", **details)
        outbox.record_settings()
        return
    domain = owner if isinstance(owner, Domain) else owner.domain
    if domain is None:
        raise ActionRefused("", _("This login has no mailbox."))
    if isinstance(owner, Domain):
        audit.record(by, action, domain.name, scope=domain.name, **details)
        keys = [outbox.addresses_of(domain.name)] if accounts_too else [domain.name]
    else:
        audit.record(by, action, owner.address, scope=domain.name, **details)
        keys = [owner.address]
    outbox.record(domain.scope, keys, nodes=[domain.node])
