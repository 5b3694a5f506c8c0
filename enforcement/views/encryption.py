"""Mandatory encryption: of the whole server, of a domain, of an account, and of mail to others."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms import add_refusal
from accounts.models import Account
from domains.models import Domain
from domains.views import managed_domain_of
from enforcement import actions
from enforcement.forms import EncryptionForm, RemoteEncryptionForm
from enforcement.models import EncryptionRule, RemoteEncryption
from enforcement.preview import logins_without_tls
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required

MOST_SHOWN = 100


@superadmin_required
def encryption(request: PanelRequest) -> HttpResponse:
    """The whole server's switch with its preview, and rules for other servers."""
    return _page(request, None)


@superadmin_required
@require_POST
def encryption_switch(request: PanelRequest) -> HttpResponse:
    return _switched(request, None) or redirect("encryption")


@login_required
def domain_encryption(request: PanelRequest, name: str) -> HttpResponse:
    """The domain's switch with its preview."""
    return _page(request, managed_domain_of(request, name))


@login_required
@require_POST
def domain_encryption_switch(request: PanelRequest, name: str) -> HttpResponse:
    domains = Domain.objects.visible_to(request.actor).select_related("node")
    domain = get_object_or_404(domains, name=name)
    return _switched(request, domain) or redirect("domain-encryption", domain.name)


@login_required
@require_POST
def account_encryption(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """For one account: at once, and back."""
    domain = get_object_or_404(Domain.objects.visible_to(request.actor), name=name)
    accounts = Account.objects.visible_to(request.actor).select_related("domain__node").filter(domain=domain)
    account = get_object_or_404(accounts, pk=pk)
    return _switched(request, account) or redirect("account", domain.name, account.pk)


@superadmin_required
@require_POST
def remote_encryption_add(request: PanelRequest) -> HttpResponse:
    form = RemoteEncryptionForm(request.POST)
    if form.is_valid():
        try:
            rule = actions.set_remote_encryption(**form.cleaned_data, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            sentence = _("Mail to %(domain)s: %(level)s.")
            messages.success(request, sentence % {"domain": rule.domain, "level": rule.get_level_display()})
            return redirect("encryption")
    return _page(request, None, remote_form=form)


@superadmin_required
@require_POST
def remote_encryption_delete(request: PanelRequest, pk: int) -> HttpResponse:
    rule = get_object_or_404(RemoteEncryption, pk=pk)
    actions.delete_remote_encryption(rule, by=request.actor)
    messages.success(request, _("The rule for %(domain)s is deleted.") % {"domain": rule.domain})
    return redirect("encryption")


def _switched(request: PanelRequest, owner: Account | Domain | None) -> HttpResponse | None:
    """None when it is done; else the page with what is wrong."""
    if request.POST.get("on") != "yes":
        actions.allow_plaintext(owner, by=request.actor)
        messages.success(request, _("Mail programs may log in without TLS again."))
        return None
    form = EncryptionForm(request.POST)
    if form.is_valid():
        try:
            rule = actions.require_encryption(owner, **form.cleaned_data, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            is_planned = _("Encryption is planned.") if rule.starts_at else _("Encryption is mandatory now.")
            messages.success(request, is_planned)
            return None
    return _page(request, owner if isinstance(owner, Domain) else None, form=form)


def _page(request: PanelRequest, domain: Domain | None, **forms: object) -> HttpResponse:
    plain = logins_without_tls(domain)
    level = EncryptionRule.Level.DOMAIN if domain else EncryptionRule.Level.SERVER
    rules = EncryptionRule.objects.exclude(level=EncryptionRule.Level.SERVER)
    if domain is not None:
        rules = rules.filter(account__domain=domain)
    values = {
        "domain": domain,
        "rule": EncryptionRule.objects.filter(level=level, domain=domain).first(),
        "plain": plain[:MOST_SHOWN],
        "plain_count": len({login.address for login in plain}),
        "rules": rules.select_related("domain", "account__domain").order_by("-pk")[:MOST_SHOWN],
        "remote": RemoteEncryption.objects.all() if domain is None else [],
        "form": EncryptionForm(),
        "remote_form": RemoteEncryptionForm(),
        **forms,
    }
    return render(request, "enforcement/encryption.html", values)
