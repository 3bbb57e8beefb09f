-- Where a single sign-on connection leads, before its organization is known.

GRANT SELECT ON accounts_ssoconnection TO gatehouse_lookup;

CREATE FUNCTION accounts_sso_door(p_id uuid)
RETURNS TABLE (connection_id uuid, name varchar, is_enabled boolean, organization_id uuid, slug varchar,
               organization varchar, is_closed boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT c.id, c.name, c.is_enabled, o.id, o.slug, o.name, o.suspended_at IS NOT NULL OR o.purge_at IS NOT NULL
    FROM accounts_ssoconnection c JOIN tenants_organization o ON o.id = c.organization_id
    WHERE c.id = p_id
$$;

-- By which connections the people of a domain sign in: the organization has verified it, and they are open.
CREATE FUNCTION accounts_sso_doors_of_domain(p_domain varchar)
RETURNS TABLE (connection_id uuid, name varchar, is_enabled boolean, organization_id uuid, slug varchar,
               organization varchar, is_closed boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT c.id, c.name, c.is_enabled, o.id, o.slug, o.name, false
    FROM tenants_domain d
    JOIN tenants_organization o ON o.id = d.organization_id
    JOIN accounts_ssoconnection c ON c.organization_id = o.id
    WHERE d.name = p_domain AND d.verified_at IS NOT NULL AND c.is_enabled
      AND o.suspended_at IS NULL AND o.purge_at IS NULL
    ORDER BY c.name, c.id
$$;
