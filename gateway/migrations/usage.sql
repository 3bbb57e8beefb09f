-- Adds a batch of figures of whichever organizations to their hours. A batch counts once: whoever is not sure that it
-- arrived sends it again under the same id. What belongs to an organization that has gone is left out.
CREATE FUNCTION gateway_add_usage(p_batch jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO gateway_usagebatch (id) VALUES ((p_batch ->> 'id')::uuid) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO gateway_usagehour AS h (
        id, organization_id, hour, project_id, api_key_id, actor_type, actor_id, credential_id, provider, model, outcome,
        requests, input_tokens, cached_tokens, output_tokens, cost)
    SELECT gen_random_uuid(), r.organization_id, to_timestamp(r.hour), r.project_id, r.api_key_id, r.actor_type, r.actor_id,
           r.credential_id, r.provider, r.model, r.outcome, sum(r.requests), sum(r.input_tokens), sum(r.cached_tokens),
           sum(r.output_tokens), sum(r.cost)
    FROM jsonb_to_recordset(p_batch -> 'rows') AS r(
        organization_id uuid, hour bigint, project_id uuid, api_key_id uuid, actor_type text, actor_id uuid,
        credential_id uuid, provider text, model text, outcome text, requests bigint, input_tokens bigint,
        cached_tokens bigint, output_tokens bigint, cost bigint)
    JOIN tenants_organization o ON o.id = r.organization_id
    GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ORDER BY 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ON CONFLICT (organization_id, hour, project_id, api_key_id, actor_type, actor_id, credential_id, provider, model,
                 outcome) DO UPDATE SET
        requests = h.requests + excluded.requests, input_tokens = h.input_tokens + excluded.input_tokens,
        cached_tokens = h.cached_tokens + excluded.cached_tokens, output_tokens = h.output_tokens + excluded.output_tokens,
        cost = h.cost + excluded.cost;
    RETURN true;
END $$;

-- Deletes, across organizations, hours and notices that are older than they are kept, and what counted for windows that
-- are over.
CREATE FUNCTION gateway_forget_usage(p_kept interval) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    v_forgotten bigint;
BEGIN
    DELETE FROM gateway_usagehour WHERE hour < now() - p_kept;
    GET DIAGNOSTICS v_forgotten = ROW_COUNT;
    DELETE FROM gateway_usagenotice WHERE started_at < now() - interval '40 days';
    DELETE FROM gateway_usagebatch WHERE written_at < now() - interval '1 day';
    DELETE FROM gateway_usageslot WHERE expires_at < now();
    DELETE FROM gateway_usagecounter WHERE started_at > '-infinity' AND started_at < now() - interval '32 days';
    RETURN v_forgotten;
END $$;
