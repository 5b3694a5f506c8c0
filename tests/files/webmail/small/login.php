<?php
// A mail page of its own kind: a token in its form, a session in PHP's files.
require __DIR__ . '/mail.php';
session_name('smallmail');
session_start(['cookie_path' => '/webmail/small/']);
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $is_known = hash_equals($_SESSION['token'] ?? '', $_POST['once'] ?? '') && ($_POST['step'] ?? '') === 'in';
    if ($is_known && subjects($_POST['who'], $_POST['word']) !== null) {
        session_regenerate_id(true);
        $_SESSION = ['who' => $_POST['who'], 'word' => $_POST['word'], 'client' => $_SERVER['REMOTE_ADDR']];
        header('Location: inbox.php');
        exit;
    }
    header('Location: login.php?wrong');
    exit;
}
$_SESSION['token'] = bin2hex(random_bytes(16));
echo "<form method=post><input name=who><input name=word type=password><input type=hidden name=once value='{$_SESSION['token']}'></form>";
