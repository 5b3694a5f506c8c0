"""What the superadmin enforces on the whole server. Fields and constraints; every change is in actions."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from domains.names import display_domain
from enforcement.braking import BrakeThresholds, FoundSpam, Incident  # noqa: F401  # they belong here
from enforcement.quarantine import Quarantine  # noqa: F401  # it belongs here
from enforcement.querysets import CertificateQuerySet


class ServerLock(models.Model):
    """The whole server is locked while the one row exists.

    mode: what incoming mail meets. set_by: the person's address, which outlives the account.
    """

    class Mode(models.TextChoices):
        ACCEPT = "accept", _("accept and keep")
        REJECT = "reject", _("reject")
        DEFER = "defer", _("ask senders to try later")

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    mode = models.CharField(_("incoming mail"), max_length=8, choices=Mode, default=Mode.DEFER)
    reason = models.CharField(_("reason"), max_length=200)
    set_by = models.CharField(max_length=254)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="server_lock_is_one"),
            models.CheckConstraint(
                condition=models.Q(mode__in=["accept", "reject", "defer"]), name="server_lock_mode_known"
            ),
        ]

    def __str__(self) -> str:
        return self.reason


class EncryptionRule(models.Model):
    """Mail programs must use TLS: on the whole server, in a domain, or for an account.

    is_in_force: False until starts_at has come.
    """

    class Level(models.TextChoices):
        SERVER = "server", _("whole server")
        DOMAIN = "domain", pgettext_lazy("one", "domain")
        ACCOUNT = "account", pgettext_lazy("one", "account")

    level = models.CharField(max_length=8, choices=Level)
    domain = models.OneToOneField(
        "domains.Domain", models.CASCADE, null=True, blank=True, related_name="encryption_rule"
    )
    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="encryption_rule"
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    is_in_force = models.BooleanField(default=True)
    set_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(level="server", domain=None, account=None)
                | models.Q(level="domain", domain__isnull=False, account=None)
                | models.Q(level="account", domain=None, account__isnull=False),
                name="encryption_rule_has_its_owner",
            ),
            models.UniqueConstraint(
                fields=["level"], condition=models.Q(level="server"), name="encryption_rule_one_server"
            ),
        ]

    def __str__(self) -> str:
        return str(self.account or self.domain or "server")


class RemoteEncryption(models.Model):
    """How mail to another server's domain must be encrypted on its way."""

    class Level(models.TextChoices):
        ENCRYPT = "encrypt", _("must be encrypted")
        SECURE = "secure", _("must be encrypted, with a certificate of that domain")
        NONE = "none", _("never encrypted")

    domain = models.CharField(pgettext_lazy("one", "domain"), max_length=253, unique=True)
    level = models.CharField(_("mail to it"), max_length=8, choices=Level)
    set_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["domain"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(level__in=["encrypt", "secure", "none"]), name="remote_encryption_known"
            ),
        ]

    def __str__(self) -> str:
        return self.domain


class Certificate(models.Model):
    """A certificate of the server, for the names that it is served under.

    chain: the public part in PEM, the server's own certificate first. The key lies on the server's disk
    alone; one that was uploaded is sealed with key_seal until the worker has taken it there.
    """

    class Kind(models.TextChoices):
        OWN = "own", _("made by our own authority")
        SIGNED = "signed", _("signed by another authority")
        UPLOADED = "uploaded", _("uploaded")
        ACME = "acme", _("fetched by ACME")

    class State(models.TextChoices):
        ORDERED = "ordered", _("is being made")
        WAITING = "waiting", _("waits for the signed answer")
        ACTIVE = "active", _("in use")
        FAILED = "failed", _("failed")

    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.ORDERED)
    names = models.JSONField(help_text=_("Host names in their ASCII form; *.name for all of one level."))
    request = models.TextField(blank=True, help_text=_("The signing request in PEM."))
    chain = models.TextField(blank=True)
    key_seal = models.CharField(max_length=64, blank=True)
    issuer = models.CharField(max_length=300, blank=True)
    not_after = models.DateTimeField(null=True, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    set_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(auto_now_add=True)
    # Where names meet, what was taken last is served; a renewal changes nothing about that.
    taken_at = models.DateTimeField(null=True, blank=True)
    # When an ACME authority was last asked.
    tried_at = models.DateTimeField(null=True, blank=True)

    objects = CertificateQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["own", "signed", "uploaded", "acme"]),
                name="certificate_kind_known",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["ordered", "waiting", "active", "failed"]),
                name="certificate_state_known",
            ),
        ]

    def __str__(self) -> str:
        return ", ".join(self.readable_names)

    @property
    def readable_names(self) -> list[str]:
        """As people write them: żółw.example, not xn--w-uga1v8h.example."""
        return [
            ("*." if name.startswith("*.") else "") + display_domain(name.removeprefix("*."))
            for name in self.names
        ]

    @property
    def is_renewed_here(self) -> bool:
        """Whether the server itself sees to it that it does not run out."""
        return self.kind in (self.Kind.OWN, self.Kind.ACME)

    @property
    def sealed_name(self) -> str:
        """Under which name the vault holds the key that was uploaded."""
        return f"certificate-{self.pk}"


class Block(models.Model):
    """Who may not connect. login: then only logins to this account from the one address are refused.

    counted: what the packet filter's own counter said last; it begins anew when the filter does.
    """

    class Service(models.TextChoices):
        ALL = "all", _("all services")
        SMTP = "smtp", _("mail from other servers (25)")
        SUBMISSION = "submission", _("sending mail (587, 465)")
        IMAP = "imap", "IMAP"
        POP3 = "pop3", "POP3"
        SIEVE = "sieve", "ManageSieve"
        WEB = "web", _("panel and webmail")

    network = models.CharField(_("address or network"), max_length=43)
    service = models.CharField(_("service"), max_length=10, choices=Service, default=Service.ALL)
    login = models.CharField(max_length=254, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=200)
    until = models.DateTimeField(null=True, blank=True, db_index=True)
    is_automatic = models.BooleanField(default=False)
    failures = models.PositiveIntegerField(default=0, db_default=0)
    set_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(auto_now_add=True)
    hits = models.BigIntegerField(default=0)
    counted = models.BigIntegerField(default=0)
    last_hit_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["network", "service", "login"], name="block_once"),
            models.CheckConstraint(
                condition=models.Q(service__in=["all", "smtp", "submission", "imap", "pop3", "sieve", "web"]),
                name="block_service_known",
            ),
        ]

    def __str__(self) -> str:
        return self.readable_network

    @property
    def key(self) -> str:
        """In the outbox and in the stores of the machine."""
        return f"block:{self.pk}"

    @property
    def address(self) -> str:
        """Without the length of its prefix."""
        return self.network.partition("/")[0]

    @property
    def readable_network(self) -> str:
        """A single address without the length of its prefix."""
        return self.address if self.is_single else self.network

    @property
    def is_single(self) -> bool:
        return self.network.endswith("/128" if ":" in self.network else "/32")


class FailedLogin(models.Model):
    """A wrong password of the last minutes."""

    address = models.GenericIPAddressField()
    login = models.CharField(max_length=254)
    service = models.CharField(max_length=10)
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["address", "service", "login"], name="failed_login_of_address")]

    def __str__(self) -> str:
        return f"{self.login} {self.address}"


class LoginLog(models.Model):
    """How far a node's log of logins has been read."""

    node = models.OneToOneField("provisioning.Node", models.CASCADE, related_name="+")
    inode = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.path

    @property
    def path(self) -> str:
        return "log/dovecot.log"
