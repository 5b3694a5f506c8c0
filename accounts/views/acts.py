"""One act on the accounts that were chosen in the list: a question first, then all of them or none."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from accounts import actions, bulk_jobs
from accounts.act_forms import ACTS, act_form, question_of
from accounts.forms import add_refusal
from accounts.listing import Question
from accounts.models import Account
from accounts.passwords import check_policy
from accounts.querysets import AccountQuerySet
from accounts.views.listing import csv_of
from domains.models import Domain
from domains.views import domain_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest

NAMES_SHOWN = 20
# Refused for the own account (accounts.actions.many).
SPARING_SELF = ("lock", "delete")


@sensitive_post_parameters()
@sensitive_variables("form")
@never_cache
@login_required
@require_POST
def accounts_act(request: PanelRequest, name: str) -> HttpResponseBase:
    """Asked twice: the list says what and on whom, the question's own form says that it is meant."""
    domain = domain_of(request, name)
    act = request.POST.get("act", "")
    if act not in ACTS or not request.actor.may(ACTS[act][1], domain):
        raise PermissionDenied
    people = _chosen(request, domain)
    if act == "export":
        return csv_of(people, domain)
    chosen = list(people.order_by("localpart").values_list("pk", flat=True))
    if not chosen:
        messages.error(request, _("No account is chosen: tick some in the list first."))
        return redirect("accounts", domain.name)
    # Somebody may have come or gone between the question and the answer.
    is_meant = request.POST.get("count") == str(len(chosen))
    form = act_form(act, request.POST if is_meant else None, count=len(chosen))
    if is_meant and form.is_valid():
        try:
            return _done(request, domain, act, chosen, form)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return _question(request, domain, act, people, chosen, form)


def _chosen(request: PanelRequest, domain: Domain) -> AccountQuerySet:
    """The ticked ones, or all that the list's question finds: the own account is left out of what would end
    the own work.
    """
    if request.POST.get("everything"):
        found = Question.of(request.POST).accounts(domain, request.actor)
        person = request.actor.person
        return found.exclude(pk=person.pk) if person and request.POST.get("act") in SPARING_SELF else found
    ticked = [int(text) for text in request.POST.getlist("chosen") if text.isascii() and text.isdigit()]
    return Account.objects.visible_to(request.actor).filter(domain=domain, pk__in=ticked)


def _is_self_spared(request: PanelRequest, domain: Domain, act: str) -> bool:
    person = request.actor.person
    is_inside = person is not None and person.domain_id == domain.pk
    return is_inside and bool(request.POST.get("everything")) and act in SPARING_SELF


def _question(
    request: PanelRequest,
    domain: Domain,
    act: str,
    people: AccountQuerySet,
    chosen: list[int],
    form: forms.Form,
) -> HttpResponse:
    values = {
        "domain": domain,
        "act": act,
        "form": form,
        "heading": question_of(act, len(chosen)),
        "count": len(chosen),
        "chosen": [] if request.POST.get("everything") else chosen,
        "asked": request.POST,
        "addresses": people.order_by("localpart").values_list("address", flat=True)[:NAMES_SHOWN],
        "is_self_spared": _is_self_spared(request, domain, act),
        "is_job": act == "delete" and len(chosen) > actions.MOST_DELETED,
        "more": max(0, len(chosen) - NAMES_SHOWN),
    }
    return render(request, "accounts/act.html", values)


def _done(
    request: PanelRequest, domain: Domain, act: str, chosen: list[int], form: forms.Form
) -> HttpResponse:
    cleaned, by = form.cleaned_data, request.actor
    if act == "password":
        return _passwords(request, domain, chosen, cleaned["password"])
    if act == "delete":
        return _deleted(request, domain, chosen, with_aliases=cleaned["with_aliases"])
    if act == "lock":
        count = actions.lock_accounts(domain, chosen, **cleaned, by=by)
        sentence = ngettext("%(count)d account is locked.", "%(count)d accounts are locked.", count)
    elif act == "unlock":
        count = actions.unlock_accounts(domain, chosen, by=by)
        sentence = ngettext("%(count)d account is unlocked.", "%(count)d accounts are unlocked.", count)
    else:
        count = actions.set_quotas(domain, chosen, quota_bytes=cleaned["quota"], by=by)
        sentence = ngettext(
            "%(count)d account has the new quota.", "%(count)d accounts have the new quota.", count
        )
    messages.success(request, sentence % {"count": count})
    return redirect("accounts", domain.name)


@sensitive_variables("password")
def _passwords(request: PanelRequest, domain: Domain, chosen: list[int], password: str) -> HttpResponse:
    """In the background, for hashing takes its time; the result is shown once, as of a bulk file."""
    if password:
        for person in Account.objects.filter(pk__in=chosen):
            check_policy(password, address=person.address, name=person.name)
    job = bulk_jobs.prepare_password_job(domain, chosen, password=password, by=request.actor)
    bulk_jobs.start_at_once(job, by=request.actor)
    return redirect("bulk-job", domain.name, job.uuid)


def _deleted(request: PanelRequest, domain: Domain, chosen: list[int], *, with_aliases: bool) -> HttpResponse:
    """A few at once; many in the background, part by part, with a page that shows how far it is."""
    if len(chosen) > actions.MOST_DELETED:
        job = bulk_jobs.prepare_deletion_job(domain, chosen, remove_orphans=with_aliases, by=request.actor)
        bulk_jobs.start_at_once(job, by=request.actor)
        return redirect("bulk-job", domain.name, job.uuid)
    count = actions.delete_accounts(domain, chosen, remove_orphans=with_aliases, by=request.actor)
    sentence = ngettext("%(count)d account is deleted.", "%(count)d accounts are deleted.", count)
    messages.success(request, sentence % {"count": count})
    return redirect("accounts", domain.name)
