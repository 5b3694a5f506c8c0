"""The account that somebody names on a command line."""

from __future__ import annotations

from accounts.actor import Actor
from accounts.addresses import parse_address
from accounts.models import Account
from qmailux_site.errors import QmailuxError


def account_named(text: str) -> Account:
    """By its address in either spelling of the domain; an operator by its login, which need not be an address
    of mail. Raises QmailuxError with a sentence for the person at the console.
    """
    address = text.strip().lower()
    accounts = Account.objects.visible_to(Actor.console()).select_related("domain__node")
    account = accounts.filter(address=address).first()
    account = account or accounts.filter(address=str(parse_address(text))).first()
    if account is None:
        raise QmailuxError(f"There is no account {address}.")
    return account
