# managed by QmaiLux: changes made here are overwritten
driver = sqlite
connect = /var/lib/qmailux/node/auth/accounts.sqlite
default_pass_scheme = ARGON2ID
password_query = SELECT address AS user, password FROM account WHERE address = '%Lu'
user_query = SELECT '/var/lib/qmailux/node/mail/' || home AS home, '/var/lib/qmailux/node/sieve/' || CASE WHEN EXISTS (SELECT 1 FROM script WHERE script.address = account.address) AND NOT EXISTS (SELECT 1 FROM lock WHERE name IN (account.address, account.domain, '*')) THEN home ELSE 'none' END || '.sieve' AS sieve_before2, quota_rule, language FROM account WHERE address = '%Lu'
iterate_query = SELECT address AS user FROM account
