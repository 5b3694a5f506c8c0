"""The user's app passwords, and the postmaster's revoking of them."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.forms import AppPasswordForm, add_refusal
from accounts.models import AppPassword
from accounts.views.life import life_of_account
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest


@sensitive_variables("password")
@never_cache
@login_required
def app_passwords(request: PanelRequest) -> HttpResponse:
    """My app passwords; a new one is shown on the answer to its form and never again."""
    form = AppPasswordForm(request.POST or None)
    made, password = None, ""
    if form.is_valid():
        try:
            name = form.cleaned_data["name"]
            made, password = actions.add_app_password(request.user, name=name, by=request.actor)
            form = AppPasswordForm()
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    values = {
        "form": form,
        "made": made,
        "password": password,
        "app_passwords": request.user.app_passwords.all(),
        "life": life_of_account(request.user),
    }
    return render(request, "accounts/app_passwords.html", values)


@login_required
@require_POST
def app_password_revoke(request: PanelRequest, pk: int) -> HttpResponse:
    """The program that has it logs in no more."""
    visible = AppPassword.objects.visible_to(request.actor).select_related("account__domain__node")
    app_password = get_object_or_404(visible, pk=pk)
    account = app_password.account
    actions.revoke_app_password(app_password, by=request.actor)
    messages.success(request, _("The app password “%(name)s” is revoked.") % {"name": app_password.name})
    if account.pk == request.user.pk or account.domain is None:
        return redirect("app-passwords")
    return redirect("account", account.domain.name, account.pk)
