"""Every settings file against its golden file and against the part's own parser."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from provisioning.layout import Layout
from provisioning.render import dovecot, nginx, postfix, programs, sieve
from provisioning.render.files import HEADER, RenderedFile
from provisioning.render.plane import MailPlane
from tests.golden.conftest import compare_with_golden


def rendered(plane: MailPlane) -> list[RenderedFile]:
    return [
        *postfix.settings(plane),
        *dovecot.settings(plane),
        *nginx.settings(plane, has_ipv6=True),
        *programs.settings(plane),
        sieve.server_script(plane),
    ]


def test_settings_match_their_golden_files(mail_plane: MailPlane) -> None:
    for file in rendered(mail_plane):
        compare_with_golden(file)


def test_same_values_give_the_same_bytes(mail_plane: MailPlane) -> None:
    assert rendered(mail_plane) == rendered(mail_plane)


def test_every_file_says_whose_it_is(mail_plane: MailPlane) -> None:
    for file in rendered(mail_plane):
        assert HEADER.encode() in file.content[:300], file.path


@pytest.fixture
def written(mail_plane: MailPlane) -> Iterator[MailPlane]:
    """The files in a folder of their own, with a certificate beside, for the real parsers."""
    layout = Layout(Path(f"/tmp/qxg{os.getpid()}"), "127.0.0.1", 10000, "mail.firma.test")
    plane = dataclasses.replace(mail_plane, layout=layout)
    for file in rendered(plane):
        path = layout.node / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    layout.tls.mkdir(exist_ok=True)
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=x",
            "-keyout",
            plane.key,
            "-out",
            plane.chain,
        ],
        check=True,
        capture_output=True,
    )
    yield plane
    shutil.rmtree(layout.home)


def test_postfix_accepts_its_settings_without_a_warning(written: MailPlane) -> None:
    folder = str(written.layout.etc / "postfix")
    for options in (["-n"], ["-M"]):
        done = subprocess.run(
            ["postconf", "-c", folder, *options], capture_output=True, text=True, check=True
        )
        unexpected = [line for line in done.stderr.splitlines() if "unused parameter" not in line]
        assert unexpected == []


def test_dovecot_accepts_its_settings(written: MailPlane) -> None:
    conf = str(written.layout.etc / "dovecot" / "dovecot.conf")
    done = subprocess.run(["doveconf", "-c", conf, "-n"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "Error" not in done.stderr


def test_sieve_compiles_the_server_script(written: MailPlane) -> None:
    script = written.layout.etc / "dovecot" / "sieve" / "server.sieve"
    conf = str(written.layout.etc / "dovecot" / "dovecot.conf")
    done = subprocess.run(["sievec", "-c", conf, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_forwarding_script_matches_its_golden_file() -> None:
    script = sieve.panel_script(
        home="ab/abc", forward_to=["ola@firma.test", "x@gmail.example"], keep_copy=True
    )
    assert script is not None
    compare_with_golden(script)
    assert sieve.panel_script(home="ab/abc") is None


def test_autoresponder_script_matches_its_golden_file() -> None:
    answer = sieve.Answer(
        sender_name="Jan Żak",
        sender="jan@firma.test",
        addresses=("biuro@firma.test", "jan@firma.test"),
        subject="Urlop – wrócę",
        text='Cena ${1}\n.\n"cytat" i \\',
        first_day=date(2026, 7, 1),
        last_day=date(2026, 7, 14),
        interval_hours=36,
        period=2,
    )
    script = sieve.panel_script(home="ab/abd", answer=answer)
    assert script is not None
    compare_with_golden(script)


@pytest.mark.parametrize("percents", [(80, 95), (95, 95)])
def test_quota_warnings_in_the_wrong_order_are_refused(
    mail_plane: MailPlane, percents: tuple[int, ...]
) -> None:
    with pytest.raises(Exception, match="highest"):
        dataclasses.replace(mail_plane, quota_warning_percents=percents)
