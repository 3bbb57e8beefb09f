-- What the sweep looks for across organizations, and no more: which exports are being made, and (without an id) where
-- something has expired.
GRANT SELECT (organization_id, id, state, expires_at) ON audit_evidenceexport TO gatehouse_lookup;

CREATE FUNCTION audit_exports_to_do() RETURNS TABLE (organization_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT e.organization_id, e.id FROM audit_evidenceexport e WHERE e.state = 'running'
    UNION ALL
    SELECT DISTINCT e.organization_id, NULL::uuid FROM audit_evidenceexport e WHERE e.expires_at < now()
$$;
