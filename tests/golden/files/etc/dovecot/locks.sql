# managed by QmaiLux: changes made here are overwritten
# A row for the account, its domain or the whole server means: no login.
# A row of ban: none of this account from this address over this service.
# A row of encryption means: none without TLS.
driver = sqlite
connect = /var/lib/qmailux/node/auth/accounts.sqlite
password_query = SELECT '%Lu' AS user, NULL AS password, 'y' AS nopassword FROM (SELECT 1 FROM lock WHERE (kind, name) IN (VALUES ('account', '%Lu'), ('left', '%Lu'), ('domain', '%Ld'), ('server', '*')) UNION ALL SELECT 1 FROM encryption WHERE '%c' = '' AND name IN ('%Lu', '%Ld', '*') UNION ALL SELECT 1 FROM ban WHERE who = '%r|%Lu|%s') LIMIT 1
