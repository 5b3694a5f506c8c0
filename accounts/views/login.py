"""The panel's door, and what a visitor chooses there."""

from __future__ import annotations

from typing import Any

from axes.utils import reset as axes_reset
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from accounts.actions import edit_account, end_impersonation
from accounts.actor import Actor
from accounts.forms import PANEL_DOOR, LoginForm, add_refusal
from accounts.models import Account, Language
from accounts.passwords import normalise
from accounts.views.second_factor import note_panel_login, wait_for_code
from domains.models import Domain
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest, client_network
from qmailux_site.navigation import THEME_COOKIE, THEMES
from webmail.catalogue import brand_of, catalogue, default_door, find_offered, offered_to
from webmail.entering import DOMAIN_COOKIE, DOOR_COOKIE, enter, remember_door, take_cookies
from webmail.sessions import end_all

YEAR_SECONDS = 365 * 86400


@method_decorator(sensitive_post_parameters(), name="dispatch")
class PanelLogin(LoginView):
    """Address and password; guessing is stopped by django-axes."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Somebody who is logged in and is sent here lacks a right: logging in again would not help."""
        if request.user.is_authenticated and request.method == "GET":
            if request.GET.get("next"):
                raise PermissionDenied
            return redirect("home")
        return super().dispatch(request, *args, **kwargs)

    @cached_property
    def _domain(self) -> Domain | None:
        """The one that an address names, or that was here the last time."""
        name = self.request.GET.get("domain") or self.request.COOKIES.get(DOMAIN_COOKIE, "")
        return Domain.objects.filter(name=name[:253].lower()).first() if name else None

    def get_form_kwargs(self) -> dict[str, Any]:
        """The webmails of the domain, or else the server's."""
        # Not everybody knows that Roundcube is where the letters are.
        doors = [
            (webmail.name, _("Mail (%(name)s)") % {"name": webmail.title})
            for webmail in offered_to(self._domain)
        ]
        return {**super().get_form_kwargs(), "doors": doors}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """In the brand of the domain."""
        brand = brand_of(self._domain)
        return {**super().get_context_data(**kwargs), "product_name": brand.name, "logo": brand.logo}

    def get_initial(self) -> dict[str, Any]:
        """What the person was sent here for, or chose the last time."""
        known = {webmail.name for webmail in catalogue()}
        asked = self.request.GET.get("webmail", "")
        remembered = self.request.COOKIES.get(DOOR_COOKIE, "")
        chosen = remembered or default_door(self._domain) or PANEL_DOOR
        door = PANEL_DOOR if self.request.GET.get("next") else chosen
        return {**super().get_initial(), "door": asked if asked in known else door}

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """With a second factor the password is only half of it. Into a webmail the panel is not opened too:
        who logs out there would leave it open.
        """
        account = form.get_user()
        door = form.cleaned_data.get("door") or PANEL_DOOR
        if not isinstance(account, Account):
            return super().form_valid(form)
        # A password that must be changed is changed in the panel.
        wants_webmail = door != PANEL_DOOR and account.has_mailbox and not account.must_change_password
        if account.second_factor_at is not None:
            url = self.get_success_url()
            return wait_for_code(self.request, account, url, webmail=door if wants_webmail else "")
        if wants_webmail:
            return self._enter_webmail(form, account, door)
        note_panel_login(self.request, account)
        response = super().form_valid(form)
        remember_door(response, self.request, door)
        return response

    def _enter_webmail(self, form: AuthenticationForm, account: Account, name: str) -> HttpResponse:
        webmail = find_offered(name, account.domain)
        try:
            if webmail is None:
                raise ActionRefused("door", _("This webmail is not offered to your domain."))
            password = normalise(form.cleaned_data["password"])
            response = enter(self.request, account, webmail, secret=password)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
            return self.form_invalid(form)
        # Nobody is logged in here, so axes would not hear of it.
        axes_reset(ip=client_network(self.request), username=account.address)
        return response


class PanelLogout(LogoutView):
    """By POST only."""

    next_page = "login"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Out of the webmails too. Somebody who acts for another person is out altogether."""
        actor: Actor = request.actor  # type: ignore[attr-defined]  # ActorMiddleware
        if (account := actor.acting_as) is not None:
            scope = account.domain.name if account.domain else ""
            end_impersonation(account.address, scope=scope, why="logout", by=actor.itself())
        elif actor.real is not None:
            end_all(actor.real)
        response = super().post(request, *args, **kwargs)
        take_cookies(response)
        return response


@login_required
def admin_password(request: PanelRequest) -> HttpResponse:
    """The Django admin's own page knows neither our policy nor the mail plane."""
    return redirect("password")


@require_POST
def language(request: HttpRequest) -> HttpResponseBase:
    """For a visitor in a cookie, for an account in the account."""
    chosen = request.POST.get("language", "")
    me: Actor = request.actor.itself()  # type: ignore[attr-defined]  # ActorMiddleware
    if me.real is not None and chosen in Language.values:
        edit_account(me.real, language=chosen, by=me)
    return set_language(request)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Light, dark, or as the machine has it."""
    chosen = request.POST.get("theme", "")
    response = HttpResponseRedirect(_back(request))
    if chosen in THEMES:
        response.set_cookie(THEME_COOKIE, chosen, YEAR_SECONDS, samesite="Lax", secure=request.is_secure())
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response


def _back(request: HttpRequest) -> str:
    url = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())
    return url if is_ours else "/"
