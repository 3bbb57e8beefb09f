-- How a table becomes governed. Run as gatehouse_owner, who owns the governed tables; the functions that note what was
-- written belong to gatehouse_audit.

-- Puts a table under watch, or again after its columns changed. `p_column` is its organization's column, '' for a table
-- of the installation; `p_watched` the columns, comma separated, whose update counts, '' for all.
CREATE FUNCTION audit_govern(p_table text, p_column text, p_watched text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
DECLARE
    capture text := left('audit_capture_' || p_table, 63);
    refs text;
    organization text := CASE WHEN p_column = '' THEN 'NULL::uuid' ELSE format('r.%I', p_column) END;
    differs text := 'true';
    key text;
    note text;
    verb text;
BEGIN
    -- The key first, then foreign keys and other ids: an event that names one of them names the row.
    SELECT string_agg(format('r.%I::text', attname), ', ' ORDER BY i.indrelid IS NULL, attnum),
           min(quote_ident(attname)) FILTER (WHERE i.indrelid IS NOT NULL)
    INTO refs, key
    FROM pg_attribute a
    LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)
    WHERE a.attrelid = p_table::regclass AND a.attnum > 0 AND NOT a.attisdropped
      AND (i.indrelid IS NOT NULL OR a.attname <> p_column AND (a.atttypid = 'uuid'::regtype OR EXISTS (
            SELECT FROM pg_constraint c
            WHERE c.conrelid = a.attrelid AND c.contype = 'f' AND a.attnum = ANY (c.conkey))));
    IF p_watched <> '' THEN
        SELECT format('(%s) IS DISTINCT FROM (%s)', string_agg(format('r.%I', trim(name)), ', '),
                      string_agg(format('o.%I', trim(name)), ', '))
        INTO differs FROM unnest(string_to_array(p_watched, ',')) AS name;
    END IF;
    note := 'INSERT INTO audit_pendingchange (organization, installation, table_name, operation, database_role, rows, refs)'
        || format(' SELECT r.organization, %L, %L, TG_OP, acting, count(*), array_agg(r.refs) FILTER (WHERE r.n <= 10000)',
                  p_column = '', p_table)
        || format(' FROM (SELECT %s AS organization, ARRAY[%s] AS refs, row_number() OVER () AS n FROM %%s) r',
                  organization, refs)
        || ' GROUP BY r.organization';
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
                    (organization, installation, table_name, operation, database_role, rows, refs)
                SELECT %5$s, %6$L, %7$L, TG_OP, acting, count(*), (array_agg(r.%8$s::text))[:20] FROM public.%7$I r GROUP BY 1;
            END IF;
            RETURN NULL;
        END $capture$ $function$,
        capture,
        format(note, 'new_rows r'),
        CASE WHEN p_watched = '' THEN
            format(note, CASE WHEN p_column IN ('', 'id') THEN 'new_rows r'
                         -- A row that left an organization is a change of that one too.
                         ELSE format('(SELECT * FROM new_rows UNION ALL SELECT * FROM old_rows o WHERE NOT EXISTS'
                                     ' (SELECT FROM new_rows n WHERE n.%1$I = o.%1$I)) r', p_column) END)
        ELSE format(note, format('new_rows r JOIN old_rows o ON o.%1$s = r.%1$s WHERE %2$s', key, differs)) END,
        format(note, 'old_rows r'),
        organization, p_column = '', p_table, key);
    EXECUTE format('REVOKE ALL ON FUNCTION public.%I() FROM PUBLIC', capture);
    EXECUTE format('GRANT EXECUTE ON FUNCTION public.%I() TO gatehouse_owner', capture);
    SET LOCAL ROLE gatehouse_owner;
    -- What TRUNCATE is about to take away is counted.
    EXECUTE format('GRANT SELECT (%s) ON public.%I TO gatehouse_audit',
                   concat_ws(', ', key, nullif(nullif(quote_ident(p_column), '""'), key)), p_table);
    FOREACH verb IN ARRAY ARRAY['insert', 'update', 'delete', 'truncate'] LOOP
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER %I %s %s ON public.%I %s FOR EACH STATEMENT EXECUTE FUNCTION public.%I(%L, %L)',
            'audit_capture_' || verb, CASE verb WHEN 'truncate' THEN 'BEFORE' ELSE 'AFTER' END, verb, p_table,
            CASE verb WHEN 'insert' THEN 'REFERENCING NEW TABLE AS new_rows'
                      WHEN 'update' THEN 'REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows'
                      WHEN 'delete' THEN 'REFERENCING OLD TABLE AS old_rows' ELSE '' END,
            capture, p_column, p_watched);
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER %I', p_table, 'audit_capture_' || verb);
    END LOOP;
END $$;

CREATE FUNCTION audit_ungovern(p_table text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
DECLARE
    verb text;
BEGIN
    FOREACH verb IN ARRAY ARRAY['insert', 'update', 'delete', 'truncate'] LOOP
        EXECUTE format('DROP TRIGGER %I ON public.%I', 'audit_capture_' || verb, p_table);
    END LOOP;
    EXECUTE format('REVOKE ALL ON public.%I FROM gatehouse_audit', p_table);
    SET LOCAL ROLE gatehouse_audit;
    EXECUTE format('DROP FUNCTION public.%I()', left('audit_capture_' || p_table, 63));
    SET LOCAL ROLE gatehouse_owner;
END $$;

-- The governed tables and how each is governed; a trigger's arguments are in its definition.
CREATE FUNCTION audit_governed() RETURNS TABLE (table_name text, organization_column text, watched text)
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT c.relname::text, split_part(args, chr(1), 1), split_part(args, chr(1), 2)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid,
         LATERAL replace(encode(t.tgargs, 'escape'), '\000', chr(1)) AS args
    WHERE t.tgname = 'audit_capture_insert' AND c.relnamespace = 'public'::regnamespace
$$;
REVOKE ALL ON FUNCTION audit_govern(text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_ungovern(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_governed() FROM PUBLIC;
