"""The superadmin's page of protections."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms import add_refusal
from accounts.views.life import life_fragment
from antispam import actions
from antispam.actions.protections import states
from antispam.blocklists import silent_lists
from antispam.counts import UNSCANNED, UNSCANNED_OUTGOING, stopped_since
from antispam.forms import AllowedForm
from antispam.models import AllowedPast, UpdateRun
from antispam.parts import faults_of_parts, taught_since, updated
from antispam.protections import BY_NAME, CHOICES, PAST_WORDS, STAGE_NAMES
from provisioning.life import life_of
from provisioning.models import SERVER_SCOPE
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required


@superadmin_required
def protections(request: PanelRequest) -> HttpResponse:
    """What stands between the world and the mailboxes, in the order in which a message meets it."""
    return _page(request)


@superadmin_required
@require_POST
def protection_switch(request: PanelRequest, name: str) -> HttpResponse:
    """On or off."""
    if name not in BY_NAME:
        raise Http404
    is_on = request.POST.get("on") == "yes"
    actions.set_protection(name, is_on=is_on, by=request.actor)
    sentence = _("%(title)s: on.") if is_on else _("%(title)s: off.")
    messages.success(request, sentence % {"title": BY_NAME[name].title})
    return redirect("protections")


@superadmin_required
@require_POST
def protection_options(request: PanelRequest, name: str) -> HttpResponse:
    """Its further settings, words parted by blanks."""
    if name not in BY_NAME:
        raise Http404
    typed = {
        option: request.POST.get(option, "") for option in BY_NAME[name].options if option in request.POST
    }
    options = {option: text.split() for option, text in typed.items()}
    try:
        silent = silent_lists(options)
        actions.set_protection(name, options=options, by=request.actor)
    except ActionRefused as refusal:
        return _page(request, wrong=name, typed=typed, fault=refusal.message)
    for zone in silent:
        messages.warning(request, _("%(zone)s does not answer as a block list does.") % {"zone": zone})
    messages.success(request, _("%(title)s is saved.") % {"title": BY_NAME[name].title})
    return redirect("protections")


@superadmin_required
def protections_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether the last switch is live."""
    return life_fragment(request, {"life": life_of(SERVER_SCOPE, "*")})


@superadmin_required
@require_POST
def allowed_add(request: PanelRequest) -> HttpResponse:
    """A network or sender goes past them all."""
    form = AllowedForm(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            entry = actions.allow_past(
                values["value"], passes_viruses=values["passes_viruses"], by=request.actor
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(value)s goes past the protections.") % {"value": entry.value})
            return redirect("protections")
    return _page(request, allowed_form=form)


@superadmin_required
@require_POST
def allowed_remove(request: PanelRequest) -> HttpResponse:
    value = request.POST.get("value", "")
    actions.stop_allowing(value, by=request.actor)
    messages.success(request, _("%(value)s meets the protections again.") % {"value": value})
    return redirect("protections")


@superadmin_required
@require_POST
def update_ask(request: PanelRequest, kind: str) -> HttpResponse:
    """Look for new signatures or rules now."""
    if kind not in UpdateRun.Kind.values:
        raise Http404
    actions.ask_for_update(UpdateRun.Kind(kind), by=request.actor)
    messages.success(request, _("The server looks for updates within half a minute."))
    return redirect("protections")


def _page(
    request: PanelRequest,
    *,
    wrong: str = "",
    typed: dict[str, str] | None = None,
    fault: str = "",
    allowed_form: AllowedForm | None = None,
) -> HttpResponse:
    today = timezone.localdate()
    day, month = stopped_since(today), stopped_since(today - timedelta(days=29))
    parts = faults_of_parts()
    rows = [
        {
            "kind": BY_NAME[name],
            "stage": STAGE_NAMES[BY_NAME[name].stage],
            "past": PAST_WORDS[BY_NAME[name].past],
            "is_on": is_on,
            "part": parts.get(BY_NAME[name].daemon),
            "today": day.get(name, 0),
            "month": month.get(name, 0),
            "options": [
                {
                    "name": option,
                    "label": _OPTION_LABELS[option](),
                    "text": (typed or {}).get(option, " ".join(words)) if name == wrong else " ".join(words),
                    "choices": [(choice, _choice_label(choice)) for choice in CHOICES.get(option, ())],
                }
                for option, words in options.items()
            ],
            "fault": fault if name == wrong else "",
        }
        for name, (is_on, options) in states().items()
    ]
    values = {
        "rows": rows,
        "unscanned_today": day.get(UNSCANNED, 0),
        "unscanned_month": month.get(UNSCANNED, 0),
        "sent_unscanned_today": day.get(UNSCANNED_OUTGOING, 0),
        "sent_unscanned_month": month.get(UNSCANNED_OUTGOING, 0),
        "life": life_of(SERVER_SCOPE, "*"),
        "allowed": AllowedPast.objects.all(),
        "allowed_form": allowed_form or AllowedForm(),
        "updated": [updated(kind) for kind in UpdateRun.Kind],
        "taught": taught_since(today, today - timedelta(days=29)),
    }
    return render(request, "antispam/protections.html", values)


_OPTION_LABELS = {
    "sites": lambda: _("Lists, each with the answers that count"),
    "endings": lambda: _("Endings of file names"),
    "on_failure": lambda: _("While the scanner is down"),
    "encrypted": lambda: _("Mail with an archive that has a password"),
    "scored_sites": lambda: _("Lists, each with the answers that count and its points"),
    "threshold": lambda: _("Points at which a server is refused"),
    "greet_wait": lambda: _("Seconds until the greeting"),
    "found": lambda: _("What is found"),
    "points": lambda: _("Points at which it is spam"),
    "bad_signature": lambda: _("Mail with a broken signature"),
}
_CHOICE_LABELS = {
    "defer": lambda: _("senders try again later"),
    "accept": lambda: _("mail passes unsearched"),
    "pass": lambda: _("passes"),
    "refuse": lambda: _("is refused"),
    "hold": lambda: _("is put on hold"),
    "note": lambda: _("passes, the result is noted"),
}


def _choice_label(choice: str) -> str:
    """A number is its own word."""
    return _CHOICE_LABELS[choice]() if choice in _CHOICE_LABELS else choice
