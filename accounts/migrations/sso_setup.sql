-- Which set-up link has this digest, before its organization is known.

GRANT SELECT ON accounts_ssosetuplink TO gatehouse_lookup;

CREATE FUNCTION accounts_sso_setup_link_by_digest(p_digest bytea)
RETURNS TABLE (link_id uuid, organization_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT l.id, l.organization_id FROM accounts_ssosetuplink l WHERE l.token_digest = p_digest
$$;
