-- What must be known before the tenant is: each function answers one question and returns nothing else.

GRANT SELECT ON tenants_organization, tenants_membership, tenants_role, tenants_invitation, tenants_project, accounts_user
    TO gatehouse_lookup;
GRANT UPDATE (organization_id) ON tenants_project TO gatehouse_lookup;

-- The organizations that a person belongs to, for the switcher and for entering /o/<slug>/.
CREATE FUNCTION tenants_memberships_of(p_user uuid)
RETURNS TABLE (organization_id uuid, slug varchar, name varchar, role varchar, is_active boolean,
               suspended_at timestamptz, purge_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT o.id, o.slug, o.name, r.name, m.is_active, o.suspended_at, o.purge_at
    FROM tenants_membership m
    JOIN tenants_organization o ON o.id = m.organization_id
    JOIN tenants_role r ON r.organization_id = m.organization_id AND r.id = m.role_id
    WHERE m.user_id = p_user
    ORDER BY o.name, o.slug
$$;

-- Which organization an operator's visit means.
CREATE FUNCTION tenants_organization_id_of(p_slug text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT o.id FROM tenants_organization o WHERE o.slug = p_slug
$$;

-- Where the invitation behind a link's token lives.
CREATE FUNCTION tenants_invitation_by_digest(p_digest bytea)
RETURNS TABLE (invitation_id uuid, organization_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT i.id, i.organization_id FROM tenants_invitation i WHERE i.token_digest = p_digest
$$;

-- The open invitations of an e-mail address; callers pass only addresses that the person has verified.
CREATE FUNCTION tenants_open_invitations(p_email text)
RETURNS TABLE (invitation_id uuid, organization_id uuid, organization varchar, role varchar, invited_by varchar,
               expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT i.id, i.organization_id, o.name, r.name, coalesce(u.email, ''), i.expires_at
    FROM tenants_invitation i
    JOIN tenants_organization o ON o.id = i.organization_id
    JOIN tenants_role r ON r.organization_id = i.organization_id AND r.id = i.role_id
    LEFT JOIN accounts_user u ON u.id = i.invited_by_id
    WHERE lower(i.email) = lower(p_email) AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()
      AND o.purge_at IS NULL AND o.suspended_at IS NULL
    ORDER BY i.created_at
$$;

-- Moves a project between two organizations, which no single tenant's scope can. The service has checked the permission
-- on both sides; rows that may follow (API keys) do so by ON UPDATE CASCADE.
CREATE FUNCTION tenants_move_project(p_project uuid, p_from uuid, p_to uuid) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    moved integer;
BEGIN
    IF current_setting('app.organization')::uuid IS DISTINCT FROM p_from THEN
        RAISE EXCEPTION 'A project is moved out of its own organization''s scope only.';
    END IF;
    UPDATE tenants_project SET organization_id = p_to WHERE id = p_project AND organization_id = p_from;
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END $$;
