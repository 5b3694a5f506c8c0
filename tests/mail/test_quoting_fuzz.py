"""100,000 random values a syntax through the daemons' own parsers: read back identical or refused (STYLE 19).

Each test says of every value whether it was refused, and of the others that the parser gives them back.
"""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path

import pytest
from supervisor.options import UnhosedConfigParser, expand

from provisioning.render import quoting
from qmailux_site.errors import UnsafeValue
from tests.mail.instance import wait_until

COUNT = 100_000
SEED = 20261125

SPECIALS = [*"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", " ", "  "]
WORDS = ["a", "b7", "anna", "firma.test", "x@y.example", "/srv/mail", "Żółw", "€", "é", "密", "😀"]
SYNTAX = [
    *("$$", "${", "${x}", "${hex:41}", "${unicode:17c}", "${_}", "${1}", "${a.b}", "$(id)", "$myhostname"),
    *("$mail_plugins", " $mail_plugins ", "%%", "%u", "%{u}", "%(x)s", "%(ENV_HOME)s", "{{", "}}", "{{7*7}}"),
    *(" #", " ;", "\\\\", '\\"', "\\n", '"x"', "'y'", "<file", "text:", ";}", "{", "= ", ", ", "!include x"),
]
INVISIBLE = ["\n", "\r\n", "\r", "\t", "\0", "\x7f", "\x85", "\u00a0", "\u00ad", "\u200b", "\u202e", "\u2028"]


def _values() -> list[str]:
    dice = random.Random(SEED)
    pieces = SPECIALS * 4 + WORDS * 8 + SYNTAX * 2 + INVISIBLE
    values = ["".join(dice.choices(pieces, k=dice.randrange(1, 9))) for _number in range(COUNT)]
    for position in range(0, COUNT, 1000):
        values[position] = values[position] * dice.randrange(200, 2000)
    values[1] = ""
    return values


VALUES = _values()
LOWER = [value.lower() for value in VALUES]


def accepted(
    quote: Callable[[str], str], values: Iterable[str] = VALUES, *, at_least: int
) -> dict[int, tuple[str, str]]:
    """Number of each value that is not refused -> the value, and how it is written."""
    found: dict[int, tuple[str, str]] = {}
    for number, value in enumerate(values):
        try:
            found[number] = value, quote(value)
        except UnsafeValue:
            continue
    assert len(found) >= at_least
    return found


def run(*argv: str, given: str | None = None, expected_warning: str = "(?!)") -> str:
    done = subprocess.run(argv, input=given and given.encode(), capture_output=True, timeout=60, check=False)
    lines = done.stderr.decode(errors="replace").splitlines()
    complaints = [line[:300] for line in lines if not re.search(expected_warning, line)]
    assert not complaints, f"{len(complaints)} lines, such as {complaints[:5]}"
    assert done.returncode == 0
    output: bytes = done.stdout
    return output.decode()


def same(read: dict[int, str], written: dict[int, tuple[str, str]]) -> None:
    """Every value came back, none changed; on failure only the first ones are shown."""
    wrong = {
        number: (value, quoted, read.get(number))
        for number, (value, quoted) in written.items()
        if read.get(number) != value
    }
    assert not wrong, (
        f"{len(wrong)} values changed, such as {[str(w)[:300] for w in list(wrong.values())[:5]]}"
    )
    assert read.keys() == written.keys()


def batches(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


def by_number(lines: Iterable[str], pattern: str) -> dict[int, str]:
    matches = [re.fullmatch(pattern, line) for line in lines]
    return {int(match[1]): match[2] for match in matches if match}


# --- Postfix ------------------------------------------------------------------------------------------------


@pytest.fixture
def postfix_folder(tmp_path: Path) -> Path:
    (tmp_path / "main.cf").write_text(_MAIN_CF.format(folder=tmp_path))
    (tmp_path / "master.cf").touch()
    (tmp_path / "dynamicmaps.cf").write_text("lmdb\tpostfix-lmdb.so\tdict_lmdb_open\tmkmap_lmdb_open\n")
    return tmp_path


_MAIN_CF = """\
compatibility_level = 3.6
shlib_directory = /usr/lib/postfix
meta_directory = {folder}
"""


def test_main_cf_gives_values_back(postfix_folder: Path) -> None:
    written = accepted(quoting.postfix_value, at_least=COUNT // 4)
    with (postfix_folder / "main.cf").open("a") as stream:
        stream.writelines(f"fuzz{number} = {quoted}\n" for number, (_value, quoted) in written.items())
        # postconf shows names of our own only where another setting refers to them.
        references = " ".join(f"$fuzz{number}" for number in written)
        stream.write(f"smtpd_banner = {references}\n")
    # It also looks for inline tables ("{...}") in every setting, and complains of what is none.
    printed = run(
        "postconf", "-c", str(postfix_folder), "-x", "-n", expected_warning="syntax error after '}'"
    )
    read = by_number(printed.split("\n"), r"fuzz(\d+) = ?(.*)")
    # It prints runs of blanks as one.
    same(read, {number: (re.sub(" +", " ", value), quoted) for number, (value, quoted) in written.items()})


def test_main_cf_keeps_runs_of_blanks(postfix_folder: Path) -> None:
    value = "a  $b   ${c} {{  \\ \"d'"
    with (postfix_folder / "main.cf").open("a") as stream:
        stream.write(f"default_database_type = {quoting.postfix_value(value)}\n")
    argv = ["postmap", "-c", str(postfix_folder), "-q", "key", "table without type"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    assert done.stderr.endswith(f"unsupported dictionary type: {value}\n")


@pytest.mark.parametrize("way", ["rebuild", "update"])
def test_a_map_gives_keys_and_values_back(postfix_folder: Path, way: str) -> None:
    keys = accepted(quoting.map_key, LOWER, at_least=COUNT // 20)
    values = accepted(quoting.map_value, at_least=COUNT // 4)
    # Values that are refused as keys still need one.
    entries = {f"value-{number}": value for number, (value, _quoted) in values.items()}
    entries |= {key: f"key {number}" for number, (key, _quoted) in keys.items()}
    if way == "update":
        entries = dict(random.Random(SEED).sample(sorted(entries.items()), 5000))
    source = "".join(quoting.map_line(key, value) for key, value in entries.items())
    table = f"lmdb:{postfix_folder}/table"
    if way == "update":
        run("postmap", "-c", str(postfix_folder), "-r", "-i", table, given=source)
    else:
        (postfix_folder / "table").write_text(source)
        run("postmap", "-c", str(postfix_folder), table)
    lines = run("postmap", "-c", str(postfix_folder), "-s", table).split("\n")
    read = dict(line.split("\t", 1) for line in lines if line)
    wrong = {key: (value, read.get(key)) for key, value in entries.items() if read.get(key) != value}
    assert not wrong, f"{len(wrong)} entries changed, such as {str(list(wrong.items())[:5])[:2000]}"
    assert len(read) == len(entries)


# --- Dovecot ------------------------------------------------------------------------------------------------


def test_dovecot_conf_gives_values_back(tmp_path: Path) -> None:
    written = accepted(quoting.dovecot_value, at_least=COUNT // 4)
    conf = tmp_path / "dovecot.conf"
    lines: list[str] = []
    # Its time grows with the square of the number of settings.
    for batch in batches(sorted(written), 2000):
        settings = "".join(f"  fuzz{number} = {written[number][1]}\n" for number in batch)
        conf.write_text(f"protocols =\nmail_plugins = quota\nplugin {{\n{settings}}}\n", encoding="utf-8")
        lines += run("doveconf", "-c", str(conf), "-x", "-h", "plugin").split("\n")
    expected = {n: (value.replace("%", "%%"), quoted) for n, (value, quoted) in written.items()}
    read = by_number(lines, r"  fuzz(\d+) = (.*)")
    same({n: _of_doveconf(text, expected[n][0]) for n, text in read.items()}, expected)


def _of_doveconf(printed: str, expected: str) -> str:
    """doveconf puts some values in quotes again; it does not with those that are quoted themselves."""
    if printed != expected and len(printed) > 1 and printed[0] == printed[-1] == '"':
        return re.sub(r"\\(.)", r"\1", printed[1:-1])
    return printed


@pytest.mark.parametrize(
    "value", ["Sent Items", "Wysłane", "50% off", "it's", "a#b", "$x", "a{b", "<x", "[a]"]
)
def test_section_names_of_dovecot_conf(tmp_path: Path, value: str) -> None:
    conf = tmp_path / "dovecot.conf"
    section = f"mailbox {quoting.dovecot_value(value, expanded=False)} {{\n    auto = create\n  }}"
    conf.write_text(f"protocols =\nnamespace inbox {{\n  inbox = yes\n  {section}\n}}\n")
    printed = run("doveconf", "-c", str(conf), "namespace")
    assert re.search(rf'^  mailbox "?{re.escape(value)}"? \{{$', printed, re.MULTILINE)


# --- Sieve, and what Dovecot expands ------------------------------------------------------------------------

# The program's standard input is the string, byte for byte: the one way to see a whole string of a script.
_SIEVE_CONF = """\
protocols =
log_path = /dev/stderr
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
mail_home = {folder}/home
mail_location = maildir:~/Maildir
plugin {{
  sieve_plugins = sieve_extprograms
  sieve_global_extensions = +vnd.dovecot.execute +vnd.dovecot.environment
  sieve_execute_bin_dir = {folder}/bin
  sieve_max_script_size = 0
{settings}}}
"""
_REQUIRE = (
    'require ["variables", "encoded-character", "environment", "vnd.dovecot.environment",'
    ' "vnd.dovecot.execute"];\n'
)
# Stands in no value.
_MARK = "\r\n--- {} ---\r\n"
_MARKS = re.compile(r"\r\n--- (\d+) ---\r\n")


class Sieve:
    """Runs scripts that hand strings to a program."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self._folder = folder
        for name in ("bin", "home", "out"):
            (folder / name).mkdir()
        for open_to_nobody in (folder, folder / "home", folder / "out"):
            open_to_nobody.chmod(0o777)
        program = folder / "bin" / "keep"
        program.write_text(f'#!/bin/sh\nexec cat > "{folder}/out/$1"\n')
        program.chmod(0o755)
        self._conf = folder / "dovecot.conf"
        self._conf.write_text(_SIEVE_CONF.format(folder=folder, settings=settings), encoding="utf-8")
        (folder / "message").write_text("From: a@firma.test\nSubject: x\n\nx\n")

    def strings(self, quoted: dict[int, str]) -> dict[int, str]:
        """What Sieve makes of the strings, which are given with their quotes."""
        script = [_REQUIRE]
        for batch in batches(sorted(quoted), 5000):
            body = "".join(_MARK.format(number) + quoted[number][1:-1] for number in batch)
            script.append(f'execute :input "{body}" "keep" ["{batch[0]}"];\n')
        (self._folder / "script.sieve").write_bytes("".join(script).encode())
        script_file, message = str(self._folder / "script.sieve"), str(self._folder / "message")
        run("sieve-test", "-c", str(self._conf), script_file, message, expected_warning="Info:|save: failed")
        read: dict[int, str] = {}
        for path in (self._folder / "out").iterdir():
            _before, *parts = _MARKS.split(path.read_bytes().decode())
            read |= {int(number): text for number, text in zip(parts[::2], parts[1::2], strict=True)}
        return read


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """The mail user of these tests, nobody, cannot enter pytest's own folders."""
    with tempfile.TemporaryDirectory(prefix="qxf") as folder:
        yield Path(folder)


def test_sieve_gives_strings_back(public_folder: Path) -> None:
    written = accepted(quoting.sieve_string, at_least=COUNT // 2)
    read = Sieve(public_folder).strings({number: quoted for number, (_value, quoted) in written.items()})
    same(read, {n: (re.sub("\r?\n", "\r\n", value), quoted) for n, (value, quoted) in written.items()})


def test_dovecot_expands_values_to_themselves(public_folder: Path) -> None:
    written = accepted(quoting.dovecot_value, VALUES[:3000], at_least=500)
    settings = "".join(f"  sieve_env_fuzz{number} = {quoted}\n" for number, (_v, quoted) in written.items())
    variables = {number: f'"${{env.vnd.dovecot.config.fuzz{number}}}"' for number in written}
    same(Sieve(public_folder, settings).strings(variables), written)


# --- supervisor ---------------------------------------------------------------------------------------------


def test_supervisor_gives_values_back() -> None:
    written = accepted(quoting.ini_value, at_least=COUNT // 4)
    parser = UnhosedConfigParser()
    parser.read_string(
        "[program:fuzz]\n" + "".join(f"fuzz{n}={quoted}\n" for n, (_v, quoted) in written.items())
    )
    expansions = {"x": "wrong", "ENV_HOME": "wrong"}
    options = parser.items("program:fuzz")
    same({int(name.removeprefix("fuzz")): expand(text, expansions, name) for name, text in options}, written)


# --- PHP ---


def test_php_gives_strings_back(public_folder: Path) -> None:
    written = accepted(quoting.php_string, at_least=COUNT // 4)
    entries = "".join(f"{number} => {quoted},\n" for number, (_value, quoted) in written.items())
    script = public_folder / "strings.php"
    script.write_text(f"<?php echo json_encode([{entries}], JSON_FORCE_OBJECT);", encoding="utf-8")
    read = json.loads(run("php8.2", "-n", str(script)))
    same({int(number): value for number, value in read.items()}, written)


# --- nginx --------------------------------------------------------------------------------------------------

_NGINX_CONF = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr crit;
events {{}}
http {{
  access_log off;
  keepalive_requests {count};
  map_hash_max_size {count};
  map $arg_n $value {{
{entries}  }}
  server {{
    listen unix:{folder}/socket;
    location / {{ return 200 $value; }}
  }}
}}
"""


def test_nginx_gives_values_back(public_folder: Path) -> None:
    written = accepted(quoting.nginx_value, at_least=COUNT // 4)
    entries = "".join(f"    {number} {quoted};\n" for number, (_value, quoted) in written.items())
    conf = public_folder / "nginx.conf"
    conf.write_text(
        _NGINX_CONF.format(folder=public_folder, count=2 * COUNT, entries=entries), encoding="utf-8"
    )
    nginx = subprocess.Popen(["nginx", "-p", str(public_folder), "-e", "stderr", "-c", str(conf)])
    try:
        wait_until(lambda: nginx.poll() is not None or _answers(public_folder / "socket"), what="nginx")
        same(_ask_nginx(public_folder / "socket", sorted(written)), written)
    finally:
        nginx.terminate()
        nginx.wait(10)


def _ask_nginx(path: Path, numbers: Sequence[int]) -> dict[int, str]:
    read: dict[int, str] = {}
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as answers:
        connection.connect(str(path))
        # Few enough at a time that neither side waits for the other to read.
        for batch in batches(numbers, 100):
            requests = (f"GET /?n={number} HTTP/1.1\r\nHost: x\r\n\r\n" for number in batch)
            connection.sendall("".join(requests).encode())
            for number in batch:
                read[number] = _body(answers)
    return read


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def _body(answers: BufferedIOBase) -> str:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = answers.readline()
        assert line, "nginx closed the connection"
        head += line
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length
    return answers.read(int(length[1])).decode()
