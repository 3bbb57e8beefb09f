-- Everything that decides about one key, in one statement: the key by its digest, its owner's authority of now, and the
-- project that was asked about. It runs with the caller's rights: the narrow lookup finds the organization, and from there
-- on row-level security binds every read to it. NULL: no key has such a digest.
CREATE OR REPLACE FUNCTION gateway_key(p_digests bytea[], p_project text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_key record;
    v_until timestamptz;
    v_authority jsonb;
    v_asked record;
    v_rule record;
BEGIN
    SELECT * INTO v_key FROM accounts_keys_by_digest(p_digests) LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    v_until := LEAST(v_key.expires_at, v_key.secret_expires_at);
    SELECT NULL::uuid AS id, NULL::varchar AS slug, NULL::boolean AS closing INTO v_asked;
    SELECT false AS is_barred, '{}'::varchar[] AS allowed_networks INTO v_rule;
    IF v_key.organization_id IS NOT NULL THEN
        -- For this statement only: it is a transaction of its own.
        PERFORM set_config('app.organization', v_key.organization_id::text, true);
        IF v_key.user_id IS NOT NULL THEN
            SELECT jsonb_agg(to_jsonb(a)) INTO v_authority FROM tenants_authority(v_key.organization_id, v_key.user_id) a;
            SELECT * INTO v_rule FROM accounts_personal_key_rule(v_key.organization_id, v_key.user_id);
        ELSIF v_key.service_account_id IS NOT NULL THEN
            SELECT jsonb_agg(to_jsonb(a)) INTO v_authority
            FROM accounts_service_account_authority(v_key.organization_id, v_key.service_account_id) a;
        END IF;
        -- An id before an identifier: nobody can name a project like another one's id.
        IF p_project ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
            SELECT p.id, p.slug, p.purge_at IS NOT NULL AS closing INTO v_asked FROM tenants_project p
            WHERE p.organization_id = v_key.organization_id AND p.id = p_project::uuid;
        ELSIF p_project <> '' THEN
            SELECT p.id, p.slug, p.purge_at IS NOT NULL AS closing INTO v_asked FROM tenants_project p
            WHERE p.organization_id = v_key.organization_id AND p.slug = p_project;
        END IF;
    END IF;
    RETURN jsonb_build_object(
        'id', v_key.key_id, 'kind', v_key.kind, 'name', v_key.name, 'public_id', v_key.public_id,
        'environment', v_key.environment, 'scopes', to_jsonb(v_key.scopes),
        'allowed_networks', to_jsonb(v_key.allowed_networks),
        'organization_networks', to_jsonb(coalesce(v_rule.allowed_networks, '{}')),
        'issued', floor(extract(epoch FROM v_key.created_at))::bigint,
        'expires', floor(extract(epoch FROM v_until))::bigint,
        'lives', extract(epoch FROM v_until - clock_timestamp())::double precision,
        'closed', v_key.revoked_at IS NOT NULL OR v_key.organization_suspended OR v_key.organization_closing
            OR coalesce(v_key.project_closing, false) OR coalesce(v_asked.closing, false)
            OR coalesce(v_rule.is_barred, false),
        'organization_id', v_key.organization_id, 'organization', v_key.organization_slug,
        'project_id', v_key.project_id, 'project', v_key.project_slug,
        'asked_id', v_asked.id, 'asked', v_asked.slug,
        'user_id', v_key.user_id, 'service_account_id', v_key.service_account_id,
        'authority', coalesce(v_authority, '[]'::jsonb)
    );
END $$;
GRANT EXECUTE ON FUNCTION gateway_key(bytea[], text) TO gatehouse_app;
