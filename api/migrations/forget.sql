-- Deletes, across organizations, the responses that are older than they are kept; they hold nothing that is governed.
CREATE FUNCTION api_forget_responses(p_kept interval) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    forgotten integer;
BEGIN
    DELETE FROM api_storedresponse WHERE created_at < now() - p_kept;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$;
