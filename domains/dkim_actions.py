"""Every change of DKIM keys.

A key signs only once DNS has it: a signature that nobody can verify is worse than none.
"""

from __future__ import annotations

import base64
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions.taken import locked_domain
from accounts.actor import Actor
from audit import record as audit
from domains.models import DkimKey, Domain
from provisioning import outbox
from qmailux_site.errors import ActionRefused
from qmailux_site.sealing import seal

BITS = 2048
# Mail on its way may be verified this long after it was signed.
RETIRED_FOR = timedelta(days=7)


@transaction.atomic
def add_key(domain: Domain, *, by: Actor) -> DkimKey:
    """A new key, which signs once DNS has it; the one in use goes on signing until then. A second one that
    waits is refused.
    """
    by.must_manage(domain)
    fresh = locked_domain(domain, field="name")
    private, public = new_pair()
    key = DkimKey(domain=fresh, selector=_free_selector(fresh), public_key=public)
    key.sealed_key = seal(private, purpose=key.purpose)
    try:
        with transaction.atomic():
            key.save(force_insert=True)
    except IntegrityError:
        raise ActionRefused(
            "domain", _("%(domain)s already has a key that waits for DNS.") % {"domain": fresh}
        ) from None
    audit.record(by, "dkim.key_added", fresh.name, scope=fresh.name, selector=key.selector)
    return key


@transaction.atomic
def note_lookup(key: DkimKey, *, is_published: bool, by: Actor) -> bool:
    """What DNS says of it. One that waits begins to sign when its record is there; returns whether it
    did.
    """
    fresh = _locked(key)
    fresh.looked_at, fresh.is_published = timezone.now(), is_published
    fresh.save(update_fields=["looked_at", "is_published"])
    if not is_published or fresh.state != DkimKey.State.WAITING:
        return False
    _begin_signing(fresh, by)
    return True


@transaction.atomic
def force_signing(key: DkimKey, *, by: Actor) -> None:
    """It signs although DNS was not seen to have it: where the server sees another DNS than the world."""
    by.must_manage(key.domain)
    fresh = _locked(key)
    if fresh.state != DkimKey.State.WAITING:
        raise ActionRefused("key", _("%(key)s does not wait for DNS.") % {"key": fresh})
    fresh.is_forced = True
    fresh.save(update_fields=["is_forced"])
    _begin_signing(fresh, by)


@transaction.atomic
def delete_key(key: DkimKey, *, by: Actor) -> None:
    """Without the one that signs, the domain's mail leaves unsigned."""
    by.must_manage(key.domain)
    fresh = _locked(key)
    domain = fresh.domain
    audit.record(by, "dkim.key_deleted", domain.name, scope=domain.name, selector=fresh.selector)
    was_signing = fresh.state == DkimKey.State.SIGNING
    fresh.delete()
    if was_signing:
        record_signing(domain)


@transaction.atomic
def forget_retired_keys(*, by: Actor) -> int:
    """Those that no mail on its way needs any more."""
    old = DkimKey.objects.filter(state=DkimKey.State.RETIRED, retired_at__lt=timezone.now() - RETIRED_FOR)
    for key in old.select_related("domain"):
        audit.record(by, "dkim.key_deleted", key.domain.name, scope=key.domain.name, selector=key.selector)
    return old.delete()[0]


def _begin_signing(key: DkimKey, by: Actor) -> None:
    now = timezone.now()
    DkimKey.objects.filter(domain=key.domain, state=DkimKey.State.SIGNING).update(
        state=DkimKey.State.RETIRED, retired_at=now
    )
    key.state = DkimKey.State.SIGNING
    key.save(update_fields=["state"])
    audit.record(
        by,
        "dkim.signing",
        key.domain.name,
        scope=key.domain.name,
        selector=key.selector,
        forced=key.is_forced,
    )
    record_signing(key.domain)


def record_signing(domain: Domain) -> None:
    """Which key signs for the domain is to be looked at again."""
    names = domain.all_names()
    outbox.record(domain.scope, names, nodes=[domain.node])


def _free_selector(domain: Domain) -> str:
    """Such as q20261125, never one that the domain has or had by now."""
    day = f"q{timezone.localdate():%Y%m%d}"
    taken = set(domain.dkim_keys.values_list("selector", flat=True))
    candidates = (day if number == 1 else f"{day}-{number}" for number in range(1, len(taken) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)


def new_pair() -> tuple[str, str]:
    """Private key in PEM, public key as DNS has it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private, base64.b64encode(public).decode()


def _locked(key: DkimKey) -> DkimKey:
    locked_domain(key.domain, field="name")
    rows = DkimKey.objects.select_related("domain__node").filter(pk=key.pk)
    fresh = rows.first()
    if fresh is None:
        raise ActionRefused("key", _("The key %(key)s no longer exists.") % {"key": key})
    return fresh
