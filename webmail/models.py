"""Which webmails there are, and what they call themselves. Every change is in actions.py."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from provisioning.render.sites import WebmailSite
from webmail import adapters
from webmail.adapters import Adapter


class Webmail(models.Model):
    """A webmail below /webmail/NAME/. Roundcube needs no row: see catalogue.py.

    The adapter's fields are used by the kinds "folder" and "address" only.
    """

    class Kind(models.TextChoices):
        ROUNDCUBE = "roundcube", _("Roundcube of this server")
        SQUIRRELMAIL = "squirrelmail", _("SquirrelMail in a folder of this server")
        FOLDER = "folder", _("another one in a folder of this server")
        ADDRESS = "address", _("another one at an address")

    class Method(models.TextChoices):
        FORM = "form", _("we log people in by its form")
        LINK = "link", _("a link: people log in there")

    name = models.CharField(_("name in addresses"), max_length=20, unique=True)
    title = models.CharField(_("name"), max_length=60)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    method = models.CharField(_("login"), max_length=4, choices=Method, default=Method.FORM)
    is_offered = models.BooleanField(_("offered"), default=True)
    folder = models.CharField(_("folder"), max_length=200, blank=True)
    address = models.CharField(_("address"), max_length=200, blank=True)
    closed_folders = models.CharField(max_length=500, blank=True)
    login_path = models.CharField(max_length=200, blank=True)
    post_path = models.CharField(max_length=200, blank=True)
    landing_path = models.CharField(max_length=200, blank=True)
    user_field = models.CharField(max_length=60, blank=True)
    password_field = models.CharField(max_length=60, blank=True)
    extra_fields = models.JSONField(default=dict, blank=True)
    token_pattern = models.CharField(max_length=200, blank=True)
    token_field = models.CharField(max_length=60, blank=True)
    success_pattern = models.CharField(max_length=200, blank=True)
    cookie_names = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["roundcube", "squirrelmail", "folder", "address"]),
                name="webmail_kind_known",
            ),
            models.CheckConstraint(
                condition=(Q(kind="roundcube") | ~Q(folder="") | ~Q(address="")),
                name="webmail_lies_somewhere",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def path(self) -> str:
        return f"/webmail/{self.name}/"

    @property
    def is_link(self) -> bool:
        return self.method == self.Method.LINK

    @property
    def adapter(self) -> Adapter:
        if self.kind == self.Kind.ROUNDCUBE:
            return adapters.ROUNDCUBE
        if self.kind == self.Kind.SQUIRRELMAIL:
            return adapters.SQUIRRELMAIL
        return Adapter(
            login_path=self.login_path,
            post_path=self.post_path,
            landing_path=self.landing_path,
            user_field=self.user_field,
            password_field=self.password_field,
            extra_fields=self.extra_fields,
            token_pattern=self.token_pattern,
            token_field=self.token_field,
            success_pattern=self.success_pattern,
            cookie_names=tuple(self.cookie_names.split()),
        )

    @property
    def site(self) -> WebmailSite:
        """As the node serves it."""
        return WebmailSite(
            name=self.name,
            kind=self.kind,  # type: ignore[arg-type]  # held to the kinds by a constraint
            folder=self.folder,
            address=self.address,
            doors=self._doors(),
            closed=tuple(self.closed_folders.split()),
            is_offered=self.is_offered and not (self.kind == self.Kind.ADDRESS and self.is_link),
        )

    def _doors(self) -> tuple[str, ...]:
        """Its own login page, unless that is also where people land: then it must stay open."""
        if self.kind == self.Kind.SQUIRRELMAIL:
            return ("src/login.php", "src/redirect.php")
        if self.kind == self.Kind.ROUNDCUBE or self.is_link:
            return ()  # our plugin in Roundcube sees to it
        pages = {self.login_path.partition("?")[0], self.post_path.partition("?")[0]}
        return tuple(sorted(pages - {self.landing_path.partition("?")[0], ""}))


class WebmailPreference(models.Model):
    """What one domain has, or the server for all without a wish of their own: names out of the catalogue,
    and the brand. Empty is left to the server.
    """

    class Level(models.TextChoices):
        SERVER = "server", _("server")
        DOMAIN = "domain", pgettext_lazy("one", "domain")

    level = models.CharField(max_length=6, choices=Level, default=Level.SERVER)
    domain = models.OneToOneField(
        "domains.Domain", models.CASCADE, null=True, blank=True, related_name="webmail_preference"
    )
    offered = models.JSONField(default=list, blank=True)
    default_webmail = models.CharField(max_length=20, blank=True)
    product_name = models.CharField(max_length=60, blank=True)
    logo = models.BinaryField(blank=True, default=b"")
    logo_type = models.CharField(max_length=20, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["level"], condition=Q(level="server"), name="webmail_preference_of_server_once"
            ),
            models.CheckConstraint(
                condition=Q(level="server", domain__isnull=True) | Q(level="domain", domain__isnull=False),
                name="webmail_preference_has_one_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"webmail of {self.domain_id or 'the server'}"


class WebmailSession(models.Model):
    """A session that we opened in a webmail. opened_by: who acted for the account; null is its owner."""

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="webmail_sessions")
    webmail = models.CharField(max_length=20)
    session_id = models.CharField(max_length=256)
    opened_by = models.ForeignKey(
        "accounts.Account", models.SET_NULL, null=True, blank=True, related_name="webmail_sessions_opened"
    )
    opened_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.webmail} of {self.account_id}"
