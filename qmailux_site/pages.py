"""What pages share: rights, lists walked by a key, and error pages in the panel's look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, TypeVar

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _

from accounts.models import Account
from qmailux_site.middleware import PanelRequest
from qmailux_site.navigation import names_of, sections_of

ROWS_A_PAGE = 50
View = Callable[..., HttpResponseBase]
Row = TypeVar("Row", bound=Model)


def superadmin_required(view: View) -> View:
    """Logged in as a superadmin; anybody else gets 403."""

    @wraps(view)
    def guarded(request: PanelRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_superuser:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return login_required(guarded)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list that is walked by a unique key: as quick at the end as at the start.

    previous and next: the key to go on from, empty where the list ends.
    """

    rows: list[Row]
    search: str
    previous: str
    next: str


def page_of(rows: QuerySet[Row], request: HttpRequest, *, key: str) -> Page[Row]:
    """The rows that ?after= or ?before= asks for, in the order of the unique column ``key``."""
    search = search_of(request)
    before, after = request.GET.get("before", ""), request.GET.get("after", "")
    if before:
        found = list(rows.filter(**{f"{key}__lt": before}).order_by(f"-{key}")[: ROWS_A_PAGE + 1])
        shown = found[ROWS_A_PAGE - 1 :: -1] if len(found) > ROWS_A_PAGE else found[::-1]
        has_previous, has_next = len(found) > ROWS_A_PAGE, True
    else:
        start = rows.filter(**{f"{key}__gt": after}) if after else rows
        found = list(start.order_by(key)[: ROWS_A_PAGE + 1])
        shown = found[:ROWS_A_PAGE]
        has_previous, has_next = bool(after), len(found) > ROWS_A_PAGE
    return Page(
        shown,
        search,
        previous=str(getattr(shown[0], key)) if shown and has_previous else "",
        next=str(getattr(shown[-1], key)) if shown and has_next else "",
    )


def newest_first(rows: QuerySet[Row], request: HttpRequest, *, search: str = "") -> Page[Row]:
    """As page_of, for rows that are only added: the newest stand first, ?after= leads to older ones."""
    before, after = _number(request.GET.get("before", "")), _number(request.GET.get("after", ""))
    if before is not None:
        found = list(rows.filter(pk__gt=before).order_by("pk")[: ROWS_A_PAGE + 1])
        shown = found[ROWS_A_PAGE - 1 :: -1] if len(found) > ROWS_A_PAGE else found[::-1]
        has_newer, has_older = len(found) > ROWS_A_PAGE, True
    else:
        start = rows.filter(pk__lt=after) if after is not None else rows
        found = list(start.order_by("-pk")[: ROWS_A_PAGE + 1])
        shown = found[:ROWS_A_PAGE]
        has_newer, has_older = after is not None, len(found) > ROWS_A_PAGE
    return Page(
        shown,
        search=search,
        previous=str(shown[0].pk) if shown and has_newer else "",
        next=str(shown[-1].pk) if shown and has_older else "",
    )


def _number(text: str) -> int | None:
    """A row's number out of an address; whatever else stands there means nothing."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def search_of(request: HttpRequest) -> str:
    return request.GET.get("q", "").strip()[:254]


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 400, _("Bad request"), _("The browser sent something that makes no sense here."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 403, _("Not allowed"), _("Your account does not have the right to do this."))


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF check has refused a form."""
    return _page(
        request,
        403,
        _("The form has expired"),
        _("Nothing was changed. Go back, reload the page and try again."),
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 404, _("Page not found"), _("There is no such page, or it is not for you."))


def failed(request: HttpRequest) -> HttpResponse:
    """Needs no database and no session: those may be what failed."""
    template = loader.get_template("500.html")
    return HttpResponse(template.render({}), status=500)


def _page(request: HttpRequest, status: int, title: str, reason: str) -> HttpResponse:
    """Sections of the person's first door: those of a page that is refused would tell what exists."""
    account = getattr(request, "user", None)
    values: dict[str, Any] = {"title": title, "reason": reason}
    if isinstance(account, Account):
        values["sections"] = sections_of(account, "home", names=names_of(account))
    return render(request, "refused.html", values, status=status)
