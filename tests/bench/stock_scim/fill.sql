-- Users as django-scim2 leaves them, and one group with the first `members` of them.

INSERT INTO stock_scim_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
                             date_joined, scim_username, scim_external_id)
SELECT '', false, 'person-' || n || '@acme.example', 'Person', 'Hopper', 'person-' || n || '@acme.example', false, true,
       now(), 'person-' || n || '@acme.example', 'ext-person-' || n
FROM generate_series(1, {users}) n;

UPDATE stock_scim_user SET scim_id = id;

INSERT INTO stock_scim_group (name, scim_display_name, scim_external_id) VALUES ('Everybody', 'Everybody', '');
UPDATE stock_scim_group SET scim_id = id;

INSERT INTO stock_scim_user_groups (user_id, group_id)
SELECT u.id, g.id
FROM (SELECT id FROM stock_scim_user ORDER BY id LIMIT {members}) u CROSS JOIN stock_scim_group g;

VACUUM ANALYZE;
