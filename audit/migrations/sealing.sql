-- Sealing: leaves, tree, checkpoints, keys. See docs/architecture.md, "The audit log", and docs/audit/format.md.
-- organization_id is never NULL here: the nil UUID stands for the log of the installation itself.

-- One row: who this installation is, and how far it is sealed.
CREATE TABLE audit_sealer (
    id smallint PRIMARY KEY CHECK (id = 1),
    installation uuid NOT NULL,
    snapshot pg_snapshot,
    system_identifier bigint,
    sealed_at timestamptz
);
INSERT INTO audit_sealer (id, installation) VALUES (1, gen_random_uuid());

CREATE TABLE audit_signingkey (
    number smallint PRIMARY KEY CHECK (number > 0),
    public_key text NOT NULL,
    statement text NOT NULL,
    wrapped bytea,
    wrapped_by smallint,
    created_at timestamptz NOT NULL,
    retired_at timestamptz
);
CREATE UNIQUE INDEX audit_signingkey_one_active ON audit_signingkey ((true)) WHERE retired_at IS NULL;

CREATE TABLE audit_leaf (
    organization_id uuid NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 0),
    event_id uuid NOT NULL,
    event_time timestamptz NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (organization_id, seq)
);
CREATE UNIQUE INDEX audit_leaf_event ON audit_leaf (organization_id, event_id, event_time);

-- What was hashed, by month as the events are, so that both retire together.
CREATE TABLE audit_leaftext (
    organization_id uuid NOT NULL,
    seq bigint NOT NULL,
    event_time timestamptz NOT NULL,
    body text NOT NULL,
    salts bytea NOT NULL,
    PRIMARY KEY (organization_id, seq, event_time)
) PARTITION BY RANGE (event_time);

-- Inner nodes of the tree, of every eighth level.
CREATE TABLE audit_node (
    organization_id uuid NOT NULL,
    level smallint NOT NULL,
    place bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (organization_id, level, place)
);

CREATE TABLE audit_checkpoint (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    start bigint NOT NULL CHECK (start >= 0),
    size bigint NOT NULL CHECK (size > start),
    root bytea NOT NULL CHECK (length(root) = 32),
    edge bytea NOT NULL,
    note text NOT NULL,
    key_number smallint NOT NULL REFERENCES audit_signingkey,
    time timestamptz NOT NULL
);
-- Two sealers that began at the same place: the second is refused.
CREATE UNIQUE INDEX audit_checkpoint_start ON audit_checkpoint (organization_id, start);
CREATE UNIQUE INDEX audit_checkpoint_size ON audit_checkpoint (organization_id, size);

CREATE TABLE audit_verification (
    organization_id uuid PRIMARY KEY,
    size bigint NOT NULL DEFAULT 0,
    verified_at timestamptz,
    again bigint NOT NULL DEFAULT 0,
    began_at timestamptz,
    completed_at timestamptz,
    problems jsonb NOT NULL DEFAULT '[]',
    failing_since timestamptz
);

CREATE TABLE audit_witness (
    name text PRIMARY KEY,
    checkpoint_id bigint NOT NULL DEFAULT 0,
    key_number smallint NOT NULL DEFAULT 0,
    sent_at timestamptz,
    failure text NOT NULL DEFAULT ''
);

-- Creates the partitions of the leaves' texts for every partition that audit_event has; idempotent.
CREATE FUNCTION audit_ensure_leaftext_partitions() RETURNS integer
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
            created := created + 1;
        END IF;
    END LOOP;
    RETURN created;
END $$;
REVOKE ALL ON FUNCTION audit_ensure_leaftext_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_ensure_leaftext_partitions() TO gatehouse_app;
SELECT audit_ensure_leaftext_partitions();

DO $$
DECLARE
    protected text;
BEGIN
    -- Tenants read their own; only gatehouse_sealer, which passes row-level security, writes.
    FOREACH protected IN ARRAY ARRAY['audit_leaf', 'audit_leaftext', 'audit_node', 'audit_checkpoint', 'audit_verification'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', protected);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format('CREATE POLICY read ON %I FOR SELECT USING (organization_id = current_setting(''app.organization'')::uuid '
                       'AND organization_id <> ''00000000-0000-0000-0000-000000000000'')', protected);
    END LOOP;
    FOREACH protected IN ARRAY ARRAY['audit_leaf', 'audit_leaftext', 'audit_node', 'audit_checkpoint', 'audit_verification',
                                     'audit_sealer', 'audit_signingkey', 'audit_witness'] LOOP
        EXECUTE format('REVOKE ALL ON %I FROM gatehouse_app, gatehouse_operator', protected);
    END LOOP;
    FOREACH protected IN ARRAY ARRAY['audit_leaf', 'audit_leaftext', 'audit_node', 'audit_checkpoint'] LOOP
        EXECUTE format('CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION audit_refuse_rewrite()', protected);
        EXECUTE format('CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_rewrite()', protected);
        EXECUTE format('GRANT SELECT ON %I TO gatehouse_app, gatehouse_operator', protected);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO gatehouse_sealer', protected);
    END LOOP;
END $$;

GRANT SELECT ON audit_verification TO gatehouse_app, gatehouse_operator;
GRANT SELECT, INSERT, UPDATE ON audit_verification, audit_witness TO gatehouse_sealer;
GRANT SELECT ON audit_witness TO gatehouse_operator;
GRANT SELECT, UPDATE ON audit_sealer TO gatehouse_sealer;
GRANT SELECT (id, installation) ON audit_sealer TO gatehouse_app, gatehouse_operator;
GRANT SELECT, INSERT, UPDATE ON audit_signingkey TO gatehouse_sealer;
-- Never what is wrapped: the private key is the sealer's alone.
GRANT SELECT (number, public_key, statement, wrapped_by, created_at, retired_at)
    ON audit_signingkey TO gatehouse_app, gatehouse_operator;
GRANT SELECT ON audit_event TO gatehouse_sealer;
