"""Sending limits: set by the superadmin, seen by everybody whom they concern."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import actions
from accounts.actions.sending import NUMBERS
from accounts.forms import PanelForm, add_refusal
from accounts.models import Account
from accounts.sending import SendingLimit, SendingUse
from accounts.views.manage import account_of
from domains.models import Domain
from domains.views import domain_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required

SERVER_NAME = "server.invalid"


class SendingForm(PanelForm):
    messages_hour = forms.IntegerField(
        label=gettext_lazy("Messages an hour"), min_value=0, max_value=10**9, required=False
    )
    messages_day = forms.IntegerField(
        label=gettext_lazy("Messages a day"), min_value=0, max_value=10**9, required=False
    )
    recipients_hour = forms.IntegerField(
        label=gettext_lazy("Recipients an hour"), min_value=0, max_value=10**9, required=False
    )
    recipients_day = forms.IntegerField(
        label=gettext_lazy("Recipients a day"),
        min_value=0,
        max_value=10**9,
        required=False,
        help_text=gettext_lazy("Empty is no limit."),
    )


@login_required
def sending(request: PanelRequest) -> HttpResponse:
    """What I sent and may send."""
    values = {"rows": _rows(request.user), "use": _use(request.user.address), "account": request.user}
    return render(request, "accounts/sending.html", values)


@login_required
def account_sending(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    person = account_of(request, name, pk)
    back = reverse("account-sending", args=[name, pk])
    values = {"domain": person.domain, "account": person, "rows": _rows(person), "back": back}
    return _page(request, person, person.address, values)


@login_required
def domain_sending(request: PanelRequest, name: str) -> HttpResponse:
    domain = domain_of(request, name)
    values = {"domain": domain, "rows": [_row(_("The whole domain"), _of(domain=domain), domain.name)]}
    return _page(request, domain, domain.name, values | {"back": reverse("domain-sending", args=[name])})


@superadmin_required
def server_sending(request: PanelRequest) -> HttpResponse:
    """The whole server, and every account without a limit of its own."""
    forms_of = {level: _form(request, level, level) for level in ("server", "every-account")}
    for level, form in forms_of.items():
        is_asked = request.POST.get("level") == level and form.is_valid()
        if is_asked and (answer := _saved(request, form, level, reverse("server-sending"))):
            return answer
    values = {
        "server_form": forms_of["server"],
        "account_form": forms_of["every-account"],
        "use": _use(SERVER_NAME),
        "refused": SendingUse.objects.exclude(refusal="").order_by("-refused_at")[:50],
    }
    return render(request, "accounts/server_sending.html", values)


def _page(
    request: PanelRequest, of: Account | Domain, name: str, values: Mapping[str, object]
) -> HttpResponse:
    form = _form(request, of, "") if request.user.is_superuser else None
    if request.method == "POST":
        request.actor.must_be_superadmin()
    if form is not None and form.is_valid() and (answer := _saved(request, form, of, str(values["back"]))):
        return answer
    return render(request, "accounts/sending_of.html", {**values, "form": form, "use": _use(name)})


def _form(request: PanelRequest, of: Account | Domain | str, level: str) -> SendingForm:
    is_posted = request.method == "POST" and request.POST.get("level", "") == level
    found = _of(**_lookup(of))
    initial = {number: getattr(found, number, None) for number in NUMBERS}
    return SendingForm(request.POST if is_posted else None, initial=initial, auto_id=f"id_{level}%s")


def _saved(
    request: PanelRequest, form: SendingForm, of: Account | Domain | str, back: str
) -> HttpResponse | None:
    try:
        actions.set_sending_limit(of, numbers=form.cleaned_data, by=request.actor)
    except ActionRefused as refusal:
        add_refusal(form, refusal)
        return None
    messages.success(request, _("The changes are saved."))
    return redirect(back)


def _lookup(of: Account | Domain | str) -> dict[str, object]:
    if isinstance(of, Account):
        return {"account": of}
    return {"domain": of} if isinstance(of, Domain) else {"level": of}


def _of(**lookup: object) -> SendingLimit | None:
    return SendingLimit.objects.filter(**lookup).first()


def _use(name: str) -> SendingUse | None:
    return SendingUse.objects.filter(name=name).first()


def _row(label: str, limit: SendingLimit | None, name: str) -> dict[str, object]:
    used = _use(name)
    cells = [(getattr(used, number, 0), getattr(limit, number, None)) for number in NUMBERS]
    return {"label": label, "cells": cells}


def _rows(account: Account) -> list[dict[str, object]]:
    """The account's numbers, each its own or that of every account, and its domain's."""
    own, every = _of(account=account), _of(level="every-account")
    merged = SendingLimit(level="account")
    for number in NUMBERS:
        value = getattr(own, number, None)
        setattr(merged, number, getattr(every, number, None) if value is None else value)
    rows = [_row(_("This account"), merged, account.address)]
    if account.domain is not None:
        rows.append(_row(_("The whole domain"), _of(domain=account.domain), account.domain.name))
    return rows
