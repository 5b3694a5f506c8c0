# managed by QmaiLux: changes made here are overwritten
# Asked once an app password has fitted. Nobody needs the answer: the first word of the query is what tells, in the event
# that dovecot.conf logs, with which app password somebody logged in to send.
driver = sqlite
connect = /var/lib/qmailux/node/auth/accounts.sqlite
default_pass_scheme = ARGON2ID
password_query = SELECT'%s|%{passdb:app_password}|%r|%Lu'AS app_use, NULL AS password, 'y' AS nopassword
