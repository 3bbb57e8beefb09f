-- The roles of Gatehouse and what they may do in the current database.
--
-- The embedded default runs this file at every start. For your own PostgreSQL (15 or newer) a superuser runs
--     psql -d gatehouse -f isolation/sql/roles.sql
-- once and after an upgrade; it may be run any number of times. Passwords are not set here:
--     ALTER ROLE gatehouse_app PASSWORD '...';   (also gatehouse_operator, gatehouse_sealer and gatehouse_migrator)
--
--   gatehouse_owner     owns every table; nobody can log in as it
--   gatehouse_migrator  logs in to migrate, nothing else; becomes gatehouse_owner by SET ROLE
--   gatehouse_app       runs everything; owns nothing, row-level security holds for it
--   gatehouse_operator  reads across tenants; used behind operator_scope only
--   gatehouse_sealer    seals the audit log: reads events, writes leaves and checkpoints, nothing else
--   gatehouse_audit     owns the audit log's tables and functions; nobody can log in as it
--   gatehouse_lookup    owns the narrow functions that run before the tenant is known

DO $$
DECLARE
  wanted record;
BEGIN
  -- One at a time: two processes that start together must not both create a role.
  PERFORM pg_advisory_xact_lock(hashtext('gatehouse roles'));
  FOR wanted IN
    SELECT * FROM (VALUES
      ('gatehouse_owner', false, false),
      ('gatehouse_audit', false, true),
      ('gatehouse_lookup', false, true),
      ('gatehouse_migrator', true, false),
      ('gatehouse_app', true, false),
      ('gatehouse_operator', true, true),
      ('gatehouse_sealer', true, true)
    ) AS role(name, login, bypass)
  LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
      EXECUTE format('CREATE ROLE %I', wanted.name);
    END IF;
    -- Only when it differs: roles are shared by all databases, and two ALTERs at once would collide.
    IF NOT EXISTS (
      SELECT FROM pg_roles
      WHERE rolname = wanted.name AND rolcanlogin = wanted.login AND rolbypassrls = wanted.bypass
        AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolinherit)
    ) THEN
      EXECUTE format(
        'ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT %s %s', wanted.name,
        CASE WHEN wanted.login THEN 'LOGIN' ELSE 'NOLOGIN' END,
        CASE WHEN wanted.bypass THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END
      );
    END IF;
  END LOOP;

  -- gatehouse_lookup must be grantable as the owner of functions that a migration creates.
  IF NOT pg_has_role('gatehouse_migrator', 'gatehouse_owner', 'MEMBER') THEN
    GRANT gatehouse_owner TO gatehouse_migrator;
  END IF;
  IF NOT pg_has_role('gatehouse_owner', 'gatehouse_lookup', 'MEMBER') THEN
    GRANT gatehouse_lookup TO gatehouse_owner;
  END IF;
  -- A migration of the audit log becomes gatehouse_audit by SET ROLE; nothing is inherited.
  IF NOT pg_has_role('gatehouse_owner', 'gatehouse_audit', 'MEMBER') THEN
    GRANT gatehouse_audit TO gatehouse_owner;
  END IF;

  EXECUTE format('ALTER DATABASE %I OWNER TO gatehouse_owner', current_database());
  -- A schema's owner may drop everything in it, the log too: not the role that migrates.
  IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public' AND nspowner <> 'gatehouse_audit'::regrole) THEN
    ALTER SCHEMA public OWNER TO gatehouse_audit;
  END IF;
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format(
    'GRANT CONNECT ON DATABASE %I TO gatehouse_migrator, gatehouse_app, gatehouse_operator, gatehouse_sealer',
    current_database()
  );
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO gatehouse_owner;
GRANT USAGE ON SCHEMA public TO gatehouse_app, gatehouse_operator, gatehouse_sealer;
-- CREATE is what ALTER FUNCTION ... OWNER TO asks of the new owner; the role cannot log in.
GRANT USAGE, CREATE ON SCHEMA public TO gatehouse_lookup, gatehouse_audit;

-- Every table that a migration creates from now on. No TRUNCATE: it goes around row-level security.
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO gatehouse_app;
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_owner IN SCHEMA public
  GRANT USAGE ON SEQUENCES TO gatehouse_app;
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_owner IN SCHEMA public
  GRANT SELECT ON TABLES TO gatehouse_operator;
-- A function is callable by PUBLIC unless said otherwise; here each one is granted by name.
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_audit REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Changes to the schema of governed tables and of the audit log are noted, unless a migration makes them. Only a
-- superuser may create event triggers: where even this script's role may not, the start-up check says so.
DO $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('gatehouse roles'));
  CREATE OR REPLACE FUNCTION public.gatehouse_note_ddl() RETURNS event_trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, public AS $ddl$
  DECLARE
    -- The migrator's connection says that it migrates; app and sealer become gatehouse_audit only in the functions that
    -- make partitions, and drop empty ones.
    expected boolean := session_user = 'gatehouse_migrator' AND current_setting('app.migration', true) = 'on'
                        OR session_user IN ('gatehouse_app', 'gatehouse_sealer') AND current_user = 'gatehouse_audit';
    touched text[];
  BEGIN
    IF expected OR to_regproc('public.audit_note_schema') IS NULL THEN
      RETURN;
    END IF;
    IF tg_event = 'sql_drop' THEN
      SELECT array_agg(object_identity) INTO touched FROM pg_event_trigger_dropped_objects()
      WHERE schema_name = 'public' AND (
        object_type IN ('table', 'function') AND object_name LIKE 'audit\_%'
        OR object_type IN ('trigger', 'policy') AND object_identity ~ '^"?audit_|public\.audit_');
    ELSE
      SELECT array_agg(DISTINCT d.object_identity) INTO touched
      FROM pg_event_trigger_ddl_commands() d
      LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
      LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
      LEFT JOIN pg_class c ON c.oid = coalesce(t.tgrelid, p.polrelid, CASE d.classid WHEN 'pg_class'::regclass THEN d.objid END)
      LEFT JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid
      WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND (c.relname LIKE 'audit\_%' OR EXISTS (
              SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname LIKE 'audit\_capture\_%'))
         OR f.pronamespace = 'public'::regnamespace AND f.proname LIKE 'audit\_%';
    END IF;
    IF touched IS NOT NULL THEN
      PERFORM audit_note_schema(tg_tag, touched, current_user::text);
    END IF;
  END $ddl$;
  REVOKE ALL ON FUNCTION public.gatehouse_note_ddl() FROM PUBLIC;
  IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'gatehouse_ddl') THEN
    CREATE EVENT TRIGGER gatehouse_ddl ON ddl_command_end EXECUTE FUNCTION public.gatehouse_note_ddl();
  END IF;
  IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'gatehouse_drop') THEN
    CREATE EVENT TRIGGER gatehouse_drop ON sql_drop EXECUTE FUNCTION public.gatehouse_note_ddl();
  END IF;
  -- Also where the session says that it only replicates.
  IF EXISTS (SELECT FROM pg_event_trigger WHERE evtname LIKE 'gatehouse\_%' AND evtenabled <> 'A') THEN
    ALTER EVENT TRIGGER gatehouse_ddl ENABLE ALWAYS;
    ALTER EVENT TRIGGER gatehouse_drop ENABLE ALWAYS;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE WARNING 'This role may not create event triggers: changes to the schema of the audit log will not be noted.';
END
$$;
