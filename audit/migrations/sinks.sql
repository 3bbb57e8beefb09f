-- Which sinks have something to deliver, and who delivers it. Both cross tenants, so that they belong to gatehouse_lookup.

-- Tells sinks of checkpoints that came since the last call. One sealer at a time makes their ids come in order.
CREATE FUNCTION audit_wake_sinks() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    seen bigint;
    newest bigint;
    woken integer;
BEGIN
    SELECT checkpoint_id INTO seen FROM audit_sinkwaking WHERE id = 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;  -- somebody is at it
    END IF;
    SELECT max(id) INTO newest FROM audit_checkpoint WHERE id > seen;
    IF newest IS NULL THEN
        RETURN 0;
    END IF;
    -- The installation's sinks learn of a log by its first checkpoint.
    INSERT INTO audit_sinkcursor (id, organization_id, sink_id, log, next_seq, head, state, failures, last_error)
        SELECT gen_random_uuid(), s.organization_id, s.id, c.organization_id, 0, 0, 'delivering', 0, ''
        FROM (SELECT DISTINCT organization_id FROM audit_checkpoint WHERE id > seen AND id <= newest AND start = 0) AS c
        CROSS JOIN audit_sink AS s
        WHERE s.organization_id = '00000000-0000-0000-0000-000000000000'
    ON CONFLICT DO NOTHING;
    UPDATE audit_sinkcursor AS k
        SET head = c.size, waiting_since = coalesce(k.waiting_since, c.sealed_at)
        FROM (SELECT organization_id, max(size) AS size, min(time) AS sealed_at FROM audit_checkpoint
              WHERE id > seen AND id <= newest GROUP BY organization_id) AS c
        WHERE k.log = c.organization_id AND k.head < c.size;
    GET DIAGNOSTICS woken = ROW_COUNT;
    UPDATE audit_sinkwaking SET checkpoint_id = newest WHERE id = 1;
    RETURN woken;
END $$;

-- Leases the cursor whose turn it is to one caller. A lease that is not extended ends, and another goes on from where
-- the cursor stands.
CREATE FUNCTION audit_claim_sink(lease_seconds integer)
RETURNS TABLE (cursor_id uuid, organization_id uuid, sink_id uuid, log uuid, next_seq bigint, head bigint, lease uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    -- Materialized: a subquery that the plan reads again would lease a further cursor each time, which nobody serves.
    WITH due AS MATERIALIZED (
        SELECT c.id FROM audit_sinkcursor AS c JOIN audit_sink AS s ON s.id = c.sink_id
        WHERE c.waiting_since IS NOT NULL AND s.is_active
            AND (c.retry_at IS NULL OR c.retry_at <= clock_timestamp())
            AND (c.leased_until IS NULL OR c.leased_until <= clock_timestamp())
            AND (c.waiting_since <= clock_timestamp() - make_interval(secs => s.batch_seconds)
                 OR c.head - c.next_seq >= s.batch_events)
        ORDER BY c.served_at NULLS FIRST LIMIT 1 FOR UPDATE OF c SKIP LOCKED
    )
    UPDATE audit_sinkcursor AS k
        SET lease = gen_random_uuid(), leased_until = clock_timestamp() + make_interval(secs => lease_seconds),
            served_at = clock_timestamp()
        FROM due
        WHERE k.id = due.id
        RETURNING k.id, k.organization_id, k.sink_id, k.log, k.next_seq, k.head, k.lease
$$;

-- Lets a new sink of the installation receive every log that is there, from the beginning or from now on. It waits for a
-- run of audit_wake_sinks() and holds the next one off until the sink is committed: no log falls between the two.
CREATE FUNCTION audit_add_sink_logs(new_sink uuid, from_beginning boolean) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    added integer;
BEGIN
    PERFORM FROM audit_sinkwaking WHERE id = 1 FOR UPDATE;
    INSERT INTO audit_sinkcursor (id, organization_id, sink_id, log, next_seq, head, waiting_since, state, failures,
                                  last_error)
        SELECT gen_random_uuid(), s.organization_id, s.id, c.organization_id,
            CASE WHEN from_beginning THEN 0 ELSE c.size END, c.size,
            CASE WHEN from_beginning THEN c.sealed_at END, 'delivering', 0, ''
        FROM audit_sink AS s
        CROSS JOIN (SELECT organization_id, max(size) AS size, min(time) AS sealed_at FROM audit_checkpoint
                    GROUP BY organization_id) AS c
        WHERE s.id = new_sink AND s.organization_id = '00000000-0000-0000-0000-000000000000'
            AND s.organization_id = current_setting('app.organization')::uuid
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END $$;
