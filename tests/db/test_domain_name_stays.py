"""A domain's name is chosen once: renaming is not offered, so nothing lets it be edited."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest
from django.core.management import CommandError, call_command
from django.urls import NoReverseMatch, get_resolver, reverse

from accounts.actor import Actor
from accounts.models import Account
from domains import actions
from domains.models import Domain, DomainAlias
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])
NEW = "nowa.test"


@pytest.mark.usefixtures("plain_static")
def test_ADR_11_no_page_of_a_domain_lets_its_name_be_edited(root: Account, firma: Domain) -> None:
    """Every page under the domain's name is sent a new one; that for alias names adds one, as it says."""
    client = logged_in(root)
    before = firma.name
    pages = _pages_of(before)
    assert len(pages) > 10
    for page in pages:
        client.post(page, {"name": NEW})
    client.post(reverse("domain-names", args=[before]), {"name": "inna.test"})
    assert list(Domain.objects.filter(pk=firma.pk).values_list("name", flat=True)) == [before]
    assert not Domain.objects.filter(name=NEW).exists()
    assert not DomainAlias.objects.filter(name=NEW).exists()


@pytest.mark.usefixtures("plain_static")
def test_ADR_11_the_admin_shows_the_name_and_takes_no_other(root: Account, firma: Domain) -> None:
    client = logged_in(root)
    path = reverse("admin:domains_domain_change", args=[firma.pk])
    form = client.get(path).context["adminform"].form
    assert "name" not in form.fields
    typed = {name: value for name, value in form.initial.items() if value is not None}
    client.post(path, {**typed, "name": NEW, "max_sms": 7})
    before = firma.name
    firma.refresh_from_db()
    assert (firma.name, firma.max_sms) == (before, 7)


def test_ADR_11_neither_action_nor_command_renames(firma: Domain, console: Actor) -> None:
    with pytest.raises(TypeError, match="no such setting of a domain: name"):
        actions.edit_domain(firma, settings={"name": NEW}, by=console)
    for words in (("rename", firma.name, NEW), ("edit", firma.name, "--name", NEW)):
        with pytest.raises(CommandError):
            call_command("domain", *words, stdout=io.StringIO())
    assert not Domain.objects.filter(name=NEW).exists()


def _pages_of(name: str) -> list[str]:
    """All that need the domain's name alone; that for alias names is not among them."""
    known = (each for each in get_resolver().reverse_dict if isinstance(each, str))
    found = []
    for page in sorted(page for page in known if page.startswith("domain") and page != "domain-names"):
        with suppress(NoReverseMatch):
            found.append(reverse(page, args=[name]))
    return found
