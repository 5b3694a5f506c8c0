"""Ordering, answering, uploading and removing certificates. Keys are made and kept by the root worker."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import vault
from accounts.actor import Actor
from audit import record as audit
from domains.models import Domain, DomainAlias, IPAddress
from domains.names import canonical_domain
from enforcement.certificates import Checked, check_certificate, check_key, public_half_of_request
from enforcement.models import Certificate
from provisioning import outbox
from qmailux_site.errors import ActionRefused

MOST_NAMES = 100


@transaction.atomic
def order_certificate(*, kind: str, names: Sequence[str], by: Actor) -> Certificate:
    """A certificate of our own authority, one by ACME, or (SIGNED) a key and a request for another authority
    to sign. The key is made on the server and never leaves it.
    """
    by.must_be_superadmin()
    if kind not in (Certificate.Kind.OWN, Certificate.Kind.SIGNED, Certificate.Kind.ACME):
        raise ActionRefused("kind", _("There is no such kind of certificate."))
    wanted = host_names(names)
    if kind == Certificate.Kind.ACME and any(name.startswith("*.") for name in wanted):
        raise ActionRefused("names", _("ACME over HTTP gives no certificate for *.name."))
    certificate = Certificate.objects.create(kind=kind, names=wanted, set_by=by.name())
    audit.record(by, "certificate.ordered", str(certificate), scope="server", kind=kind)
    if kind == Certificate.Kind.ACME:
        outbox.fetch_certificate(certificate.pk)
    else:
        outbox.record_settings()
    return certificate


@transaction.atomic
def fetch_again(certificate: Certificate, *, by: Actor) -> None:
    """Ask the ACME authority once more, after a refusal or before its time."""
    by.must_be_superadmin()
    if certificate.kind != Certificate.Kind.ACME:
        raise ActionRefused("certificate", _("Only a certificate fetched by ACME can be fetched again."))
    audit.record(by, "certificate.fetched_again", str(certificate), scope="server")
    outbox.fetch_certificate(certificate.pk)


@transaction.atomic
def answer_request(certificate: Certificate, *, answer: bytes, by: Actor) -> Certificate:
    """The signed answer to a request. What does not fit its key, names or time changes nothing."""
    by.must_be_superadmin()
    fresh = Certificate.objects.select_for_update().get(pk=certificate.pk)
    if not fresh.request:
        raise ActionRefused("certificate", _("There is no request that this could answer."))
    checked = check_certificate(
        answer,
        public_key=public_half_of_request(fresh.request),
        wanted=fresh.names,
        own_authority=_own_authority(),
        now=timezone.now(),
    )
    _take(fresh, checked)
    audit.record(by, "certificate.answered", str(fresh), scope="server", fingerprint=checked.fingerprint)
    outbox.record_settings()
    return fresh


@transaction.atomic
def upload_certificate(*, chain: bytes, key: bytes, names: Sequence[str] = (), by: Actor) -> Certificate:
    """A whole set from elsewhere. Refused: what does not belong together, is not whole, out of its time, or
    for no host name of this server. The old one is served until then. names: what it must be good for.
    """
    by.must_be_superadmin()
    wanted = host_names(names) if names else []
    pem, public_key = check_key(key)
    checked = check_certificate(
        chain, public_key=public_key, wanted=wanted, own_authority=_own_authority(), now=timezone.now()
    )
    names = [name for name in checked.names if _is_ours(name)]
    if not names:
        raise ActionRefused(
            "certificate",
            _("The certificate is for %(names)s: none of it is a host name of this server or its domains.")
            % {"names": ", ".join(checked.names) or "–"},
        )
    seal = vault.new_key()
    certificate = Certificate(kind=Certificate.Kind.UPLOADED, names=names, set_by=by.name(), key_seal=seal)
    certificate.save()
    _take(certificate, checked)
    vault.put(certificate.sealed_name, pem, key=seal)
    audit.record(
        by, "certificate.uploaded", str(certificate), scope="server", fingerprint=checked.fingerprint
    )
    outbox.record_settings()
    return certificate


@transaction.atomic
def delete_certificate(certificate: Certificate, *, by: Actor) -> None:
    """Its names are served again with the one before, or with that of our own authority."""
    by.must_be_superadmin()
    audit.record(by, "certificate.deleted", str(certificate), scope="server")
    transaction.on_commit(partial(vault.remove, certificate.sealed_name))
    certificate.delete()
    outbox.record_settings()


def host_names(typed: Sequence[str]) -> list[str]:
    """Host names in their ASCII form; "*.name" for all of one level."""
    found: list[str] = []
    for text in typed:
        name = text.strip().rstrip(".")
        star = "*." if name.startswith("*.") else ""
        found.append(star + canonical_domain(name.removeprefix("*.")))
    if not found:
        raise ActionRefused("names", _("Name at least one host name."))
    if len(found) > MOST_NAMES:
        raise ActionRefused("names", _("At most %(limit)d names are possible.") % {"limit": MOST_NAMES})
    for name in found:
        if not _is_ours(name):
            sentence = _("%(name)s is neither a name of this server nor one in a domain of it.")
            raise ActionRefused("names", sentence % {"name": name})
    return list(dict.fromkeys(found))


def _is_ours(name: str) -> bool:
    """The server's name, an address's, or one in a hosted domain. A "*" stands for names below."""
    host = name.removeprefix("*.")
    above = [".".join(host.split(".")[start:]) for start in range(host.count(".") + 1)]
    server = settings.QMAILUX_LAYOUT.hostname
    own = {server, *IPAddress.objects.values_list("hostname", flat=True)}
    if host in own or (name.startswith("*.") and any(known.partition(".")[2] == host for known in own)):
        return True
    return (
        Domain.objects.filter(name__in=above).exists() or DomainAlias.objects.filter(name__in=above).exists()
    )


def _take(certificate: Certificate, checked: Checked) -> None:
    certificate.chain, certificate.issuer = checked.chain, checked.issuer
    certificate.not_after, certificate.fingerprint = checked.not_after, checked.fingerprint
    certificate.state, certificate.error = Certificate.State.ACTIVE, ""
    certificate.taken_at = timezone.now()
    certificate.save()


def _own_authority() -> bytes:
    path = settings.QMAILUX_LAYOUT.tls / "ca.crt"
    return path.read_bytes() if path.exists() else b""
