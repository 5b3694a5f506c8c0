"""Pages by the names that urls.py gives them, for what stands before the views."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import Resolver404, resolve


def page_name(request: HttpRequest) -> str:
    """ "" for an address that leads nowhere."""
    try:
        return resolve(request.path_info).url_name or ""
    except Resolver404:
        return ""
