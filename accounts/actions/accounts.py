"""Adding, editing, renaming and deleting one account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import notices
from accounts.actions.limits import check_largest_quota, check_new_accounts, check_quota_sum
from accounts.actions.restore import set_aside
from accounts.actions.seen import changed_meanwhile
from accounts.actions.taken import free_addresses, link_targets, locked_domain, refuse_deleted, take_address
from accounts.actor import Actor
from accounts.addresses import MAX_ADDRESS_LENGTH, account_localpart
from accounts.handing import is_handed_over
from accounts.models import Account, Alias, AliasTarget, Language, Notice
from accounts.names import person_name
from accounts.passwords import check_policy, normalise
from accounts.recovering import PasswordReset
from audit import record as audit
from domains.models import Domain
from provisioning import outbox
from qmailux_site.errors import ActionRefused
from webmail import sessions as webmail_sessions

MEBIBYTE = 1024 * 1024


def hash_new_password(password: str, *, address: str, name: str) -> str:
    """The stored form of a password that the policy accepts. Slow on purpose: call it outside
    transactions.
    """
    check_policy(password, address=address, name=name)
    return make_password(normalise(password))


def joined_address(localpart: str, domain: Domain) -> str:
    address = f"{localpart}@{domain.name}"
    if len(address) > MAX_ADDRESS_LENGTH:
        raise ActionRefused("localpart", _("An address has at most 254 characters in total."))
    return address


def add_account(
    *,
    domain: Domain,
    localpart: str,
    password: str | None = None,
    password_hash: str = "",
    name: str = "",
    quota_bytes: int | None = None,
    language: str = "",
    despite_deleted: bool = False,
    by: Actor,
) -> Account:
    """A new mailbox and login. An address that is taken, by an account or an alias, is refused.

    So is, unless despite_deleted, one whose former mailbox can still be restored: somebody must want that.

    password: plain text, judged by the policy; or password_hash: the stored form of a hash from another
    system (accounts.passwords.imported_hash). quota_bytes: None takes the domain's default, 0 is unlimited.
    """
    by.must_manage(domain)
    localpart = account_localpart(localpart)
    name = person_name(name)
    address = joined_address(localpart, domain)
    encoded = password_hash or hash_new_password(password or "", address=address, name=name)
    with transaction.atomic():
        domain = locked_domain(domain)
        quota = domain.default_quota_bytes if quota_bytes is None else quota_bytes
        check_new_accounts(domain, [quota])
        if not despite_deleted:
            refuse_deleted([address], field="localpart")
        take_address(address, field="localpart")
        account = Account(
            domain=domain,
            localpart=localpart,
            address=address,
            password=encoded,
            name=name,
            quota_bytes=quota,
            language=language or domain.language,
            password_changed_at=timezone.now(),
            must_change_password=is_handed_over(by) and not password_hash,
        )
        account.full_clean(validate_unique=False, validate_constraints=False)
        account.save(force_insert=True)
        link_targets(account)
        audit.record(by, "account.added", address, scope=domain.name, quota_bytes=quota)
        outbox.record(domain.scope, [address], nodes=[domain.node])
    return account


@transaction.atomic
def add_operator(
    *,
    address: str,
    password: str,
    is_superuser: bool = False,
    name: str = "",
    language: str = Language.ENGLISH,
    by: Actor,
) -> Account:
    """A login to the panel without a mailbox; rendered nowhere in the mail plane."""
    by.must_be_superadmin()
    name = person_name(name)
    localpart, at, domain_name = address.strip().lower().rpartition("@")
    if (
        not at
        or not localpart
        or not domain_name
        or not address.isascii()
        or any(c.isspace() for c in address.strip())
    ):
        raise ActionRefused("address", _("Enter a login of the form name@host."))
    address = f"{localpart}@{domain_name}"
    encoded = hash_new_password(password, address=address, name=name)
    take_address(address, field="address")
    account = Account(
        localpart=localpart,
        address=address,
        password=encoded,
        name=name,
        has_mailbox=False,
        is_superuser=is_superuser,
        language=language,
        password_changed_at=timezone.now(),
    )
    account.full_clean(validate_unique=False, validate_constraints=False)
    account.save(force_insert=True)
    audit.record(by, "operator.added", address, is_superuser=is_superuser)
    return account


def change_password(
    account: Account, *, password: str, proof: PasswordReset | None = None, by: Actor
) -> None:
    """The new password counts in panel and mail plane; every panel session of the account ends but the
    caller's, and every session in a webmail. One that somebody else has set must be changed at the next login
    to the panel; mail programs work until then.
    """
    by.must_act_in_person()
    by.must_be(account)
    encoded = hash_new_password(password, address=account.address, name=account.name)
    with transaction.atomic():
        if proof is not None and not PasswordReset.objects.filter(pk=proof.pk).delete()[0]:
            raise ActionRefused("", _("This link or code was used already, or has run out."))
        account.password = encoded
        account.password_changed_at = timezone.now()
        account.must_change_password = is_handed_over(by, to=account)
        account.save(update_fields=["password", "password_changed_at", "must_change_password"])
        way = proof.way if proof is not None else ""
        audit.record(by, "account.password_changed", account.address, scope=_scope(account), way=way)
        passwords_changed([account], by=by)
        _record(account)
        webmail_sessions.end_all(account)


def passwords_changed(people: Sequence[Account], *, by: Actor) -> None:
    """Part of a change of passwords: links and codes to new ones are over, the owners are told."""
    PasswordReset.objects.filter(account__in=[person.pk for person in people]).delete()
    for person in people:
        notices.record(person, Notice.Kind.PASSWORD, by=by)


def edit_account(
    account: Account,
    *,
    name: str | None = None,
    quota_bytes: int | None = None,
    language: str | None = None,
    seen: Mapping[str, str | int | None] | None = None,
    by: Actor,
) -> Account:
    """Change what is given. A quota is judged by the domain's limits only when it is raised.

    seen: what stood on the page where the change was made. Refused: a value that somebody else has changed
    since.
    """
    if quota_bytes is not None:
        by.must_outrank(account)
    else:
        by.must_be(account)
    if name is not None:
        name = person_name(name)
    with transaction.atomic():
        if account.domain is not None:
            locked_domain(account.domain)
        fresh = (
            Account.objects.select_for_update(of=("self",)).select_related("domain__node").get(pk=account.pk)
        )
        before: dict[str, str | int] = {
            "name": fresh.name,
            "quota_bytes": fresh.quota_bytes,
            "language": fresh.language,
        }
        if quota_bytes is not None:
            _check_new_quota(fresh, quota_bytes)
        wanted = {"name": name, "quota_bytes": quota_bytes, "language": language}
        changed = {key: value for key, value in wanted.items() if value is not None and value != before[key]}
        for key in changed:
            if seen is not None and not _is_as_seen(key, before[key], seen):
                raise changed_meanwhile("quota" if key == "quota_bytes" else key)
        for key, value in changed.items():
            setattr(fresh, key, value)
        fresh.full_clean(validate_unique=False, validate_constraints=False)
        if not changed:
            return fresh
        fresh.save(update_fields=list(changed))
        audit.record(
            by,
            "account.edited",
            fresh.address,
            scope=_scope(fresh),
            before=[f"{key}={before[key]}" for key in sorted(changed)],
            after=[f"{key}={changed[key]}" for key in sorted(changed)],
        )
        _record(fresh)
    return fresh


def _is_as_seen(key: str, stored: str | int, seen: Mapping[str, str | int | None]) -> bool:
    """Pages show a quota in whole MB."""
    if key == "quota_bytes" and isinstance(shown := seen.get(key), int) and isinstance(stored, int):
        return shown // MEBIBYTE == stored // MEBIBYTE
    return key not in seen or seen[key] == stored


def rename_account(
    account: Account,
    *,
    domain: Domain,
    localpart: str,
    keep_old_as_alias: bool = False,
    despite_deleted: bool = False,
    by: Actor,
) -> Account:
    """The account moves to a new address with its mail, settings, and every alias that leads to it.

    The old address is refused from then on, unless it is kept as an alias. Refused: a taken address, one
    whose former mailbox can still be restored (unless despite_deleted), a domain on another node.
    """
    by.must_outrank(account)
    by.must_manage(domain)
    localpart = account_localpart(localpart)
    address = joined_address(localpart, domain)
    with transaction.atomic():
        for pk in sorted({domain.pk, account.domain_id or domain.pk}):
            locked_domain(Domain(pk=pk))
        domain = locked_domain(domain)
        fresh = (
            Account.objects.select_for_update(of=("self",)).select_related("domain__node").get(pk=account.pk)
        )
        old_address, old_domain = fresh.address, fresh.domain
        if old_domain is None or not fresh.has_mailbox:
            raise ActionRefused("address", _("An operator without a mailbox cannot be renamed."))
        if old_domain.node_id != domain.node_id:
            raise ActionRefused("domain", _("%(domain)s lives on another server.") % {"domain": domain})
        if address == old_address:
            return fresh
        if old_domain.pk != domain.pk:
            check_new_accounts(domain, [fresh.quota_bytes])
        if not despite_deleted:
            refuse_deleted([address], field="localpart")
        take_address(address, field="localpart")
        fresh.domain, fresh.localpart, fresh.address = domain, localpart, address
        fresh.save(update_fields=["domain", "localpart", "address"])
        _move_targets(fresh, old_address)
        if keep_old_as_alias:
            _alias_for_old_address(fresh, old_address, old_domain)
        else:
            free_addresses([old_address])
        audit.record(by, "account.renamed", address, scope=domain.name, before=old_address)
        outbox.record(old_domain.scope, [old_address, address, *_kept_for(fresh)], nodes=[old_domain.node])
        if old_domain.pk != domain.pk:
            outbox.record(domain.scope, [address], nodes=[domain.node])
    return fresh


def delete_account(account: Account, *, remove_orphans: bool = False, by: Actor) -> None:
    """The login ends, mail is refused, the mailbox is set aside for some days where no login reaches it.

    In domains that the actor manages, aliases lose this target; one that would be left without any target is
    deleted with remove_orphans, else the deletion is refused and the aliases are named. Aliases of foreign
    domains stay as they are and are shown there as broken (ALS-14).
    """
    by.must_outrank(account)
    if by.person is not None and by.person.pk == account.pk:
        raise ActionRefused("", _("You cannot delete the account you are logged in with."))
    with transaction.atomic():
        if account.domain is not None:
            locked_domain(account.domain)
        fresh = (
            Account.objects.select_for_update(of=("self",))
            .select_related("domain__node")
            .filter(pk=account.pk)
            .first()
        )
        if fresh is None:
            raise ActionRefused(
                "address", _("The account %(address)s no longer exists.") % {"address": account.address}
            )
        domain = fresh.domain
        touched = delete_locked(fresh, remove_orphans=remove_orphans, by=by)
        if domain is not None:
            outbox.record(domain.scope, touched, nodes=[domain.node])


def delete_locked(account: Account, *, remove_orphans: bool, by: Actor) -> list[str]:
    """Part of a deletion: everything but the outbox; returns the addresses that it touched."""
    if account.has_mailbox and account.domain is not None:
        set_aside(account, account.domain, led_here=_managed_aliases_to(account, by=by))
    touched = _remove_as_target(account, remove_orphans=remove_orphans, by=by)
    touched += _kept_for(account)
    free_addresses([account.address])
    audit.record(by, "account.deleted", account.address, scope=_scope(account))
    account.delete()
    return [account.address, *touched]


def _check_new_quota(account: Account, quota_bytes: int) -> None:
    if account.domain is None or quota_bytes == account.quota_bytes:
        return
    raised = quota_bytes == 0 or (account.quota_bytes != 0 and quota_bytes > account.quota_bytes)
    if raised:
        check_largest_quota(account.domain, [quota_bytes])
        check_quota_sum(account.domain, added_bytes=quota_bytes - account.quota_bytes)


def _remove_as_target(account: Account, *, remove_orphans: bool, by: Actor) -> list[str]:
    """Take the account out of the aliases that the actor manages; returns the addresses of those that
    went.
    """
    managed = _managed_aliases_to(account, by=by)
    orphans = [alias for alias in managed if len(alias.targets.all()) == 1]
    if orphans and not remove_orphans:
        names = ", ".join(sorted(alias.address for alias in orphans)[:10])
        raise ActionRefused(
            "aliases",
            _("These aliases lead only to %(address)s: remove them with it or change them first: %(names)s")
            % {"address": account.address, "names": names},
        )
    AliasTarget.objects.filter(account=account, alias__in=managed).delete()
    gone = [alias.address for alias in orphans]
    Alias.objects.filter(pk__in=[alias.pk for alias in orphans]).delete()
    free_addresses(gone)
    return gone


def _managed_aliases_to(account: Account, *, by: Actor) -> list[Alias]:
    """With their targets."""
    theirs = Alias.objects.filter(targets__account=account, domain__in=Domain.objects.visible_to(by))
    return list(theirs.prefetch_related("targets"))


def _move_targets(account: Account, old_address: str) -> None:
    """Aliases that led to the old address lead to the new one; one that had both keeps it once."""
    has_both = AliasTarget.objects.filter(address=account.address).values("alias_id")
    AliasTarget.objects.filter(address=old_address, alias_id__in=list(has_both)).delete()
    AliasTarget.objects.filter(address=old_address).update(address=account.address, account=account)
    link_targets(account)


def _alias_for_old_address(account: Account, old_address: str, domain: Domain) -> None:
    """The old address stays taken; what takes it is now an alias."""
    alias = Alias.objects.create(domain=domain, localpart=old_address.rpartition("@")[0], address=old_address)
    AliasTarget.objects.create(alias=alias, address=account.address, account=account)


def _kept_for(account: Account) -> list[str]:
    """Addresses whose mail the account gets as postmaster."""
    names = account.managed_domains.values_list("name", flat=True)
    return [f"{localpart}@{name}" for name in names for localpart in outbox.ALWAYS_ACCEPTED]


def _scope(account: Account) -> str:
    return account.domain.name if account.domain else ""


def _record(account: Account) -> None:
    if account.domain is not None and account.has_mailbox:
        outbox.record(account.domain.scope, [account.address], nodes=[account.domain.node])
