"""What the database's own catalogue says: a table, key, view or function that forgot its protection fails here."""

from collections.abc import Iterator

import psycopg
import pytest
from django.apps import apps
from psycopg import sql

from isolation.roles import refuse_excess_power, unprotected_tables
from tests.isolation.tables import FOREIGN_KEYS, SEALED_TABLES, TENANT_TABLES

# Each is deliberate: a slug, a key and an invitation's token are looked up before the tenant is known.
UNIQUE_IN_THE_INSTALLATION = {
    "accounts_apikey": {("public_id",)},
    "accounts_apikeysecret": {("digest",)},
    "accounts_scimtoken": {("digest",), ("public_id",)},
    "gateway_issuedtoken": {("jti",)},
    "tenants_domain": {("name",)},  # of verified ones: a domain is one organization's
    "accounts_ssosetuplink": {("token_digest",)},
    "tenants_invitation": {("token_digest",)},
    "tenants_organization": {("slug",)},
}
# They belong to the installation or to a person; everything else belongs to an organization.
TABLES_WITHOUT_TENANT = {
    "account_emailaddress",
    "account_emailconfirmation",
    "api_rate",
    "accounts_device",
    "audit_alertwaking",
    "audit_sealer",
    "audit_signingkey",
    "audit_sinkwaking",
    "audit_witness",
    "audit_pendingchange",
    "accounts_platformkey",
    "accounts_session",
    "accounts_socialidentity",
    "accounts_user",
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_admin_log",
    "django_content_type",
    "django_migrations",
    "gateway_price",
    "gateway_signingkey",
    "gateway_usagebatch",
    "guardian_groupobjectpermission",
    "guardian_userobjectpermission",
    "mfa_authenticator",
    "portal_cache",
    "tenants_installationsettings",
}
LOOKUP_FUNCTIONS = {
    "api_forget_responses(interval)",
    "accounts_keys_by_digest(bytea[])",
    "accounts_organizations_with_waiting_people()",
    "accounts_peppers_in_force()",
    "accounts_scim_peppers_in_force()",
    "accounts_scim_token(bytea[],uuid)",
    "accounts_sso_door(uuid)",
    "accounts_sso_doors_of_domain(character varying)",
    "accounts_sso_doors_required(character varying,uuid)",
    "accounts_sso_setup_link_by_digest(bytea)",
    "accounts_touch_keys(uuid[],timestamp with time zone[],text[])",
    "audit_add_sink_logs(uuid,boolean)",
    "audit_claim_alertnotice(integer)",
    "audit_claim_alerts(integer)",
    "audit_claim_sink(integer)",
    "audit_exports_to_do()",
    "audit_wake_alerts()",
    "audit_wake_sinks()",
    "gateway_touch_credentials(uuid[],timestamp with time zone[],text[])",
    "gateway_add_usage(jsonb)",
    "gateway_forget_usage(interval)",
    "tenants_invitation_by_digest(bytea)",
    "tenants_memberships_of(uuid)",
    "tenants_move_project(uuid,uuid,uuid)",
    "tenants_open_invitations(text)",
    "tenants_organization_id_of(text)",
    "vault_keys_in_use()",
}
# What the log consists of: not even migrations own it, unless they become gatehouse_audit on purpose.
EVIDENCE = {
    "audit_event",
    "audit_pendingchange",
    "audit_receipt",
    "audit_sealer",
    "audit_signingkey",
    "audit_unattributedchange",
    "audit_witness",
    *SEALED_TABLES,
}
AUDIT_FUNCTIONS = {
    "audit_drop_empty_partitions()",
    "audit_ensure_leaftext_partitions()",
    "audit_ensure_partitions(integer)",
    "audit_erase(uuid)",
    "audit_judge_change()",
    "audit_logs_with_unreported_changes()",
    "audit_note_schema(text,text[],text)",
    "audit_report_changes(uuid[],uuid)",
    "audit_retirable(uuid,date,integer,integer,bigint,bigint)",
    "audit_retire(uuid,date,integer,integer,text,bigint,bigint)",
    "audit_sweep_pending()",
    "audit_unreported_changes(uuid)",
}


@pytest.fixture
def owner(superuser: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Yield a connection that makes things as migrations do, and takes them back."""
    with superuser.transaction(force_rollback=True):
        superuser.execute("SET LOCAL ROLE gatehouse_owner")
        yield superuser


def tables(catalogue: psycopg.Connection) -> set[str]:
    """Return every table but the partitions."""
    return {
        row[0]
        for row in catalogue.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition"
        )
    }


def loose_foreign_keys(catalogue: psycopg.Connection) -> set[str]:
    """Return each foreign key between tenant tables that does not name the organization on both sides."""
    return {
        row[0]
        for row in catalogue.execute(
            """
            SELECT c.conrelid::regclass || '.' || c.conname
            FROM pg_constraint c
            WHERE c.contype = 'f' AND c.conrelid::regclass::text = ANY (%(tables)s)
              AND c.confrelid::regclass::text = ANY (%(tables)s)
              AND c.confrelid <> 'tenants_organization'::regclass
              AND NOT EXISTS (
                SELECT FROM unnest(c.conkey, c.confkey) AS pair(child, parent)
                JOIN pg_attribute ca ON ca.attrelid = c.conrelid AND ca.attnum = pair.child
                JOIN pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = pair.parent
                WHERE pa.attname = 'organization_id'
                  AND ca.attname = CASE c.conrelid WHEN 'tenants_organization'::regclass
                                   THEN 'id' ELSE 'organization_id' END)
            """,
            {"tables": TENANT_TABLES},
        )
    }


def global_uniques(catalogue: psycopg.Connection) -> set[tuple[str, tuple[str, ...]]]:
    """Return (table, columns) of each unique index of a tenant table that an outsider's value can collide with."""
    rows = catalogue.execute(
        """
        SELECT i.indrelid::regclass::text,
               array_agg(pg_get_indexdef(i.indexrelid, k.n::int, true) ORDER BY k.n)
        FROM pg_index i CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS k(n)
        WHERE i.indisunique AND NOT i.indisprimary AND i.indrelid::regclass::text = ANY (%s)
        GROUP BY i.indrelid, i.indexrelid
        """,
        [TENANT_TABLES],
    )
    return {(table, tuple(columns)) for table, columns in rows if columns[0] != "organization_id"}


def test_every_table_is_a_tenant_table_or_named_here(superuser) -> None:
    unknown = {
        table
        for table in tables(superuser) - TABLES_WITHOUT_TENANT
        if table not in TENANT_TABLES and not table.startswith(("django_celery", "celery_", "kombu_"))
    }
    assert not unknown, "give it an organization and row-level security, or say here why not"


def test_every_tenant_table_is_forced_under_a_policy(superuser) -> None:
    rows = superuser.execute(
        "SELECT relname FROM pg_class WHERE relname = ANY (%s) AND relrowsecurity AND relforcerowsecurity"
        " AND EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid)",
        [TENANT_TABLES],
    ).fetchall()
    assert {row[0] for row in rows} == set(TENANT_TABLES)
    assert unprotected_tables() == []


def test_every_policy_is_bare_loud_and_binds_everybody(superuser) -> None:
    rows = superuser.execute(
        "SELECT polrelid::regclass::text, polpermissive, polroles, pg_get_expr(polqual, polrelid),"
        " pg_get_expr(polwithcheck, polrelid) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid"
        " WHERE NOT c.relispartition"
    ).fetchall()
    for table, permissive, roles, using, check in rows:
        assert permissive, table
        assert roles == [0], f"the policy of {table} is for PUBLIC: everybody"
        for condition in filter(None, (using, check)):
            assert "current_setting('app.organization'::text))::uuid" in condition, table
            assert "nullif" not in condition.lower(), f"{table} must be loud"
            assert ", true" not in condition, f"{table} must be loud: no missing_ok"


@pytest.mark.parametrize(
    "protection",
    ["", "ENABLE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY"],
    ids=["bare", "enabled only", "forced only"],
)
def test_a_table_without_full_protection_is_reported(protection: str, superuser) -> None:
    superuser.execute("SET ROLE gatehouse_owner")
    superuser.execute("CREATE TABLE forgotten (id uuid PRIMARY KEY, organization_id uuid NOT NULL)")
    try:
        if protection:
            superuser.execute(sql.SQL("ALTER TABLE forgotten {}").format(sql.SQL(protection)))
        assert unprotected_tables() == ["forgotten"]
        with pytest.raises(SystemExit, match="forgotten lack forced row-level security"):
            refuse_excess_power()
    finally:
        superuser.execute("DROP TABLE forgotten")


def test_every_foreign_key_of_the_list_is_in_the_database(superuser) -> None:
    found = {
        (child, column, parent)
        for child, column, parent, columns, parents in superuser.execute(
            """
            SELECT c.conrelid::regclass::text, c2.attname, c.confrelid::regclass::text,
                   (SELECT array_agg(a.attname ORDER BY a.attname) FROM pg_attribute a
                    WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)),
                   (SELECT array_agg(a.attname ORDER BY a.attname) FROM pg_attribute a
                    WHERE a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey))
            FROM pg_constraint c
            JOIN pg_attribute c2 ON c2.attrelid = c.conrelid AND c2.attnum = ANY (c.conkey)
            WHERE c.contype = 'f' AND c.conname LIKE '%\\_same\\_organizat%' AND c2.attname <> 'organization_id'
              AND c.conrelid <> 'tenants_organization'::regclass AND c.convalidated
            """
        )
        if sorted((column, "organization_id")) == sorted(columns) and parents == ["id", "organization_id"]
    }
    assert found >= set(FOREIGN_KEYS)


def test_every_column_that_points_at_a_tenant_row_has_a_composite_key(superuser) -> None:
    composite = {
        (row[0], row[1])
        for row in superuser.execute(
            "SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c JOIN pg_attribute a"
            " ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)"
            " WHERE c.contype = 'f' AND cardinality(c.conkey) = 2"
        )
    }
    pointing = {
        (model._meta.db_table, field.column)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.is_relation
        and field.related_model is not None
        and field.related_model._meta.db_table in TENANT_TABLES
        and field.related_model._meta.db_table != "tenants_organization"
    }
    assert pointing <= composite


def test_no_foreign_key_between_tenant_tables_forgets_the_organization(superuser) -> None:
    assert loose_foreign_keys(superuser) == set()


def test_a_loose_foreign_key_is_found(owner) -> None:
    owner.execute(
        "ALTER TABLE tenants_groupmember ADD CONSTRAINT loose FOREIGN KEY (group_id) REFERENCES tenants_group NOT VALID"
    )
    assert loose_foreign_keys(owner) == {"tenants_groupmember.loose"}


def test_what_is_unique_is_unique_in_its_organization(superuser) -> None:
    allowed = {(table, columns) for table, all_of in UNIQUE_IN_THE_INSTALLATION.items() for columns in all_of}
    assert global_uniques(superuser) == allowed


def test_a_unique_of_the_whole_installation_is_found(owner) -> None:
    owner.execute("CREATE UNIQUE INDEX oracle ON tenants_group (name)")
    assert ("tenants_group", ("name",)) in global_uniques(owner)


def test_every_tenant_table_has_an_index_that_begins_with_the_organization(superuser) -> None:
    leading = {
        row[0]
        for row in superuser.execute(
            "SELECT DISTINCT i.indrelid::regclass::text FROM pg_index i JOIN pg_attribute a"
            " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND i.indpred IS NULL"
            " WHERE a.attname = CASE i.indrelid WHEN 'tenants_organization'::regclass"
            " THEN 'id' ELSE 'organization_id' END"
        )
    }
    assert set(TENANT_TABLES) <= leading


def test_no_view_goes_around_row_level_security(superuser) -> None:
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (relkind = 'm'"
        " OR relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false))"
    )
    assert superuser.execute(query).fetchall() == []


def test_functions_with_more_rights_than_their_caller_are_few_and_narrow(superuser) -> None:
    rows = superuser.execute(
        "SELECT oid::regprocedure::text, pg_get_userbyid(proowner), proconfig, proacl::text[],"
        " has_function_privilege('gatehouse_operator', oid, 'EXECUTE')"
        " FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    ).fetchall()
    by_owner: dict[str, set[str]] = {}
    for function, owner, settings, grants, operator_may in rows:
        if not function.startswith("audit_capture_"):  # one for each governed table: tests/audit/test_guard.py
            by_owner.setdefault(owner, set()).add(function)
        assert settings == ["search_path=pg_catalog, public"], function
        assert grants is not None, f"{function} is callable by PUBLIC"
        assert not any(grant.startswith("=") for grant in grants), f"{function} is callable by PUBLIC"
        assert not operator_may, function
    assert by_owner == {"gatehouse_lookup": LOOKUP_FUNCTIONS, "gatehouse_audit": AUDIT_FUNCTIONS}


def test_no_function_is_callable_by_public(superuser) -> None:
    rows = superuser.execute(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND pg_get_userbyid(proowner) LIKE 'gatehouse\\_%'"
        " AND (proacl IS NULL OR EXISTS (SELECT FROM unnest(proacl) g WHERE g::text LIKE '=%'))"
    ).fetchall()
    assert rows == []


def test_only_the_owners_own(superuser) -> None:
    rows = superuser.execute(
        "SELECT coalesce(i.inhparent::regclass::text, c.relname), pg_get_userbyid(c.relowner) FROM pg_class c"
        " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
    ).fetchall()
    assert {owner for _, owner in rows} == {"gatehouse_owner", "gatehouse_audit"}
    assert {name for name, owner in rows if owner == "gatehouse_audit"} == EVIDENCE
    assert not {name for name, owner in rows if owner != "gatehouse_audit"} & EVIDENCE
