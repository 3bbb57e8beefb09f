-- Tables that were governed row by row are governed by statement from now on.
DO $$
DECLARE
    governed record;
BEGIN
    FOR governed IN
        SELECT c.relname::text AS name, replace(encode(t.tgargs, 'escape'), '\000', '') AS organization, coalesce((
            SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum = ANY (t.tgattr)), '') AS watched
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE t.tgname = 'audit_event_required' AND t.tgfoid = 'audit_require_event()'::regprocedure
    LOOP
        EXECUTE format('DROP TRIGGER audit_event_required ON public.%I', governed.name);
        PERFORM audit_govern(governed.name, governed.organization, governed.watched, '');
    END LOOP;
END $$;
