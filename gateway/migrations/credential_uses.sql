-- Writes when and by whom credentials were last used: one statement for a whole batch, of whichever organizations.
CREATE FUNCTION gateway_touch_credentials(p_credentials uuid[], p_times timestamptz[], p_actors text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    UPDATE gateway_providercredential c SET last_used_at = used.at, last_used_by = used.actor
    FROM unnest(p_credentials, p_times, p_actors) AS used(id, at, actor)
    WHERE c.id = used.id AND (c.last_used_at IS NULL OR c.last_used_at < used.at);
$$;
