-- What must be known about a key before its organization is.

GRANT SELECT ON accounts_apikey, accounts_apikeysecret, accounts_platformkey, accounts_serviceaccount TO gatehouse_lookup;
GRANT UPDATE (last_used_at, last_used_ip) ON accounts_apikey, accounts_platformkey TO gatehouse_lookup;

-- Everything that verification needs about the key whose secret has one of these digests (one for each pepper).
CREATE FUNCTION accounts_keys_by_digest(p_digests bytea[])
RETURNS TABLE (key_id uuid, kind varchar, name varchar, public_id varchar, environment varchar, scopes varchar[],
               allowed_networks varchar[], created_at timestamptz, expires_at timestamptz, revoked_at timestamptz,
               secret_expires_at timestamptz, organization_id uuid, organization_slug varchar,
               organization_suspended boolean, organization_closing boolean, project_id uuid, project_slug varchar,
               project_closing boolean, user_id uuid, user_email varchar, service_account_id uuid,
               service_account varchar, pepper_id smallint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT k.id, k.kind, k.name, k.public_id, k.environment, k.scopes, k.allowed_networks, k.created_at, k.expires_at,
           k.revoked_at, s.expires_at, o.id, o.slug, o.suspended_at IS NOT NULL, o.purge_at IS NOT NULL,
           p.id, p.slug, p.purge_at IS NOT NULL, k.user_id, u.email, k.service_account_id, a.name, s.pepper_id
    FROM accounts_apikeysecret s
    JOIN accounts_apikey k ON k.organization_id = s.organization_id AND k.id = s.api_key_id
    JOIN tenants_organization o ON o.id = k.organization_id
    LEFT JOIN tenants_project p ON p.organization_id = k.organization_id AND p.id = k.project_id
    LEFT JOIN accounts_user u ON u.id = k.user_id
    LEFT JOIN accounts_serviceaccount a ON a.organization_id = k.organization_id AND a.id = k.service_account_id
    WHERE s.digest = ANY (p_digests)
    UNION ALL
    SELECT k.id, 'platform', k.name, k.public_id, 'production', '{}', k.allowed_networks, k.created_at, k.expires_at,
           k.revoked_at, NULL, NULL, NULL, false, false, NULL, NULL, false, NULL, NULL, NULL, NULL, k.pepper_id
    FROM accounts_platformkey k
    WHERE k.digest = ANY (p_digests)
$$;

-- Writes when and from where keys were last used: one statement for a whole batch, of whichever organizations.
CREATE FUNCTION accounts_touch_keys(p_keys uuid[], p_times timestamptz[], p_addresses text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    UPDATE accounts_apikey k SET last_used_at = used.at, last_used_ip = used.address::inet
    FROM unnest(p_keys, p_times, p_addresses) AS used(id, at, address)
    WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at);
    UPDATE accounts_platformkey k SET last_used_at = used.at, last_used_ip = used.address::inet
    FROM unnest(p_keys, p_times, p_addresses) AS used(id, at, address)
    WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at);
$$;
