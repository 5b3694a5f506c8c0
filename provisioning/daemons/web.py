"""nginx, and PHP for the webmails that run here."""

from __future__ import annotations

from pathlib import Path

from provisioning.daemons.daemon import Daemon
from provisioning.layout import Layout

NGINX = "/usr/sbin/nginx"
PHP_FPM = "/usr/sbin/php-fpm8.2"


def nginx_conf(layout: Layout) -> Path:
    return layout.etc / "nginx" / "nginx.conf"


def nginx(layout: Layout) -> Daemon:
    """nginx: TLS for the panel. It answers 502 while the web process is away, so it starts by itself."""
    conf = str(nginx_conf(layout))
    return Daemon(
        name="nginx",
        start=(NGINX, "-c", conf, "-g", "daemon off;"),
        # What a crash left: nginx would not listen there again.
        prepare=(("/bin/rm", "-f", str(layout.webmail_door)),),
        check=((NGINX, "-t", "-q", "-c", conf),),
        reload=(NGINX, "-c", conf, "-s", "reload"),
        pid_file=layout.node_run / "nginx.pid",
        log=layout.node_log / "nginx.log",
        services=("https", "http"),
        ready_sockets=(layout.webmail_door,),
    )


def php_fpm(layout: Layout) -> Daemon:
    """PHP, a pool for each webmail that runs here. Each pool starts processes when it is asked."""
    conf = str(layout.etc / "php" / "php-fpm.conf")
    prepare = str(layout.bin / "webmail-prepare")
    pid_file = layout.node_run / "php" / "php-fpm.pid"
    return Daemon(
        name="php-fpm",
        start=(PHP_FPM, "--nodaemonize", "--fpm-config", conf),
        # Folders and the database of what is in use by now, before the pools that need them.
        prepare=((prepare,),),
        check=((PHP_FPM, "--test", "--fpm-config", conf),),
        reload=(prepare, str(pid_file)),
        pid_file=pid_file,
        log=layout.node_log / "php-fpm.log",
        services=(),
        # Roundcube's pool is always there, offered or not.
        ready_sockets=(layout.php_socket("roundcube"),),
    )
