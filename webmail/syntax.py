"""Whether this machine's PHP understands the files of a webmail. Nothing of them is run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from provisioning.daemons import PHP_FPM
from qmailux_site.errors import HostUnreachable

# Of the same version as the one that will serve them.
PHP = PHP_FPM.replace("/usr/sbin/php-fpm", "/usr/bin/php")
OPTIONS = ("opcache.enable_cli=1", "display_errors=stderr", "log_errors=0", "html_errors=0")
SECONDS = 60
FAULT_FOUND = 1
# One process for all of them: "php -l" takes a single file.
_COMPILE = """
$below = new RecursiveDirectoryIterator($argv[1], FilesystemIterator::SKIP_DOTS);
foreach (new RecursiveIteratorIterator($below) as $file) {
    if (!in_array($file->getExtension(), ['php', 'tpl'])) {
        continue;
    }
    try {
        opcache_compile_file($file->getPathname()) || exit(1);
    } catch (ParseError $error) {
        fprintf(STDERR, "%s in %s on line %d\\n", $error->getMessage(), $error->getFile(), $error->getLine());
        exit(1);
    }
}
"""


def first_fault(folder: Path) -> str:
    """What PHP says of the first file below the folder that it does not understand; "" when there is none.
    Raises HostUnreachable when PHP cannot be asked.
    """
    options = [argument for option in OPTIONS for argument in ("-d", option)]
    try:
        done = subprocess.run(
            [PHP, *options, "-r", _COMPILE, "--", str(folder)],
            capture_output=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise HostUnreachable(f"PHP cannot be asked: {error}") from error
    said = next((line for line in done.stderr.splitlines() if line), "")
    if done.returncode == FAULT_FOUND:
        return said.removeprefix("Fatal error: ").replace(f"{folder}/", "")
    if done.returncode:
        raise HostUnreachable(f"PHP cannot be asked: {said}")
    return ""
