-- What other installations cosigned of each log, and how asking them stands. The sealer writes both; see
-- docs/adr/0016-sealing.md. Run as gatehouse_audit.

CREATE TABLE audit_cosignature (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    name text NOT NULL,
    line text NOT NULL,
    time timestamptz NOT NULL,
    UNIQUE (organization_id, size, name)
);

CREATE TABLE audit_cosigning (
    organization_id uuid NOT NULL,
    cosigner_id uuid NOT NULL,
    name text NOT NULL,
    size bigint NOT NULL DEFAULT 0,
    asked_at timestamptz,
    failure text NOT NULL DEFAULT '',
    refusal text NOT NULL DEFAULT '',
    refused_at timestamptz,
    PRIMARY KEY (organization_id, cosigner_id)
);

DO $$
DECLARE
    protected text;
BEGIN
    FOREACH protected IN ARRAY ARRAY['audit_cosignature', 'audit_cosigning'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', protected);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format('CREATE POLICY read ON %I FOR SELECT USING (organization_id = current_setting(''app.organization'')::uuid '
                       'AND organization_id <> ''00000000-0000-0000-0000-000000000000'')', protected);
        EXECUTE format('GRANT SELECT ON %I TO gatehouse_app, gatehouse_operator', protected);
    END LOOP;
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_cosignature
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_rewrite();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_cosignature
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_rewrite();
ALTER TABLE audit_cosignature ENABLE ALWAYS TRIGGER audit_append_only;
ALTER TABLE audit_cosignature ENABLE ALWAYS TRIGGER audit_no_truncate;
GRANT SELECT, INSERT ON audit_cosignature TO gatehouse_sealer;
GRANT SELECT, INSERT, UPDATE ON audit_cosigning TO gatehouse_sealer;
