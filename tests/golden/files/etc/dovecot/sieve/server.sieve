# managed by QmaiLux: changes made here are overwritten
# First script of every delivery. What a sender claims about our own spam check is removed before it runs.
require ["editheader", "environment", "fileinto", "mailbox", "variables", "vnd.dovecot.debug", "vnd.dovecot.environment", "vnd.dovecot.filter"];

deleteheader "X-Spam-Checker-Version";
deleteheader "X-Spam-Flag";
deleteheader "X-Spam-Level";
deleteheader "X-Spam-Status";
deleteheader "X-Spam-Score";
deleteheader "X-Spam-Prev-Subject";
deleteheader "X-QM-Scan";

# One scan for each recipient, with that recipient's own preferences. Whatever fails, the mail is delivered.
if string :is "${env.vnd.dovecot.config.scan}" "no" {
    addheader "X-QM-Scan" "off";
} elsif size :over 512000 {
    addheader "X-QM-Scan" "skipped: large";
} elsif not filter "scan" ["${env.vnd.dovecot.config.scan_as}"] {
    addheader "X-QM-Scan" "failed";
}
# SpamAssassin names itself and the server whatever its settings say, also in mail of domains with a host of their own.
deleteheader "X-Spam-Checker-Version";

# What the message trace tells of this recipient's scan: one line of the log, with the delivery's session.
if header :matches "X-QM-Scan" "*" {
    debug_log "scan: ${1}";
} elsif header :matches "X-Spam-Status" "*" {
    debug_log "scan: ${1}";
}

# Probable spam: so many stars as the recipient's second threshold says.
if allof (header :is "X-Spam-Flag" "YES",
          header :contains "X-Spam-Level" "${env.vnd.dovecot.config.probable}") {
    fileinto :create "SPAM";
    stop;
}
