-- A large installation beside one organization, which itself becomes a large one.
-- Triggers are off for this session (session_replication_role = replica): rows as years of use would leave them.

INSERT INTO tenants_organization (id, slug, name, project_naming_pattern, project_naming_hint, suspension_reason, created_at)
SELECT gen_random_uuid(), 'org-' || n, 'Organization ' || n, '', '', '', now() - n * interval '1 hour'
FROM generate_series(1, {organizations}) n;

INSERT INTO tenants_role (id, organization_id, key, name, description, is_builtin, custom_permissions)
SELECT gen_random_uuid(), o.id, r.key, r.name, r.description, true, '{{}}'
FROM tenants_organization o CROSS JOIN (SELECT * FROM tenants_role WHERE organization_id = '{organization}') r
WHERE o.id <> '{organization}';

INSERT INTO accounts_user (id, password, email, name, is_active, is_operator, date_joined)
SELECT gen_random_uuid(), '!', 'person-' || n || '@example.org', 'Person ' || n, true, false, now()
FROM generate_series(1, {members}) n;

-- A tenth of everybody belongs to the organization that is looked at, the others are spread.
CREATE TEMPORARY TABLE placement AS
WITH people AS (SELECT id, row_number() OVER (ORDER BY email) AS n FROM accounts_user WHERE password = '!'),
     others AS (SELECT id, row_number() OVER (ORDER BY slug) AS n FROM tenants_organization WHERE id <> '{organization}')
SELECT p.id AS user_id, p.n, CASE WHEN p.n % 10 = 0 THEN '{organization}'::uuid ELSE o.id END AS organization_id
FROM people p JOIN others o ON o.n = 1 + p.n % {organizations};

INSERT INTO tenants_membership (id, organization_id, user_id, role_id, is_active, source, created_at)
SELECT gen_random_uuid(), p.organization_id, p.user_id, r.id, true, 'manual', now() - p.n * interval '1 minute'
FROM placement p JOIN tenants_role r ON r.organization_id = p.organization_id AND r.key = 'member';

INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_id, actor_label, via, action, outcome, target_type,
                         target_id, target_label, project_label, before, after, reason, request_id, session, user_agent)
SELECT gen_random_uuid(), now() - e * interval '2 seconds',
       CASE WHEN e % 10 = 0 THEN '{organization}'::uuid ELSE p.organization_id END,
       'user', p.user_id, 'person-' || p.n || '@example.org', 'console', 'member.role_changed', 'success', 'member',
       p.user_id::text, 'person-' || p.n || '@example.org', '', '{{"role": "Viewer"}}', '{{"role": "Member"}}', '', '', '', ''
FROM generate_series(1, {events}) e JOIN placement p ON p.n = 1 + e % {members};

ANALYZE;
