"""Where is my mail? From what was typed to the entries, newest first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_network
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVector, SearchVectorExact
from django.db import connections
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from domains.names import canonical_domain
from maillog.access import Sight
from maillog.draft import packed
from maillog.models import LONGEST_MESSAGE_ID, Entry, Party, Role
from maillog.router import LOGS
from qmailux_site.errors import ActionRefused

_QUEUE_ID = re.compile(r"(?=.*\d)(?:[0-9A-F]{8,17}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,22})")
# Of a session, as Dovecot names them.
_SESSION = re.compile(r"[A-Za-z0-9+/]{16,22}")
_RECIPIENT_ROLES = (Role.RECIPIENT, Role.ORIGINAL)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for; what is empty is not asked. words: of the one box, each of them must fit.

    client: an address or a network. address: in any role.
    """

    words: tuple[str, ...] = ()
    address: str = ""
    sender: str = ""
    recipient: str = ""
    subject: str = ""
    client: str = ""
    login: str = ""
    message_id: str = ""
    queue_id: str = ""
    kind: str = ""
    verdict: str = ""
    direction: str = ""
    mechanism: str = ""
    handling: str = ""
    own_address: str = ""
    since: datetime | None = None
    until: datetime | None = None


def question_of(text: str, **asked: Any) -> Question:
    """The one box: words apart by spaces; a Message-ID in angle brackets stays whole."""
    words = re.findall(r"<[^<>]*>|\S+", text)
    return replace(Question(), words=tuple(words), **asked)


def find(question: Question, sight: Sight, *, before: int = 0) -> QuerySet[Entry]:
    """The entries that fit and may be seen; before: the id to go on from. Raises ActionRefused for a network
    that is none.
    """
    entries = Entry.objects.visible_to(sight)
    for condition in _conditions(question, sight):
        entries = entries.filter(condition)
    if before:
        entries = entries.filter(pk__lt=before)
    if question.words or question.subject:
        # PostgreSQL takes every word for a common one and would walk through all entries from the newest on
        # until it has a page full. This order no index has, so it goes to what the words' own indexes find.
        return entries.order_by((F("pk") + 0).desc())
    return entries.order_by("-pk")


def _conditions(question: Question, sight: Sight) -> list[Q]:
    parties = _parties_seen_by(sight)
    found = [_word(word, parties) for word in question.words]
    for name in ("kind", "verdict", "direction", "mechanism", "queue_id"):
        if asked := getattr(question, name):
            found.append(Q(**{name: asked}))
    if question.handling:
        found.append(Q(handling__contains=question.handling))
    if question.own_address:
        found.append(Q(own_address=question.own_address.strip("[]")))
    if question.message_id:
        found.append(Q(message_id=_message_id(question.message_id)))
    if question.subject:
        found += [_subject(word) for word in question.subject.split()]
    if question.client:
        found.append(_client(question.client, field="ip"))
    roles: list[tuple[str, Sequence[str]]] = [
        (question.address, Role.values),
        (question.sender, [Role.SENDER]),
        (question.recipient, _RECIPIENT_ROLES),
        (question.login, [Role.LOGIN]),
    ]
    found += [_party(address, parties.filter(role__in=roles_of)) for address, roles_of in roles if address]
    if question.since:
        found.append(Q(began_at__gte=question.since))
    if question.until:
        found.append(Q(began_at__lt=question.until))
    return found


def _parties_seen_by(sight: Sight) -> QuerySet[Party]:
    """Addresses by which the person may find. Among them is no other recipient of a message that came from
    outside: to find it by a name would tell who else has got it.
    """
    if sight.is_everything:
        return Party.objects.all()
    mine = Q(address__in=list(sight.addresses)) | Q(domain__in=list(sight.domains))
    sent = Party.objects.filter(mine, entry=OuterRef("entry"), role=Role.LOGIN)
    return Party.objects.filter(mine | Q(role=Role.SENDER) | Exists(sent))


def _word(word: str, parties: QuerySet[Party]) -> Q:
    """What a word of the box may be: by its look, else an address that begins so, or a word of a subject."""
    if word.startswith("<") and word.endswith(">"):
        return Q(message_id=_message_id(word))
    if "/" in word or packed(word):
        try:
            return _client(word, field="q")
        except ActionRefused:
            pass
    if "@" in word:
        return _any_of(_party(word, parties), Q(message_id=_message_id(word)))
    if _QUEUE_ID.fullmatch(word) or _SESSION.fullmatch(word):
        return _any_of(Q(queue_id=word), _subject(word))
    found = [_subject(word), _party(word.partition("@")[0], parties)]
    if "." in word:
        found.append(_party(f"@{word}", parties))
    return _any_of(*found)


def _any_of(*conditions: Q) -> Q:
    """Each by its own index and then together: an OR would walk through all entries."""
    first, *others = (Entry.objects.filter(condition).order_by().values("pk") for condition in conditions)
    return Q(pk__in=first.union(*others))


def _party(address: str, parties: QuerySet[Party]) -> Q:
    """An address, its beginning, or everything of a domain: anna@firma.test, anna, @firma.test."""
    localpart, at, domain = address.lower().rpartition("@")
    if not at:
        parties = parties.filter(address__startswith=domain)
    elif localpart:
        parties = parties.filter(address=f"{localpart}@{_domain(domain)}")
    else:
        parties = parties.filter(domain=_domain(domain))
    return Q(pk__in=parties.values("entry_id"))


def _domain(text: str) -> str:
    """As the logs name it: żółw.example is xn--w-uga1v8h.example there."""
    try:
        return canonical_domain(text)
    except ActionRefused:
        return text.lower()


def _message_id(text: str) -> str:
    return text.strip().removeprefix("<").removesuffix(">")[:LONGEST_MESSAGE_ID]


def _client(text: str, *, field: str) -> Q:
    try:
        network = ip_network(text.strip("[]"), strict=False)
    except ValueError as error:
        raise ActionRefused(field, _("%(text)s is no IP address or network.") % {"text": text}) from error
    first, last = packed(str(network[0])), packed(str(network[-1]))
    return Q(client=first) if first == last else Q(client__gte=first, client__lte=last)


def _subject(word: str) -> Q:
    """A word of the subject. PostgreSQL has an index of words; the embedded file is searched through."""
    if connections[LOGS].vendor == "sqlite":
        return Q(subject__icontains=word)
    vector, asked = SearchVector("subject", config="simple"), SearchQuery(word, config="simple")
    return Q(SearchVectorExact(vector, asked))
