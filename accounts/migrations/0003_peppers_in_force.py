"""The question which peppers the keys in force need; a starting process asks it outside of every organization."""

from typing import ClassVar

from django.db import migrations

from isolation.operations import LookupFunctions

# Steps from one number to the next along the index, and stops at the first key in force of each: a table of a million
# secrets costs no more than a small one.
PEPPERS_IN_FORCE = """
CREATE FUNCTION accounts_peppers_in_force() RETURNS TABLE (pepper smallint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    WITH RECURSIVE numbers AS (
        (SELECT min(s.pepper_id) AS pepper FROM accounts_apikeysecret s)
        UNION ALL
        SELECT (SELECT min(s.pepper_id) FROM accounts_apikeysecret s WHERE s.pepper_id > numbers.pepper)
        FROM numbers WHERE numbers.pepper IS NOT NULL
    )
    SELECT numbers.pepper FROM numbers
    WHERE EXISTS (
        SELECT FROM accounts_apikeysecret s
        JOIN accounts_apikey k ON k.organization_id = s.organization_id AND k.id = s.api_key_id
        WHERE s.pepper_id = numbers.pepper AND (s.expires_at IS NULL OR s.expires_at > now())
            AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    )
    UNION
    SELECT k.pepper_id FROM accounts_platformkey k
    WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
$$;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("accounts", "0002_keys")]
    operations: ClassVar = [LookupFunctions(PEPPERS_IN_FORCE, ["accounts_peppers_in_force()"])]
