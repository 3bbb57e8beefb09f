-- By which connections the people of a domain sign in: the organization has verified it, and they are open. Connections
-- that name the domain come before those that name none; the others are left only where there are neither, so that nobody
-- whom the organization holds to single sign-on finds themselves without any.
CREATE FUNCTION accounts_sso_doors_of_domain(p_domain varchar)
RETURNS TABLE (connection_id uuid, name varchar, is_enabled boolean, organization_id uuid, slug varchar,
               organization varchar, is_closed boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    WITH door AS (
        SELECT c.id, c.name, c.is_enabled, o.id AS organization_id, o.slug, o.name AS organization,
               CASE WHEN p_domain = ANY (c.domains) THEN 0 WHEN c.domains = '{}' THEN 1 ELSE 2 END AS rank
        FROM tenants_domain d
        JOIN tenants_organization o ON o.id = d.organization_id
        JOIN accounts_ssoconnection c ON c.organization_id = o.id
        WHERE d.name = p_domain AND d.verified_at IS NOT NULL AND c.is_enabled
          AND o.suspended_at IS NULL AND o.purge_at IS NULL
    )
    SELECT door.id, door.name, door.is_enabled, door.organization_id, door.slug, door.organization, false
    FROM door
    WHERE door.rank = (SELECT min(best.rank) FROM door best)
    ORDER BY door.name, door.id
$$;
