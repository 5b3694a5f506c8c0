"""The postmaster's pages of one account."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.forms import AccountForm, DeleteForm, LockForm, NewAccountForm, NewPasswordForm, add_refusal
from accounts.models import Account
from accounts.passwords import random_password
from domains.models import Domain
from provisioning.life import life_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest

MEBIBYTE = 1024 * 1024


def domain_of(request: PanelRequest, name: str) -> Domain:
    """The domain, if the person may see it; else 404."""
    return get_object_or_404(Domain.objects.visible_to(request.actor).select_related("node"), name=name)


def account_of(request: PanelRequest, name: str, pk: int) -> Account:
    domain = domain_of(request, name)
    accounts = Account.objects.visible_to(request.actor).select_related("domain__node")
    return get_object_or_404(accounts, pk=pk, domain=domain)


@login_required
def account_add(request: PanelRequest, name: str) -> HttpResponse:
    """A new account; a random password is shown once, on the page that follows."""
    domain = domain_of(request, name)
    form = NewAccountForm(request.POST or None)
    if form.is_valid():
        password = form.cleaned_data["password"] or random_password()
        try:
            added = actions.add_account(
                domain=domain,
                localpart=form.cleaned_data["localpart"],
                password=password,
                name=form.cleaned_data["name"],
                quota_bytes=form.cleaned_data["quota"],
                by=request.actor,
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            shown = "" if form.cleaned_data["password"] else password
            values = {"domain": domain, "account": added, "password": shown, "life": _life(added)}
            return render(request, "accounts/added.html", values)
    return render(request, "accounts/add.html", {"domain": domain, "form": form})


@login_required
def account(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """One account: what it is, and everything that can be done to it."""
    person = account_of(request, name, pk)
    initial = {"name": person.name, "quota": person.quota_bytes // MEBIBYTE, "language": person.language}
    form = AccountForm(request.POST or None, initial=initial)
    if form.is_valid():
        try:
            actions.edit_account(
                person,
                name=form.cleaned_data["name"],
                quota_bytes=form.cleaned_data["quota"],
                language=form.cleaned_data["language"],
                by=request.actor,
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The changes are saved."))
            return redirect("account", name, pk)
    return _account_page(request, person, form=form)


@login_required
@require_POST
def account_password(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Set a password; a random one is shown once."""
    person = account_of(request, name, pk)
    form = NewPasswordForm(request.POST)
    if form.is_valid():
        password = form.cleaned_data["password"] or random_password()
        try:
            actions.change_password(person, password=password, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            shown = "" if form.cleaned_data["password"] else password
            values = {"domain": person.domain, "account": person, "password": shown, "life": _life(person)}
            return render(request, "accounts/password_set.html", values)
    return _account_page(request, person, password_form=form)


@login_required
@require_POST
def account_lock(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Lock, with a reason and the fate of incoming mail."""
    person = account_of(request, name, pk)
    form = LockForm(request.POST)
    if form.is_valid():
        actions.lock_account(
            person, reason=form.cleaned_data["reason"], mode=form.cleaned_data["mode"], by=request.actor
        )
        messages.success(request, _("%(address)s is locked.") % {"address": person.address})
        return redirect("account", name, pk)
    return _account_page(request, person, lock_form=form)


@login_required
@require_POST
def account_unlock(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    person = account_of(request, name, pk)
    actions.unlock_account(person, by=request.actor)
    messages.success(request, _("%(address)s is unlocked.") % {"address": person.address})
    return redirect("account", name, pk)


@login_required
def account_delete(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Asks, with what leads here and the address typed."""
    person = account_of(request, name, pk)
    form = DeleteForm(request.POST or None, expected=person.address)
    if form.is_valid():
        try:
            actions.delete_account(person, remove_orphans=form.cleaned_data["with_aliases"], by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(address)s is deleted.") % {"address": person.address})
            return redirect("domain", name)
    leading_here = person.alias_targets.select_related("alias").order_by("alias__address")[:50]
    values = {"domain": person.domain, "account": person, "form": form, "leading_here": leading_here}
    return render(request, "accounts/delete.html", values)


def _account_page(request: PanelRequest, person: Account, **forms: object) -> HttpResponse:
    values = {
        "domain": person.domain,
        "account": person,
        "life": _life(person),
        "aliases": person.alias_targets.select_related("alias").order_by("alias__address")[:50],
        "form": AccountForm(
            initial={
                "name": person.name,
                "quota": person.quota_bytes // MEBIBYTE,
                "language": person.language,
            }
        ),
        "password_form": NewPasswordForm(),
        "lock_form": LockForm(),
        **forms,
    }
    return render(request, "accounts/account.html", values)


def _life(person: Account) -> object:
    return life_of(person.domain.scope, person.address) if person.domain else None
