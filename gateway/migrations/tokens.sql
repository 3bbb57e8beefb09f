-- The public keys by which tokens are checked, by key ID: {kid: x}. What was withdrawn or revoked checks nothing.
CREATE FUNCTION gateway_signing_keys() RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(kid, public), '{}'::jsonb)
    FROM gateway_signingkey WHERE withdrawn_at IS NULL AND revoked_at IS NULL
$$;
GRANT EXECUTE ON FUNCTION gateway_signing_keys() TO gatehouse_app;

-- Which tokens of an organization are refused before their time: [[kind, subject, last second], …], as
-- gateway.claims.Revocations takes them. The caller has set the organization; row-level security binds the read to it.
CREATE FUNCTION gateway_revocations(p_organization uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_array(kind, subject, floor(extract(epoch FROM issued_up_to))::bigint)), '[]'::jsonb)
    FROM gateway_tokenrevocation WHERE organization_id = p_organization AND until > statement_timestamp()
$$;
GRANT EXECUTE ON FUNCTION gateway_revocations(uuid) TO gatehouse_app;
