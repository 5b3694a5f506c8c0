"""Which protection spoke, by the server's own words. Pure."""

from __future__ import annotations

# The first phrase that is found decides; the words are Postfix's, our own policies' and Dovecot's.
_PHRASES = (
    ("blocked using", "dnsbl"),
    ("limit exceeded", "client-rates"),
    ("too many connections", "client-rates"),
    ("greylisted", "greylist"),
    ("virus", "virus"),
    ("infected", "virus"),
    ("attachment type", "attachment"),
    ("blocked by operator", "blocked"),
    ("due to: spf", "spf"),
    ("dmarc", "dmarc"),
    ("not owned by user", "sender-login"),
    ("not logged in", "sender-login"),
    ("is locked", "locked"),
    ("takes no mail", "locked"),
    ("user disabled", "locked"),
    ("account is disabled", "locked"),
    ("mailbox is full", "quota"),
    ("quota exceeded", "quota"),
    ("over quota", "quota"),
    ("mailbox full", "quota"),
    ("relay access denied", "relay"),
    ("user unknown", "unknown-user"),
    ("unknown user", "unknown-user"),
    ("recipient address rejected: undeliverable", "unknown-user"),
    ("user doesn't exist", "unknown-user"),
    ("helo command rejected", "helo"),
    ("sender address rejected: domain not found", "sender-domain"),
    ("sender address rejected", "sender-domain"),
    ("reverse hostname", "reverse-name"),
    ("cannot find your hostname", "reverse-name"),
    ("pipelining", "pipelining"),
    ("protocol error", "protocol"),
    ("message size exceeds", "size"),
    ("message too large", "size"),
    ("password mismatch", "password"),
    ("auth failed", "password"),
)


def mechanism_of(reason: str) -> str:
    """ "" when the words name none."""
    words = reason.lower()
    return next((mechanism for phrase, mechanism in _PHRASES if phrase in words), "")
