<?php
require __DIR__ . '/../functions/global.php';
$password = base64_decode($_SESSION['secret'] ?? '') ^ base64_decode($_COOKIE['key'] ?? '');
$found = isset($_SESSION['username']) ? subjects($_SESSION['username'], $password) : null;
if ($found === null) {
    header('Location: login.php');
    exit;
}
echo '<!doctype html><title>', htmlspecialchars($org_title), '</title><ul>';
foreach ($found as $subject) {
    echo '<li>', htmlspecialchars($subject), '</li>';
}
