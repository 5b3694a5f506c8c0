"""The superadmin's pages of webmails."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms import add_refusal
from accounts.views.life import life_fragment
from domains.models import Domain
from provisioning.life import life_of
from provisioning.models import SERVER_SCOPE
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required
from webmail import actions
from webmail.catalogue import catalogue, logo_address, preferences_of
from webmail.forms import WebmailForm, WebmailPreferenceForm
from webmail.models import Webmail, WebmailPreference

YEAR_SECONDS = 365 * 86400


@superadmin_required
def webmails(request: PanelRequest) -> HttpResponse:
    """Which there are, which are offered, and what the server calls them."""
    return _preferences(request, None)


@superadmin_required
def webmail_domain(request: PanelRequest, name: str) -> HttpResponse:
    """What one domain has of its own."""
    return _preferences(request, get_object_or_404(Domain.objects.visible_to(request.actor), name=name))


@superadmin_required
@require_POST
def webmail_switch(request: PanelRequest, name: str) -> HttpResponse:
    """Offered, or not."""
    _known(name)
    is_offered = request.POST.get("on") == "yes"
    webmail = actions.switch_webmail(name, is_offered=is_offered, by=request.actor)
    sentence = _("%(title)s is offered.") if is_offered else _("%(title)s is not offered any more.")
    messages.success(request, sentence % {"title": webmail.title})
    return redirect("webmails")


@superadmin_required
def webmail_add(request: PanelRequest) -> HttpResponse:
    """Another one, by settings alone."""
    return _edit(request, Webmail())


@superadmin_required
def webmail_edit(request: PanelRequest, name: str) -> HttpResponse:
    """Of one that was added."""
    webmail = _known(name)
    if webmail.kind == Webmail.Kind.ROUNDCUBE:
        raise Http404
    return _edit(request, webmail)


@superadmin_required
@require_POST
def webmail_delete(request: PanelRequest, name: str) -> HttpResponse:
    """Forget its settings."""
    webmail = _known(name)
    actions.delete_webmail(name, by=request.actor)
    messages.success(request, _("%(title)s is deleted. Its folder is as it was.") % {"title": webmail.title})
    return redirect("webmails")


@superadmin_required
def webmails_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether the last change is live."""
    return life_fragment(request, {"life": life_of(SERVER_SCOPE, "*")})


def webmail_logo(request: HttpRequest, name: str) -> HttpResponse:
    """The picture of a brand; it stands on the login page, so everybody may see it."""
    if name == "server":
        found = WebmailPreference.objects.filter(domain__isnull=True).first()
    else:
        found = WebmailPreference.objects.filter(domain__name=name).first()
    if found is None or not found.logo_type:
        raise Http404
    response = HttpResponse(bytes(found.logo), content_type=found.logo_type)
    response["Cache-Control"] = f"public, max-age={YEAR_SECONDS}"
    return response


def _preferences(request: PanelRequest, domain: Domain | None) -> HttpResponse:
    own, server = preferences_of(domain)
    preference = server if domain is None else own
    every = catalogue()
    form = WebmailPreferenceForm(
        request.POST or None, request.FILES or None, webmails=every, preference=preference
    )
    if form.is_valid():
        try:
            typed = form.cleaned_data
            actions.set_webmail_preference(
                domain,
                offered=typed["offered"],
                default_webmail=typed["default_webmail"],
                product_name=typed["product_name"],
                logo=b"" if typed.get("remove_logo") else typed["logo"] and typed["logo"].read(),
                by=request.actor,
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The webmail settings are saved."))
            return redirect("webmails") if domain is None else redirect("webmail-domain", name=domain.name)
    values = {
        "form": form,
        "webmails": every,
        "domain": domain,
        "logo": logo_address(preference),
        "life": life_of(SERVER_SCOPE, "*"),
        "own": WebmailPreference.objects.filter(domain__isnull=False).select_related("domain")[:200],
    }
    return render(request, "webmail/webmails.html", values)


def _edit(request: PanelRequest, webmail: Webmail) -> HttpResponse:
    names = list(WebmailForm.base_fields)
    initial = {name: getattr(webmail, name) for name in names}
    form = WebmailForm(request.POST or None, initial=initial)
    if form.is_valid():
        for name in names:
            setattr(webmail, name, form.cleaned_data[name])
        try:
            actions.save_webmail(webmail, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(title)s is saved.") % {"title": webmail.title})
            return redirect("webmails")
    return render(request, "webmail/webmail.html", {"form": form, "webmail": webmail})


def _known(name: str) -> Webmail:
    found = next((webmail for webmail in catalogue() if webmail.name == name), None)
    if found is None:
        raise Http404
    return found
