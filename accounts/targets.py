"""Where targets of aliases lead: elsewhere, here, or nowhere: one definition for marks and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Concat, StrIndex, Substr

from provisioning.outbox import ALWAYS_ACCEPTED

if TYPE_CHECKING:
    from accounts.models import AliasTarget  # noqa: F401  # named as text below

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
    from accounts.models import Account, Alias
    from domains.models import Domain

    hosted = Exists(Domain.objects.filter(name=OuterRef("home"), kind=Domain.Kind.HOSTED))
    account = Account.objects.filter(Q(address=OuterRef("own")) | Q(address=OuterRef("address")))
    alias = Alias.objects.filter(Q(address=OuterRef("address")) | Q(address=OuterRef("own")))
    catch_all = Alias.objects.filter(localpart="").filter(
        Q(address=Concat(Value("@"), OuterRef("host"))) | Q(address=Concat(Value("@"), OuterRef("home")))
    )
    taken = Q(Exists(account)) | Q(Exists(alias)) | Q(Exists(catch_all)) | Q(localpart__in=ALWAYS_ACCEPTED)
    return Q(hosted) & ~taken
