-- The credentials with which an LLM request of a project may leave, in the order in which they are tried, with what opens
-- them: the project's own before the organization's, then by priority. It runs with the caller's rights, inside a scope
-- that a verified token or key has opened: row-level security leaves nothing of any other organization.
CREATE FUNCTION gateway_credentials(p_organization uuid, p_project uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', c.id, 'organization_id', c.organization_id, 'project_id', c.project_id, 'name', c.name,
        'provider', c.provider, 'kind', c.kind, 'base_url', c.base_url, 'options', c.options,
        'allowed_models', to_jsonb(c.allowed_models), 'priority', c.priority,
        'secret', encode(c.secret, 'hex'), 'data_key', k.id, 'wrapped', encode(k.wrapped, 'hex'),
        'wrapped_by', k.wrapped_by
    ) ORDER BY c.project_id IS NULL, c.priority, lower(c.name), c.id), '[]'::jsonb)
    FROM gateway_providercredential c
    JOIN vault_datakey k
        ON k.organization_id = c.organization_id AND k.id = encode(substring(c.secret FROM 2 FOR 16), 'hex')::uuid
    WHERE c.organization_id = p_organization AND c.is_enabled AND c.secret IS NOT NULL
        AND (c.project_id IS NULL OR c.project_id = p_project)
$$;
REVOKE ALL ON FUNCTION gateway_credentials(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway_credentials(uuid, uuid) TO gatehouse_app;
