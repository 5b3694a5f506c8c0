<?php
// managed by QmaiLux: changes made here are overwritten
return include '/etc/roundcube/mimetypes.php';
