# managed by QmaiLux: changes made here are overwritten
# An app password begins with its selector.
driver = sqlite
connect = /var/lib/qmailux/node/auth/accounts.sqlite
default_pass_scheme = ARGON2ID
password_query = SELECT address AS user, value AS password, key AS app_password FROM app_password, json_each(hashes) WHERE address = '%Lu' AND key = substr('%w', 1, 8)
