<?php require __DIR__ . '/../functions/global.php'; echo '<form action=redirect.php method=post>';
