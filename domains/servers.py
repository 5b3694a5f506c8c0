"""Other servers, as people write them: "mail.example.org:2525", "[2001:db8::7]:25"."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.utils.translation import gettext as _

from domains.models import IPAddress
from domains.names import canonical_domain
from qmailux_site.errors import ActionRefused


def other_server(text: str, *, port: int) -> tuple[str, int]:
    """Its host and port, that one where none is named. Raises ActionRefused("to", ...) for what names no
    server, or this one.
    """
    host, port = _split_port(text.strip(), port)
    try:
        host = str(ipaddress.ip_address(host))
    except ValueError:
        host = canonical_domain(host, field="to")
        is_own = host == settings.QMAILUX_LAYOUT.hostname or IPAddress.objects.filter(hostname=host).exists()
    else:
        is_own = IPAddress.objects.filter(address=host).exists()
    if is_own:
        raise ActionRefused(
            "to", _("%(host)s is this server: mail would go round in a circle.") % {"host": host}
        )
    return host, port


def _split_port(text: str, default: int) -> tuple[str, int]:
    """An IPv6 address with a port stands in brackets."""
    if text.startswith("["):
        host, _bracket, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _colon, port = text.partition(":")
    else:
        host, port = text, ""
    if not port:
        return host, default
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        raise ActionRefused("to", _("A port is a number from 1 to 65535, such as mail.example.org:2525."))
    return host, int(port)
