-- What the sign-in policy asks of somebody's personal keys: whether they are barred, because their owner has to come by
-- single sign-on and never did, and from which networks they are accepted (empty: from everywhere). It runs with the
-- caller's rights, in the organization's scope. No row: the organization asks nothing.
CREATE FUNCTION accounts_personal_key_rule(p_organization uuid, p_user uuid)
RETURNS TABLE (is_barred boolean, allowed_networks varchar[])
LANGUAGE sql STABLE AS $$
    SELECT
        (
            policy.sso_required = 'everybody'
            OR (policy.sso_required = 'domains' AND (
                -- An address that is not plain ASCII has its domain in another spelling here: it counts as one of them.
                login.email !~ '^[[:ascii:]]*$'
                OR EXISTS (
                    SELECT FROM tenants_domain domain
                    WHERE domain.organization_id = p_organization AND domain.verified_at IS NOT NULL
                      AND domain.name = lower(regexp_replace(login.email, '^.*@', ''))
                )
            ))
        )
        AND NOT EXISTS (
            SELECT FROM accounts_signinexception exception
            WHERE exception.organization_id = p_organization AND exception.membership_id = member.id
        )
        AND NOT EXISTS (
            SELECT FROM accounts_ssoidentity identity
            JOIN accounts_ssoconnection connection
                ON connection.organization_id = identity.organization_id AND connection.id = identity.connection_id
            WHERE identity.organization_id = p_organization AND identity.membership_id = member.id
              AND connection.is_enabled AND connection.issuer = identity.issuer
        ),
        policy.allowed_networks
    FROM accounts_signinpolicy policy
    JOIN tenants_membership member ON member.organization_id = policy.organization_id AND member.user_id = p_user
    JOIN accounts_user login ON login.id = member.user_id
    WHERE policy.organization_id = p_organization
$$;
GRANT EXECUTE ON FUNCTION accounts_personal_key_rule(uuid, uuid) TO gatehouse_app;
