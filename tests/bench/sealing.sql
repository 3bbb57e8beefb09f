-- A transaction of events of ten organizations, as requests of people's browsers write them.
INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_id, actor_label, via, action, outcome, target_type,
                         target_id, target_label, project_label, before, after, reason, request_id, session, ip, user_agent)
SELECT gen_random_uuid(), now() + e * interval '1 microsecond', lpad((1 + e %% 10)::text, 32, '0')::uuid,
       'user', gen_random_uuid(), 'person-' || e || '@example.org', 'console', 'member.role_changed', 'success', 'member',
       gen_random_uuid()::text, 'person-' || e * 7 || '@example.org', '', '{"role": "Viewer"}', '{"role": "Member"}', '',
       md5(e::text), md5((e %% 100)::text), '203.0.113.7', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140'
FROM generate_series(1, %(events)s) e
