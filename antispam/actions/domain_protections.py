"""Protections that a domain has otherwise than the server."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from antispam.actions.owner import forget_if_empty, locked_preference, preference_of, record
from antispam.actions.protections import states
from antispam.models import DomainProtection
from antispam.protections import BY_NAME, OF_DOMAINS, OF_PREFERENCES, OFF_ONLY
from audit import record as audit
from domains.models import Domain, DomainAlias
from provisioning import outbox
from qmailux_site.errors import ActionRefused

Choice = bool | None


def set_domain_protections(domain: Domain, choices: Mapping[str, Choice], *, by: Actor) -> None:
    """What is None is as the server has it; names that are not given stay. It takes effect within seconds.

    Refused: a protection whose part does not know the recipients, and switching on alone what is off on the
    server where the part can only leave out.
    """
    by.must_manage(domain)
    for name, is_on in choices.items():
        _check(name, is_on)
    with transaction.atomic():
        fresh = Domain.objects.select_for_update(of=("self",)).get(pk=domain.pk)
        before = domain_choices(fresh)
        changed = {name: is_on for name, is_on in choices.items() if before[name] != is_on}
        if not changed:
            return
        for name, is_on in changed.items():
            if name not in OF_PREFERENCES:
                _keep(fresh, name, is_on)
        if wishes := {OF_PREFERENCES[name]: on for name, on in changed.items() if name in OF_PREFERENCES}:
            _wish(fresh, wishes, by)
        words = {name: _word(is_on) for name, is_on in changed.items()}
        audit.record(by, "protection.domain_set", fresh.name, scope=fresh.name, **words)
        names = [fresh.name, *DomainAlias.objects.filter(domain=fresh).values_list("name", flat=True)]
        outbox.record(fresh.scope, names, nodes=[fresh.node])


def domain_choices(domain: Domain) -> dict[str, Choice]:
    """Of every protection that a domain may have otherwise, in the order in which a message meets them."""
    chosen = DomainProtection.objects.filter(domain=domain).values_list("name", "is_on")
    stored: dict[str, Choice] = dict(chosen)
    preference = preference_of(domain)
    for name, wish in OF_PREFERENCES.items():
        stored[name] = getattr(preference, wish) if preference else None
    return {name: stored.get(name) for name in OF_DOMAINS}


def _check(name: str, is_on: Choice) -> None:
    if name not in BY_NAME:
        raise ActionRefused("name", _("There is no protection %(name)s.") % {"name": name[:40]})
    if name not in OF_DOMAINS:
        sentence = _("%(title)s acts before the recipients are known, or for all of them at once.")
        raise ActionRefused(name, sentence % {"title": BY_NAME[name].title})
    if is_on and name in OFF_ONLY and not states()[name][0]:
        sentence = _("%(title)s is off on the whole server, and cannot be on for one domain alone.")
        raise ActionRefused(name, sentence % {"title": BY_NAME[name].title})


def _keep(domain: Domain, name: str, is_on: Choice) -> None:
    if is_on is None:
        DomainProtection.objects.filter(domain=domain, name=name).delete()
    else:
        DomainProtection.objects.update_or_create(domain=domain, name=name, defaults={"is_on": is_on})


def _wish(domain: Domain, wishes: Mapping[str, Choice], by: Actor) -> None:
    """What the spam page of the domain keeps too."""
    preference, is_new = locked_preference(domain)
    for wish, is_on in wishes.items():
        setattr(preference, wish, is_on)
    preference.save()
    is_gone = forget_if_empty(preference)
    record(by, "spam.preference_set", domain, accounts_too=is_new != is_gone, **wishes)


def _word(is_on: Choice) -> str:
    return "server" if is_on is None else ("on" if is_on else "off")
