-- How a table becomes governed. Run as gatehouse_owner, who owns the governed tables; the functions that note what was
-- written belong to gatehouse_audit.

-- Puts a table under watch, or again after its columns changed. `p_column` is its organization's column, '' for a table
-- of the installation; `p_watched` the columns, comma separated, whose update counts, '' for all; `p_stands_for` a column
-- whose value an event names too when it names the row (a membership's person), '' for none.
CREATE FUNCTION audit_govern(p_table text, p_column text, p_watched text, p_stands_for text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
DECLARE
    capture text := left('audit_capture_' || p_table, 63);
    key text;
    referring text[];     -- foreign keys and other ids: an event that names one of them names the row
    new_refs text;
    old_refs text;
    of_new text := CASE WHEN p_column = '' THEN 'NULL::uuid' ELSE format('r.%I', p_column) END;
    of_old text := CASE WHEN p_column = '' THEN 'NULL::uuid' ELSE format('o.%I', p_column) END;
    differs text := 'true';
    left_behind text := '';
    note text;
    verb text;
BEGIN
    SELECT quote_ident(a.attname) INTO key
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = p_table::regclass AND i.indisprimary;
    SELECT coalesce(array_agg(quote_ident(a.attname) ORDER BY a.attname <> p_stands_for, a.attnum), '{}') INTO referring
    FROM pg_attribute a
    WHERE a.attrelid = p_table::regclass AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname <> p_column AND quote_ident(a.attname) <> key
      AND (a.atttypid = 'uuid'::regtype OR EXISTS (
            SELECT FROM pg_constraint c
            WHERE c.conrelid = a.attrelid AND c.contype = 'f' AND a.attnum = ANY (c.conkey)));
    SELECT string_agg(format('r.%s::text', name), ', '), string_agg(format('o.%s::text', name), ', ')
    INTO new_refs, old_refs FROM unnest(key || referring) AS name;
    IF p_watched <> '' THEN
        SELECT format('(%s) IS DISTINCT FROM (%s)', string_agg(format('r.%I', trim(name)), ', '),
                      string_agg(format('o.%I', trim(name)), ', '))
        INTO differs FROM unnest(string_to_array(p_watched, ',')) AS name;
    END IF;
    IF p_column NOT IN ('', 'id') THEN  -- a row that left an organization is a change of that one too
        left_behind := format(' UNION ALL SELECT %s, ARRAY[%s, %s] FROM old_rows o'
                              ' WHERE NOT EXISTS (SELECT FROM new_rows n WHERE n.%I = %s)',
                              of_old, old_refs, old_refs, p_column, of_old);
    END IF;
    note := 'INSERT INTO audit_pendingchange'
        || ' (organization, installation, table_name, operation, database_role, rows, stands_for, refs)'
        || format(' SELECT c.organization, %L, %L, TG_OP, acting, count(*), %L, array_agg(c.refs) FILTER (WHERE c.n <= 10000)',
                  p_column = '', p_table, p_stands_for <> '')
        || ' FROM (SELECT w.organization, w.refs, row_number() OVER () AS n FROM (%s) w (organization, refs)) c'
        || ' GROUP BY c.organization';
    SET LOCAL ROLE gatehouse_audit;
    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION public.%1$I() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $capture$
        DECLARE
            acting text := CASE current_setting('role') WHEN 'none' THEN session_user::text ELSE current_setting('role') END;
        BEGIN
            IF TG_OP = 'INSERT' THEN
                %2$s;
            ELSIF TG_OP = 'UPDATE' THEN
                %3$s;
            ELSIF TG_OP = 'DELETE' THEN
                %4$s;
            ELSE
                INSERT INTO audit_pendingchange
                    (organization, installation, table_name, operation, database_role, rows, stands_for, refs)
                SELECT %5$s, %6$L, %7$L, TG_OP, acting, count(*), false, (array_agg(r.%8$s::text))[:20]
                FROM public.%7$I r GROUP BY 1;
            END IF;
            RETURN NULL;
        END $capture$ $function$,
        capture,
        format(note, format('SELECT %s, ARRAY[%s] FROM new_rows r', of_new, new_refs)),
        format(note, format('SELECT %s, ARRAY[%s, %s] FROM new_rows r LEFT JOIN old_rows o ON o.%s = r.%s WHERE %s',
                            of_new, new_refs, old_refs, key, key, differs) || left_behind),
        format(note, format('SELECT %s, ARRAY[%s] FROM old_rows o', of_old, old_refs)),
        of_new, p_column = '', p_table, key);
    EXECUTE format('REVOKE ALL ON FUNCTION public.%I() FROM PUBLIC', capture);
    EXECUTE format('GRANT EXECUTE ON FUNCTION public.%I() TO gatehouse_owner', capture);
    -- How the table is governed outlives its triggers.
    EXECUTE format('COMMENT ON FUNCTION public.%I() IS %L', capture,
                   concat_ws('|', p_table, p_column, p_watched, p_stands_for));
    SET LOCAL ROLE gatehouse_owner;
    -- What TRUNCATE is about to take away is counted.
    EXECUTE format('GRANT SELECT (%s) ON public.%I TO gatehouse_audit',
                   concat_ws(', ', key, nullif(nullif(quote_ident(p_column), '""'), key)), p_table);
    FOREACH verb IN ARRAY ARRAY['insert', 'update', 'delete', 'truncate'] LOOP
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER %I %s %s ON public.%I %s FOR EACH STATEMENT EXECUTE FUNCTION public.%I(%L, %L, %L)',
            'audit_capture_' || verb, CASE verb WHEN 'truncate' THEN 'BEFORE' ELSE 'AFTER' END, verb, p_table,
            CASE verb WHEN 'insert' THEN 'REFERENCING NEW TABLE AS new_rows'
                      WHEN 'update' THEN 'REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows'
                      WHEN 'delete' THEN 'REFERENCING OLD TABLE AS old_rows' ELSE '' END,
            capture, p_column, p_watched, p_stands_for);
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER %I', p_table, 'audit_capture_' || verb);
    END LOOP;
END $$;

CREATE FUNCTION audit_ungovern(p_table text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
DECLARE
    verb text;
BEGIN
    FOREACH verb IN ARRAY ARRAY['insert', 'update', 'delete', 'truncate'] LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON public.%I', 'audit_capture_' || verb, p_table);
    END LOOP;
    EXECUTE format('REVOKE ALL ON public.%I FROM gatehouse_audit', p_table);
    SET LOCAL ROLE gatehouse_audit;
    EXECUTE format('DROP FUNCTION public.%I()', left('audit_capture_' || p_table, 63));
    SET LOCAL ROLE gatehouse_owner;
END $$;

-- The governed tables and how each is governed.
CREATE FUNCTION audit_governed() RETURNS TABLE (table_name text, organization_column text, watched text, stands_for text)
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT split_part(said, '|', 1), split_part(said, '|', 2), split_part(said, '|', 3), split_part(said, '|', 4)
    FROM pg_proc f, LATERAL obj_description(f.oid, 'pg_proc') AS said
    WHERE f.pronamespace = 'public'::regnamespace AND f.proname LIKE 'audit\_capture\_%'
      AND to_regclass('public.' || quote_ident(split_part(said, '|', 1))) IS NOT NULL
    ORDER BY 1
$$;
REVOKE ALL ON FUNCTION audit_govern(text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_ungovern(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_governed() FROM PUBLIC;
