"""Sign-in tokens at the mail plane: whom they let in, and all that they do not."""

from __future__ import annotations

import imaplib
import json
import smtplib
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from provisioning.secrets import begin_rotation, finish_rotation
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance
from tests.mail.wire import CLIENT_ADDRESS, Wire, client_context
from webmail import tokens

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wire(plane: MailInstance, jan: Account) -> Wire:
    plane.apply()
    return Wire(plane.layout)


def token_of(plane: MailInstance, account: Account, *, acting: str = "", seconds: int = 600) -> str:
    return tokens.new_token(plane.layout, address=account.address, acting=acting, seconds=seconds)


def lets_in(plane: MailInstance, login: str, secret: str, *, source: str = "127.0.0.1") -> bool:
    """A login over IMAP with TLS, from the network address."""
    client = imaplib.IMAP4_SSL.__new__(imaplib.IMAP4_SSL)
    client._create_socket = _from(source, plane)  # type: ignore[attr-defined]  # imaplib knows no source address
    client.__init__("127.0.0.1", plane.layout.port("imaps"), ssl_context=client_context())  # type: ignore[misc]
    try:
        client.authenticate("PLAIN", lambda _challenge: f"\0{login}\0{secret}".encode())
    except imaplib.IMAP4.error:
        return False
    else:
        return True
    finally:
        client.shutdown()


def _from(source: str, plane: MailInstance):  # type: ignore[no-untyped-def]
    import socket

    def create(_timeout: float | None = None) -> object:
        plain = socket.create_connection(
            ("127.0.0.1", plane.layout.port("imaps")), timeout=20, source_address=(source, 0)
        )
        return client_context().wrap_socket(plain)

    return create


def changed(token: str, **claims: object) -> str:
    head, body, signature = token.split(".")
    padded = body + "=" * (-len(body) % 4)
    fresh = {**json.loads(urlsafe_b64decode(padded)), **claims}
    return f"{head}.{urlsafe_b64encode(json.dumps(fresh).encode()).rstrip(b'=').decode()}.{signature}"


def test_a_token_opens_its_own_mailbox_over_imap_and_submission(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    token = token_of(plane, jan, acting="pola@firma.test")
    assert lets_in(plane, jan.address, token)
    with smtplib.SMTP_SSL("127.0.0.1", plane.layout.port("smtps"), context=client_context()) as client:
        wire.smtp_login(client, jan.address, token)
    # The log names who acted.
    assert "act=<pola@firma.test>" in plane.log("dovecot.log")
    assert lets_in(plane, jan.address, PASSWORD)


def test_a_token_is_worthless_elsewhere(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, console: Actor
) -> None:
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    token = token_of(plane, jan)

    assert not lets_in(plane, ola.address, token)
    assert not lets_in(plane, jan.address, token, source=CLIENT_ADDRESS)
    assert lets_in(plane, jan.address, PASSWORD, source=CLIENT_ADDRESS)
    assert not lets_in(plane, jan.address, token_of(plane, jan, seconds=-1))
    assert not lets_in(plane, ola.address, changed(token, sub=ola.address))
    assert not lets_in(plane, jan.address, changed(token_of(plane, jan, seconds=-1), exp=2_000_000_000))
    assert lets_in(plane, jan.address, token)


def test_a_lock_closes_the_mailbox_to_a_token(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    token = token_of(plane, jan)
    assert lets_in(plane, jan.address, token)
    actions.lock_account(jan, by=console)
    plane.apply()
    assert not lets_in(plane, jan.address, token)


def test_a_new_key_signs_and_what_the_old_one_signed_goes_on(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    before = token_of(plane, jan)
    private = begin_rotation(plane.layout)
    plane.applier().apply_all(confirm_deletions=True)
    finish_rotation(plane.layout, private)
    after = token_of(plane, jan)

    assert lets_in(plane, jan.address, before)
    assert lets_in(plane, jan.address, after)
    # The next time the first key's place is taken.
    private = begin_rotation(plane.layout)
    plane.applier().apply_all(confirm_deletions=True)
    finish_rotation(plane.layout, private)
    assert not lets_in(plane, jan.address, before)
    assert lets_in(plane, jan.address, after)
