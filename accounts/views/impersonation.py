"""Acting for somebody: the way in with a reason, the switch for writing, the way back."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.forms import ImpersonationForm, add_refusal
from accounts.models import Account
from qmailux_site import impersonation
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest


@login_required
def impersonate(request: PanelRequest, pk: int) -> HttpResponse:
    """Asks for the reason, then shows the panel as that person sees it."""
    accounts = Account.objects.visible_to(request.actor).select_related("domain")
    account = get_object_or_404(accounts, pk=pk)
    actions.check_impersonation(account, by=request.actor)
    form = ImpersonationForm(request.POST or None)
    if form.is_valid():
        try:
            reason = actions.start_impersonation(account, by=request.actor, **form.cleaned_data)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            impersonation.begin(request, account, reason)
            return redirect("home")
    values = {"account": account, "domain": account.domain, "form": form}
    return render(request, "accounts/impersonate.html", values)


@login_required
def impersonation_writing(request: PanelRequest) -> HttpResponse:
    """Looking only until this has been confirmed."""
    if request.actor.acting_as is None:
        raise PermissionDenied
    if request.method == "POST":
        actions.allow_writing(by=request.actor)
        impersonation.open_for_writing(request)
        return redirect("home")
    return render(request, "accounts/impersonation_writing.html")


@login_required
@require_POST
def impersonation_end(request: PanelRequest) -> HttpResponse:
    """One click back to the own name."""
    real = request.actor.real
    if request.actor.acting_as is None or real is None:
        return redirect("home")
    return impersonation.end(request, real=real, by=request.actor.itself(), why="")
