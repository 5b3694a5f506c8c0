"""What the switches of the protections mean for the settings of the mail plane."""

from __future__ import annotations

from antispam.actions.protections import states
from antispam.models import AllowedPast
from provisioning.render.plane import Allowed, OutgoingCheck, Protections


def server_protections() -> Protections:
    found = states()
    options = {name: given for name, (_is_on, given) in found.items()}
    return Protections(
        on=frozenset(name for name, (is_on, _options) in found.items() if is_on),
        dnsbl_sites=tuple(options["dnsbl"]["sites"]),
        attachment_endings=tuple(sorted(options["attachment-types"]["endings"])),
        accepts_unscanned=options["clamav"]["on_failure"] == ["accept"],
        refuses_encrypted=options["clamav"]["encrypted"] == ["refuse"],
        scored_sites=tuple(options["postscreen-dnsbl"]["scored_sites"]),
        score_threshold=int(options["postscreen-dnsbl"]["threshold"][0]),
        greet_wait_seconds=int(options["postscreen-pregreet"]["greet_wait"][0]),
        refuses_bad_signatures=options["dkim"]["bad_signature"] == ["refuse"],
        outgoing=tuple((name, _outgoing(options[name])) for name in ("outgoing-viruses", "outgoing-spam")),
        allowed=tuple(
            Allowed(entry.value, entry.kind == AllowedPast.Kind.NETWORK, entry.passes_viruses)
            for entry in AllowedPast.objects.order_by("kind", "value")
        ),
    )


def _outgoing(options: dict[str, list[str]]) -> OutgoingCheck:
    (found,), (on_failure,), (points,) = options["found"], options["on_failure"], options.get("points", ["0"])
    return OutgoingCheck(found, on_failure, int(points))
