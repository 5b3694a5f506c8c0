"""Where targets of aliases lead: elsewhere, here, or nowhere: one definition for marks and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Concat, StrIndex, Substr

from provisioning.outbox import ALWAYS_ACCEPTED

if TYPE_CHECKING:
    from accounts.models import Alias, AliasTarget  # noqa: F401  # named as text below

_TEXT = models.CharField()


class AliasTargetQuerySet(models.QuerySet["AliasTarget"]):
    def marked(self) -> Self:
        """With is_outside and is_broken: the domain is hosted here, and no account, alias or catch-all takes
        the address.
        """
        marks = {"is_outside": ~_is_ours(), "is_broken": _is_broken()}
        return self._with_parts().annotate(**marks)

    def broken(self) -> Self:
        return self._with_parts().filter(_is_broken())

    def leading_on(self) -> Self:
        """Marked, and only those that an alias or a catch-all here may take: what becomes of the mail shows
        farther on (accounts.circles).
        """
        return self.marked().filter(Exists(_aliases()) | Exists(_catch_alls()), account=None)

    def _with_parts(self) -> Self:
        """own: the address in the domain itself, without a tag, where the host is another name of it."""
        from domains.models import DomainAlias

        at = StrIndex("address", Value("@"))
        before = Substr("address", 1, at - 1)
        untagged = Case(
            When(tag__gt=1, then=Substr("address", 1, F("tag") - 1)), default=F("before"), output_field=_TEXT
        )
        home = DomainAlias.objects.filter(name=OuterRef("host")).values("domain__name")
        return (
            self.alias(before=before, host=Substr("address", at + 1))
            .alias(tag=StrIndex("before", Value("+")))
            .alias(localpart=untagged, home=Coalesce(Subquery(home), F("host"), output_field=_TEXT))
            .alias(own=Concat("localpart", Value("@"), "home", output_field=_TEXT))
        )


def _is_ours() -> Exists:
    from domains.models import Domain

    return Exists(Domain.objects.filter(name=OuterRef("home")))


def _is_broken() -> Q:
    from accounts.models import Account
    from domains.models import Domain

    hosted = Exists(Domain.objects.filter(name=OuterRef("home"), kind=Domain.Kind.HOSTED))
    account = Account.objects.filter(Q(address=OuterRef("own")) | Q(address=OuterRef("address")))
    taken = Q(Exists(account)) | Exists(_aliases()) | Exists(_catch_alls()) | Q(localpart__in=ALWAYS_ACCEPTED)
    return Q(hosted) & ~taken


def _aliases() -> models.QuerySet[Alias]:
    from accounts.models import Alias

    return Alias.objects.filter(Q(address=OuterRef("address")) | Q(address=OuterRef("own")))


def _catch_alls() -> models.QuerySet[Alias]:
    from accounts.models import Alias

    here, at_home = (Concat(Value("@"), OuterRef(place)) for place in ("host", "home"))
    return Alias.objects.filter(Q(address=here) | Q(address=at_home), localpart="")
