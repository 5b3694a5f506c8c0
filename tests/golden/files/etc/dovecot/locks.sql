# managed by QmaiLux: changes made here are overwritten
# A row for the account, its domain or the whole server means: no login.
driver = sqlite
connect = /var/lib/qmailux/node/auth/accounts.sqlite
password_query = SELECT '%Lu' AS user, NULL AS password, 'y' AS nopassword FROM lock WHERE (kind, name) IN (VALUES ('account', '%Lu'), ('domain', '%Ld'), ('server', '*')) LIMIT 1
