-- Everything that decides about LLM requests in one project, but for who asks: the organization, the project, settings,
-- revocations, limits, credentials. It runs with the caller's rights: the organization comes from a verified token or key,
-- and row-level security binds every read to it. NULL: there is no such organization.
CREATE FUNCTION gateway_place(p_organization uuid, p_project uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_place jsonb;
BEGIN
    -- For this statement only: it is a transaction of its own.
    PERFORM set_config('app.organization', p_organization::text, true);
    SELECT jsonb_build_object(
        'organization', o.slug,
        'suspended', o.suspended_at IS NOT NULL OR o.purge_at IS NOT NULL,
        'project_id', p.id, 'project', p.slug, 'environment', p.environment, 'closing', p.purge_at IS NOT NULL
    ) INTO v_place
    FROM tenants_organization o
    LEFT JOIN tenants_project p ON p.organization_id = o.id AND p.id = p_project
    WHERE o.id = p_organization;
    IF v_place IS NULL OR v_place ->> 'project_id' IS NULL THEN
        RETURN v_place;
    END IF;
    RETURN v_place || jsonb_build_object(
        'settings', (
            SELECT jsonb_build_object(
                'is_enabled', s.is_enabled, 'audiences', s.audiences, 'accepts_api_keys', s.accepts_api_keys,
                'emits_langsmith_names', s.emits_langsmith_names, 'masked', s.masked,
                'on_counter_outage', s.on_counter_outage
            ) FROM gateway_proxysettings s WHERE s.organization_id = p_organization
        ),
        'revocations', gateway_revocations(p_organization),
        'limits', (
            SELECT coalesce(jsonb_agg(to_jsonb(l) ORDER BY l.id), '[]'::jsonb)
            FROM gateway_usagelimit l WHERE l.organization_id = p_organization AND l.is_enabled
        ),
        'credentials', gateway_credentials(p_organization, p_project)
    );
END $$;
GRANT EXECUTE ON FUNCTION gateway_place(uuid, uuid) TO gatehouse_app;

-- Who asks, as they are now: a user, a service account or a key, together with the key that their token came by, if one
-- did. Without an actor the key says who it is. It runs with the caller's rights, as above. NULL: there is no such key.
CREATE FUNCTION gateway_actor(p_organization uuid, p_user uuid, p_account uuid, p_public_id text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_key jsonb;
    v_user uuid := p_user;
    v_account uuid := p_account;
    v_type text := 'api_key';
    v_label text;
    v_authority jsonb;
    v_rule record;
BEGIN
    PERFORM set_config('app.organization', p_organization::text, true);
    IF p_public_id <> '' THEN
        SELECT jsonb_build_object(
            'id', k.id, 'kind', k.kind, 'name', k.name, 'scopes', k.scopes, 'allowed_networks', k.allowed_networks,
            'project_id', k.project_id, 'user_id', k.user_id, 'service_account_id', k.service_account_id,
            'revoked', k.revoked_at IS NOT NULL,
            'lives', extract(epoch FROM k.expires_at - clock_timestamp())::double precision
        ) INTO v_key
        FROM accounts_apikey k WHERE k.organization_id = p_organization AND k.public_id = p_public_id;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        IF v_user IS NULL AND v_account IS NULL THEN
            v_user := (v_key ->> 'user_id')::uuid;
            v_account := (v_key ->> 'service_account_id')::uuid;
        END IF;
    END IF;
    SELECT false AS is_barred, '{}'::varchar[] AS allowed_networks INTO v_rule;
    IF v_user IS NOT NULL THEN
        v_type := 'user';
        SELECT u.email INTO v_label FROM accounts_user u WHERE u.id = v_user;
        SELECT jsonb_agg(to_jsonb(a)) INTO v_authority FROM tenants_authority(p_organization, v_user) a;
        SELECT * INTO v_rule FROM accounts_personal_key_rule(p_organization, v_user);
    ELSIF v_account IS NOT NULL THEN
        SELECT a.kind, a.name INTO v_type, v_label FROM accounts_serviceaccount a
        WHERE a.organization_id = p_organization AND a.id = v_account;
        SELECT jsonb_agg(to_jsonb(a)) INTO v_authority FROM accounts_service_account_authority(p_organization, v_account) a;
    END IF;
    RETURN jsonb_build_object(
        'key', v_key,
        'type', coalesce(v_type, ''), 'id', coalesce(v_user, v_account, (v_key ->> 'id')::uuid),
        'label', coalesce(v_label, v_key ->> 'name', ''),
        'user_id', v_user, 'service_account_id', v_account,
        'is_barred', coalesce(v_rule.is_barred, false),
        'organization_networks', to_jsonb(coalesce(v_rule.allowed_networks, '{}')),
        'authority', coalesce(v_authority, '[]'::jsonb)
    );
END $$;
GRANT EXECUTE ON FUNCTION gateway_actor(uuid, uuid, uuid, text) TO gatehouse_app;

-- Refusals that somebody may want to look into become events of their organizations' logs; the caller has seen to it that
-- they are few. It runs with the caller's rights, one organization's scope after the other.
CREATE FUNCTION gateway_tell_refusals(p_refusals jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_refusal record;
BEGIN
    FOR v_refusal IN
        SELECT * FROM jsonb_to_recordset(p_refusals) AS r(
            organization_id uuid, project_id uuid, actor_kind text, actor_id uuid, actor_label text, code text,
            request_id text, ip inet, api_key_id text, count integer)
    LOOP
        PERFORM set_config('app.organization', v_refusal.organization_id::text, true);
        INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_id, actor_label, via, action, outcome,
            target_type, target_id, target_label, project_id, project_label, before, after, reason, request_id, session,
            ip, user_agent)
        SELECT gen_random_uuid(), clock_timestamp(), o.id, v_refusal.actor_kind, v_refusal.actor_id,
            left(v_refusal.actor_label, 320), 'api', 'llm_request.denied', 'denied', 'LLM request', '', '', p.id,
            left(coalesce(p.name, ''), 200), '{}',
            jsonb_strip_nulls(jsonb_build_object(
                'code', v_refusal.code, 'requests', v_refusal.count, 'api_key', v_refusal.api_key_id)),
            '', v_refusal.request_id, '', v_refusal.ip, ''
        FROM tenants_organization o
        LEFT JOIN tenants_project p ON p.organization_id = o.id AND p.id = v_refusal.project_id
        WHERE o.id = v_refusal.organization_id;
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION gateway_tell_refusals(jsonb) TO gatehouse_app;
