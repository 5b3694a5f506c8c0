"""What the logs say, joined: one entry a message, a refusal or a session. Written by ingest alone.

In an embedded instance these tables live in a SQLite file of their own (settings, "logs"), so nothing here
points at a row of another app: names are text.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from maillog.querysets import EntryQuerySet

LONGEST_ADDRESS = 320
LONGEST_MESSAGE_ID = 600
LONGEST_SUBJECT = 998
LONGEST_REASON = 1000
LONGEST_NAME = 255


class Kind(models.TextChoices):
    MESSAGE = "message", pgettext_lazy("one", "message")
    REFUSAL = "refusal", _("refusal")
    SESSION = "session", _("session")
    ACT = "act", _("act in the panel")
    UPDATE = "update", _("update")
    DEBUG = "debug", _("dialogue")
    # Whether a recipient exists, asked before any mail is taken: verify(8).
    QUESTION = "question", _("question to another server")


class Verdict(models.TextChoices):
    DELIVERED = "delivered", _("delivered")
    PARTLY = "partly", _("partly delivered")
    DEFERRED = "deferred", _("waiting for the next try")
    BOUNCED = "bounced", _("returned to the sender")
    REJECTED = "rejected", _("refused")
    DISCARDED = "discarded", _("discarded")
    HELD = "held", _("on hold")
    QUEUED = "queued", _("in the queue")
    ABANDONED = "abandoned", _("given up by the sending side")
    UNKNOWN = "unknown", _("fate unknown")
    LOGGED_IN = "logged-in", _("logged in")
    LOGIN_FAILED = "login-failed", _("login failed")
    DONE = "done", _("done")
    UPDATED = "updated", _("updated")
    UNCHANGED = "unchanged", _("nothing new")
    FAILED = "failed", _("failed")


class Direction(models.TextChoices):
    IN = "in", pgettext_lazy("direction of mail", "in")
    OUT = "out", pgettext_lazy("direction of mail", "out")
    LOCAL = "local", pgettext_lazy("direction of mail", "within")


class Mechanism(models.TextChoices):
    """What refused."""

    DNSBL = "dnsbl", _("blocklist")
    GREYLIST = "greylist", _("greylisting")
    CLIENT_RATES = "client-rates", _("limits for each client")
    HELO = "helo", _("HELO check")
    SENDER_DOMAIN = "sender-domain", _("sender's domain")
    REVERSE_NAME = "reverse-name", _("reverse name")
    SPF = "spf", "SPF"
    DMARC = "dmarc", "DMARC"
    VIRUS = "virus", _("virus")
    ATTACHMENT = "attachment", _("attachment type")
    QUOTA = "quota", _("mailbox full")
    RELAY = "relay", _("relaying")
    UNKNOWN_USER = "unknown-user", _("unknown recipient")
    LOCKED = "locked", _("lock")
    SENDER_LOGIN = "sender-login", _("sender of another login")
    BLOCKED = "blocked", _("operator's block")
    PIPELINING = "pipelining", _("pipelining")
    PROTOCOL = "protocol", _("protocol error")
    SIZE = "size", _("message size")
    MILTER = "milter", _("mail filter")
    PASSWORD = "password", _("wrong password")  # a mechanism
    OTHER = "other", pgettext_lazy("what refused", "other")


class Handling(models.TextChoices):
    """What was done with a message on the way; several may be."""

    TAGGED = "tagged", _("marked as spam")
    SPAM_FOLDER = "spam-folder", _("put into SPAM")
    UNSCANNED = "unscanned", _("not searched for spam")
    FORWARDED = "forwarded", _("forwarded")
    ANSWERED = "answered", _("answered automatically")


class Entry(models.Model):
    """One line of the trace. Its id grows with the time at which it was first read.

    queue_id: of a session, the session's id. client: 32 hexadecimal digits, so that networks are ranges.
    own_address: of this server's, where it came in or left from, when it has several. spam_*: the
    highest verdict among the recipients. handling: words with commas. reason: the server's own words.
    is_open: more lines may come.
    """

    id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=8, choices=Kind)
    began_at = models.DateTimeField()
    last_at = models.DateTimeField()
    is_open = models.BooleanField()
    queue_id = models.CharField(max_length=40, blank=True)
    message_id = models.CharField(max_length=LONGEST_MESSAGE_ID, blank=True)
    sender = models.CharField(max_length=LONGEST_ADDRESS, blank=True)
    recipient = models.CharField(max_length=LONGEST_ADDRESS, blank=True, help_text="the first one")
    recipient_count = models.PositiveIntegerField(default=0)
    subject = models.CharField(max_length=LONGEST_SUBJECT, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    client = models.CharField(max_length=32, blank=True)
    client_name = models.CharField(max_length=LONGEST_NAME, blank=True)
    helo = models.CharField(max_length=LONGEST_NAME, blank=True)
    login = models.CharField(max_length=LONGEST_ADDRESS, blank=True)
    service = models.CharField(max_length=24, blank=True)
    direction = models.CharField(max_length=5, choices=Direction, blank=True)
    verdict = models.CharField(max_length=12, choices=Verdict)
    mechanism = models.CharField(max_length=16, choices=Mechanism, blank=True)
    folder = models.CharField(max_length=LONGEST_NAME, blank=True)
    reason = models.CharField(max_length=LONGEST_REASON, blank=True)
    own_address = models.CharField(max_length=39, blank=True, db_default="")
    spam_score = models.CharField(max_length=12, blank=True, db_default="")
    spam_rules = models.CharField(max_length=LONGEST_REASON, blank=True, db_default="")
    handling = models.CharField(max_length=80, blank=True, db_default="")

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "entries"
        indexes = [
            models.Index(fields=["began_at"], name="entry_began_at"),
            models.Index(fields=["queue_id"], name="entry_queue_id", condition=~models.Q(queue_id="")),
            models.Index(fields=["message_id"], name="entry_message_id", condition=~models.Q(message_id="")),
            models.Index(fields=["client", "id"], name="entry_client", condition=~models.Q(client="")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.queue_id or self.id}"


class Role(models.TextChoices):
    """What an address is to an entry. A sender that nobody has proven gives no right to see it."""

    SENDER = "s"
    RECIPIENT = "r"
    ORIGINAL = "o"
    LOGIN = "l"


class Party(models.Model):
    """One address of an entry; by it people find mail, and by it they may see it."""

    pk = models.CompositePrimaryKey("address", "entry", "role")
    entry = models.ForeignKey(
        Entry, models.DO_NOTHING, related_name="parties", db_constraint=False, db_index=False
    )
    address = models.CharField(max_length=LONGEST_ADDRESS)
    domain = models.CharField(max_length=253)
    role = models.CharField(max_length=1, choices=Role)

    class Meta:
        verbose_name_plural = "parties"
        indexes = [
            models.Index(fields=["domain", "entry"], name="party_domain"),
            models.Index(fields=["entry"], name="party_entry"),
        ]

    def __str__(self) -> str:
        return self.address


class EntryLines(models.Model):
    """The raw lines of an entry, apart from it: they go earlier. The timeline is read from them."""

    entry = models.OneToOneField(
        Entry, models.DO_NOTHING, primary_key=True, related_name="lines", db_constraint=False
    )
    text = models.TextField()

    class Meta:
        verbose_name_plural = "lines of entries"

    def __str__(self) -> str:
        return f"lines of {self.entry_id}"


class LooseLines(models.Model):
    """Lines that wait for the message they belong to: a connection that goes on, a delivery not yet
    answered.
    """

    key = models.CharField(max_length=200, primary_key=True)
    text = models.TextField()

    class Meta:
        verbose_name_plural = "loose lines"

    def __str__(self) -> str:
        return self.key


class Debugging(models.Model):
    """Sessions of these clients are logged word for word until then."""

    network = models.CharField(max_length=43)
    until = models.DateTimeField()
    started_by = models.CharField(max_length=254)
    started_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.network


class LogFile(models.Model):
    """How far a file was read, by its content: a rotated, renamed or compressed one is the same file.

    head: a hash of its first head_bytes bytes. last_moment: of its last line, where stamps go on.
    """

    head = models.CharField(max_length=64)
    head_bytes = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    offset_bytes = models.BigIntegerField(default=0)
    last_moment = models.FloatField(null=True)
    line_count = models.BigIntegerField(default=0)
    unknown_count = models.BigIntegerField(default=0)
    read_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["head", "head_bytes"], name="log_file_head_once"),
        ]

    def __str__(self) -> str:
        return self.name
