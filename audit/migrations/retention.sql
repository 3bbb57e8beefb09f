-- Retiring and erasing: the only ways by which something leaves the log. The role that seals calls these functions, the
-- running role may not, and each looks itself whether it may. Run as gatehouse_audit; see docs/adr/0019-retention.md.

CREATE TABLE audit_receipt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    month date NOT NULL,
    first bigint NOT NULL CHECK (first >= 0),
    last bigint NOT NULL CHECK (last >= first),
    events bigint NOT NULL CHECK (events > 0),
    note text NOT NULL,
    time timestamptz NOT NULL
);
CREATE INDEX audit_receipt_log ON audit_receipt (organization_id, id);
ALTER TABLE audit_receipt ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_receipt FORCE ROW LEVEL SECURITY;
CREATE POLICY read ON audit_receipt FOR SELECT USING (organization_id = current_setting('app.organization')::uuid
    AND organization_id <> '00000000-0000-0000-0000-000000000000');
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_receipt
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_rewrite();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_receipt
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_rewrite();
ALTER TABLE audit_receipt ENABLE ALWAYS TRIGGER audit_append_only;
ALTER TABLE audit_receipt ENABLE ALWAYS TRIGGER audit_no_truncate;
GRANT SELECT ON audit_receipt TO gatehouse_app, gatehouse_operator, gatehouse_sealer;

-- As before; but the functions below, which only a session of the sealer runs, may delete events with their texts, and
-- empty personal values and salts. Leaves, nodes, checkpoints and receipts nobody touches.
CREATE OR REPLACE FUNCTION audit_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    erasable text[];
BEGIN
    IF current_user = 'gatehouse_audit' AND session_user = 'gatehouse_sealer' AND TG_OP <> 'TRUNCATE'
       AND TG_TABLE_NAME ~ '^audit_(event|leaftext)(_\d{4}_\d\d)?$' THEN
        IF TG_LEVEL = 'STATEMENT' THEN
            RETURN NULL;
        END IF;
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        erasable := CASE WHEN TG_TABLE_NAME LIKE 'audit\_leaftext%' THEN ARRAY['salts']
            ELSE ARRAY['actor_label', 'after', 'before', 'ip', 'project_label', 'reason', 'session', 'target_label',
                       'user_agent'] END;
        IF to_jsonb(NEW) - erasable = to_jsonb(OLD) - erasable THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'The audit log is append-only: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

-- For how many months a log is kept, NULL: without end. The longer one of what counts and of what is announced;
-- `p_default` where nobody decided.
CREATE FUNCTION audit_months_kept(p_log uuid, p_default integer) RETURNS integer LANGUAGE sql STABLE
SET search_path = pg_catalog, public AS $$
    WITH counts AS (
        SELECT months FROM audit_retentionchange WHERE organization_id = p_log AND effective_at <= now()
        ORDER BY announced_at DESC, id DESC LIMIT 1
    ), announced AS (
        SELECT months FROM audit_retentionchange WHERE organization_id = p_log
        ORDER BY announced_at DESC, id DESC LIMIT 1
    ), every AS (
        SELECT months FROM counts UNION ALL SELECT months FROM announced
        UNION ALL SELECT p_default WHERE NOT EXISTS (SELECT FROM counts)
    )
    SELECT CASE WHEN bool_or(months IS NULL) THEN NULL ELSE max(months) END FROM every
$$;

-- Which events of a month may be retired now, as ranges of their numbers: out of time, sealed, verified and found to be
-- what was sealed, and held by nobody.
CREATE FUNCTION audit_retirable(p_log uuid, p_month date, p_default integer, p_minimum integer)
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
          AND l.seq < verified
          AND l.hash = sha256('\x00'::bytea || convert_to(t.body, 'UTF8'))
          AND NOT EXISTS (
            SELECT FROM audit_legalhold h
            WHERE h.organization_id = p_log AND audit_holds_on(h.released_at)
              AND (h.actor_id IS NULL OR h.actor_id = e.actor_id OR h.actor_id::text = e.target_id)
              AND (h.since IS NULL OR e.time >= h.since) AND (h.until IS NULL OR e.time < h.until))
    ) r GROUP BY r.island ORDER BY 1;
END $$;

-- Retires what may be retired of a month, against a receipt that says exactly that. Returns how many events went.
CREATE FUNCTION audit_retire(p_log uuid, p_month date, p_default integer, p_minimum integer, p_note text) RETURNS bigint
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
    INTO ranges, number, lines FROM audit_retirable(p_log, p_month, p_default, p_minimum) r;
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

-- An event of the log about itself, in the transaction of what it tells.
CREATE FUNCTION audit_tell_of_itself(p_log uuid, p_action text, p_target text, p_after jsonb) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public AS $$
    INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_label, via, action, outcome, target_type,
        target_id, target_label, project_label, before, after, reason, request_id, session, user_agent)
    VALUES (gen_random_uuid(), clock_timestamp(), nullif(p_log, '00000000-0000-0000-0000-000000000000'), 'system',
        'Gatehouse', 'system', p_action, 'success', CASE p_target WHEN '' THEN 'audit log' ELSE 'erasure' END, p_target,
        CASE p_target WHEN '' THEN 'Audit log' ELSE 'Erasure ' || left(p_target, 8) END, '', '{}', p_after, '', '', '', '')
$$;

-- Drops the partitions of months that are over for long and in which nothing is left. Returns the months.
CREATE FUNCTION audit_drop_empty_partitions() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE
    month text;
    filled boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_ensure_partitions'));
    FOR month IN
        SELECT right(c.relname, 7) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.audit_event'::regclass AND c.relname ~ '^audit_event_\d{4}_\d\d$'
          AND right(c.relname, 7) < to_char(now() AT TIME ZONE 'UTC' - interval '2 months', 'YYYY_MM')
        ORDER BY 1
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I) OR EXISTS (SELECT FROM public.%I)',
                       'audit_event_' || month, 'audit_leaftext_' || month) INTO filled;
        IF NOT filled THEN
            EXECUTE format('DROP TABLE public.%I, public.%I', 'audit_event_' || month, 'audit_leaftext_' || month);
            PERFORM audit_tell_of_itself('00000000-0000-0000-0000-000000000000', 'audit_log.partition_dropped', '',
                                         jsonb_build_object('month', replace(month, '_', '-')));
            RETURN NEXT month;
        END IF;
    END LOOP;
END $$;

-- Whether a value names a person: it is one of the names, or has one of the addresses in it.
CREATE FUNCTION audit_mentions(p_value jsonb, p_names text[]) RETURNS boolean LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (
        SELECT FROM unnest(p_names) AS n(name)
        WHERE CASE jsonb_typeof(p_value) WHEN 'string' THEN lower(p_value #>> '{}') = lower(n.name)
              ELSE jsonb_path_exists(p_value, '$.** ? (@ == $name)', jsonb_build_object('name', n.name)) END
           OR position('@' IN n.name) > 0 AND p_value::text ~* (
                '(?<![[:alnum:]._%+-])' || regexp_replace(n.name, '([^[:alnum:]@_ -])', '\\\1', 'g')
                || '(?![[:alnum:]-]|\.[[:alnum:]])')
    )
$$;

-- What of a log an erasure takes away: the commitments of each event that concerns a person, by name and place.
CREATE FUNCTION audit_erasure_plan(p_log uuid, p_person uuid, p_names text[])
RETURNS TABLE (seq bigint, event_id uuid, event_time timestamptz, fields text[], places integer[])
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT l.seq, e.id, e.time, f.fields, f.places
    FROM (
        SELECT v.*, v.actor_id IS NOT DISTINCT FROM p_person OR audit_mentions(to_jsonb(v.actor_label), p_names) AS acts,
               v.target_id = p_person::text OR audit_mentions(to_jsonb(v.target_label), p_names) AS concerned
        FROM audit_event v
        WHERE (v.organization_id = p_log
               OR v.organization_id IS NULL AND p_log = '00000000-0000-0000-0000-000000000000')
          AND (v.actor_id = p_person OR v.target_id = p_person::text OR EXISTS (
                SELECT FROM unnest(p_names) AS n(name)
                WHERE position(lower(n.name) IN lower(concat_ws(E'\n', v.actor_label, v.target_label, v.reason))) > 0
                   OR position(lower(substr(to_jsonb(n.name)::text, 2, length(to_jsonb(n.name)::text) - 2))
                               IN lower(v.before::text || v.after::text)) > 0))
    ) e
    JOIN audit_leaf l ON l.organization_id = p_log AND l.event_id = e.id AND l.event_time = e.time
    JOIN audit_leaftext t ON t.organization_id = p_log AND t.seq = l.seq AND t.event_time = l.event_time
    CROSS JOIN LATERAL (
        SELECT array_agg(k.name ORDER BY k.place) AS fields, array_agg(k.place::integer ORDER BY k.place) AS places
        FROM json_object_keys(coalesce(t.body::json -> 'commitments', '{}'::json)) WITH ORDINALITY AS k(name, place)
        WHERE substr(t.salts, (k.place::integer - 1) * 16 + 1, 16) <> decode(repeat('00', 16), 'hex')
          AND (e.acts AND k.name IN ('actor_label', 'ip', 'session', 'user_agent')
               OR e.concerned AND (k.name IN ('target_label', 'reason') OR k.name ~ '^(before|after)(\.|$)')
               OR e.concerned AND e.actor_kind = 'anonymous' AND k.name IN ('actor_label', 'ip', 'session', 'user_agent')
               OR audit_mentions(CASE
                    WHEN k.name = 'before' THEN e.before
                    WHEN k.name = 'after' THEN e.after
                    WHEN k.name LIKE 'before.%' THEN e.before -> substr(k.name, 8)
                    WHEN k.name LIKE 'after.%' THEN e.after -> substr(k.name, 7)
                    WHEN k.name = 'reason' THEN to_jsonb(e.reason)
                    WHEN k.name = 'target_label' THEN to_jsonb(e.target_label) END, p_names))
    ) f
    WHERE f.fields IS NOT NULL
    ORDER BY l.seq
$$;

-- The name of a legal hold that keeps something of what an erasure would take away; NULL: none does.
CREATE FUNCTION audit_hold_against_erasure(p_log uuid, p_person uuid, p_names text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT h.name FROM audit_legalhold h
    WHERE h.organization_id = p_log AND audit_holds_on(h.released_at) AND EXISTS (
        SELECT FROM audit_erasure_plan(p_log, p_person, p_names) p
        JOIN audit_event e ON e.id = p.event_id AND e.time = p.event_time
        WHERE (h.actor_id IS NULL OR h.actor_id = e.actor_id OR h.actor_id::text = e.target_id)
          AND (h.since IS NULL OR e.time >= h.since) AND (h.until IS NULL OR e.time < h.until))
    ORDER BY h.set_at LIMIT 1
$$;

CREATE FUNCTION audit_without(p_values jsonb, p_column text, p_fields text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public AS $$
    SELECT CASE WHEN p_column = ANY (p_fields) THEN '"[erased]"'::jsonb
                WHEN jsonb_typeof(p_values) <> 'object' THEN p_values
                ELSE p_values || coalesce((
                    SELECT jsonb_object_agg(substr(f.name, length(p_column) + 2), '[erased]')
                    FROM unnest(p_fields) AS f(name) WHERE f.name LIKE p_column || '.%'), '{}') END
$$;

-- Carries out an erasure whose notice is over and that nothing holds back; whom it was about is forgotten with it.
CREATE FUNCTION audit_erase(p_request uuid) RETURNS TABLE (events bigint, fields bigint) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE
    request record;
    held text;
    each record;
    place integer;
    emptied bytea;
    nothing CONSTANT bytea := decode(repeat('00', 16), 'hex');
BEGIN
    PERFORM audit_holds_lock(true);
    SELECT * INTO request FROM audit_erasurerequest r WHERE r.id = p_request FOR UPDATE;
    IF NOT FOUND OR request.done_at IS NOT NULL OR request.cancelled_at IS NOT NULL OR request.due_at > now() THEN
        RAISE EXCEPTION 'There is no such erasure that is due.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    held := audit_hold_against_erasure(request.organization_id, request.person_id, request.names);
    IF held IS NOT NULL THEN
        RAISE EXCEPTION 'The legal hold “%” keeps events that concern this person.', held
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    events := 0;
    fields := 0;
    FOR each IN
        SELECT p.*, t.salts FROM audit_erasure_plan(request.organization_id, request.person_id, request.names) p
        JOIN audit_leaftext t ON t.organization_id = request.organization_id AND t.seq = p.seq AND t.event_time = p.event_time
    LOOP
        emptied := each.salts;
        FOREACH place IN ARRAY each.places LOOP
            emptied := overlay(emptied PLACING nothing FROM (place - 1) * 16 + 1);
        END LOOP;
        UPDATE audit_leaftext t SET salts = emptied
        WHERE t.organization_id = request.organization_id AND t.seq = each.seq AND t.event_time = each.event_time;
        UPDATE audit_event e SET
            actor_label = CASE WHEN 'actor_label' = ANY (each.fields) THEN '[erased]' ELSE e.actor_label END,
            target_label = CASE WHEN 'target_label' = ANY (each.fields) THEN '[erased]' ELSE e.target_label END,
            reason = CASE WHEN 'reason' = ANY (each.fields) THEN '[erased]' ELSE e.reason END,
            session = CASE WHEN 'session' = ANY (each.fields) THEN '' ELSE e.session END,
            user_agent = CASE WHEN 'user_agent' = ANY (each.fields) THEN '' ELSE e.user_agent END,
            ip = CASE WHEN 'ip' = ANY (each.fields) THEN NULL ELSE e.ip END,
            before = audit_without(e.before, 'before', each.fields),
            after = audit_without(e.after, 'after', each.fields)
        WHERE e.id = each.event_id AND e.time = each.event_time;
        events := events + 1;
        fields := fields + cardinality(each.places);
    END LOOP;
    UPDATE audit_erasurerequest r
    SET done_at = now(), names = '{}', events = audit_erase.events, fields = audit_erase.fields
    WHERE r.id = p_request;
    PERFORM audit_tell_of_itself(request.organization_id, 'erasure.carried_out', p_request::text,
                                 jsonb_build_object('events', events, 'fields', fields));
    RETURN NEXT;
END $$;

GRANT EXECUTE ON FUNCTION audit_retirable(uuid, date, integer, integer),
    audit_retire(uuid, date, integer, integer, text), audit_drop_empty_partitions(), audit_erase(uuid) TO gatehouse_sealer;
GRANT EXECUTE ON FUNCTION audit_months_kept(uuid, integer), audit_erasure_plan(uuid, uuid, text[]),
    audit_mentions(jsonb, text[]), audit_hold_against_erasure(uuid, uuid, text[])
    TO gatehouse_app, gatehouse_operator, gatehouse_sealer;
