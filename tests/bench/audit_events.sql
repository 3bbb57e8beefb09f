-- Events of thirty days in one organization: many people, few refusals, as years of use would leave them.
INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_id, actor_label, via, action, outcome, target_type,
                         target_id, target_label, project_label, before, after, reason, request_id, session, ip, user_agent)
SELECT gen_random_uuid(), now() - e * (interval '30 days' / {events}), '{organization}',
       'user', md5((e % 1000)::text)::uuid, 'person-' || e % 1000 || '@example.org',
       CASE WHEN e % 50 = 0 THEN 'api' ELSE 'console' END,
       CASE WHEN e % 1000 = 3 THEN 'role.created' ELSE 'member.role_changed' END,
       CASE WHEN e % 200 = 0 THEN 'denied' ELSE 'success' END, 'member', md5((e % 5000)::text)::uuid::text,
       'target-' || e % 5000, '', '{{"role": "Viewer"}}', '{{"role": "Member"}}', '', 'r-' || e / 3, 's-' || e / 40,
       ('10.' || e % 250 || '.' || e / 250 % 250 || '.7')::inet, 'Mozilla/5.0'
FROM generate_series(1, {events}) e;
