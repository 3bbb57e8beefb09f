-- What was used since a moment, by the hours that are written: from here a counter goes on that nobody remembers.
CREATE FUNCTION gateway_used(
    p_organization uuid, p_kind text, p_subject text, p_each boolean, p_metric text, p_since timestamptz
) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(CASE p_metric WHEN 'requests' THEN u.requests WHEN 'tokens' THEN u.input_tokens + u.output_tokens
                                      ELSE u.cost END), 0)::bigint
    FROM gateway_usagehour u
    WHERE u.organization_id = p_organization AND u.hour >= p_since AND u.outcome IN ('allowed', 'upstream_error')
      AND CASE p_kind
            WHEN 'project' THEN u.project_id::text = p_subject
            WHEN 'api_key' THEN u.api_key_id::text = p_subject
            WHEN 'actor' THEN u.actor_id::text = p_subject
            WHEN 'model' THEN CASE WHEN p_each THEN u.model = p_subject
                              -- Patterns know one sign, *; % and _ stand for themselves.
                              ELSE u.model LIKE replace(replace(replace(p_subject, '%', '\%'), '_', '\_'), '*', '%') END
            ELSE true END
$$;

-- The same for a process that counts in Redis.
CREATE FUNCTION gateway_used_by(
    p_organization uuid, p_kind text, p_subject text, p_each boolean, p_metric text, p_since timestamptz
) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('app.organization', p_organization::text, true);
    RETURN gateway_used(p_organization, p_kind, p_subject, p_each, p_metric, p_since);
END $$;

-- Several counters of one organization at once: how much of each a gateway process gets. The rows are locked in one order.
-- Each wish says limit, subject, kind, each, metric, window, amount, need, want and, for requests at the same time, the
-- names of the slots and their seconds. Granted is 0 when there is no room for the need; never more than is left, and
-- near the end no more than the need.
CREATE FUNCTION gateway_lease(p_organization uuid, p_wishes jsonb) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_wish record;
    v_now timestamptz := clock_timestamp();
    v_start timestamptz;
    v_counter record;
    v_left bigint;
    v_granted bigint;
    v_answers jsonb := '{}';
BEGIN
    -- For this statement only: it is a transaction of its own.
    PERFORM set_config('app.organization', p_organization::text, true);
    FOR v_wish IN
        SELECT w.* FROM jsonb_to_recordset(p_wishes) AS w(
            place integer, "limit" uuid, subject text, kind text, each boolean, metric text, "window" text,
            amount bigint, need bigint, want bigint, slots jsonb, seconds integer)
        ORDER BY w."limit", w.subject
    LOOP
        v_start := CASE WHEN v_wish."window" = 'none' THEN 'epoch' ELSE date_trunc(v_wish."window", v_now, 'UTC') END;
        INSERT INTO gateway_usagecounter (organization_id, limit_id, subject, started_at, used)
        VALUES (p_organization, v_wish."limit", v_wish.subject,
                CASE WHEN v_wish."window" = 'none' THEN v_now ELSE '-infinity' END, 0) ON CONFLICT DO NOTHING;
        SELECT c.id, c.started_at, c.used INTO v_counter FROM gateway_usagecounter c
        WHERE c.organization_id = p_organization AND c.limit_id = v_wish."limit" AND c.subject = v_wish.subject FOR UPDATE;
        IF v_wish."window" = 'none' THEN
            DELETE FROM gateway_usageslot s
            WHERE s.organization_id = p_organization AND s.limit_id = v_wish."limit" AND s.subject = v_wish.subject
              AND s.expires_at <= v_now;
            SELECT count(*) INTO v_counter.used FROM gateway_usageslot s
            WHERE s.organization_id = p_organization AND s.limit_id = v_wish."limit" AND s.subject = v_wish.subject;
        ELSIF v_counter.started_at < v_start THEN
            v_counter.used := 0;
            IF v_wish."window" <> 'minute' THEN
                v_counter.used := gateway_used(
                    p_organization, v_wish.kind, v_wish.subject, v_wish.each, v_wish.metric, v_start);
            END IF;
        END IF;
        v_left := greatest(v_wish.amount - v_counter.used, 0);
        v_granted := 0;
        IF v_left >= v_wish.need THEN
            v_granted := least(v_left, greatest(v_wish.need, least(v_wish.want, v_left / 16)));
        END IF;
        IF v_wish."window" = 'none' THEN
            INSERT INTO gateway_usageslot (organization_id, limit_id, subject, slot, expires_at)
            SELECT p_organization, v_wish."limit", v_wish.subject, name.value, v_now + v_wish.seconds * interval '1 second'
            FROM jsonb_array_elements_text(v_wish.slots) WITH ORDINALITY AS name(value, position)
            WHERE name.position <= v_granted ON CONFLICT DO NOTHING;
        ELSE
            UPDATE gateway_usagecounter c SET started_at = v_start, used = v_counter.used + v_granted
            WHERE c.organization_id = p_organization AND c.limit_id = v_wish."limit" AND c.subject = v_wish.subject
              AND (v_granted > 0 OR c.started_at < v_start);
        END IF;
        v_answers := v_answers || jsonb_build_object(v_wish.place::text, jsonb_build_array(
            v_granted, v_left - v_granted, extract(epoch FROM v_start)::bigint,
            CASE WHEN v_wish."window" = 'none' THEN 0 ELSE extract(epoch FROM
                (v_start AT TIME ZONE 'UTC' + ('1 ' || v_wish."window")::interval) AT TIME ZONE 'UTC' - v_now
            ) END::double precision));
    END LOOP;
    RETURN v_answers;
END $$;

-- What was taken and not used, what was used beyond what was taken, and slots whose requests have ended. Less is only
-- given back to the window that it was taken from; more is counted now.
CREATE FUNCTION gateway_settle(p_organization uuid, p_changes jsonb) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_change record;
    v_now timestamptz := clock_timestamp();
    v_start timestamptz;
BEGIN
    PERFORM set_config('app.organization', p_organization::text, true);
    FOR v_change IN
        SELECT c.* FROM jsonb_to_recordset(p_changes) AS c(
            "limit" uuid, subject text, "window" text, started bigint, delta bigint, slots jsonb)
        ORDER BY c."limit", c.subject
    LOOP
        IF v_change."window" = 'none' THEN
            DELETE FROM gateway_usageslot s
            WHERE s.organization_id = p_organization AND s.limit_id = v_change."limit" AND s.subject = v_change.subject
              AND s.slot IN (SELECT jsonb_array_elements_text(v_change.slots));
            CONTINUE;
        END IF;
        v_start := date_trunc(v_change."window", v_now, 'UTC');
        IF v_change.delta > 0 AND v_change."window" = 'minute' THEN
            INSERT INTO gateway_usagecounter AS c (organization_id, limit_id, subject, started_at, used)
            VALUES (p_organization, v_change."limit", v_change.subject, v_start, v_change.delta)
            ON CONFLICT (organization_id, limit_id, subject) DO UPDATE SET
                used = CASE WHEN c.started_at = v_start THEN c.used ELSE 0 END + excluded.used, started_at = v_start;
        ELSE
            -- A day's or month's counter that does not exist yet begins with the hours that are written.
            UPDATE gateway_usagecounter c SET used = greatest(c.used + v_change.delta, 0)
            WHERE c.organization_id = p_organization AND c.limit_id = v_change."limit" AND c.subject = v_change.subject
              AND c.started_at = v_start
              AND (v_change.delta > 0 OR v_start = to_timestamp(v_change.started));
        END IF;
    END LOOP;
END $$;

-- What the counters of one organization say now: for each limit the fullest subjects.
CREATE FUNCTION gateway_counted(p_organization uuid, p_limits jsonb, p_most integer) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_answer jsonb;
BEGIN
    PERFORM set_config('app.organization', p_organization::text, true);
    SELECT coalesce(jsonb_object_agg(l."limit", (
        SELECT coalesce(jsonb_agg(jsonb_build_array(c.subject, c.used) ORDER BY c.used DESC, c.subject), '[]')
        FROM (
            SELECT found.* FROM (
                SELECT u.subject, u.used FROM gateway_usagecounter u
                WHERE l."window" <> 'none' AND u.organization_id = p_organization AND u.limit_id = l."limit"
                  AND u.started_at = date_trunc(replace(l."window", 'none', 'minute'), v_now, 'UTC')
                UNION ALL
                SELECT s.subject, count(*) FROM gateway_usageslot s
                WHERE l."window" = 'none' AND s.organization_id = p_organization AND s.limit_id = l."limit"
                  AND s.expires_at > v_now
                GROUP BY s.subject
            ) found ORDER BY found.used DESC, found.subject LIMIT p_most
        ) c
    )), '{}') INTO v_answer
    FROM jsonb_to_recordset(p_limits) AS l("limit" uuid, "window" text);
    RETURN v_answer;
END $$;

GRANT EXECUTE ON FUNCTION gateway_used(uuid, text, text, boolean, text, timestamptz) TO gatehouse_app;
GRANT EXECUTE ON FUNCTION gateway_used_by(uuid, text, text, boolean, text, timestamptz) TO gatehouse_app;
GRANT EXECUTE ON FUNCTION gateway_lease(uuid, jsonb) TO gatehouse_app;
GRANT EXECUTE ON FUNCTION gateway_settle(uuid, jsonb) TO gatehouse_app;
GRANT EXECUTE ON FUNCTION gateway_counted(uuid, jsonb, integer) TO gatehouse_app;
