"""SMS about new mail: what the owner wants, the gateways, and the messages on their way."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.smsfaults import fault_in_words

DEFAULT_AN_HOUR = 5


class SmsGateway(models.Model):
    """Who passes our SMS on; the superadmin's. The first one that is on is tried first.

    Patterns may hold {number} (with +), {digits} (without) and {text}; each is quoted for where it stands.
    """

    class Kind(models.TextChoices):
        HTTP = "http", _("HTTP")
        MAIL = "mail", _("e-mail to SMS")

    class Body(models.TextChoices):
        NONE = "none", _("none (GET)")
        JSON = "json", _("JSON (POST)")
        FORM = "form", _("form (POST)")

    name = models.CharField(_("name"), max_length=60, unique=True)
    kind = models.CharField(_("kind"), max_length=4, choices=Kind, default=Kind.HTTP)
    is_on = models.BooleanField(_("on"), default=True)
    rank = models.PositiveIntegerField(_("rank"), default=10, help_text=_("The lowest is tried first."))
    url = models.CharField(_("URL"), max_length=1000, blank=True)
    headers = models.TextField(_("headers"), blank=True, help_text=_("One a line, as Name: value."))
    body_kind = models.CharField(_("body"), max_length=4, choices=Body, default=Body.JSON)
    body = models.TextField(
        _("pattern of the body"), blank=True, help_text=_("JSON, or for a form one name=value a line.")
    )
    answer_contains = models.CharField(
        _("a good answer contains"),
        max_length=200,
        blank=True,
        help_text=_("Empty: the status alone counts."),
    )
    recipient = models.CharField(
        _("recipient"),
        max_length=254,
        blank=True,
        help_text=_("For e-mail, such as {digits}@sms.example.org."),
    )
    subject = models.CharField(_("subject"), max_length=200, blank=True)

    class Meta:
        ordering = ["rank", "id"]
        verbose_name = _("SMS gateway")
        verbose_name_plural = _("SMS gateways")
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["http", "mail"]), name="sms_gateway_kind_known"),
            models.CheckConstraint(
                condition=Q(body_kind__in=["none", "json", "form"]), name="sms_gateway_body_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SmsTrial(models.Model):
    """The superadmin tried a gateway. fault: a code of accounts.smsfaults. detail: what it answered, which
    owners of accounts are not shown.
    """

    gateway = models.ForeignKey(SmsGateway, models.CASCADE, related_name="trials")
    number = models.CharField(max_length=16)
    text = models.CharField(max_length=160)
    made_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)
    is_sent = models.BooleanField(default=False)
    fault = models.CharField(max_length=300, blank=True)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.gateway_id} {self.number}"

    @property
    def fault_in_words(self) -> str:
        return fault_in_words(self.fault)


class Notification(models.Model):
    """Where an account's SMS go, and for which mail. pending: a number that its owner has not confirmed yet;
    the confirmed one counts until then. senders, subjects: one a line; a mail that has one of them counts,
    and every mail does while there are none.
    """

    account = models.OneToOneField(
        "accounts.Account", models.CASCADE, primary_key=True, related_name="notification"
    )
    is_on = models.BooleanField(default=True)
    number = models.CharField(max_length=16, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    pending = models.CharField(max_length=16, blank=True)
    code_hash = models.CharField(max_length=64, blank=True)
    code_made_at = models.DateTimeField(null=True, blank=True)
    wrong_codes = models.PositiveIntegerField(default=0)
    senders = models.TextField(blank=True)
    subjects = models.TextField(blank=True)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    most_an_hour = models.PositiveIntegerField(default=DEFAULT_AN_HOUR)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(most_an_hour__gte=1), name="notification_hour_has_floor"),
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="notification_quiet_hours_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}"

    @property
    def counts(self) -> bool:
        return self.is_on and bool(self.number)


class NoticedMail(models.Model):
    """A mail that an SMS is to tell of. event: the name of the spool's file, so that it counts once however
    often that is read. is_held: it came in quiet hours or past the limit of an hour, and waits for a digest.
    """

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="noticed_mails")
    event = models.CharField(max_length=100, unique=True)
    sender = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    noticed_at = models.DateTimeField(auto_now_add=True)
    is_held = models.BooleanField(default=False)
    told_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.event


class SmsMessage(models.Model):
    """One SMS on its way, or sent. next_try_at: None once nothing more is tried. error: why it was not sent
    so far, a code of accounts.smsfaults.
    """

    class Kind(models.TextChoices):
        CODE = "code", _("code")
        MAIL = "mail", _("new mail")
        DIGEST = "digest", _("several new mails")

    class State(models.TextChoices):
        WAITING = "waiting", _("on its way")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        NO_QUOTA = "no_quota", _("none left this month")

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="sms_messages")
    kind = models.CharField(max_length=6, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    number = models.CharField(max_length=16)
    # Empty once it is sent: what the mail was about need not lie here too, and a code least of all.
    text = models.CharField(max_length=160, blank=True)
    made_at = models.DateTimeField(auto_now_add=True, db_index=True)
    next_try_at = models.DateTimeField(null=True, blank=True, db_index=True)
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    gateway = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "sent", "failed", "no_quota"]), name="sms_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"

    @property
    def error_in_words(self) -> str:
        return fault_in_words(self.error)
