"""A domain's limits, judged for what is added. Lowering a limit later never blocks other edits (QTA-08)."""

from __future__ import annotations

from django.db.models import Sum
from django.utils.translation import gettext as _

from accounts.models import Account, Alias
from accounts.quotas import format_bytes
from domains.models import Domain
from qmailux_site.errors import ActionRefused


def check_new_accounts(domain: Domain, quotas_bytes: list[int]) -> None:
    """Refuse when so many new accounts with these quotas do not fit; the message names what is free.

    None fits into a domain whose mailboxes are on another server.
    """
    if domain.is_relay:
        raise ActionRefused("domain", _("%(domain)s is passed on to another server.") % {"domain": domain})
    check_largest_quota(domain, quotas_bytes)
    if domain.max_accounts is not None:
        free = domain.max_accounts - Account.objects.filter(domain=domain).count()
        if len(quotas_bytes) > free:
            raise ActionRefused(
                "domain",
                _("%(domain)s may have %(limit)d accounts; %(free)d more can be added.")
                % {"domain": domain, "limit": domain.max_accounts, "free": max(free, 0)},
            )
    check_quota_sum(domain, added_bytes=sum(quotas_bytes))


def check_largest_quota(domain: Domain, quotas_bytes: list[int]) -> None:
    limited = domain.max_account_quota_bytes is not None or domain.max_quota_bytes is not None
    if limited and 0 in quotas_bytes:
        raise ActionRefused(
            "quota",
            _("%(domain)s has a quota limit, so an account in it cannot be unlimited.") % {"domain": domain},
        )
    largest = domain.max_account_quota_bytes
    if largest is not None and quotas_bytes and max(quotas_bytes) > largest:
        raise ActionRefused(
            "quota",
            _("An account in %(domain)s may have at most %(largest)s.")
            % {"domain": domain, "largest": format_bytes(largest)},
        )


def check_quota_sum(domain: Domain, *, added_bytes: int) -> None:
    if domain.max_quota_bytes is None or added_bytes <= 0:
        return
    promised = Account.objects.filter(domain=domain).aggregate(total=Sum("quota_bytes"))["total"] or 0
    free = domain.max_quota_bytes - promised
    if added_bytes > free:
        raise ActionRefused(
            "quota",
            _("%(domain)s has %(free)s of its quota left, and %(wanted)s were asked for.")
            % {"domain": domain, "free": format_bytes(max(free, 0)), "wanted": format_bytes(added_bytes)},
        )


def check_new_alias(domain: Domain, *, count: int = 1) -> None:
    if domain.max_aliases is None:
        return
    if Alias.objects.filter(domain=domain).count() + count > domain.max_aliases:
        raise ActionRefused(
            "domain",
            _("%(domain)s may have %(limit)d aliases: that would be too many.")
            % {"domain": domain, "limit": domain.max_aliases},
        )
