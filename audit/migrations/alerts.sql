-- Which logs have something to evaluate, which notices are due. All cross tenants, so that they belong to
-- gatehouse_lookup.

-- Tells evaluation of checkpoints that came since the last call. One sealer at a time makes their ids come in order.
-- The first call notes where the logs end: what happened before there were alerts is told to nobody.
CREATE FUNCTION audit_wake_alerts() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    seen bigint;
    newest bigint;
    woken integer;
BEGIN
    SELECT checkpoint_id INTO seen FROM audit_alertwaking WHERE id = 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;  -- somebody is at it
    END IF;
    SELECT max(id) INTO newest FROM audit_checkpoint WHERE id > seen;
    IF seen < 0 THEN
        UPDATE audit_alertwaking SET checkpoint_id = coalesce(newest, 0) WHERE id = 1;
        RETURN 0;
    END IF;
    IF newest IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO audit_alertcursor AS k (id, organization_id, next_seq, head, waiting_since, failures, last_error)
        SELECT gen_random_uuid(), organization_id, min(start), max(size), min(time), 0, ''
        FROM audit_checkpoint WHERE id > seen AND id <= newest GROUP BY organization_id
    ON CONFLICT (organization_id) DO UPDATE
        SET head = excluded.head, waiting_since = coalesce(k.waiting_since, excluded.waiting_since)
        WHERE k.head < excluded.head;
    GET DIAGNOSTICS woken = ROW_COUNT;
    UPDATE audit_alertwaking SET checkpoint_id = newest WHERE id = 1;
    RETURN woken;
END $$;

-- Leases the log whose turn it is to one caller. A lease that is not extended ends, and another goes on from where the
-- cursor stands.
CREATE FUNCTION audit_claim_alerts(lease_seconds integer)
RETURNS TABLE (cursor_id uuid, organization_id uuid, next_seq bigint, head bigint, lease uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    -- Materialized: a subquery that the plan reads again would lease a further cursor each time, which nobody serves.
    WITH due AS MATERIALIZED (
        SELECT c.id FROM audit_alertcursor AS c
        WHERE c.waiting_since IS NOT NULL
            AND (c.retry_at IS NULL OR c.retry_at <= clock_timestamp())
            AND (c.leased_until IS NULL OR c.leased_until <= clock_timestamp())
        ORDER BY c.served_at NULLS FIRST LIMIT 1 FOR UPDATE OF c SKIP LOCKED
    )
    UPDATE audit_alertcursor AS k
        SET lease = gen_random_uuid(), leased_until = clock_timestamp() + make_interval(secs => lease_seconds),
            served_at = clock_timestamp()
        FROM due
        WHERE k.id = due.id
        RETURNING k.id, k.organization_id, k.next_seq, k.head, k.lease
$$;

-- Leases the notice that is due longest.
CREATE FUNCTION audit_claim_alertnotice(lease_seconds integer)
RETURNS TABLE (notice_id uuid, organization_id uuid, lease uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    WITH due AS MATERIALIZED (
        SELECT n.id FROM audit_alertnotice AS n
        WHERE n.retry_at <= clock_timestamp()
            AND (n.leased_until IS NULL OR n.leased_until <= clock_timestamp())
        ORDER BY n.retry_at LIMIT 1 FOR UPDATE OF n SKIP LOCKED
    )
    UPDATE audit_alertnotice AS k
        SET lease = gen_random_uuid(), leased_until = clock_timestamp() + make_interval(secs => lease_seconds)
        FROM due
        WHERE k.id = due.id
        RETURNING k.id, k.organization_id, k.lease
$$;
