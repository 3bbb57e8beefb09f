-- Everything that decides what a service account may do in the current organization, in the shape of tenants_authority.
-- It runs with the caller's rights, so row-level security binds it.
CREATE FUNCTION accounts_service_account_authority(p_organization uuid, p_account uuid)
RETURNS TABLE (source text, project_id uuid, role text, role_key text, is_builtin boolean, permissions varchar[],
               group_name text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT 'membership', NULL::uuid, r.name::text, r.key::text, r.is_builtin, r.custom_permissions, ''
    FROM accounts_serviceaccount a
    JOIN tenants_role r ON r.organization_id = a.organization_id AND r.id = a.role_id
    WHERE a.organization_id = p_organization AND a.id = p_account AND a.is_active;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT 'project_membership', pr.project_id, r.name::text, r.key::text, r.is_builtin, r.custom_permissions, ''
    FROM accounts_serviceaccountprojectrole pr
    JOIN tenants_role r ON r.organization_id = pr.organization_id AND r.id = pr.role_id
    WHERE pr.organization_id = p_organization AND pr.account_id = p_account;
END $$;
GRANT EXECUTE ON FUNCTION accounts_service_account_authority(uuid, uuid) TO gatehouse_app, gatehouse_operator;
