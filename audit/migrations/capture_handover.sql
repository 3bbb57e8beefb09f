-- The audit tables change hands: not even the role that migrates owns them from now on.
DO $$
DECLARE
    owned regclass;
BEGIN
    IF (SELECT relowner FROM pg_class WHERE oid = 'audit_event'::regclass) = 'gatehouse_audit'::regrole THEN
        RETURN;  -- this migration was taken back and comes again
    END IF;
    FOR owned IN SELECT relid FROM pg_partition_tree('audit_event') LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO gatehouse_audit', owned);
    END LOOP;
    ALTER FUNCTION audit_refuse_rewrite() OWNER TO gatehouse_audit;
    ALTER FUNCTION audit_ensure_partitions(integer) OWNER TO gatehouse_audit;
END $$;
