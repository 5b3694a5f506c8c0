"""Domains in the superadmin's Django admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin import ActingAdmin, ActionForm, actor_of
from domains import actions
from domains.models import Domain, DomainAlias


class DomainForm(ActionForm):
    impersonation_policy = forms.ChoiceField(
        label=_("acting for its people"), choices=Domain.Impersonation.choices, required=False
    )
    recovery_policy = forms.ChoiceField(
        label=_("forgotten passwords"), choices=Domain.Recovery.choices, required=False
    )

    class Meta:
        model = Domain
        fields = ("name", *actions.EDITABLE)

    def act(self) -> Domain:
        chosen = {name: self.cleaned_data[name] for name in actions.EDITABLE}
        settings = {name: value for name, value in chosen.items() if value != ""}
        if self.instance.pk is None:
            return actions.add_domain(name=self.cleaned_data["name"], settings=settings, by=self.actor)
        return actions.edit_domain(self.instance, settings=settings, by=self.actor)


@admin.register(Domain)
class DomainAdmin(ActingAdmin):
    form = DomainForm
    list_display = ("name", "state", "kind", "node", "created_at")
    list_filter = ("state", "kind")
    search_fields = ("name__startswith",)
    search_help_text = _("Beginning of the name")
    list_select_related = ("node",)
    actions = ("lock", "unlock")

    def get_readonly_fields(self, request: HttpRequest, obj: Domain | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Domain]:
        return Domain.objects.visible_to(actor_of(request)).select_related("node")

    def delete_one(self, request: HttpRequest, obj: Domain) -> None:
        actions.delete_domain(obj, by=actor_of(request))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """The action removes what is inside; the names alone are shown, not a list of every account."""
        names = [str(domain) for domain in objs]
        inside = sum(domain.accounts.count() for domain in objs)
        return names, {"accounts": inside}, set(), []

    @admin.action(description=_("Lock (incoming mail is deferred)"))
    def lock(self, request: HttpRequest, rows: QuerySet[Domain]) -> None:
        self.each(request, rows, lambda domain: actions.lock_domain(domain, by=actor_of(request)))

    @admin.action(description=_("Unlock"))
    def unlock(self, request: HttpRequest, rows: QuerySet[Domain]) -> None:
        self.each(request, rows, lambda domain: actions.unlock_domain(domain, by=actor_of(request)))


class DomainAliasForm(ActionForm):
    class Meta:
        model = DomainAlias
        fields = ("domain", "name")

    def act(self) -> DomainAlias:
        if self.instance.pk is not None:
            return self.instance  # type: ignore[no-any-return]  # nothing of it can be edited
        return actions.add_domain_alias(
            self.cleaned_data["domain"], name=self.cleaned_data["name"], by=self.actor
        )


@admin.register(DomainAlias)
class DomainAliasAdmin(ActingAdmin):
    form = DomainAliasForm
    list_display = ("name", "domain", "created_at")
    search_fields = ("name__startswith",)
    autocomplete_fields = ("domain",)
    list_select_related = ("domain",)

    def get_readonly_fields(self, request: HttpRequest, obj: DomainAlias | None = None) -> tuple[str, ...]:
        return ("domain", "name") if obj else ()

    def delete_one(self, request: HttpRequest, obj: DomainAlias) -> None:
        actions.delete_domain_alias(obj, by=actor_of(request))
