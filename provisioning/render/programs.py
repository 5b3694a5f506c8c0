"""The small programs that the mail plane starts, in node/bin. They run as the mail user and use no code of
ours: the control plane's folder need not be readable for them."""

from __future__ import annotations

from email.header import Header

from provisioning.layout import MAIL_USER
from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane

# The owner's language -> subject and body; PERCENT is replaced by the program. Other languages get English.
_WARNING_TEXTS = {
    "pl": (
        "Twoja skrzynka jest zajęta w ponad PERCENT%",
        "Skrzynka ADDRESS jest zajęta w ponad PERCENT% przyznanego miejsca.\n"
        "Gdy się zapełni, nowa poczta nie będzie przyjmowana, a nadawcy dostaną ją z powrotem.\n"
        "\n"
        "Usuń niepotrzebne wiadomości, także z folderów wysłanych i usuniętych, albo poproś\n"
        "administratora swojej domeny o więcej miejsca.\n",
    ),
    "en": (
        "Your mailbox is more than PERCENT% full",
        "The mailbox ADDRESS uses more than PERCENT% of its space.\n"
        "When it is full, new mail will be refused and returned to its senders.\n"
        "\n"
        "Delete messages you no longer need, also from the folders of sent and deleted mail,\n"
        "or ask the administrator of your domain for more space.\n",
    ),
}


def settings(plane: MailPlane) -> list[RenderedFile]:
    return [_quota_warning(plane), _submit(plane)]


def _quota_warning(plane: MailPlane) -> RenderedFile:
    # One encoded subject for each percentage: an encoded word cannot be filled in by a shell.
    subjects = {
        (language, percent): _encoded(subject.replace("PERCENT", str(percent)))
        for language, (subject, _) in sorted(_WARNING_TEXTS.items())
        for percent in plane.quota_warning_percents
    }
    bodies = {language: body for language, (_, body) in sorted(_WARNING_TEXTS.items())}
    content = render(
        "bin/quota-warning.j2",
        conf=plane.layout.etc / "dovecot" / "dovecot.conf",
        name=plane.name,
        subjects=subjects,
        bodies=bodies,
    )
    return RenderedFile(path="bin/quota-warning", content=content, daemon="", mode=0o755)


def _submit(plane: MailPlane) -> RenderedFile:
    content = render(
        "bin/qmailux-submit.j2",
        socket=plane.layout.queue / "public" / "sieve",
        name=plane.name,
    )
    return RenderedFile(path="bin/qmailux-submit", content=content, daemon="", mode=0o750, group=MAIL_USER)


def _encoded(subject: str) -> str:
    """RFC 2047, on one line."""
    charset = "us-ascii" if subject.isascii() else "utf-8"
    return Header(subject, charset, maxlinelen=1000).encode()
