"""What the panel tells to type into a mail program opens the mailbox; its certificate makes it trusted."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import socket
import ssl
from pathlib import Path

import pytest

from accounts.models import Account
from accounts.views.mail_programs import MailServer
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance
from tests.mail.wire import Wire

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])


class Program:
    """A mail program that was given the address, the password, the servers and the authority, and no more."""

    def __init__(self, account: Account, context: ssl.SSLContext) -> None:
        self.account, self.context = account, context

    def opens(self, server: MailServer) -> bool:
        protocol = server.label.rpartition(" ")[2]
        return bool({"IMAP": self._imap, "POP3": self._pop3, "SMTP": self._smtp}[protocol](server))

    def _imap(self, server: MailServer) -> bool:
        client: imaplib.IMAP4
        if server.encryption == "SSL/TLS":
            client = imaplib.IMAP4_SSL(server.host, server.port, ssl_context=self.context)
        else:
            client = imaplib.IMAP4(server.host, server.port)
            client.starttls(self.context)
        with client:
            client.authenticate("PLAIN", lambda _told: f"\0{self.account.address}\0{PASSWORD}".encode())
            return client.select("INBOX")[0] == "OK"

    def _pop3(self, server: MailServer) -> bool:
        client: poplib.POP3
        if server.encryption == "SSL/TLS":
            client = poplib.POP3_SSL(server.host, server.port, context=self.context)
        else:
            client = poplib.POP3(server.host, server.port)
            client.stls(self.context)
        client.user(self.account.address)
        client.pass_(PASSWORD)
        return client.quit().startswith(b"+OK")

    def _smtp(self, server: MailServer) -> bool:
        client: smtplib.SMTP
        if server.encryption == "SSL/TLS":
            client = smtplib.SMTP_SSL(server.host, server.port, context=self.context)
        else:
            client = smtplib.SMTP(server.host, server.port)
            client.starttls(context=self.context)
        with client:
            Wire.smtp_login(client, self.account.address, PASSWORD)
            return client.noop()[0] == 250


def test_what_the_page_says_opens_the_mailbox_and_the_downloaded_authority_is_enough(
    plane: MailInstance, jan: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.apply()
    panel = logged_in(jan)
    page = panel.get("/mail-programs/")
    assert page.context["has_own_authority"]
    downloaded = tmp_path / "authority.crt"
    downloaded.write_bytes(b"".join(panel.get("/mail-programs/ca.crt")))
    program = Program(jan, ssl.create_default_context(cafile=str(downloaded)))
    # The name is in nobody's DNS here; the certificate is compared with it all the same.
    known = socket.getaddrinfo
    monkeypatch.setattr("socket.getaddrinfo", lambda host, *rest, **more: known("127.0.0.1", *rest, **more))
    servers = [*page.context["recommended"], *page.context["others"]]
    assert len(servers) == 6
    assert [server for server in servers if not program.opens(server)] == []
    with pytest.raises(ssl.SSLCertVerificationError):
        Program(jan, ssl.create_default_context()).opens(servers[0])
