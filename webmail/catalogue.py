"""The webmails that people can choose from."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from domains.models import Domain
from provisioning.render.sites import ROUNDCUBE_FOLDER, Brand
from webmail.models import Webmail, WebmailPreference

ROUNDCUBE = "roundcube"


def catalogue() -> list[Webmail]:
    """All of them, Roundcube first: it is there without a row until somebody changes something of it."""
    stored = {webmail.name: webmail for webmail in Webmail.objects.all()}
    first = stored.pop(ROUNDCUBE, None) or Webmail(
        name=ROUNDCUBE, title="Roundcube", kind=Webmail.Kind.ROUNDCUBE
    )
    first.folder = ROUNDCUBE_FOLDER
    return [first, *stored.values()]


def offered_to(domain: Domain | None) -> list[Webmail]:
    """Those of the domain, its default first; without a domain those of the server."""
    own, server = preferences_of(domain)
    wanted = own.offered or server.offered
    found = [
        webmail for webmail in catalogue() if webmail.is_offered and (not wanted or webmail.name in wanted)
    ]
    default = own.default_webmail or server.default_webmail
    return sorted(found, key=lambda webmail: webmail.name != default)


def default_door(domain: Domain | None) -> str:
    """Where somebody who never chose goes: the default webmail, "" for the panel."""
    own, server = preferences_of(domain)
    return own.default_webmail or server.default_webmail


def brand_of(domain: Domain | None) -> Brand:
    own, server = preferences_of(domain)
    name = own.product_name or server.product_name or settings.QMAILUX_PRODUCT_NAME
    return Brand(domain.name if domain else "", name, logo_address(own) or logo_address(server))


def find_offered(name: str, domain: Domain | None) -> Webmail | None:
    return next((webmail for webmail in offered_to(domain) if webmail.name == name), None)


def preferences_of(domain: Domain | None) -> tuple[WebmailPreference, WebmailPreference]:
    """Of the domain and of the server; an empty one where there is none."""
    rows = WebmailPreference.objects.filter(domain__isnull=True)
    server = rows.first() or WebmailPreference()
    if domain is None:
        return WebmailPreference(), server
    return WebmailPreference.objects.filter(domain=domain).first() or WebmailPreference(domain=domain), server


def brands() -> Sequence[Brand]:
    """The server's first, then those of domains, by name."""
    server = WebmailPreference.objects.filter(domain__isnull=True).first() or WebmailPreference()
    own_name = server.product_name or settings.QMAILUX_PRODUCT_NAME
    found = [Brand("", own_name, logo_address(server))]
    of_domains = WebmailPreference.objects.filter(domain__isnull=False).select_related("domain")
    for row in of_domains.order_by("domain__name"):
        if row.domain is not None and (row.product_name or row.logo_type):
            logo = logo_address(row) or logo_address(server)
            found.append(Brand(row.domain.name, row.product_name or own_name, logo))
    return found


def logo_address(row: WebmailPreference) -> str:
    """The stamp makes browsers fetch a new one."""
    if not row.logo_type or row.pk is None:
        return ""
    name = row.domain.name if row.domain is not None else "server"
    return f"/webmail-logo/{name}/?{int(row.changed_at.timestamp())}"
