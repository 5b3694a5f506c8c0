"""Locks of the whole server and of domains, and which locks there are."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms import add_refusal
from accounts.models import Account, State
from domains import actions as domain_actions
from domains.models import Domain
from domains.names import canonical_domain
from enforcement import actions
from enforcement.forms import DomainLockForm, ServerLockForm
from enforcement.models import ServerLock
from provisioning.life import life_of
from provisioning.models import SERVER_SCOPE
from provisioning.outbox import SERVER_LOCK
from qmailux_site.counting import count_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required

MOST_LOCKS_SHOWN = 100


@superadmin_required
def locks(request: PanelRequest) -> HttpResponse:
    """The lock of the whole server, and every other one."""
    form = ServerLockForm(request.POST or None)
    if form.is_valid():
        try:
            actions.lock_server(**form.cleaned_data, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(
                request, _("The whole server is locked: nobody logs in to mail, nothing leaves.")
            )
            return redirect("locks")
    locked_accounts = Account.objects.visible_to(request.actor).filter(state=State.LOCKED)
    locked_domains = Domain.objects.visible_to(request.actor).filter(state=State.LOCKED)
    values = {
        "form": form,
        "lock": ServerLock.objects.first(),
        "life": life_of(SERVER_SCOPE, SERVER_LOCK),
        "accounts": locked_accounts.select_related("domain").order_by("address")[:MOST_LOCKS_SHOWN],
        "account_count": count_of(locked_accounts),
        "domains": locked_domains.order_by("name")[:MOST_LOCKS_SHOWN],
        "domain_count": count_of(locked_domains),
    }
    return render(request, "enforcement/locks.html", values)


@superadmin_required
@require_POST
def server_unlock(request: PanelRequest) -> HttpResponse:
    """Everything is as it was before."""
    actions.unlock_server(by=request.actor)
    messages.success(request, _("The server is unlocked: everything is as it was before."))
    return redirect("locks")


@superadmin_required
def domain_lock(request: PanelRequest, name: str) -> HttpResponse:
    """Asks for the reason, the end and the fate of incoming mail, then locks."""
    domain = get_object_or_404(Domain.objects.visible_to(request.actor), name=canonical_domain(name))
    form = DomainLockForm(request.POST or None)
    if form.is_valid():
        try:
            domain_actions.lock_domain(domain, **form.cleaned_data, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            sentence = _("%(domain)s is locked: nobody of it logs in, running sessions end.")
            messages.success(request, sentence % {"domain": domain})
            return redirect("domain", domain.name)
    count = count_of(Account.objects.filter(domain=domain))
    return render(request, "enforcement/domain_lock.html", {"domain": domain, "form": form, "count": count})


@superadmin_required
@require_POST
def domain_unlock(request: PanelRequest, name: str) -> HttpResponse:
    """Accounts that are locked themselves stay locked."""
    domain = get_object_or_404(Domain.objects.visible_to(request.actor), name=canonical_domain(name))
    domain_actions.unlock_domain(domain, by=request.actor)
    messages.success(request, _("%(domain)s is unlocked.") % {"domain": domain})
    return redirect("domain", domain.name)
