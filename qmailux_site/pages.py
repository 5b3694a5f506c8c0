"""Error pages in the panel's look, and what lists share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, TypeVar

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _

from qmailux_site.middleware import PanelRequest

ROWS_A_PAGE = 50
View = Callable[..., HttpResponse]
Row = TypeVar("Row", bound=Model)


def superadmin_required(view: View) -> View:
    """Logged in as a superadmin; anybody else gets 403."""

    @wraps(view)
    def guarded(request: PanelRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_superuser:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return login_required(guarded)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list that is walked by a unique key: as quick at the end as at the start."""

    rows: list[Row]
    next_after: str
    is_first: bool


def page_of(rows: QuerySet[Row], *, key: str, after: str) -> Page[Row]:
    """The next rows behind ``after`` in the order of the unique column ``key``."""
    ordered = rows.order_by(key)
    found = list(
        ordered.filter(**{f"{key}__gt": after})[: ROWS_A_PAGE + 1] if after else ordered[: ROWS_A_PAGE + 1]
    )
    shown = found[:ROWS_A_PAGE]
    more = len(found) > ROWS_A_PAGE
    return Page(shown, str(getattr(shown[-1], key)) if more else "", is_first=not after)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 400, _("The request could not be understood."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 403, _("You may not do this."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 404, _("There is no such page, or it is not for you."))


def failed(request: HttpRequest) -> HttpResponse:
    """Needs no database and no session: those may be what failed."""
    template = loader.get_template("500.html")
    return HttpResponse(template.render({}), status=500)


def _page(request: HttpRequest, status: int, reason: str) -> HttpResponse:
    return render(request, "refused.html", {"reason": reason}, status=status)
