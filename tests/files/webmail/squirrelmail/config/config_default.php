<?php
// Only the names: values come from config.php.
$org_title = 'SquirrelMail';
$imapServerAddress = 'localhost';
$imapPort = 143;
$use_imap_tls = 0;
$imap_stream_options = [];
$data_dir = '/var/local/squirrelmail/data/';
