-- Everything that decides what a user may do in the current organization, in one statement. It runs with the caller's
-- rights, so row-level security binds it; plpgsql keeps its plan for the session, behind a transaction pooler too.
CREATE FUNCTION tenants_authority(p_organization uuid, p_user uuid)
RETURNS TABLE (source text, project_id uuid, role text, role_key text, is_builtin boolean, permissions varchar[],
               group_name text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_membership uuid;
    v_role uuid;
BEGIN
    SELECT m.id, m.role_id INTO v_membership, v_role
    FROM tenants_membership m JOIN accounts_user u ON u.id = m.user_id
    WHERE m.organization_id = p_organization AND m.user_id = p_user AND m.is_active AND u.is_active;
    IF v_membership IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT 'membership', NULL::uuid, r.name::text, r.key::text, r.is_builtin, r.custom_permissions, ''
    FROM tenants_role r WHERE r.organization_id = p_organization AND r.id = v_role;
    RETURN QUERY
    SELECT 'project_membership', pm.project_id, r.name::text, r.key::text, r.is_builtin, r.custom_permissions, ''
    FROM tenants_projectmembership pm
    JOIN tenants_role r ON r.organization_id = pm.organization_id AND r.id = pm.role_id
    WHERE pm.organization_id = p_organization AND pm.membership_id = v_membership;
    RETURN QUERY
    SELECT CASE WHEN gr.project_id IS NULL THEN 'group' ELSE 'project_group' END, gr.project_id, r.name::text,
           r.key::text, r.is_builtin, r.custom_permissions, g.name::text
    FROM tenants_groupmember gm
    JOIN tenants_group g ON g.organization_id = gm.organization_id AND g.id = gm.group_id
    JOIN tenants_grouprole gr ON gr.organization_id = gm.organization_id AND gr.group_id = gm.group_id
    JOIN tenants_role r ON r.organization_id = gr.organization_id AND r.id = gr.role_id
    WHERE gm.organization_id = p_organization AND gm.membership_id = v_membership;
    RETURN QUERY
    SELECT 'user_exception', ug.project_id, NULL::text, p.codename::text, NULL::boolean, NULL::varchar[], ''
    FROM tenants_projectusergrant ug JOIN auth_permission p ON p.id = ug.permission_id
    WHERE ug.organization_id = p_organization AND ug.user_id = p_user;
    RETURN QUERY
    SELECT 'group_exception', gg.project_id, NULL::text, p.codename::text, NULL::boolean, NULL::varchar[], g.name::text
    FROM tenants_groupmember gm
    JOIN tenants_projectgroupgrant gg ON gg.organization_id = gm.organization_id AND gg.group_id = gm.group_id
    JOIN tenants_group g ON g.organization_id = gg.organization_id AND g.id = gg.group_id
    JOIN auth_permission p ON p.id = gg.permission_id
    WHERE gm.organization_id = p_organization AND gm.membership_id = v_membership;
END $$;
GRANT EXECUTE ON FUNCTION tenants_authority(uuid, uuid) TO gatehouse_app, gatehouse_operator;
