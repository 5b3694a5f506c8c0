"""Accounts and aliases in the superadmin's Django admin. Every write is one of our actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import actions
from accounts.actor import Actor
from accounts.addresses import parse_targets
from accounts.models import Account, Alias, DeletedMailbox
from accounts.notifying import SmsGateway
from accounts.passwords import random_password
from qmailux_site.admin_tools import AnyModelForm, BigTableAdmin, ReadOnlyAdmin
from qmailux_site.errors import ActionRefused


def actor_of(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # ActorMiddleware
    return actor


class ActionForm(AnyModelForm):
    """Runs the action while it is checked, so that a refusal stands at its field; saving has nothing left to
    do.
    """

    actor: Actor

    def act(self) -> Any:
        raise NotImplementedError

    def _post_clean(self) -> None:
        if self.errors:
            return
        try:
            self.instance = self.act()
        except ActionRefused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, refusal.message)

    def save(self, commit: bool = True) -> Any:
        setattr(self, "save_m2m", lambda: None)  # noqa: B010  # the admin calls it; nothing is left to save
        return self.instance


class AccountForm(ActionForm):
    new_password = forms.CharField(
        label=gettext_lazy("new password"),
        required=False,
        strip=False,
        help_text=gettext_lazy("Empty: unchanged; for a new account a random one, shown once."),
    )

    class Meta:
        model = Account
        fields = ("domain", "localpart", "name", "quota_bytes", "language")

    def act(self) -> Account:
        data = self.cleaned_data
        if self.instance.pk is None:
            return self._add(data)
        account = actions.edit_account(
            self.instance,
            name=data["name"],
            quota_bytes=data["quota_bytes"],
            language=data["language"],
            by=self.actor,
        )
        if data["new_password"]:
            actions.change_password(account, password=data["new_password"], by=self.actor)
        return account

    def _add(self, data: dict[str, Any]) -> Account:
        if data["domain"] is None:
            raise ActionRefused("domain", _("Choose the domain."))
        self.random = "" if data["new_password"] else random_password()
        return actions.add_account(
            domain=data["domain"],
            localpart=data["localpart"],
            password=data["new_password"] or self.random,
            name=data["name"],
            quota_bytes=data["quota_bytes"],
            language=data["language"],
            by=self.actor,
        )


class ActingAdmin(BigTableAdmin):
    """Gives the form its actor; deletes through `delete_one`."""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"actor": actor_of(request)})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The action has done it."""

    def delete_one(self, request: HttpRequest, obj: Any) -> None:
        raise NotImplementedError

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_one(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_one(request, row)

    def each(self, request: HttpRequest, rows: QuerySet[Any], act: Callable[[Any], object]) -> None:
        """Run an action on every selected row; refusals are shown, the others go on."""
        for row in rows:
            try:
                act(row)
            except ActionRefused as refusal:
                messages.error(request, f"{row}: {refusal.message}")


@admin.register(Account)
class AccountAdmin(ActingAdmin):
    form = AccountForm
    list_display = ("address", "name", "state", "quota_bytes", "is_superuser", "created_at")
    list_filter = ("state", "is_superuser", "language")
    search_fields = ("address__startswith", "name__istartswith")
    search_help_text = gettext_lazy("Beginning of the address or the name")
    autocomplete_fields = ("domain",)
    actions = ("lock", "unlock")

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> tuple[str, ...]:
        return ("domain", "localpart") if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        return Account.objects.visible_to(actor_of(request)).select_related("domain__node")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if getattr(form, "random", ""):
            messages.warning(
                request, _("The password, shown only now: %(password)s") % {"password": form.random}
            )

    def delete_one(self, request: HttpRequest, obj: Account) -> None:
        actions.delete_account(obj, remove_orphans=True, by=actor_of(request))

    @admin.action(description=gettext_lazy("Lock (incoming mail is kept)"))
    def lock(self, request: HttpRequest, rows: QuerySet[Account]) -> None:
        self.each(request, rows, lambda account: actions.lock_account(account, by=actor_of(request)))

    @admin.action(description=gettext_lazy("Unlock"))
    def unlock(self, request: HttpRequest, rows: QuerySet[Account]) -> None:
        self.each(request, rows, lambda account: actions.unlock_account(account, by=actor_of(request)))


class AliasForm(ActionForm):
    targets = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}), help_text=gettext_lazy("One address a line.")
    )

    class Meta:
        model = Alias
        fields = ("domain", "domain_alias", "localpart")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial["targets"] = "\n".join(self.instance.targets.values_list("address", flat=True))

    def act(self) -> Alias:
        data = self.cleaned_data
        targets = parse_targets(data["targets"])
        if self.instance.pk is None:
            return actions.add_alias(
                domain=data["domain"],
                domain_alias=data["domain_alias"],
                localpart=data["localpart"],
                targets=targets,
                by=self.actor,
            )
        alias: Alias = self.instance
        actions.set_alias_targets(alias, targets=targets, by=self.actor)
        return alias


@admin.register(Alias)
class AliasAdmin(ActingAdmin):
    form = AliasForm
    list_display = ("address", "domain", "created_at")
    search_fields = ("address__startswith",)
    search_help_text = gettext_lazy("Beginning of the address")
    autocomplete_fields = ("domain", "domain_alias")
    list_select_related = ("domain",)

    def get_readonly_fields(self, request: HttpRequest, obj: Alias | None = None) -> tuple[str, ...]:
        return ("domain", "domain_alias", "localpart") if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alias]:
        return Alias.objects.visible_to(actor_of(request)).select_related("domain__node")

    def delete_one(self, request: HttpRequest, obj: Alias) -> None:
        actions.delete_alias(obj, by=actor_of(request))


@admin.register(DeletedMailbox)
class DeletedMailboxAdmin(ReadOnlyAdmin):
    # What is kept holds hashes of passwords.
    fields = ("address", "domain_name", "node", "deleted_at", "purging_at")
    list_display = ("address", "deleted_at", "node")
    search_fields = ("address__startswith",)
    list_select_related = ("node",)


class SmsGatewayForm(ActionForm):
    """Headers hold keys: they are written and never shown again."""

    headers = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line, as Name: value. Empty: those that are set stay; a dash takes them away.",
    )

    class Meta:
        model = SmsGateway
        fields = (
            *("name", "is_on", "rank", "kind", "url", "headers", "body_kind", "body", "answer_contains"),
            *("recipient", "subject"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["headers"] = ""

    def act(self) -> SmsGateway:
        gateway: SmsGateway = self.instance
        values = dict(self.cleaned_data)
        headers = values.pop("headers").strip()
        if headers:
            gateway.headers = "" if headers == "-" else headers
        for name, value in values.items():
            setattr(gateway, name, value)
        return actions.save_gateway(gateway, by=self.actor)


@admin.register(SmsGateway)
class SmsGatewayAdmin(ActingAdmin):
    form = SmsGatewayForm
    list_display = ("name", "kind", "is_on", "rank")

    def delete_one(self, request: HttpRequest, obj: SmsGateway) -> None:
        actions.delete_gateway(obj, by=actor_of(request))
