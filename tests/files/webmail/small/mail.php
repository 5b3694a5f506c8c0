<?php
/** The subjects in INBOX, or null when the mail server does not let them in. */
function subjects(string $who, string $word): ?array
{
    [$host, $port] = require __DIR__ . '/settings/server.php';
    $context = stream_context_create(['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]]);
    $line = stream_socket_client("ssl://$host:$port", $errno, $error, 10, STREAM_CLIENT_CONNECT, $context);
    fgets($line);
    $ask = function (string $command) use ($line): array {
        fwrite($line, "a $command\r\n");
        $answer = [];
        do {
            $answer[] = $got = rtrim((string) fgets($line));
        } while (!str_starts_with($got, 'a ') && !feof($line));
        return $answer;
    };
    $login = $ask('LOGIN "' . addcslashes($who, '"\\') . '" "' . addcslashes($word, '"\\') . '"');
    if (!str_starts_with(end($login), 'a OK')) {
        return null;
    }
    $ask('EXAMINE INBOX');
    $found = preg_grep('/^Subject: /', $ask('FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]'));
    return array_values(array_map(fn ($text) => iconv_mime_decode(substr($text, 9)), $found));
}
