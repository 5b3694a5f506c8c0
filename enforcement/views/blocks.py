"""Blocked addresses, and logins that are stopped after guessing."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms import add_refusal
from enforcement import actions
from enforcement.forms import BlockForm
from enforcement.models import Block
from provisioning.life import lives_of
from provisioning.models import SERVER_SCOPE, Node
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import newest_first, superadmin_required


@superadmin_required
def blocks(request: PanelRequest) -> HttpResponse:
    """Who is blocked and why, and the form for another one."""
    form = BlockForm(request.POST or None)
    if form.is_valid():
        try:
            block = actions.add_block(**form.cleaned_data, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(network)s is blocked.") % {"network": block})
            return redirect("blocks")
    page = newest_first(Block.objects.all(), request)
    lives = lives_of(SERVER_SCOPE, [block.key for block in page.rows])
    rows = [(block, lives[block.key]) for block in page.rows]
    # Whose parts refuse in place of a packet filter.
    unfiltered = Node.objects.exclude(filter_fault="").order_by("pk")
    values = {"form": form, "rows": rows, "page": page, "unfiltered": unfiltered}
    return render(request, "enforcement/blocks.html", values)


@superadmin_required
@require_POST
def block_lift(request: PanelRequest, pk: int) -> HttpResponse:
    block = get_object_or_404(Block, pk=pk)
    actions.lift_block(block, by=request.actor)
    messages.success(request, _("%(network)s may connect again.") % {"network": block})
    return redirect("blocks")
