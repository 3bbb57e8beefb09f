-- Tells every gateway process, at commit, that what it remembers about something is over. The arguments are pairs of a
-- word and a column; old and new values are both announced.
CREATE FUNCTION gateway_announce() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_row jsonb;
    v_value text;
BEGIN
    FOR v_row IN
        SELECT candidate FROM (VALUES
            (CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END), (CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END)
        ) AS rows(candidate) WHERE candidate IS NOT NULL
    LOOP
        FOR position IN 0 .. TG_NARGS / 2 - 1 LOOP
            v_value := v_row ->> TG_ARGV[2 * position + 1];
            IF v_value IS NOT NULL THEN
                -- PostgreSQL sends the same text once for a transaction, however many rows it changed.
                PERFORM pg_notify('gatehouse_keys', TG_ARGV[2 * position] || ':' || v_value);
            END IF;
        END LOOP;
    END LOOP;
    RETURN NULL;
END $$;
