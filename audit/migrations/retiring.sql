-- Retiring in batches: the functions of retention.sql, for some numbers of a month. Run as gatehouse_audit.

DROP FUNCTION audit_retire(uuid, date, integer, integer, text);
DROP FUNCTION audit_retirable(uuid, date, integer, integer);

-- Which events of a month may be retired now, as ranges of their numbers: out of time, sealed, verified and found to be
-- what was sealed, and held by nobody; of those from number p_first to before p_end.
CREATE FUNCTION audit_retirable(p_log uuid, p_month date, p_default integer, p_minimum integer,
    p_first bigint DEFAULT 0, p_end bigint DEFAULT 9223372036854775807)
RETURNS TABLE (first bigint, last bigint) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE
    since timestamptz := date_trunc('month', p_month::timestamp) AT TIME ZONE 'UTC';
    until timestamptz := (date_trunc('month', p_month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
    kept integer := audit_months_kept(p_log, p_default);
    verified bigint;
BEGIN
    kept := greatest(kept, p_minimum, 1) + 0 * kept;  -- NULL stays NULL
    IF kept IS NULL OR (until AT TIME ZONE 'UTC' + make_interval(months => kept)) AT TIME ZONE 'UTC' > now() THEN
        RETURN;
    END IF;
    SELECT v.size INTO verified FROM audit_verification v WHERE v.organization_id = p_log AND v.failing_since IS NULL;
    RETURN QUERY
    SELECT min(r.seq), max(r.seq) FROM (
        SELECT l.seq, l.seq - row_number() OVER (ORDER BY l.seq) AS island
        FROM audit_event e
        JOIN audit_leaf l ON l.organization_id = p_log AND l.event_id = e.id AND l.event_time = e.time
        JOIN audit_leaftext t ON t.organization_id = p_log AND t.seq = l.seq AND t.event_time = l.event_time
        WHERE e.time >= since AND e.time < until AND t.event_time >= since AND t.event_time < until
          AND (e.organization_id = p_log OR e.organization_id IS NULL AND p_log = '00000000-0000-0000-0000-000000000000')
          AND l.seq >= p_first AND l.seq < p_end AND t.seq >= p_first AND t.seq < p_end
          AND l.seq < verified
          AND l.hash = sha256('\x00'::bytea || convert_to(t.body, 'UTF8'))
          AND NOT EXISTS (
            SELECT FROM audit_legalhold h
            WHERE h.organization_id = p_log AND audit_holds_on(h.released_at)
              AND (h.actor_id IS NULL OR h.actor_id = e.actor_id OR h.actor_id::text = e.target_id)
              AND (h.since IS NULL OR e.time >= h.since) AND (h.until IS NULL OR e.time < h.until))
    ) r GROUP BY r.island ORDER BY 1;
END $$;

-- Retires what may be retired of some numbers of a month, against a receipt that says exactly that. Returns how many
-- events went.
CREATE FUNCTION audit_retire(p_log uuid, p_month date, p_default integer, p_minimum integer, p_note text,
    p_first bigint DEFAULT 0, p_end bigint DEFAULT 9223372036854775807) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    since timestamptz := date_trunc('month', p_month::timestamp) AT TIME ZONE 'UTC';
    until timestamptz := (date_trunc('month', p_month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
    ranges int8multirange;
    lines text;
    number bigint;
    head record;
    expected text;
    gone bigint;
BEGIN
    PERFORM audit_holds_lock(true);
    SELECT range_agg(int8range(r.first, r.last, '[]')), sum(r.last - r.first + 1),
           string_agg(format(E'events %s-%s\n', r.first, r.last), '' ORDER BY r.first)
    INTO ranges, number, lines FROM audit_retirable(p_log, p_month, p_default, p_minimum, p_first, p_end) r;
    IF ranges IS NULL THEN
        RAISE EXCEPTION 'Nothing of that month may be retired.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT size, replace(encode(root, 'base64'), E'\n', '') AS root INTO head FROM audit_checkpoint
    WHERE organization_id = p_log ORDER BY size DESC LIMIT 1;
    SELECT format(E'gatehouse-audit-receipt/v1\n%s\nmonth %s\nkept %s months\n%scount %s\ncheckpoint %s %s\ntime %s\n',
        'gatehouse/' || installation || '/'
            || CASE p_log WHEN '00000000-0000-0000-0000-000000000000' THEN 'installation' ELSE p_log::text END,
        to_char(since AT TIME ZONE 'UTC', 'YYYY-MM'), greatest(audit_months_kept(p_log, p_default), p_minimum, 1), lines,
        number, head.size, head.root, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    INTO expected FROM audit_sealer;
    IF NOT starts_with(p_note, expected || E'\n\u2014 ') THEN
        RAISE EXCEPTION 'The receipt does not say what would be retired.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM audit_event e USING audit_leaf l
    WHERE l.organization_id = p_log AND l.event_id = e.id AND l.event_time = e.time AND l.seq <@ ranges
      AND e.time >= since AND e.time < until
      AND (e.organization_id = p_log OR e.organization_id IS NULL AND p_log = '00000000-0000-0000-0000-000000000000');
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone <> number THEN
        RAISE EXCEPTION 'Of % events % were there.', number, gone;
    END IF;
    DELETE FROM audit_leaftext t
    WHERE t.organization_id = p_log AND t.event_time >= since AND t.event_time < until AND t.seq <@ ranges;
    INSERT INTO audit_receipt (organization_id, month, first, last, events, note, time)
    VALUES (p_log, since AT TIME ZONE 'UTC', lower(ranges), upper(ranges) - 1, number, p_note, now());
    PERFORM audit_tell_of_itself(p_log, 'audit_log.retired', '', jsonb_build_object(
        'month', to_char(since AT TIME ZONE 'UTC', 'YYYY-MM'), 'events', number, 'first', lower(ranges),
        'last', upper(ranges) - 1, 'kept_months', greatest(audit_months_kept(p_log, p_default), p_minimum, 1),
        'receipt', encode(sha256(convert_to(p_note, 'UTF8')), 'hex')));
    RETURN number;
END $$;

REVOKE ALL ON FUNCTION audit_retirable(uuid, date, integer, integer, bigint, bigint),
    audit_retire(uuid, date, integer, integer, text, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_retirable(uuid, date, integer, integer, bigint, bigint),
    audit_retire(uuid, date, integer, integer, text, bigint, bigint) TO gatehouse_sealer;
