-- The append-only event table, partitioned by month. See docs/architecture.md, "The audit log".

CREATE TABLE audit_event (
    id uuid NOT NULL,
    time timestamptz NOT NULL,
    organization_id uuid,
    actor_kind varchar(24) NOT NULL,
    actor_id uuid,
    actor_label varchar(320) NOT NULL,
    via varchar(12) NOT NULL,
    action varchar(80) NOT NULL,
    outcome varchar(8) NOT NULL CHECK (outcome IN ('success', 'denied', 'failed')),
    target_type varchar(60) NOT NULL,
    target_id varchar(64) NOT NULL,
    target_label varchar(320) NOT NULL,
    project_id uuid,
    project_label varchar(200) NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    reason text NOT NULL,
    request_id varchar(64) NOT NULL,
    session varchar(64) NOT NULL,
    ip inet,
    user_agent varchar(400) NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (id, time)
) PARTITION BY RANGE (time);

CREATE INDEX audit_event_xid ON audit_event (xid);
CREATE INDEX audit_event_newest ON audit_event (organization_id, time DESC, id DESC);
CREATE INDEX audit_event_action ON audit_event (organization_id, action, time DESC, id DESC);
CREATE INDEX audit_event_actor ON audit_event (organization_id, actor_id, time DESC, id DESC);
CREATE INDEX audit_event_target ON audit_event (organization_id, target_id, time DESC, id DESC);
CREATE INDEX audit_event_project ON audit_event (organization_id, project_id, time DESC, id DESC);

ALTER TABLE audit_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_event FORCE ROW LEVEL SECURITY;
CREATE POLICY read ON audit_event FOR SELECT
    USING (organization_id = current_setting('app.organization')::uuid);
-- An event of the installation itself needs no tenant; CASE keeps the loud cast away from it.
CREATE POLICY append ON audit_event FOR INSERT
    WITH CHECK (CASE WHEN organization_id IS NULL THEN true
                     ELSE organization_id = current_setting('app.organization')::uuid END);
REVOKE UPDATE, DELETE, TRUNCATE ON audit_event FROM gatehouse_app, gatehouse_operator;
REVOKE INSERT ON audit_event FROM gatehouse_operator;
GRANT SELECT ON audit_event TO gatehouse_lookup;

-- Privileges can be granted back by mistake; the trigger still refuses.
CREATE FUNCTION audit_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is append-only: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_rewrite();
-- Where row-level security hides every row there is no row to fire for: the statement itself is refused.
CREATE TRIGGER audit_append_only_statement BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_rewrite();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_rewrite();

-- Creates the partitions of this month and the next ones; idempotent, called by the migration, at start and daily.
-- Partitions are reached through their parent only: row-level security of the parent would not bind a direct query.
CREATE FUNCTION audit_ensure_partitions(months_ahead integer) RETURNS integer
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
            created := created + 1;
        END IF;
    END LOOP;
    RETURN created;
END $$;
REVOKE ALL ON FUNCTION audit_ensure_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_ensure_partitions(integer) TO gatehouse_app;
SELECT audit_ensure_partitions(12);

-- No event, no change: fires at commit for each changed row of a governed table. TG_ARGV[0] names the organization's
-- column; without it the table belongs to the installation, and an event of any organization attributes the change.
CREATE FUNCTION audit_require_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    changed jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    organization uuid;
    memo text;
BEGIN
    IF TG_NARGS > 0 THEN
        organization := (changed ->> TG_ARGV[0])::uuid;
    END IF;
    memo := pg_current_xact_id()::text || ':' || coalesce(organization::text, 'installation');
    IF current_setting('app.attributed', true) = memo THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM audit_event e
        WHERE e.xid = pg_current_xact_id() AND e.time >= transaction_timestamp() - interval '1 day'
          AND (organization IS NULL OR e.organization_id = organization)
    ) THEN
        RAISE EXCEPTION 'A change of % was refused: its transaction wrote no audit event.', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Change governed tables through the services, which send the domain signal.';
    END IF;
    PERFORM set_config('app.attributed', memo, true);
    RETURN NULL;
END $$;
ALTER FUNCTION audit_require_event() OWNER TO gatehouse_lookup;
-- The new owner lets migrations create triggers with it.
SET LOCAL ROLE gatehouse_lookup;
GRANT EXECUTE ON FUNCTION audit_require_event() TO gatehouse_owner;
SET LOCAL ROLE gatehouse_owner;
