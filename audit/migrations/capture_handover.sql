-- The audit tables change hands: not even the role that migrates owns them from now on. What is handed over already
-- stays: this migration was taken back and comes again.
DO $$
DECLARE
    owned regclass;
    function regprocedure;
BEGIN
    FOR owned IN
        SELECT c.oid::regclass FROM pg_class c
        WHERE c.relowner = 'gatehouse_owner'::regrole AND (
            c.oid IN (SELECT relid FROM pg_partition_tree('audit_event') UNION SELECT relid FROM pg_partition_tree('audit_leaftext'))
            OR c.oid = ANY (ARRAY['audit_leaf', 'audit_node', 'audit_checkpoint', 'audit_signingkey', 'audit_sealer',
                                  'audit_verification', 'audit_witness']::regclass[]))
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO gatehouse_audit', owned);
    END LOOP;
    FOR function IN
        SELECT p.oid FROM pg_proc p
        WHERE p.proowner = 'gatehouse_owner'::regrole AND p.oid = ANY (ARRAY[
            'audit_refuse_rewrite()', 'audit_ensure_partitions(integer)',
            'audit_ensure_leaftext_partitions()']::regprocedure[])
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO gatehouse_audit', function);
    END LOOP;
END $$;
