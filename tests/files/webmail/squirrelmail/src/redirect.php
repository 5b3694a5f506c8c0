<?php
require __DIR__ . '/../functions/global.php';
$user = strtolower($_POST['login_username'] ?? '');
$password = $_POST['secretkey'] ?? '';
if (($_POST['just_logged_in'] ?? '') !== '1' || subjects($user, $password) === null) {
    http_response_code(200);
    echo 'ERROR: Unknown user or password incorrect.';
    exit;
}
$pad = base64_encode(random_bytes(strlen($password)));
setcookie('key', $pad, 0, dirname($_SERVER['SCRIPT_NAME'], 2) . '/');
$_SESSION = ['username' => $user, 'onetimepad' => '', 'secret' => base64_encode(base64_decode($pad) ^ $password)];
header('Location: webmail.php');
