<?php
// managed by QmaiLux: changes made here are overwritten
// Debian's plugins by links, and ours.
define('RCUBE_PLUGINS_DIR', '/var/lib/qmailux/node/etc/webmail/plugins/');
