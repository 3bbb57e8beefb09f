-- Requests of the running minute by key, user, organization and address. Unlogged: after a crash counting starts anew.
-- The spare room lets each update stay on its page (HOT), so that no index is touched.
CREATE UNLOGGED TABLE api_rate (
    bucket text PRIMARY KEY,
    window_start timestamptz NOT NULL,
    used integer NOT NULL
) WITH (fillfactor = 50);
