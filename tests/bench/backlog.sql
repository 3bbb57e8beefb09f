-- Sealed events of one log, as many as wanted, without sealing them: what delivery reads.
WITH made AS MATERIALIZED (
    SELECT n, gen_random_uuid() AS id, now() + n * interval '1 microsecond' AS time
    FROM generate_series(0, %(events)s - 1) AS n
), events AS (
    INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_label, via, action, outcome, target_type, target_id,
                             target_label, project_label, before, after, reason, request_id, session, ip, user_agent)
    SELECT id, time, %(log)s, 'user', 'person-' || n || '@example.org', 'console', 'member.role_changed', 'success', 'member',
           md5(n::text), 'person-' || n * 7 || '@example.org', '', '{"role": "Viewer"}', '{"role": "Member"}', '',
           md5(n::text), '', '203.0.113.7', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140'
    FROM made
), leaves AS (
    INSERT INTO audit_leaf (organization_id, seq, event_id, event_time, hash)
    SELECT %(log)s, n, id, time, sha256(id::text::bytea) FROM made
)
INSERT INTO audit_leaftext (organization_id, seq, event_time, body, salts)
SELECT %(log)s, n, time, json_build_object('action', 'member.role_changed', 'id', id, 'outcome', 'success', 'v', 1)::text, ''
FROM made
