-- What the running role may do to retention, holds and erasures: announce, never shorten what was announced, never
-- delete. Times are the database's own. Run as gatehouse_owner, who owns these tables; see docs/adr/0019-retention.md.

-- A hold goes on for a week after its release: whoever released it in somebody's name gains nothing at once.
CREATE FUNCTION audit_holds_on(released timestamptz) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, public AS $$
    SELECT released IS NULL OR released > now() - interval '7 days'
$$;

-- What is set and what is retired or erased wait for each other: a hold that is committed holds.
CREATE FUNCTION audit_holds_lock(exclusively boolean) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF exclusively THEN
        PERFORM pg_advisory_xact_lock(hashtext('audit legal holds'));
    ELSE
        PERFORM pg_advisory_xact_lock_shared(hashtext('audit legal holds'));
    END IF;
END $$;

-- A shorter retention counts after the notice, a longer one at once.
CREATE FUNCTION audit_announce_retention() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
DECLARE
    current integer;  -- NULL: without end, which is also what counts as long as nobody said anything
BEGIN
    SELECT r.months INTO current FROM audit_retentionchange r
    WHERE r.organization_id = NEW.organization_id AND r.effective_at <= now()
    ORDER BY r.announced_at DESC, r.id DESC LIMIT 1;
    NEW.announced_at := clock_timestamp();
    NEW.effective_at := now();
    IF NEW.months < current OR NEW.months IS NOT NULL AND current IS NULL THEN
        NEW.effective_at := now() + make_interval(days => NEW.notice_days);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_announced BEFORE INSERT ON audit_retentionchange
    FOR EACH ROW EXECUTE FUNCTION audit_announce_retention();

CREATE FUNCTION audit_keep_hold() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM audit_holds_lock(false);
        NEW.set_at := now();
        NEW.released_at := NULL;
        NEW.released_by := '';
        NEW.release_reason := '';
        RETURN NEW;
    END IF;
    IF OLD.released_at IS NOT NULL OR NEW.released_at IS NULL THEN
        RAISE EXCEPTION 'A legal hold is released once, and not changed.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.released_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER audit_kept BEFORE INSERT OR UPDATE ON audit_legalhold FOR EACH ROW EXECUTE FUNCTION audit_keep_hold();

CREATE FUNCTION audit_keep_erasure() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.requested_at := now();
        NEW.due_at := now() + make_interval(days => NEW.notice_days);
        NEW.cancelled_at := NULL;
        NEW.cancelled_by := '';
        NEW.done_at := NULL;
        NEW.events := 0;
        NEW.fields := 0;
        RETURN NEW;
    END IF;
    IF OLD.done_at IS NOT NULL OR OLD.cancelled_at IS NOT NULL THEN
        RAISE EXCEPTION 'An erasure that is over is not changed.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF current_user = 'gatehouse_audit' THEN
        RETURN NEW;
    END IF;
    NEW.cancelled_at := now();
    NEW.names := '{}';
    RETURN NEW;
END $$;
CREATE TRIGGER audit_kept BEFORE INSERT OR UPDATE ON audit_erasurerequest
    FOR EACH ROW EXECUTE FUNCTION audit_keep_erasure();

-- On the table of organizations: see tenants/migrations/0010_legal_hold.py.
CREATE FUNCTION audit_refuse_held() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
DECLARE
    held text;
BEGIN
    PERFORM audit_holds_lock(true);
    SELECT h.name INTO held FROM audit_legalhold h
    WHERE h.organization_id = OLD.id AND audit_holds_on(h.released_at) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The legal hold “%” is in force: the organization stays.', held
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$;

ALTER TABLE audit_retentionchange ENABLE ALWAYS TRIGGER audit_announced;
ALTER TABLE audit_legalhold ENABLE ALWAYS TRIGGER audit_kept;
ALTER TABLE audit_erasurerequest ENABLE ALWAYS TRIGGER audit_kept;
-- What no running role talks below, whatever the settings of a process say.
ALTER TABLE audit_retentionchange ADD CONSTRAINT audit_retentionchange_months CHECK (months BETWEEN 1 AND 1200);
ALTER TABLE audit_retentionchange ADD CONSTRAINT audit_retentionchange_notice CHECK (notice_days BETWEEN 7 AND 365);
ALTER TABLE audit_erasurerequest ADD CONSTRAINT audit_erasurerequest_notice CHECK (notice_days BETWEEN 1 AND 30);
ALTER TABLE audit_legalhold ADD CONSTRAINT audit_legalhold_period CHECK (since < until);

REVOKE UPDATE, DELETE ON audit_retentionchange, audit_legalhold, audit_erasurerequest, audit_deletedlog FROM gatehouse_app;
GRANT UPDATE (released_at, released_by, release_reason) ON audit_legalhold TO gatehouse_app;
GRANT UPDATE (cancelled_at, cancelled_by) ON audit_erasurerequest TO gatehouse_app;
GRANT SELECT ON audit_retentionchange, audit_legalhold, audit_erasurerequest, audit_deletedlog
    TO gatehouse_audit, gatehouse_sealer;
GRANT UPDATE ON audit_erasurerequest TO gatehouse_audit;
GRANT EXECUTE ON FUNCTION audit_announce_retention(), audit_keep_hold(), audit_keep_erasure() TO gatehouse_app;
GRANT EXECUTE ON FUNCTION audit_holds_on(timestamptz), audit_holds_lock(boolean)
    TO gatehouse_app, gatehouse_operator, gatehouse_sealer, gatehouse_audit;
