"""The mail plane's logs, cut once a day where the system's own logrotate does not know them (`make up`)."""

from __future__ import annotations

from pathlib import Path

from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.render.files import RenderedFile

RULES = Path(__file__).resolve().parent / "machine" / "qmailux.logrotate"
# For which home the rules are written; `make install` puts them there as they are.
HOME_OF_RULES = "/var/lib/qmailux"
SYSTEM_RULES = Path("/etc/logrotate.d/qmailux")
CONF = "etc/logrotate.conf"
SECONDS = 600


def is_rotated_by_the_system(layout: Layout) -> bool:
    try:
        return f"{layout.node_log}/" in SYSTEM_RULES.read_text(encoding="utf-8")
    except OSError:
        return False


def rotate_logs(host: Host, layout: Layout, *, now: bool = False) -> None:
    """Rotate what is due, or all now; no session is cut. Raises CommandFailed with logrotate's words."""
    rules = RULES.read_text(encoding="utf-8").replace(HOME_OF_RULES, str(layout.home))
    host.write(RenderedFile(path=CONF, content=rules.encode(), daemon=""))
    argv = ["/usr/sbin/logrotate", "--state", str(layout.state / "logrotate.status")]
    host.run([*argv, *(["--force"] if now else []), str(layout.node / CONF)], timeout=SECONDS)
