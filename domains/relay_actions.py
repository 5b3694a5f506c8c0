"""A domain's mail is passed on to the server that has its mailboxes, or kept here again."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actions.taken import locked_domain
from accounts.actor import Actor
from accounts.models import Account
from audit import record as audit
from domains.models import SMTP_PORT, Domain
from domains.servers import other_server
from provisioning import outbox
from qmailux_site.errors import ActionRefused

FIELDS = ["kind", "relay_host", "relay_port", "relay_recipients"]


@transaction.atomic
def pass_on(domain: Domain, *, to: str, recipients: str = Domain.RelayRecipients.ASKED, by: Actor) -> Domain:
    """Mail for the domain is taken here and given to another server, or waits here while that is down.

    to: its name or IP address, with ":port" where that is not 25. recipients: "asked" takes whom the other
    server takes, "listed" the aliases of the domain alone. Refused while the domain has accounts, and for a
    server that is this one: mail would go round in a circle.
    """
    by.must_be_superadmin()
    host, port = other_server(to, port=SMTP_PORT)
    if recipients not in Domain.RelayRecipients.values:
        raise ActionRefused("recipients", _("Recipients are asked for, or listed here."))
    fresh = locked_domain(domain)
    if Account.objects.filter(domain=fresh).exists():
        raise ActionRefused(
            "to", _("%(domain)s has accounts here: move them and their mail first.") % {"domain": fresh}
        )
    changed = (Domain.Kind.RELAY, host, port, recipients)
    if changed == (fresh.kind, fresh.relay_host, fresh.relay_port, fresh.relay_recipients):
        return fresh
    fresh.kind, fresh.relay_host, fresh.relay_port, fresh.relay_recipients = changed
    audit.record(
        by, "domain.relayed", fresh.name, scope=fresh.name, to=fresh.relay_server, recipients=str(recipients)
    )
    return _saved(fresh)


@transaction.atomic
def keep_here(domain: Domain, *, by: Actor) -> Domain:
    """Mail for the domain is kept here again, in the accounts that it will have."""
    by.must_be_superadmin()
    fresh = locked_domain(domain)
    if not fresh.is_relay:
        return fresh
    fresh.kind, fresh.relay_host, fresh.relay_port = Domain.Kind.HOSTED, "", SMTP_PORT
    audit.record(by, "domain.hosted_here", fresh.name, scope=fresh.name)
    return _saved(fresh)


def _saved(domain: Domain) -> Domain:
    domain.full_clean(validate_unique=False, validate_constraints=False)
    domain.save(update_fields=FIELDS)
    names = domain.all_names()
    outbox.record(domain.scope, [outbox.everything_under(name) for name in names], nodes=[domain.node])
    # What comes in is searched for spam at the door while some of it is passed on.
    outbox.record_settings()
    return domain
