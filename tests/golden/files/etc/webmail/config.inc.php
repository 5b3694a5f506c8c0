<?php
// managed by QmaiLux: changes made here are overwritten
$config['db_dsnw'] = 'sqlite:////var/lib/qmailux/node/state/webmail/roundcube/roundcube.sqlite3?mode=0600';
$config['des_key'] = '';

// The mail plane of this instance, with its certificate verified.
$verified = ['ssl' => [
    'verify_peer' => true,
    'verify_peer_name' => true,
    'peer_name' => 'mail.firma.test',
    'cafile' => '/var/lib/qmailux/node/tls/ca.crt',
]];
$config['imap_host'] = 'ssl://127.0.0.1:10993';
$config['imap_conn_options'] = $verified;
$config['imap_auth_type'] = 'PLAIN';
$config['imap_delimiter'] = '/';
$config['smtp_host'] = 'ssl://127.0.0.1:10465';
$config['smtp_user'] = '%u';
$config['smtp_pass'] = '%p';
$config['smtp_auth_type'] = 'PLAIN';
$config['smtp_conn_options'] = $verified;
$config['managesieve_host'] = 'tls://127.0.0.1:14190';
$config['managesieve_auth_type'] = 'PLAIN';
$config['managesieve_conn_options'] = $verified;
// Rules made here are a script of the user's own: the panel's run before it and are never touched. Absence and
// forwarding have their pages in the panel.
$config['managesieve_vacation'] = 0;
$config['managesieve_forward'] = 0;
$config['managesieve_script_name'] = 'webmail';

$config['plugins'] = ['qmailux', 'managesieve', 'markasjunk', 'zipdownload'];
$config['markasjunk_learning_driver'] = null;
$config['markasjunk_move_spam'] = true;
$config['markasjunk_move_ham'] = true;

$config['drafts_mbox'] = 'Drafts';
$config['sent_mbox'] = 'Sent';
$config['trash_mbox'] = 'Trash';
$config['junk_mbox'] = 'SPAM';
$config['show_real_foldernames'] = false;

$brands = [
    '' => ['QmaiLux', ''],
];
$brand = $brands[$_COOKIE['webmail_domain'] ?? ''] ?? $brands[''];
$config['product_name'] = $brand[0];
$config['useragent'] = null;
if ($brand[1] !== '') {
    $config['skin_logo'] = $brand[1];
}

// People log in at the panel's page, which counts what goes wrong: all of them come from one address here.
$config['login_rate_limit'] = 1000;
$config['login_lc'] = 2;
$config['auto_create_user'] = true;
$config['ip_check'] = false;
$config['use_https'] = true;
$config['session_path'] = '/webmail/roundcube/';
$config['session_samesite'] = 'Lax';
$config['session_lifetime'] = 60;
$config['enable_installer'] = false;
$config['max_message_size'] = 52428800;
$config['log_dir'] = '/var/lib/qmailux/node/state/webmail/roundcube';
$config['temp_dir'] = '/var/lib/qmailux/node/state/webmail/roundcube/temp';
$config['mime_types'] = '/etc/mime.types';
