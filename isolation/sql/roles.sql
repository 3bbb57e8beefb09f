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

  EXECUTE format('ALTER DATABASE %I OWNER TO gatehouse_owner', current_database());
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
GRANT USAGE, CREATE ON SCHEMA public TO gatehouse_lookup;

-- Every table that a migration creates from now on. No TRUNCATE: it goes around row-level security.
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO gatehouse_app;
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_owner IN SCHEMA public
  GRANT USAGE ON SEQUENCES TO gatehouse_app;
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_owner IN SCHEMA public
  GRANT SELECT ON TABLES TO gatehouse_operator;
-- A function is callable by PUBLIC unless said otherwise; here each one is granted by name.
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
