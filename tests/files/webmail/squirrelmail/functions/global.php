<?php
// What SquirrelMail 1.5.2 does at its door, in few lines: its fields, its cookies, its configuration's variables.
define('SM_PATH', __DIR__ . '/../');
require SM_PATH . 'config/config.php';

/** The subjects in INBOX, or null when the IMAP server does not let them in. */
function subjects(string $user, string $password): ?array
{
    global $imapServerAddress, $imapPort, $imap_stream_options, $use_imap_tls;
    $context = stream_context_create($imap_stream_options);
    $scheme = $use_imap_tls == 1 ? 'ssl' : 'tcp';
    $line = stream_socket_client("$scheme://$imapServerAddress:$imapPort", $code, $error, 10, STREAM_CLIENT_CONNECT, $context);
    fgets($line);
    $ask = function (string $command) use ($line): array {
        fwrite($line, "a $command\r\n");
        $answer = [];
        do {
            $answer[] = $got = rtrim((string) fgets($line));
        } while (!str_starts_with($got, 'a ') && !feof($line));
        return $answer;
    };
    $login = $ask('LOGIN "' . addcslashes($user, '"\\') . '" "' . addcslashes($password, '"\\') . '"');
    if (!str_starts_with(end($login), 'a OK')) {
        return null;
    }
    $ask('EXAMINE INBOX');
    $found = preg_grep('/^Subject: /', $ask('FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]'));
    return array_values(array_map(fn ($text) => iconv_mime_decode(substr($text, 9)), $found));
}

/** The password stands in the session, masked by a pad that is a cookie. */
function masked(string $password, string $pad): string
{
    return base64_encode(base64_decode($pad) ^ $password);
}

session_name('SQMSESSID');
session_start(['cookie_path' => dirname($_SERVER['SCRIPT_NAME'], 2) . '/']);
