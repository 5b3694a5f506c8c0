"""The postmaster's pages of one account."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.forms import (
    AccountForm,
    DeleteForm,
    LockForm,
    NewAccountForm,
    NewPasswordForm,
    add_refusal,
    initial_of,
)
from accounts.leaving import Departure
from accounts.models import Account, Alias, DeletedMailbox
from accounts.passwords import random_password
from accounts.target_forms import ForwardingForm, forwarding_of
from accounts.views.life import life_of_account
from domains.models import Domain
from domains.views import domain_of, managed_domain_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest


def account_of(request: PanelRequest, name: str, pk: int) -> Account:
    """The account, if it lies in this domain and the person manages it; else 404."""
    accounts = Account.objects.visible_to(request.actor).select_related("domain__node")
    return get_object_or_404(accounts, pk=pk, domain=domain_of(request, name))


def managed_account_of(request: PanelRequest, name: str, pk: int) -> Account:
    """As account_of; 403 for who may look but not change."""
    managed_domain_of(request, name)
    return account_of(request, name, pk)


@sensitive_post_parameters()
@sensitive_variables("password", "form")
@never_cache
@login_required
def account_add(request: PanelRequest, name: str) -> HttpResponse:
    """A new account; a random password is shown once, on the page that follows."""
    domain = managed_domain_of(request, name)
    form = NewAccountForm(
        request.POST or None,
        initial={"language": domain.language},
        was_deleted=_was_deleted(request.POST.get("localpart", ""), domain),
    )
    if form.is_valid():
        password = form.cleaned_data["password"] or random_password()
        try:
            added = actions.add_account(
                domain=domain,
                localpart=form.cleaned_data["localpart"],
                password=password,
                name=form.cleaned_data["name"],
                quota_bytes=form.cleaned_data["quota"],
                language=form.cleaned_data["language"],
                despite_deleted=form.cleaned_data.get("despite_deleted", False),
                by=request.actor,
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            return _password_page(
                request, added, "" if form.cleaned_data["password"] else password, is_new=True
            )
    return render(request, "accounts/add.html", {"domain": domain, "form": form})


@login_required
def account(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """One account: what it is, and everything that can be done to it."""
    find = managed_account_of if request.method == "POST" else account_of
    person = find(request, name, pk)
    form = AccountForm(request.POST or None, initial=initial_of(person))
    if form.is_valid():
        try:
            actions.edit_account(person, **form.changes(), by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The changes are saved."))
            return redirect("account", name, pk)
    return _account_page(request, person, form=form)


@sensitive_post_parameters()
@sensitive_variables("password", "form")
@never_cache
@login_required
@require_POST
def account_password(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Set a password; a random one is shown once."""
    person = managed_account_of(request, name, pk)
    form = NewPasswordForm(request.POST)
    if form.is_valid():
        password = form.cleaned_data["password"] or random_password()
        try:
            actions.change_password(person, password=password, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            return _password_page(request, person, "" if form.cleaned_data["password"] else password)
    return _account_page(request, person, password_form=form)


@login_required
def account_lock(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Asks for the reason and the fate of incoming mail, then locks."""
    person = managed_account_of(request, name, pk)
    form = LockForm(request.POST or None)
    if form.is_valid():
        try:
            actions.lock_account(person, **form.cleaned_data, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            sentence = _("%(address)s is locked: nobody logs in, running sessions end.")
            messages.success(request, sentence % {"address": person.address})
            return redirect("account", name, pk)
    return render(request, "accounts/lock.html", {"domain": person.domain, "account": person, "form": form})


@login_required
@require_POST
def account_unlock(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """The lock goes at once."""
    person = account_of(request, name, pk)
    actions.unlock_account(person, by=request.actor)
    messages.success(request, _("%(address)s is unlocked.") % {"address": person.address})
    return redirect("account", name, pk)


@login_required
@require_POST
def account_forwarding(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Set for somebody, who is told of addresses outside."""
    person = managed_account_of(request, name, pk)
    form = ForwardingForm(request.POST)
    if form.is_valid():
        try:
            actions.set_forwarding(person, **form.cleaned_data, seen=form.seen(), by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The forwarding is saved."))
            return redirect("account", name, pk)
    return _account_page(request, person, forwarding_form=form)


@login_required
@require_POST
def account_second_factor_off(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """For somebody who has lost the phone; the password alone opens panel and mailbox again."""
    person = account_of(request, name, pk)
    actions.turn_off_second_factor(person, by=request.actor)
    sentence = _("Two-step login of %(address)s is off.")
    messages.success(request, sentence % {"address": person.address})
    return redirect("account", name, pk)


@login_required
def account_delete(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Asks, with what leads here and the address typed."""
    person = managed_account_of(request, name, pk)
    form = DeleteForm(request.POST or None, expected=person.address)
    if form.is_valid():
        try:
            actions.delete_account(person, remove_orphans=form.cleaned_data["with_aliases"], by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(address)s is deleted.") % {"address": person.address})
            return redirect("accounts", name)
    values = {"domain": person.domain, "account": person, "form": form, "aliases": _aliases_to(person)}
    return render(request, "accounts/delete.html", values)


def _was_deleted(localpart: str, domain: Domain) -> bool:
    address = f"{localpart.strip().lower()}@{domain.name}"
    return DeletedMailbox.objects.restorable().filter(address=address).exists()


def _account_page(request: PanelRequest, person: Account, **forms: object) -> HttpResponse:
    values = {
        "domain": person.domain,
        "account": person,
        "life": life_of_account(person),
        "life_key": person.address,
        "aliases": _aliases_to(person),
        "departure": Departure.objects.filter(account=person).select_related("colleague").first(),
        "app_passwords": person.app_passwords.all(),
        "form": AccountForm(initial=initial_of(person)),
        "password_form": NewPasswordForm(),
        "forwarding_form": ForwardingForm(initial=forwarding_of(person)),
        **forms,
    }
    return render(request, "accounts/account.html", values)


def _password_page(
    request: PanelRequest, person: Account, shown: str, *, is_new: bool = False
) -> HttpResponse:
    """shown: a random password, which is seen here and never again."""
    values = {
        "domain": person.domain,
        "account": person,
        "password": shown,
        "is_new": is_new,
        "life": life_of_account(person),
        "life_key": person.address,
        "saved_at": person.password_changed_at,
    }
    return render(request, "accounts/password_set.html", values)


def _aliases_to(person: Account) -> list[Alias]:
    targets = person.alias_targets.select_related("alias").order_by("alias__address")
    return [target.alias for target in targets[:50]]
