"""Every protection that can be switched, in the order in which a message meets them.

What each does in the mail plane is rendered by provisioning; here stands what people are told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _


class Stage(StrEnum):
    CONNECTION = "connection"
    RECIPIENT = "recipient"
    CONTENT = "content"
    DELIVERY = "delivery"
    SENDING = "sending"


STAGE_NAMES = {
    Stage.CONNECTION: _("connection"),
    Stage.RECIPIENT: _("recipient"),
    Stage.CONTENT: _("content"),
    Stage.DELIVERY: _("delivery"),
    Stage.SENDING: _("sending"),
}


class Past(StrEnum):
    """Which entries of the list of what goes past the protections go past one of them."""

    BOTH = "networks, senders"
    NETWORKS = "networks"
    NETWORKS_AND_DOMAINS = "networks, whole domains"
    IF_SAID = "networks, senders: if said so"
    NOBODY = "nobody"


PAST_WORDS = {
    Past.BOTH: _("Allowed networks and senders go past it."),
    Past.NETWORKS: _("Allowed networks go past it, allowed senders do not."),
    Past.NETWORKS_AND_DOMAINS: _(
        "Allowed networks and whole domains of senders go past it, single addresses do not."
    ),
    Past.IF_SAID: _("Allowed networks and senders go past it only where that is said beside them."),
    Past.NOBODY: _("Nobody goes past it."),
}

# What Windows runs at a double click.
PROGRAM_ENDINGS = (
    *("bat", "cmd", "com", "cpl", "exe", "hta", "js", "jse", "lnk", "msi", "pif", "ps1", "scr"),
    *("vbe", "vbs", "wsf"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One protection. options: further settings with their defaults. daemon: the part behind it.

    past: whom of the allowed networks and senders it lets past; why_not: why it stops the others.
    """

    name: str
    stage: Stage
    title: Any
    explanation: Any
    is_on: bool = True
    daemon: str = "postfix"
    options: dict[str, list[str]] = field(default_factory=dict)
    past: Past = Past.BOTH
    why_not: Any = ""


_BEFORE_SENDERS = _("It acts before the sender is named.")
_BY_FROM = _("It judges whole domains: past one address anybody could write in the name of every domain.")
_OWN_PEOPLE = _("The list is for mail from other servers, not for what people of this server send.")


KINDS = (
    Kind(
        "postscreen-dnsbl",
        Stage.CONNECTION,
        _("Block lists before the greeting"),
        _("Several public lists are asked at once; a server whose points reach the limit is refused."),
        options={
            "scored_sites": ["zen.spamhaus.org=127.0.0.[2..11]*3", "bl.spamcop.net=127.0.0.2*1"],
            "threshold": ["3"],
        },
        past=Past.NETWORKS,
        why_not=_BEFORE_SENDERS,
    ),
    Kind(
        "postscreen-pregreet",
        Stage.CONNECTION,
        _("Talking before the greeting"),
        _("A server that is not known yet waits some seconds for the greeting. Robots speak first, and go."),
        options={"greet_wait": ["6"]},
        past=Past.NETWORKS,
        why_not=_BEFORE_SENDERS,
    ),
    Kind(
        "postscreen-protocol",
        Stage.CONNECTION,
        _("Tests after the greeting"),
        _("Finds more robots, but a server that is not known yet must send its first message twice."),
        is_on=False,
        past=Past.NETWORKS,
        why_not=_BEFORE_SENDERS,
    ),
    Kind(
        "client-rates",
        Stage.CONNECTION,
        _("Limits for each client"),
        _("A server that connects or sends much faster than mail servers do is asked to come later."),
        past=Past.NETWORKS,
        why_not=_BEFORE_SENDERS,
    ),
    Kind(
        "unlisted-recipient",
        Stage.RECIPIENT,
        _("Unknown recipients"),
        _("Mail to addresses that do not exist here is refused at once, not returned later."),
        past=Past.NOBODY,
        why_not=_("There is no mailbox that could take the mail."),
    ),
    Kind(
        "helo",
        Stage.RECIPIENT,
        _("Name in the greeting"),
        _("A server must greet with a full and valid host name."),
    ),
    Kind(
        "reverse-name",
        Stage.RECIPIENT,
        _("Reverse name"),
        _("A server whose address has no name is refused. Some honest servers have none."),
        is_on=False,
    ),
    Kind(
        "sender-domain",
        Stage.RECIPIENT,
        _("Sender's domain exists"),
        _("Mail from a domain that does not exist could never be answered, and is refused."),
    ),
    Kind(
        "dnsbl",
        Stage.RECIPIENT,
        _("Block lists"),
        _("A server that is on one of the public lists of spamming addresses is refused."),
        options={"sites": ["zen.spamhaus.org=127.0.0.[2..11]", "bl.spamcop.net=127.0.0.2"]},
    ),
    Kind(
        "spf",
        Stage.RECIPIENT,
        "SPF",
        _("A domain says which servers send its mail. Mail from a server that it excludes is refused."),
    ),
    Kind(
        "greylisting",
        Stage.RECIPIENT,
        _("Greylisting"),
        _("A sender seen for the first time is asked to come again. Robots do not; wanted mail is late."),
        is_on=False,
        daemon="postgrey",
    ),
    Kind(
        "pipelining",
        Stage.CONTENT,
        _("Hasty senders"),
        _("Programs that send commands without waiting for the answers are refused: spam robots do so."),
    ),
    Kind(
        "attachment-types",
        Stage.CONTENT,
        _("Types of attachments"),
        _("Mail with programs attached is refused. Archives are not opened for this; the virus check does."),
        options={"endings": list(PROGRAM_ENDINGS)},
        past=Past.NOBODY,
        why_not=_(
            "The check sees headers alone, not who sends them. Partners may send such files by a login here."
        ),
    ),
    Kind(
        "clamav",
        Stage.CONTENT,
        _("Viruses (ClamAV)"),
        _("Every message is searched for viruses while it is received; infected ones are refused."),
        daemon="clamd",
        options={"on_failure": ["defer"], "encrypted": ["pass"]},
        past=Past.IF_SAID,
        why_not=_("A partner may catch a virus too."),
    ),
    Kind(
        "dkim",
        Stage.CONTENT,
        "DKIM",
        _("Signatures are checked and the result is noted in the message, for DMARC and the spam check."),
        daemon="opendkim",
        options={"bad_signature": ["note"]},
        past=Past.NETWORKS_AND_DOMAINS,
        why_not=_BY_FROM,
    ),
    Kind(
        "dmarc",
        Stage.CONTENT,
        "DMARC",
        _("A domain says what is done with mail in its name that neither SPF nor DKIM proves. It is obeyed."),
        daemon="opendmarc",
        past=Past.NETWORKS_AND_DOMAINS,
        why_not=_BY_FROM,
    ),
    Kind(
        "spamassassin",
        Stage.DELIVERY,
        _("Spam (SpamAssassin)"),
        _("Each recipient's copy is scored; what is suspected is marked, what is probable goes to SPAM."),
        daemon="spamd",
    ),
    Kind(
        "spamassassin-network",
        Stage.DELIVERY,
        _("Spam: network tests"),
        _("The spam check also asks public lists about addresses and links in the message."),
        daemon="spamd",
    ),
    Kind(
        "outgoing-viruses",
        Stage.SENDING,
        _("Viruses in what people send"),
        _("What people of this server send is searched for viruses before it is taken from them."),
        is_on=False,
        daemon="clamd",
        options={"found": ["refuse"], "on_failure": ["defer"]},
        past=Past.NOBODY,
        why_not=_OWN_PEOPLE,
    ),
    Kind(
        "outgoing-spam",
        Stage.SENDING,
        _("Spam in what people send"),
        _("What people of this server send is scored before it is taken: a stolen password shows here."),
        is_on=False,
        daemon="spamd",
        options={"found": ["refuse"], "on_failure": ["defer"], "points": ["8"]},
        past=Past.NOBODY,
        why_not=_OWN_PEOPLE,
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}
# Those that Postfix asks for each recipient: a domain may have them otherwise than the server.
OF_RECIPIENTS = ("helo", "reverse-name", "sender-domain", "dnsbl", "spf", "greylisting")
# Those that SpamAssassin is told by the domain's preferences, and the field that keeps it.
OF_PREFERENCES = {"spamassassin": "is_scanned", "spamassassin-network": "asks_network"}
OF_DOMAINS = (*OF_RECIPIENTS, *OF_PREFERENCES)
# A domain can leave them out; on for one domain alone they cannot be.
OFF_ONLY = tuple(OF_PREFERENCES)
# What an option may be; others are lists of free words.
CHOICES = {
    "on_failure": ("defer", "accept"),
    "encrypted": ("pass", "refuse"),
    "bad_signature": ("note", "refuse"),
    "found": ("refuse", "hold"),
    "points": tuple(map(str, range(3, 21))),
    "greet_wait": ("1", "2", "4", "6", "10"),
    "threshold": tuple(map(str, range(1, 11))),
}
