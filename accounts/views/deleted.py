"""Deleted mailboxes of a domain, which can come back."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.models import DeletedMailbox
from accounts.querysets import DeletedMailboxQuerySet
from domains.models import Domain
from domains.views import domain_of
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import newest_first


@login_required
def deleted(request: PanelRequest, name: str) -> HttpResponse:
    """The last deleted first, each with the day on which it is erased."""
    domain = domain_of(request, name)
    page = newest_first(_kept(request, domain).defer("settings", "aliases"), request)
    keep = timedelta(days=settings.QMAILUX_DELETED_KEEP_DAYS)
    rows = [(mailbox, mailbox.deleted_at + keep) for mailbox in page.rows]
    values = {"domain": domain, "page": page, "rows": rows, "days": settings.QMAILUX_DELETED_KEEP_DAYS}
    return render(request, "accounts/deleted.html", values)


@login_required
@require_POST
def deleted_restore(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """The account is again as it was."""
    domain = domain_of(request, name)
    mailbox = get_object_or_404(_kept(request, domain), pk=pk)
    account = actions.restore_mailbox(mailbox, by=request.actor)
    sentence = _("%(address)s is back with its mail, password and settings.")
    messages.success(request, sentence % {"address": account.address})
    return redirect("account", domain.name, account.pk)


def _kept(request: PanelRequest, domain: Domain) -> DeletedMailboxQuerySet:
    mailboxes = DeletedMailbox.objects.visible_to(request.actor).restorable()
    return mailboxes.filter(domain_name=domain.name, deleted_at__gte=domain.created_at)
