"""The spam pages of a user, a domain and the server: one page in three places."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.forms import add_refusal
from accounts.models import Account
from accounts.views.life import life_fragment
from antispam import actions
from antispam.actions.owner import Owner, preference_of
from antispam.forms import SenderForm, SpamPreferenceForm, preference_values
from antispam.models import SenderListEntry, SpamPreference, TaughtBatch
from domains.models import Domain
from domains.views import managed_domain_of
from provisioning.life import life_of
from provisioning.models import SERVER_SCOPE
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required

BATCHES_SHOWN = 20
MESSAGES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Whose page it is, and where its forms lead."""

    owner: Owner
    page: str
    arguments: tuple[str, ...] = ()

    def url(self, part: str = "") -> str:
        return reverse(self.page + part, args=self.arguments)


def _mine(request: PanelRequest) -> Place:
    if not request.user.has_mailbox:
        raise PermissionDenied
    return Place(request.user, "spam")


def _of_domain(request: PanelRequest, name: str) -> Place:
    domain = managed_domain_of(request, name)
    return Place(domain, "domain-spam", (domain.name,))


SERVER = Place(None, "server-spam")


@login_required
def spam(request: PanelRequest) -> HttpResponse:
    """What becomes of my mail when it looks like spam, and what I taught."""
    place = _mine(request)
    batches = TaughtBatch.objects.visible_to(request.actor).prefetch_related("messages")[:BATCHES_SHOWN]
    return _page(request, place, {"batches": batches, "messages_shown": f":{MESSAGES_SHOWN}"})


@login_required
def domain_spam(request: PanelRequest, name: str) -> HttpResponse:
    """What counts in the domain where a user wishes nothing else."""
    place = _of_domain(request, name)
    return _page(request, place, {"domain": place.owner})


@superadmin_required
def server_spam(request: PanelRequest) -> HttpResponse:
    """What counts where neither domain nor user wishes anything."""
    return _page(request, SERVER, {})


@login_required
@require_POST
def spam_senders(request: PanelRequest) -> HttpResponse:
    return _add(request, _mine(request))


@login_required
@require_POST
def domain_spam_senders(request: PanelRequest, name: str) -> HttpResponse:
    return _add(request, _of_domain(request, name))


@superadmin_required
@require_POST
def server_spam_senders(request: PanelRequest) -> HttpResponse:
    return _add(request, SERVER)


@login_required
@require_POST
def spam_sender_remove(request: PanelRequest) -> HttpResponse:
    return _remove(request, _mine(request))


@login_required
@require_POST
def domain_spam_sender_remove(request: PanelRequest, name: str) -> HttpResponse:
    return _remove(request, _of_domain(request, name))


@superadmin_required
@require_POST
def server_spam_sender_remove(request: PanelRequest) -> HttpResponse:
    return _remove(request, SERVER)


@login_required
@require_POST
def spam_undo(request: PanelRequest, pk: int) -> HttpResponse:
    """Take back what I taught."""
    batch = get_object_or_404(TaughtBatch.objects.visible_to(request.actor), pk=pk)
    actions.undo_teaching(batch, by=request.actor)
    messages.success(request, _("It is taken back within seconds: spam returns to the INBOX."))
    return redirect("spam")


@login_required
def spam_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether my last change is live."""
    return life_fragment(request, _life(request.user, preference_of(request.user)))


def _page(request: PanelRequest, place: Place, values: dict[str, object]) -> HttpResponse:
    form = _preference_form(place, request.POST or None)
    if form.is_valid():
        try:
            actions.set_spam_preference(place.owner, **form.settings(), by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The spam settings are saved."))
            return redirect(place.url())
    return _shown(request, place, form, SenderForm(initial={"kind": SenderListEntry.Kind.DENY}), values)


def _add(request: PanelRequest, place: Place) -> HttpResponse:
    form = SenderForm(request.POST)
    if form.is_valid():
        kind = SenderListEntry.Kind(form.cleaned_data["kind"])
        try:
            count = actions.add_sender_entries(
                place.owner, kind=kind, patterns=form.cleaned_data["patterns"], by=request.actor
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            sentence = ngettext("%(count)d entry is added.", "%(count)d entries are added.", count)
            messages.success(request, sentence % {"count": count})
            return redirect(place.url())
    domain = place.owner if isinstance(place.owner, Domain) else None
    return _shown(request, place, _preference_form(place), form, {"domain": domain} if domain else {})


def _preference_form(place: Place, typed: QueryDict | None = None) -> SpamPreferenceForm:
    return SpamPreferenceForm(
        typed,
        initial=preference_values(preference_of(place.owner)),
        below=_below(place.owner),
        has_days=not isinstance(place.owner, Account),
    )


def _remove(request: PanelRequest, place: Place) -> HttpResponse:
    pattern = request.POST.get("pattern", "")
    actions.remove_sender_entry(place.owner, pattern=pattern, by=request.actor)
    messages.success(request, _("%(pattern)s is off the list.") % {"pattern": pattern})
    return redirect(place.url())


def _shown(
    request: PanelRequest,
    place: Place,
    form: SpamPreferenceForm,
    sender_form: SenderForm,
    values: dict[str, object],
) -> HttpResponse:
    found = preference_of(place.owner)
    entries = list(found.entries.all()) if found else []
    return render(
        request,
        "antispam/preferences.html",
        {
            "form": form,
            "sender_form": sender_form,
            "allowed": [entry for entry in entries if entry.kind == SenderListEntry.Kind.ALLOW],
            "denied": [entry for entry in entries if entry.kind == SenderListEntry.Kind.DENY],
            "is_mine": isinstance(place.owner, Account),
            "is_server": place.owner is None,
            "save_url": place.url(),
            "add_url": place.url("-senders"),
            "remove_url": place.url("-sender-remove"),
            "poll": place.url("-life") if isinstance(place.owner, Account) else "",
            **_life(place.owner, found),
            **values,
        },
    )


def _life(owner: Owner, found: SpamPreference | None) -> dict[str, object]:
    saved_at = found.changed_at if found else None
    if owner is None:
        return {"life": life_of(SERVER_SCOPE, "*"), "saved_at": saved_at}
    domain = owner if isinstance(owner, Domain) else owner.domain
    if domain is None:
        return {"life": None}
    key = owner.name if isinstance(owner, Domain) else owner.address
    return {"life": life_of(domain.scope, key), "life_key": key, "saved_at": saved_at}


def _below(owner: Owner) -> str:
    if isinstance(owner, Account):
        return _("as my domain has it")
    return _("as the server has it") if isinstance(owner, Domain) else _("as SpamAssassin has it")
