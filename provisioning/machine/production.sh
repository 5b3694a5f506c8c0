# Sourced by install.sh and uninstall.sh: where a production server has its parts. The units name the same paths.
CODE=/opt/qmailux
HOME_FOLDER=/var/lib/qmailux
SETTINGS=/etc/qmailux/qmailux.env
UNITS=/etc/systemd/system
LOGROTATE=/etc/logrotate.d/qmailux
COMMAND=/usr/local/sbin/qmailux
# Settings that an uninstall put aside; the next install takes them up again.
KEPT_SETTINGS="$HOME_FOLDER/settings-of-the-uninstalled.env"

has_systemd() { [ -d /run/systemd/system ]; }
