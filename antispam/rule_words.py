"""SpamAssassin's rules in words, by the beginning of their names. Pure."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

# The first beginning that fits decides, so the narrower ones stand first.
_WORDS: tuple[tuple[str, Any], ...] = (
    ("QM_ALLOW_USER", _("sender on your list of those let through")),
    ("QM_DENY_USER", _("sender on your list of spam")),
    ("QM_ALLOW_DOMAIN", _("sender let through by the domain's list")),
    ("QM_DENY_DOMAIN", _("sender on the domain's list of spam")),
    ("QM_ALLOW_SERVER", _("sender let through by the server's list")),
    ("QM_DENY_SERVER", _("sender on the server's list of spam")),
    ("USER_IN_WELCOMELIST", _("goes past the protections of the server")),
    ("USER_IN_WHITELIST", _("goes past the protections of the server")),
    ("GTUBE", _("the test message of spam checks")),
    ("UNWANTED_LANGUAGE", _("in a language that you do not read")),
    ("BAYES_00", _("very unlike what you taught as spam")),
    ("BAYES_05", _("unlike what you taught as spam")),
    ("BAYES_20", _("unlike what you taught as spam")),
    ("BAYES_40", _("a little unlike what you taught as spam")),
    ("BAYES_50", _("neither like your spam nor like your wanted mail")),
    ("BAYES_", _("like what you taught as spam")),
    ("DKIM_INVALID", _("its signature is broken")),
    ("DKIM_ADSP", _("not signed though its domain signs all mail")),
    ("DKIM_", _("signature of the sending domain (DKIM)")),
    ("SPF_FAIL", _("from a server that the domain excludes (SPF)")),
    ("SPF_SOFTFAIL", _("from a server that the domain does not name (SPF)")),
    ("SPF_", _("what the domain says of its servers (SPF)")),
    ("DMARC_", _("what the domain wants of unproven mail (DMARC)")),
    ("RCVD_IN_", _("the sending server is on a public list")),
    ("URIBL_", _("a link in it is on a public list")),
    ("HASHBL_", _("an address in it is on a public list")),
    ("FREEMAIL_", _("from a free mail service")),
    ("FORGED_", _("pretends to come from a program or service that it does not")),
    ("HTML_IMAGE", _("pictures with little text")),
    ("HTML_", _("HTML of a kind that spam uses")),
    ("MIME_", _("built in a way that spam uses")),
    ("MISSING_", _("a header is missing that mail programs write")),
    ("HEADER_FROM_DIFFERENT", _("two senders that do not fit together")),
    ("TO_", _("the recipient's line is unusual")),
    ("FROM_", _("the sender's line is unusual")),
    ("SUBJ", _("the subject is written as in spam")),
    ("RDNS_", _("the sending server has no proper name")),
    ("HELO_", _("the sending server greets with a wrong name")),
    ("DATE_IN_", _("its date is wrong")),
    ("INVALID_", _("a header is written wrongly")),
    ("ADVANCE_FEE", _("promises money for money")),
    ("LOTS_OF_MONEY", _("speaks of much money")),
    ("MONEY_", _("speaks of money")),
    ("PDS_", _("pattern seen in spam")),
    ("T_", _("a rule on trial, without weight")),
)


def in_words(rule: str) -> str:
    """ "" when nobody has put it into words."""
    return next((str(words) for beginning, words in _WORDS if rule.startswith(beginning)), "")
