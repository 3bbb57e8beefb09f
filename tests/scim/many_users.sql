-- Many users like the one that came over SCIM: each is a copy of its rows under another name.
-- Triggers are off for this session (session_replication_role = replica): rows as the services would leave them.

CREATE TEMPORARY TABLE copies AS
SELECT n, 'person-' || n AS name, gen_random_uuid() AS login, gen_random_uuid() AS membership, gen_random_uuid() AS id,
       now() + n * interval '1 millisecond' AS moment
FROM generate_series({first}, {last}) n;

INSERT INTO accounts_user
SELECT (jsonb_populate_record(t, replace(to_jsonb(t)::text, 'template', c.name)::jsonb
        || jsonb_build_object('id', c.login))).*
FROM accounts_user t CROSS JOIN copies c WHERE t.email = 'template@acme.example';

INSERT INTO account_emailaddress (email, verified, "primary", user_id)
SELECT c.name || '@acme.example', true, true, c.login FROM copies c;

INSERT INTO tenants_membership
SELECT (jsonb_populate_record(t, to_jsonb(t)
        || jsonb_build_object('id', c.membership, 'user_id', c.login, 'created_at', c.moment))).*
FROM tenants_membership t JOIN accounts_user u ON u.id = t.user_id CROSS JOIN copies c
WHERE u.email = 'template@acme.example';

INSERT INTO accounts_provisioneduser
SELECT (jsonb_populate_record(t, replace(to_jsonb(t)::text, 'template', c.name)::jsonb
        || jsonb_build_object('id', c.id, 'membership_id', c.membership, 'created_at', c.moment, 'updated_at', c.moment))).*
FROM accounts_provisioneduser t CROSS JOIN copies c WHERE t.email = 'template@acme.example';

DROP TABLE copies;
