"""Domains that this server knows. Fields and constraints; every change is in actions.py."""

from __future__ import annotations

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce, Lower
from django.utils.translation import gettext_lazy as _

from accounts.models import Language, LockMode, State
from domains import numbers  # noqa: F401  # its model belongs to this app
from domains.names import display_domain
from domains.querysets import DkimKeyQuerySet, DomainAliasQuerySet, DomainQuerySet, IPAddressQuerySet
from qmailux_site.sealing import Purpose

SMTP_PORT = 25
SUBMISSION_PORT = 587


def _written_host(host: str) -> str:
    """An IPv6 address before a port stands in brackets."""
    return f"[{host}]" if ":" in host else host


class TakenDomainName(models.Model):
    """Each name is taken once, by a domain or by a domain alias: a constraint that spans both tables."""

    name = models.CharField(max_length=253, primary_key=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(name=Lower("name")), name="taken_domain_name_is_lower_case"),
        ]

    def __str__(self) -> str:
        return self.name


class IPAddress(models.Model):
    """An address of a server that mail can leave from and arrive at, with the name it goes by there."""

    class State(models.TextChoices):
        GOOD = "good", _("good")
        QUARANTINE = "quarantine", _("for suspected mail")

    address = models.GenericIPAddressField(_("address"), unique=True, unpack_ipv4=True)
    version = models.PositiveSmallIntegerField(choices=((4, "IPv4"), (6, "IPv6")))
    node = models.ForeignKey("provisioning.Node", models.PROTECT, related_name="addresses")
    hostname = models.CharField(_("host name"), max_length=253)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.GOOD)
    is_default = models.BooleanField(default=False, help_text=_("Of all domains without an own address."))
    is_present = models.BooleanField(default=False, help_text=_("Whether the server has the address."))
    looked_at = models.DateTimeField(null=True, blank=True)
    listed_in = models.JSONField(default=list, blank=True, db_default=[], help_text=_("Block lists."))
    created_at = models.DateTimeField(auto_now_add=True)

    objects = IPAddressQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "IP addresses"
        constraints = [
            models.CheckConstraint(condition=Q(version__in=(4, 6)), name="ip_address_version_known"),
            models.CheckConstraint(condition=Q(hostname=Lower("hostname")), name="ip_address_hostname_lower"),
            models.CheckConstraint(
                condition=Q(state__in=["good", "quarantine"]), name="ip_address_state_known"
            ),
            models.UniqueConstraint(
                fields=["node", "version"], condition=Q(is_default=True), name="ip_address_one_default"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.address} ({self.hostname})"


class Domain(models.Model):
    """A mail domain. Its name is stored as A-label and shown as U-label."""

    class Kind(models.TextChoices):
        HOSTED = "hosted", _("hosted here")
        RELAY = "relay", _("passed on to another server")

    class Impersonation(models.TextChoices):
        """Whether somebody may act for a person of the domain; the superadmin's rule."""

        ALLOWED = "allowed", _("allowed")
        NOTICE = "notice", _("the owner is told by mail")
        OFF = "off", _("not allowed")

    class Recovery(models.TextChoices):
        """How somebody who has forgotten the password comes to a new one; the superadmin's rule."""

        BOTH = "both", _("a link by mail or a code from the postmaster")
        MAIL = "mail", _("a link by mail")
        CODE = "code", _("a code from the postmaster")
        OFF = "off", _("not at all")

    class RelayRecipients(models.TextChoices):
        """Which recipients of a relay domain are taken at the door."""

        ASKED = "asked", _("those that the other server takes when it is asked")
        LISTED = "listed", _("those listed here as aliases")

    name = models.CharField(_("name"), max_length=253, unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.HOSTED)
    # Of a relay domain: the server that has its mailboxes, a name or an IP address.
    relay_host = models.CharField(_("other server"), max_length=253, blank=True, default="", db_default="")
    relay_port = models.PositiveIntegerField(_("port"), default=25, db_default=25)
    relay_recipients = models.CharField(
        _("valid recipients"),
        max_length=6,
        choices=RelayRecipients,
        default=RelayRecipients.ASKED,
        db_default=RelayRecipients.ASKED,
    )
    node = models.ForeignKey("provisioning.Node", models.PROTECT, related_name="domains")
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.ACTIVE)
    lock_mode = models.CharField(max_length=8, choices=LockMode, default=LockMode.DEFER)
    lock_reason = models.CharField(max_length=200, blank=True)
    locked_at = models.DateTimeField(null=True, blank=True)
    locked_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    locked_until = models.DateTimeField(null=True, blank=True, db_index=True)
    default_quota_bytes = models.BigIntegerField(_("default quota"), default=0)
    language = models.CharField(_("language"), max_length=2, choices=Language, default=Language.POLISH)
    # Null: the server's default.
    inbound_address = models.ForeignKey(
        IPAddress, models.PROTECT, null=True, blank=True, related_name="inbound_domains"
    )
    outbound_address = models.ForeignKey(
        IPAddress, models.PROTECT, null=True, blank=True, related_name="outbound_domains"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    impersonation_policy = models.CharField(
        _("acting for its people"),
        max_length=8,
        choices=Impersonation,
        default=Impersonation.NOTICE,
        db_default=Impersonation.NOTICE,
    )

    recovery_policy = models.CharField(
        _("forgotten passwords"),
        max_length=8,
        choices=Recovery,
        default=Recovery.BOTH,
        db_default=Recovery.BOTH,
    )

    # Limits that the postmaster sees and cannot raise; null means none (DomainLimits of FIELD.md)
    max_accounts = models.PositiveIntegerField(null=True, blank=True)
    max_aliases = models.PositiveIntegerField(null=True, blank=True)
    max_quota_bytes = models.BigIntegerField(
        null=True, blank=True, help_text=_("Sum of the quotas of all accounts, in bytes.")
    )
    max_account_quota_bytes = models.BigIntegerField(
        null=True, blank=True, help_text=_("Largest quota of one account, in bytes.")
    )

    # SMS cost money: none until the superadmin says how many a month; null means no limit.
    max_sms = models.PositiveIntegerField(
        _("SMS a month"), null=True, blank=True, default=0, db_default=0, help_text=_("Empty: no limit.")
    )
    max_account_sms = models.PositiveIntegerField(
        _("SMS a month of one account"),
        null=True,
        blank=True,
        default=0,
        db_default=0,
        help_text=_("Empty: no limit."),
    )

    objects = DomainQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(name=Lower("name")), name="domain_name_is_lower_case"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="domain_state_known"),
            models.CheckConstraint(condition=Q(lock_mode__in=LockMode.values), name="domain_lock_mode_known"),
            models.CheckConstraint(condition=Q(default_quota_bytes__gte=0), name="domain_quota_not_negative"),
            models.CheckConstraint(
                condition=Q(kind="hosted", relay_host="") | (Q(kind="relay") & ~Q(relay_host="")),
                name="domain_relay_has_a_host",
            ),
            models.CheckConstraint(
                condition=Q(relay_port__gte=1, relay_port__lte=65535), name="domain_relay_port_known"
            ),
            models.CheckConstraint(
                condition=Q(relay_recipients__in=["asked", "listed"]), name="domain_relay_recipients_known"
            ),
            models.CheckConstraint(
                condition=Q(impersonation_policy__in=["allowed", "notice", "off"]),
                name="domain_impersonation_known",
            ),
            models.CheckConstraint(
                condition=Q(recovery_policy__in=["both", "mail", "code", "off"]),
                name="domain_recovery_known",
            ),
        ]

    def __str__(self) -> str:
        return display_domain(self.name)

    @property
    def scope(self) -> str:
        """Name of the revision scope; as text, so that it outlives the domain."""
        return self.name

    def all_names(self) -> list[str]:
        """The domain's own name, and its alias names."""
        return [self.name, *self.domain_aliases.values_list("name", flat=True)]

    @property
    def is_locked(self) -> bool:
        return self.state == State.LOCKED

    @property
    def is_relay(self) -> bool:
        return self.kind == self.Kind.RELAY

    @property
    def relay_server(self) -> str:
        """As people write it: the port where it is not 25."""
        host = _written_host(self.relay_host)
        return host if self.relay_port == SMTP_PORT else f"{host}:{self.relay_port}"

    @property
    def mails_recovery(self) -> bool:
        return self.recovery_policy in (self.Recovery.BOTH, self.Recovery.MAIL)

    @property
    def takes_recovery_codes(self) -> bool:
        return self.recovery_policy in (self.Recovery.BOTH, self.Recovery.CODE)


class DomainAlias(models.Model):
    """Another name of a domain: every local part of the domain, the catch-all included, is valid in it."""

    name = models.CharField(_("name"), max_length=253, unique=True)
    domain = models.ForeignKey(Domain, models.PROTECT, related_name="domain_aliases")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DomainAliasQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "domain aliases"
        constraints = [
            models.CheckConstraint(condition=Q(name=Lower("name")), name="domain_alias_name_is_lower_case"),
        ]

    def __str__(self) -> str:
        return display_domain(self.name)


class DkimKey(models.Model):
    """What signs the domain's mail. waiting: made, but not seen in DNS yet. retired: signs no more, but what
    it signed is still on its way, so its record stays for some days.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waits for DNS")
        SIGNING = "signing", _("signs")
        RETIRED = "retired", _("replaced")

    domain = models.ForeignKey(Domain, models.CASCADE, related_name="dkim_keys")
    selector = models.CharField(max_length=63)
    # Sealed (qmailux_site.sealing). private_key: in the clear, from before there were seals; the node's
    # worker seals it and leaves it empty.
    sealed_key = models.TextField(blank=True, default="", db_default="")
    private_key = models.TextField(blank=True, default="", db_default="")
    public_key = models.TextField(help_text="Base64, as DNS has it.")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    is_forced = models.BooleanField(default=False)
    is_published = models.BooleanField(default=False)
    looked_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DkimKeyQuerySet.as_manager()

    class Meta:
        ordering = ["domain", "-created_at"]
        verbose_name = "DKIM key"
        constraints = [
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_key_selector_once"),
            models.UniqueConstraint(
                fields=["domain"], condition=Q(state="signing"), name="dkim_key_one_signs"
            ),
            models.UniqueConstraint(
                fields=["domain"], condition=Q(state="waiting"), name="dkim_key_one_waits"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "signing", "retired"]), name="dkim_key_state_known"
            ),
        ]

    def __str__(self) -> str:
        return self.record_name

    @property
    def record_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain.name}"

    @property
    def purpose(self) -> Purpose:
        """What its seal is for."""
        return ("dkim", self.domain.name, self.selector)

    @property
    def record(self) -> str:
        """What DNS must say at record_name."""
        return f"v=DKIM1; k=rsa; p={self.public_key}"


class DnsReport(models.Model):
    """What DNS said of the domain when somebody looked last."""

    domain = models.OneToOneField(Domain, models.CASCADE, related_name="dns_report")
    looked_at = models.DateTimeField()
    findings = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.domain} {self.looked_at:%Y-%m-%d %H:%M}"


class Smarthost(models.Model):
    """Another server that sends the mail of a domain on; without a domain, of the whole server.

    An empty user is one that needs no login. The password is sealed, for this server and user alone: it is
    given to the other server, so a hash would not do. No page, command or log shows it.
    """

    domain = models.OneToOneField(Domain, models.CASCADE, null=True, blank=True, related_name="smarthost")
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=SUBMISSION_PORT, db_default=SUBMISSION_PORT)
    user = models.CharField(max_length=254, blank=True)
    sealed_password = models.TextField(blank=True, default="", db_default="")
    # In the clear, from before there were seals; the node's worker seals it and leaves it empty.
    password = models.CharField(max_length=255, blank=True, default="", db_default="")

    class Meta:
        ordering = ["domain"]
        constraints = [
            # NULLs are distinct from each other, so the column's own constraint would let in many.
            models.UniqueConstraint(Coalesce("domain", Value(0)), name="smarthost_one_of_the_server"),
        ]

    def __str__(self) -> str:
        return self.next_hop

    @property
    def next_hop(self) -> str:
        """As Postfix takes it: the host's own address is meant, not its MX."""
        return f"[{self.host}]:{self.port}"

    @property
    def purpose(self) -> Purpose:
        """What its password's seal is for: nobody else is given it."""
        return ("smarthost", self.domain.name if self.domain else "", self.next_hop, self.user)

    @property
    def server(self) -> str:
        """As people write it."""
        return f"{_written_host(self.host)}:{self.port}"
