"""What the protections stopped, told from the lines of the logs. Pure but for the sums at the end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date

from django.db.models import Sum

from antispam.models import ProtectionCount

# Not a protection, but counted beside them: mail that was delivered though the spam check failed.
UNSCANNED = "unscanned"

# And what people sent while a scanner was down.
UNSCANNED_OUTGOING = "outgoing-unscanned"

MAIL_LOG, SPAMD_LOG, DOVECOT_LOG = "log/mail.log", "log/spamd.log", "log/dovecot.log"
SYSLOG = "log/syslog.log"
# Of our own outgoing-scan; it writes who has sent it behind all that others can choose.
_SEARCHED = r"^\S+ \S+ outgoing-scan\[\d+\]: [0-9A-Za-z]+: "
# The server's own words stand after ": reject: " or ": milter-reject: "; what a client says comes later.
_REJECT = r"^\S+ +\d+ [\d:]+ \S+ \S+\[\d+\]: [0-9A-Za-z]+: (?:milter-)?reject: "
_PATTERNS = {
    MAIL_LOG: {
        "unlisted-recipient": _REJECT
        + r"RCPT from \S+: 550 5\.1\.1 <[^>]*>: Recipient address rejected: User unknown",
        "helo": _REJECT + r"RCPT from \S+: 50\d 5\.5\.2 <[^>]*>: Helo command rejected: ",
        "reverse-name": _REJECT + r"RCPT from \S+: \d+ \S+ Client host rejected: cannot find your reverse",
        "sender-domain": _REJECT
        + r"RCPT from \S+: \d+ \S+ <[^>]*>: Sender address rejected: Domain not found",
        "dnsbl": _REJECT
        + r"RCPT from \S+: 554 \S+ Service unavailable; Client host \[[^]]*\] blocked using ",
        "pipelining": _REJECT + r"DATA from \S+: 503 \S+ <DATA>: Data command rejected: Improper use of SMTP",
        "attachment-types": _REJECT + r"header Content-.*: 5\.7\.1 attachment type not allowed$",
        "clamav": _REJECT + r"END-OF-MESSAGE from \S+: 5\.7\.1 Virus found: ",
        "client-rates": r"^\S+ +\d+ [\d:]+ \S+ \S+/smtpd\[\d+\]: warning: "
        r"(?:Connection|Message delivery request|Recipient address) (?:rate|concurrency) limit exceeded: ",
        "postscreen-dnsbl": _REJECT
        + r"RCPT from \S+: 550 5\.7\.1 Service unavailable; client \[[^]]*\] blocked using ",
        "postscreen-pregreet": _REJECT + r"RCPT from \S+: 550 5\.5\.1 Protocol error",
        "postscreen-protocol": _REJECT + r"RCPT from \S+: 450 4\.3\.2 Service currently unavailable",
        "spf": _REJECT + r"RCPT from \S+: 550 5\.7\.23 <[^>]*>: Recipient address rejected: Message rejected "
        r"due to: SPF ",
        "greylisting": _REJECT
        + r"RCPT from \S+: 450 4\.2\.0 <[^>]*>: Recipient address rejected: Greylisted",
        "dkim": _REJECT + r"END-OF-MESSAGE from \S+: 5\.7\.\d bad DKIM signature",
        "dmarc": _REJECT + r"END-OF-MESSAGE from \S+: 5\.7\.1 rejected by DMARC policy for ",
    },
    SPAMD_LOG: {
        # What people send is asked for under a name of its own, and counted by its own line.
        "spamassassin": r"^.{24} \[\d+\] info: spamd: identified spam \([^)]*\) for (?!outgoing:)",
        # Spam to which what the public lists say has added.
        "spamassassin-network": r"^.{24} \[\d+\] info: spamd: result: Y +-?\d+ - "
        r"(?!\S+ \S*,user=outgoing,)(?:\S+,)?(?:RCVD_IN_|URIBL_|RAZOR|PYZOR)",
    },
    DOVECOT_LOG: {
        UNSCANNED: r"^\S+ lmtp\(.*program exec:\S+/bin/sieve/scan \(\d+\): Terminated with non-zero"
    },
    SYSLOG: {
        "outgoing-viruses": _SEARCHED + r"(?:refused|held), virus ",
        "outgoing-spam": _SEARCHED + r"(?:refused|held), spam ",
        UNSCANNED_OUTGOING: _SEARCHED + r"passed without \w+ check: ",
        UNSCANNED: _SEARCHED + r"passed on without spam check: ",
    },
}
_COMPILED = {
    log: {name: re.compile(pattern) for name, pattern in patterns.items()}
    for log, patterns in _PATTERNS.items()
}
LOGS = tuple(_PATTERNS)


def stopped_in(log: str, lines: Iterable[str]) -> Counter[str]:
    """How often each protection stopped something in these lines of one of LOGS."""
    found: Counter[str] = Counter()
    for line in lines:
        for name, pattern in _COMPILED[log].items():
            if pattern.match(line):
                found[name] += 1
                break
    return found


def stopped_since(day: date) -> dict[str, int]:
    """By name, that day included."""
    sums = ProtectionCount.objects.filter(day__gte=day).values_list("name").annotate(Sum("count"))
    return dict(sums.order_by())
