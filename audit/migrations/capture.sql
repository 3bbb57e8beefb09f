-- Every write to a governed table is noted when its statement ends and judged when its transaction commits.
-- See docs/adr/0017-changes-that-carry-no-event.md. Run as gatehouse_audit, which owns all of this.

-- What statements of running transactions wrote. Nobody reads it afterwards: a sweep empties it, a crash may, too.
-- No index and no log of its own, because the ordinary write pays for it.
CREATE UNLOGGED TABLE audit_pendingchange (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    organization uuid,
    installation boolean NOT NULL,   -- of a table of the installation: an event in any log attributes it
    table_name text NOT NULL,
    operation text NOT NULL,
    database_role text NOT NULL,
    rows bigint NOT NULL,
    stands_for boolean NOT NULL,     -- whether who names a row names what its second reference names, too
    refs text[]                      -- of each row, the first 10,000: its key, then whatever it refers and referred to
);
ALTER TABLE audit_pendingchange ALTER COLUMN refs SET STORAGE EXTERNAL;

CREATE TABLE audit_unattributedchange (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    time timestamptz NOT NULL DEFAULT clock_timestamp(),
    organization_id uuid,
    why varchar(12) NOT NULL CHECK (why IN ('no_event', 'not_named', 'schema')),
    table_name varchar(200) NOT NULL,
    operation varchar(40) NOT NULL,
    rows bigint,
    keys text[] NOT NULL,
    database_user varchar(63) NOT NULL,
    database_role varchar(63) NOT NULL,
    application_name varchar(200) NOT NULL,
    client_address inet,
    transaction_id bigint NOT NULL,
    event_id uuid
);
CREATE INDEX audit_unattributed_newest ON audit_unattributedchange (organization_id, time DESC, id DESC);
CREATE INDEX audit_unattributed_anywhere ON audit_unattributedchange (time DESC, id DESC);
CREATE INDEX audit_unattributed_new ON audit_unattributedchange (organization_id) WHERE event_id IS NULL;
ALTER TABLE audit_unattributedchange ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_unattributedchange FORCE ROW LEVEL SECURITY;
CREATE POLICY read ON audit_unattributedchange FOR SELECT
    USING (organization_id = current_setting('app.organization')::uuid);
GRANT SELECT ON audit_unattributedchange TO gatehouse_app, gatehouse_operator;

-- A record never changes; once, it is tied to the event that tells of it.
CREATE FUNCTION audit_keep_unattributed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    untied audit_unattributedchange;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.event_id IS NULL AND NEW.event_id IS NOT NULL THEN
        untied := NEW;
        untied.event_id := NULL;
        IF untied IS NOT DISTINCT FROM OLD THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'Unattributed changes are kept as they are: % is refused.', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_unattributedchange
    FOR EACH ROW EXECUTE FUNCTION audit_keep_unattributed();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_unattributedchange
    FOR EACH STATEMENT EXECUTE FUNCTION audit_keep_unattributed();
ALTER TABLE audit_unattributedchange ENABLE ALWAYS TRIGGER audit_append_only;
ALTER TABLE audit_unattributedchange ENABLE ALWAYS TRIGGER audit_no_truncate;

-- Finds the events of a transaction that name something. It stands for audit_event_xid too.
CREATE INDEX audit_event_xid_target ON audit_event (xid, target_id);
DROP INDEX audit_event_xid;

-- Judges what one statement wrote, at commit. A row has its event when one of the same transaction (and organization)
-- names the row, something that it refers to, another changed row that it refers to, or the organization. Without any
-- event the transaction is refused, where triggers are not switched off for the session; whatever commits without its
-- event is kept.
CREATE FUNCTION audit_judge_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    since timestamptz := transaction_timestamp() - interval '1 day';
    until timestamptz := transaction_timestamp() + interval '31 days';  -- so many partitions are looked into, no more
    width integer := array_length(NEW.refs, 2);
    -- The nil UUID stands for the installation, whose events name no organization.
    log uuid := nullif(NEW.organization, '00000000-0000-0000-0000-000000000000');
    whole text := coalesce(NEW.organization::text, '00000000-0000-0000-0000-000000000000');
    unnamed bigint := NEW.rows;
    unnamed_keys text[] := NEW.refs;
    names text[];
    known integer;
    had_event boolean;
BEGIN
    IF NEW.operation = 'TRUNCATE' THEN
        NULL;  -- its rows were not read one by one: no event names them
    ELSIF NEW.rows = 1 THEN
        -- Written so that the index on (xid, target_id) is the only one that helps: a target may have many events.
        IF EXISTS (
            SELECT FROM audit_event e
            WHERE e.xid = NEW.xid AND e.target_id = ANY (NEW.refs)
              AND e.time BETWEEN since AND until
              AND (NEW.installation OR e.organization_id IS NOT DISTINCT FROM log)
        ) OR EXISTS (
            SELECT FROM audit_event e
            WHERE e.xid = NEW.xid AND e.target_id = whole
              AND e.time BETWEEN since AND until AND e.organization_id IS NOT DISTINCT FROM log
        ) THEN
            RETURN NULL;
        END IF;
        unnamed_keys := ARRAY[NEW.refs[1][1]];
    ELSE
        unnamed_keys := ARRAY(SELECT unnest(NEW.refs[1:20][1:1]));
    END IF;
    -- More than one row, or one that no event names directly. First the events' own targets count, then what the rows
    -- that they name stand for, and so on: a removed membership names its person, whose keys name their secrets.
    names := ARRAY(
        SELECT DISTINCT e.target_id FROM audit_event e
        WHERE e.xid = NEW.xid AND e.time BETWEEN since AND until
          AND (NEW.installation OR e.organization_id IS NOT DISTINCT FROM log)
    );
    had_event := names <> '{}';
    IF whole = ANY (names) AND NEW.operation <> 'TRUNCATE' THEN
        RETURN NULL;
    END IF;
    WHILE had_event AND NEW.operation <> 'TRUNCATE' LOOP
        SELECT count(*), (array_agg(key))[:20] INTO unnamed, unnamed_keys FROM (
            SELECT min(v) FILTER (WHERE (n - 1) % width = 0) AS key
            FROM unnest(NEW.refs) WITH ORDINALITY AS u(v, n)
            GROUP BY (n - 1) / width
            HAVING NOT coalesce(bool_or(v IN (SELECT unnest(names))), false)
        ) r;
        IF unnamed = 0 THEN
            RETURN NULL;
        END IF;
        known := cardinality(names);
        names := ARRAY(
            SELECT unnest(names)
            UNION
            SELECT unnest(ARRAY[r.key, r.other])
            FROM audit_pendingchange p, LATERAL (
                SELECT min(v) FILTER (WHERE (n - 1) % array_length(p.refs, 2) = 0) AS key,
                       min(v) FILTER (WHERE p.stands_for AND (n - 1) % array_length(p.refs, 2) = 1) AS other
                FROM unnest(p.refs) WITH ORDINALITY AS u(v, n)
                GROUP BY (n - 1) / array_length(p.refs, 2)
                HAVING bool_or(v IN (SELECT unnest(names)))
            ) r
            WHERE p.xid = NEW.xid AND p.operation <> 'TRUNCATE'
              AND (p.organization = NEW.organization OR NEW.installation)
        );
        names := array_remove(names, NULL);
        EXIT WHEN cardinality(names) = known;
    END LOOP;
    IF NOT had_event AND current_setting('session_replication_role') <> 'replica' THEN
        RAISE EXCEPTION 'A change of % was refused: its transaction wrote no audit event.', NEW.table_name
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Change governed tables through the services, which send the domain signal.';
    END IF;
    INSERT INTO audit_unattributedchange
        (organization_id, why, table_name, operation, rows, keys, database_user, database_role, application_name,
         client_address, transaction_id)
    VALUES (log, CASE WHEN had_event THEN 'not_named' ELSE 'no_event' END, NEW.table_name, NEW.operation,
            unnamed, unnamed_keys, session_user, NEW.database_role, left(current_setting('application_name'), 200),
            inet_client_addr(), NEW.xid::text::bigint);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER audit_event_required AFTER INSERT ON audit_pendingchange
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_judge_change();
ALTER TABLE audit_pendingchange ENABLE ALWAYS TRIGGER audit_event_required;

CREATE FUNCTION audit_sweep_pending() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    swept bigint;
BEGIN
    -- Whatever another transaction shows has been judged: it is committed.
    DELETE FROM audit_pendingchange WHERE xid IS DISTINCT FROM pg_current_xact_id_if_assigned();
    GET DIAGNOSTICS swept = ROW_COUNT;
    RETURN swept;
END $$;

-- Which organizations have changes that no event tells of yet; NULL is the installation.
CREATE FUNCTION audit_logs_with_unreported_changes() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT DISTINCT organization_id FROM audit_unattributedchange WHERE event_id IS NULL
$$;

-- What no event of one log tells of yet: of the organization whose scope is open, or of the installation.
CREATE FUNCTION audit_unreported_changes(p_organization uuid) RETURNS SETOF audit_unattributedchange
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT * FROM audit_unattributedchange
    WHERE event_id IS NULL AND organization_id IS NOT DISTINCT FROM p_organization
      AND (p_organization IS NULL OR p_organization = current_setting('app.organization')::uuid)
    ORDER BY time, id LIMIT 10000
$$;

-- Ties records to the event that tells of them, which this transaction must have written into the same log.
CREATE FUNCTION audit_report_changes(p_ids uuid[], p_event uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    log uuid;
    tied bigint;
BEGIN
    SELECT organization_id INTO log FROM audit_event
    WHERE xid = pg_current_xact_id() AND id = p_event AND action = 'unattributed_change.found';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'This transaction wrote no such event.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE audit_unattributedchange SET event_id = p_event
    WHERE id = ANY (p_ids) AND event_id IS NULL AND organization_id IS NOT DISTINCT FROM log;
    GET DIAGNOSTICS tied = ROW_COUNT;
    RETURN tied;
END $$;

-- Called by the event triggers of isolation/sql/roles.sql, where the database allows these.
CREATE FUNCTION audit_note_schema(p_operation text, p_objects text[], p_role text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    INSERT INTO audit_unattributedchange
        (why, table_name, operation, keys, database_user, database_role, application_name, client_address, transaction_id)
    SELECT 'schema', left(p_objects[1], 200), left(p_operation, 40), p_objects[:20], session_user, p_role,
           left(current_setting('application_name'), 200), inet_client_addr(), pg_current_xact_id()::text::bigint
$$;

REVOKE ALL ON FUNCTION audit_keep_unattributed() FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_judge_change() FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_sweep_pending() FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_logs_with_unreported_changes() FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_unreported_changes(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_report_changes(uuid[], uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_note_schema(text, text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_sweep_pending() TO gatehouse_app;
GRANT EXECUTE ON FUNCTION audit_logs_with_unreported_changes() TO gatehouse_app;
GRANT EXECUTE ON FUNCTION audit_unreported_changes(uuid) TO gatehouse_app;
GRANT EXECUTE ON FUNCTION audit_report_changes(uuid[], uuid) TO gatehouse_app;
GRANT EXECUTE ON FUNCTION audit_note_schema(text, text[], text) TO gatehouse_owner;

-- Every way to empty or rewrite the log is refused in every mode of the session.
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_append_only_statement;
DO $$
DECLARE
    kept regclass;
BEGIN
    FOR kept IN
        SELECT relid FROM pg_partition_tree('audit_event')
        UNION SELECT relid FROM pg_partition_tree('audit_leaftext')
        UNION SELECT unnest(ARRAY['audit_leaf', 'audit_node', 'audit_checkpoint']::regclass[])
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_append_only', kept);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_no_truncate', kept);
    END LOOP;
END $$;
-- The number of a checkpoint is the sealer's to draw.
REVOKE ALL ON SEQUENCE audit_checkpoint_id_seq FROM gatehouse_app;

CREATE OR REPLACE FUNCTION audit_ensure_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    month timestamptz := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    following timestamptz;
    name text;
    created integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_ensure_partitions'));
    FOR ahead IN -1..months_ahead LOOP
        following := (month AT TIME ZONE 'UTC' + make_interval(months => ahead + 1)) AT TIME ZONE 'UTC';
        name := 'audit_event_' || to_char((month AT TIME ZONE 'UTC' + make_interval(months => ahead)), 'YYYY_MM');
        IF to_regclass('public.' || name) IS NULL THEN
            EXECUTE format('CREATE TABLE public.%I PARTITION OF public.audit_event FOR VALUES FROM (%L) TO (%L)', name,
                           (month AT TIME ZONE 'UTC' + make_interval(months => ahead)) AT TIME ZONE 'UTC', following);
            EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
            EXECUTE format('CREATE POLICY through_the_parent ON public.%I USING (false)', name);
            EXECUTE format('REVOKE ALL ON public.%I FROM gatehouse_app, gatehouse_operator, gatehouse_lookup', name);
            EXECUTE format('CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.%I '
                           'FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_rewrite()', name);
            EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER audit_no_truncate', name);
            EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER audit_append_only', name);
            created := created + 1;
        END IF;
    END LOOP;
    RETURN created;
END $$;

CREATE OR REPLACE FUNCTION audit_ensure_leaftext_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    month record;
    name text;
    created integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_ensure_partitions'));
    FOR month IN
        SELECT replace(c.relname, 'audit_event_', 'audit_leaftext_') AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.audit_event'::regclass ORDER BY c.relname
    LOOP
        name := month.name;
        IF to_regclass('public.' || quote_ident(name)) IS NULL THEN
            EXECUTE format('CREATE TABLE public.%I PARTITION OF public.audit_leaftext %s', name, month.bounds);
            EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
            EXECUTE format('CREATE POLICY through_the_parent ON public.%I USING (false)', name);
            EXECUTE format('REVOKE ALL ON public.%I FROM gatehouse_app, gatehouse_operator', name);
            EXECUTE format('CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.%I '
                           'FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_rewrite()', name);
            EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER audit_no_truncate', name);
            EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER audit_append_only', name);
            created := created + 1;
        END IF;
    END LOOP;
    RETURN created;
END $$;

-- The app writes what it knows; the transaction is the server's to name. An event lies within a day of its transaction
-- (the judge looks no further), so nobody writes one into last year.
ALTER POLICY append ON audit_event
    WITH CHECK (time BETWEEN transaction_timestamp() - interval '1 day' AND clock_timestamp() + interval '1 day'
                AND CASE WHEN organization_id IS NULL THEN true
                         ELSE organization_id = current_setting('app.organization')::uuid END);
REVOKE INSERT ON audit_event FROM gatehouse_app;
DO $$
BEGIN
    EXECUTE format('GRANT INSERT (%s) ON audit_event TO gatehouse_app, gatehouse_owner', (
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = 'audit_event'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'xid'));
END $$;
GRANT SELECT ON audit_event TO gatehouse_owner;
REVOKE SELECT ON audit_event FROM gatehouse_lookup;
