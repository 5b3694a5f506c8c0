<?php
require __DIR__ . '/mail.php';
session_name('smallmail');
session_start(['cookie_path' => '/webmail/small/']);
$found = isset($_SESSION['who']) ? subjects($_SESSION['who'], $_SESSION['word']) : null;
if ($found === null) {
    header('Location: login.php');
    exit;
}
echo '<!doctype html><title>Small mail</title><h1>', htmlspecialchars($_SESSION['who']), '</h1>';
echo '<p id=client>', htmlspecialchars($_SESSION['client']), '</p><p id=cookies>', implode(' ', array_keys($_COOKIE)), '</p><ul>';
foreach ($found as $subject) {
    echo '<li>', htmlspecialchars($subject), '</li>';
}
