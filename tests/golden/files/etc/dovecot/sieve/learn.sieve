# managed by QmaiLux: changes made here are overwritten
# Mail was put into a folder that teaches: leave an event, and say nothing of what it was. The learner looks itself.
require ["environment", "imapsieve", "variables", "vnd.dovecot.execute"];

if environment :matches "imap.user" "*" {
    execute "learn-event" ["${1}"];
}
