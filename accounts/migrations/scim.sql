-- What must be known about a SCIM token before its organization is.

GRANT SELECT ON accounts_scimtoken, accounts_scimconnection, accounts_provisioneduser, tenants_domain TO gatehouse_lookup;

-- Everything that decides whether a token is accepted: by the digest of its secret (one for each pepper), or by its id,
-- which an access token names (OAuth 2.0 client credentials).
CREATE FUNCTION accounts_scim_token(p_digests bytea[], p_id uuid)
RETURNS TABLE (token_id uuid, public_id varchar, name varchar, allowed_networks varchar[], expires_at timestamptz,
               revoked_at timestamptz, last_used_at timestamptz, connection_id uuid, connection varchar,
               organization_id uuid, organization_suspended boolean, organization_closing boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT t.id, t.public_id, t.name, t.allowed_networks, t.expires_at, t.revoked_at, t.last_used_at, c.id, c.name,
           o.id, o.suspended_at IS NOT NULL, o.purge_at IS NOT NULL
    FROM accounts_scimtoken t
    JOIN accounts_scimconnection c ON c.organization_id = t.organization_id AND c.id = t.connection_id
    JOIN tenants_organization o ON o.id = t.organization_id
    WHERE t.digest = ANY (p_digests) OR t.id = p_id
$$;

-- The peppers that tokens in force need.
CREATE FUNCTION accounts_scim_peppers_in_force() RETURNS TABLE (pepper smallint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT DISTINCT t.pepper_id FROM accounts_scimtoken t
    WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
$$;

-- The organizations in which a sweep finds something to do: provisioned people who have not joined, and have not been
-- invited or have an address in a domain that is verified by now.
CREATE FUNCTION accounts_organizations_with_waiting_people() RETURNS TABLE (organization_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT DISTINCT p.organization_id
    FROM accounts_provisioneduser p JOIN tenants_organization o ON o.id = p.organization_id
    WHERE p.membership_id IS NULL AND p.active AND p.email <> '' AND o.suspended_at IS NULL AND o.purge_at IS NULL
      AND (p.invited_at IS NULL OR EXISTS (
          SELECT FROM tenants_domain d
          WHERE d.organization_id = p.organization_id AND d.verified_at IS NOT NULL
            AND d.name = split_part(p.email, '@', -1)))
$$;
