-- As before, but for every address that somebody has proved, and for domains that were lost and not verified again.
CREATE OR REPLACE FUNCTION accounts_personal_key_rule(p_organization uuid, p_user uuid)
RETURNS TABLE (is_barred boolean, allowed_networks varchar[])
LANGUAGE sql STABLE AS $$
    SELECT
        (
            policy.sso_required = 'everybody'
            OR (policy.sso_required = 'domains' AND EXISTS (
                SELECT FROM (
                    SELECT login.email
                    UNION ALL
                    SELECT address.email FROM account_emailaddress address
                    WHERE address.user_id = p_user AND address.verified
                ) known
                -- An address that is not plain ASCII has its domain in another spelling here: it counts as one of them.
                WHERE known.email !~ '^[[:ascii:]]*$'
                   OR EXISTS (
                       SELECT FROM tenants_domain domain
                       WHERE domain.organization_id = p_organization
                         AND (domain.verified_at IS NOT NULL OR domain.lost_at IS NOT NULL)
                         AND domain.name = lower(regexp_replace(known.email, '^.*@', ''))
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
