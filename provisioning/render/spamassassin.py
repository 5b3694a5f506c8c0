"""SpamAssassin: the server's configuration, and the preferences of a domain and of an account.

Pure. An account's file begins with an include of its domain's, so that a domain's change rewrites one file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from provisioning.layout import MAIL_USER
from provisioning.render.engine import render
from provisioning.render.files import HEADER, RenderedFile
from provisioning.render.plane import MailPlane
from provisioning.render.quoting import spamassassin_pattern, spamassassin_word

# Three levels of owners, three reaches of a pattern: each rank outweighs all below it together, so the user's
# list wins over the domain's, that over the server's, and within one the narrower pattern. The least of them
# outweighs any content.
LEVELS = ("SERVER", "DOMAIN", "USER")
REACHES = ("PATTERN", "DOMAIN", "ADDRESS")
LEAST_WEIGHT = 100
FLAGS = {"allow": -1, "deny": 1}
# Where spamd looks for a name without "@", as outgoing_scan's is. From is whatever the sender wrote, so who
# stole a password could write one that is let past: no list lets past what people send.
OUTGOING_PREFERENCES = "spamassassin/user_prefs"
LISTS_OF_OTHERS = ("USER_IN_WELCOMELIST", "USER_IN_WHITELIST")
NOBODY = "nobody@qmailux.invalid"  # an empty list is an error to SpamAssassin


@dataclass(frozen=True, slots=True)
class SenderRule:
    """A rule of ours that asks one list. ``list_name`` names both."""

    list_name: str
    score: int
    description: str


@dataclass(frozen=True, slots=True)
class SpamWishes:
    """What one owner wants. suspected: the first threshold. lists: (list name, pattern), in any order.
    asks_network: whether public lists are asked; None leaves it to the level below.
    """

    suspected: Decimal | None = None
    languages: Sequence[str] = ()
    entries: Sequence[tuple[str, str]] = ()
    asks_network: bool | None = None


def list_name(kind: str, level: str, reach: int) -> str:
    """kind: "allow" or "deny". level: one of LEVELS. reach: ``antispam.patterns.Reach``."""
    return f"QM_{kind.upper()}_{level}_{REACHES[reach]}"


def sender_rules() -> list[SenderRule]:
    return [
        SenderRule(
            list_name=list_name(kind, level, reach),
            score=sign * LEAST_WEIGHT * 2 ** (len(REACHES) * rank + reach),
            description=f"Sender on the {kind} list of the {level.lower()}, by {name.lower()}",
        )
        for kind, sign in FLAGS.items()
        for rank, level in enumerate(LEVELS)
        for reach, name in enumerate(REACHES)
    ]


def settings(plane: MailPlane, server: SpamWishes) -> list[RenderedFile]:
    """SpamAssassin's own configuration folder. Nothing in Debian's /etc/spamassassin is read."""
    return [
        RenderedFile(
            path="etc/spamassassin/local.cf",
            content=render(
                "spamassassin/local.cf.j2",
                plane=plane,
                rules=sender_rules(),
                nobody=NOBODY,
                wishes=list(_lines(server)),
            ),
            daemon="spamd",
        ),
        RenderedFile(
            path="etc/spamassassin/plugins.pre",
            content=render("spamassassin/plugins.pre.j2"),
            daemon="spamd",
        ),
        RenderedFile(
            path=OUTGOING_PREFERENCES,
            content=render("spamassassin/outgoing.j2", names=_letting_past()),
            daemon="spamd",
        ),
    ]


def preferences(path: str, wishes: SpamWishes, *, include: str = "") -> RenderedFile:
    """The file of a domain or an account. include: the absolute path of the domain's file."""
    lines = [f"# {HEADER}", *([f"include {include}"] if include else []), *_lines(wishes)]
    return RenderedFile(
        path=path,
        content="".join(f"{line}\n" for line in lines).encode(),
        daemon="",
        mode=0o640,
        group=MAIL_USER,
    )


def _letting_past() -> list[str]:
    return [*LISTS_OF_OTHERS, *(rule.list_name for rule in sender_rules() if rule.score < 0)]


def _lines(wishes: SpamWishes) -> Iterator[str]:
    if wishes.suspected is not None:
        yield f"required_score {wishes.suspected:.1f}"
    if wishes.asks_network is not None:
        skips = 0 if wishes.asks_network else 1
        yield f"skip_rbl_checks {skips}"
        yield f"skip_uribl_checks {skips}"
    if wishes.languages:
        yield f"ok_languages {' '.join(spamassassin_word(code) for code in sorted(wishes.languages))}"
    for name, pattern in sorted(wishes.entries):
        yield f"enlist_addrlist ({spamassassin_word(name)}) {spamassassin_pattern(pattern)}"
