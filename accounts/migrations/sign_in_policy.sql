-- Which logins an organization holds to single sign-on, asked before any organization is entered; and what its policy asks
-- of the keys that belong to people.

GRANT SELECT ON accounts_signinpolicy, accounts_signinexception TO gatehouse_lookup;

-- The open connections of the organization that has a domain verified and requires single sign-on for it. With a login:
-- only if that login is an active member who is neither an exception nor the break-glass owner.
CREATE FUNCTION accounts_sso_doors_required(p_domain varchar, p_user uuid)
RETURNS TABLE (connection_id uuid, name varchar, is_enabled boolean, organization_id uuid, slug varchar,
               organization varchar, is_closed boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT door.*
    FROM accounts_sso_doors_of_domain(p_domain) door
    JOIN accounts_signinpolicy policy ON policy.organization_id = door.organization_id
    LEFT JOIN tenants_membership member
        ON member.organization_id = door.organization_id AND member.user_id = p_user AND member.is_active
    WHERE policy.sso_required IN ('domains', 'everybody')
      AND (p_user IS NULL OR (
          member.id IS NOT NULL
          AND policy.break_glass_id IS DISTINCT FROM member.id
          AND NOT EXISTS (
              SELECT FROM accounts_signinexception exception
              WHERE exception.organization_id = member.organization_id AND exception.membership_id = member.id
          )
      ))
    ORDER BY door.name, door.connection_id
$$;
