"""The accounts of a domain: as a list, and as a file."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language

from accounts.act_forms import acts_for
from accounts.listing import DEFINITIONS, FILTERS, Question, export_heading, export_rows, with_forecast
from accounts.models import Alias
from accounts.querysets import AccountQuerySet
from domains.models import Domain
from domains.views import domain_of
from provisioning.life import lives_of
from qmailux_site.counting import Count, count_of
from qmailux_site.csvexport import csv_response
from qmailux_site.keyset import slice_of
from qmailux_site.middleware import PanelRequest

# Of the aliases that the search beside the accounts finds.
ALIASES_SHOWN = 20


@login_required
def accounts(request: PanelRequest, name: str) -> HttpResponse:
    """Accounts with what they use and their state; a search finds aliases too."""
    domain = domain_of(request, name)
    question = Question.of(request.GET)
    wanted = question.accounts(domain, request.actor)
    page = slice_of(wanted.select_related("usage"), request, question.order)
    kept = 0 if question.is_narrowed else _kept_count(domain)
    lives = lives_of(domain.scope, [account.address for account in page.rows])
    values = {
        "domain": domain,
        "found_count": Count(len(page.rows)) if page.is_all else count_of(wanted, kept=kept),
        "page": page,
        "question": question,
        "filters": [(key, label) for key, (label, _narrow) in FILTERS.items()],
        "heads": question.heads(),
        "definitions": DEFINITIONS,
        "rows": [(account, days, lives[account.address]) for account, days in with_forecast(page.rows)],
        "acts": acts_for(request.actor, domain),
        "found_aliases": _found_aliases(request, domain, question),
    }
    return render(request, "accounts/list.html", values)


@login_required
def accounts_export(request: PanelRequest, name: str) -> HttpResponseBase:
    """What the list shows, all of it."""
    domain = domain_of(request, name)
    accounts = Question.of(request.GET).accounts(domain, request.actor)
    return csv_of(accounts, domain)


def csv_of(accounts: AccountQuerySet, domain: Domain) -> HttpResponseBase:
    """For a spreadsheet, in words of the reader."""
    rows = export_rows(accounts, domain, get_language() or "en")
    return csv_response(f"accounts-{domain.name}.csv", export_heading(), rows)


def _kept_count(domain: Domain) -> int:
    numbers = getattr(domain, "numbers", None)
    return numbers.account_count if numbers else 0


def _found_aliases(request: PanelRequest, domain: Domain, question: Question) -> list[Alias]:
    """The first that the search finds, by address or target; their own page has them all."""
    if not question.search or question.filter:
        return []
    aliases = Alias.objects.visible_to(request.actor).filter(domain=domain)
    found = aliases.search(question.search).order_by("localpart", "address")
    return list(found.prefetch_related("targets", "domain_alias")[: ALIASES_SHOWN + 1])
