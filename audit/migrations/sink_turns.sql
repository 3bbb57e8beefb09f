-- Leases the cursor whose turn it is to one caller, as in sinks.sql: first those of the organizations that have the fewest
-- workers now, so that fifty sinks of one hold up no other's; a clock that jumped holds up nobody's.
CREATE OR REPLACE FUNCTION audit_claim_sink(lease_seconds integer)
RETURNS TABLE (cursor_id uuid, organization_id uuid, sink_id uuid, log uuid, next_seq bigint, head bigint, lease uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    -- Materialized: a subquery that the plan reads again would lease a further cursor each time, which nobody serves.
    WITH served AS MATERIALIZED (
        SELECT l.organization_id, count(*) AS workers FROM audit_sinkcursor AS l
        WHERE l.lease IS NOT NULL AND l.leased_until > clock_timestamp() GROUP BY 1
    ), due AS MATERIALIZED (
        SELECT c.id FROM audit_sinkcursor AS c JOIN audit_sink AS s ON s.id = c.sink_id
            LEFT JOIN served AS o ON o.organization_id = c.organization_id
        WHERE c.waiting_since IS NOT NULL AND s.is_active
            -- Moments further ahead than any is set were set by a clock that was wrong.
            AND (c.retry_at IS NULL OR c.retry_at <= clock_timestamp()
                 OR c.retry_at > clock_timestamp() + interval '2 hours')
            AND (c.leased_until IS NULL OR c.leased_until <= clock_timestamp()
                 OR c.leased_until > clock_timestamp() + 2 * make_interval(secs => lease_seconds))
            AND (c.waiting_since <= clock_timestamp() - make_interval(secs => s.batch_seconds)
                 OR c.waiting_since > clock_timestamp() + interval '1 minute'
                 OR c.head - c.next_seq >= s.batch_events)
        ORDER BY coalesce(o.workers, 0), c.served_at NULLS FIRST LIMIT 1 FOR UPDATE OF c SKIP LOCKED
    )
    UPDATE audit_sinkcursor AS k
        SET lease = gen_random_uuid(), leased_until = clock_timestamp() + make_interval(secs => lease_seconds),
            served_at = clock_timestamp()
        FROM due
        WHERE k.id = due.id
        RETURNING k.id, k.organization_id, k.sink_id, k.log, k.next_seq, k.head, k.lease
$$;
