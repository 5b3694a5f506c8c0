"""The user's filters."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.filter_forms import ConditionFormSet, FilterForm, TrialForm, conditions_of, filter_of
from accounts.filtering import FilterRule, FilterTrial
from accounts.forms import add_refusal
from accounts.models import Account
from accounts.views.life import life_fragment, life_of_account
from provisioning.life import NEXT_LOOK_MILLISECONDS
from provisioning.trials import order_trial
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest

PLACES = {"up": -1, "down": 1}


@login_required
def filters(request: PanelRequest) -> HttpResponse:
    """My rules in their order."""
    rules = FilterRule.objects.visible_to(request.actor).prefetch_related("conditions")
    values = {"rules": rules, **_life(_owner(request))}
    return render(request, "accounts/filters.html", values)


@login_required
def filters_try(request: PanelRequest) -> HttpResponse:
    """Which rule fires for a message."""
    account = _owner(request)
    form = TrialForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            trial = actions.ask_for_trial(account, message=form.cleaned_data["message"], by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            order_trial(trial)
            return redirect(f"{reverse('filters-try')}#result")
    return render(request, "accounts/filters_try.html", {"form": form, "trial": _trial(account)})


@login_required
def filters_trial(request: PanelRequest) -> HttpResponse:
    """The fragment with the result."""
    values = {"trial": _trial(request.user), "delay": NEXT_LOOK_MILLISECONDS}
    return render(request, "accounts/_trial.html", values)


@login_required
def filter_add(request: PanelRequest) -> HttpResponse:
    """A new rule, the last one."""
    return _rule_page(request, None)


@login_required
def filter_edit(request: PanelRequest, pk: int) -> HttpResponse:
    """What the rule says."""
    return _rule_page(request, _rule(request, pk))


@login_required
@require_POST
def filter_switch(request: PanelRequest, pk: int) -> HttpResponse:
    """On or off, without deleting."""
    rule = _rule(request, pk)
    actions.switch_filter(rule, is_on=not rule.is_on, by=request.actor)
    sentence = _("The rule “%(name)s” is off.") if rule.is_on else _("The rule “%(name)s” is on.")
    messages.success(request, sentence % {"name": rule.name})
    return redirect("filters")


@login_required
@require_POST
def filter_move(request: PanelRequest, pk: int, way: str) -> HttpResponse:
    """One place up or down."""
    actions.move_filter(_rule(request, pk), places=PLACES.get(way, 0), by=request.actor)
    return redirect("filters")


@login_required
@require_POST
def filter_delete(request: PanelRequest, pk: int) -> HttpResponse:
    """Mail that it has filed stays where it is."""
    rule = _rule(request, pk)
    actions.delete_filter(rule, by=request.actor)
    messages.success(request, _("The rule “%(name)s” is deleted.") % {"name": rule.name})
    return redirect("filters")


@login_required
def filters_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether my last change is live."""
    return life_fragment(request, _life(request.user))


def _rule_page(request: PanelRequest, rule: FilterRule | None) -> HttpResponse:
    account = _owner(request)
    form = FilterForm(request.POST or None, initial=filter_of(rule))
    rows = ConditionFormSet(request.POST or None, initial=conditions_of(rule), prefix="conditions")
    if request.method == "POST" and form.is_valid() and rows.is_valid():
        settings = form.settings(rows.forms)
        try:
            if rule is None:
                rule = actions.add_filter(account, settings, by=request.actor)
            else:
                actions.edit_filter(rule, settings, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The rule “%(name)s” is saved.") % {"name": rule.name})
            return redirect("filter", rule.pk) if "more" in request.POST else redirect("filters")
    return render(request, "accounts/filter.html", {"form": form, "rows": rows, "rule": rule})


def _trial(account: Account) -> FilterTrial | None:
    return FilterTrial.objects.filter(account=account).first()


def _rule(request: PanelRequest, pk: int) -> FilterRule:
    return get_object_or_404(FilterRule.objects.visible_to(request.actor).select_related("account"), pk=pk)


def _owner(request: PanelRequest) -> Account:
    if not request.user.has_mailbox:
        raise PermissionDenied
    return request.user


def _life(account: Account) -> dict[str, object]:
    """Saved when a rule was last touched; what the script waits for may be another setting too."""
    newest = FilterRule.objects.filter(account=account).order_by("-changed_at").first()
    if newest is None:
        return {"life": None}
    return {"life": life_of_account(account), "saved_at": newest.changed_at}
