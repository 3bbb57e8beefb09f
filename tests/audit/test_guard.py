"""No event, no change: the database refuses, at commit, what the application did not record."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from psycopg import sql

from accounts.models import User
from audit.catalogue import Action, UnknownAction
from audit.models import Event
from audit.recorder import record
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Group, InstallationSettings, Membership, Project, Role
from tenants.services.groups import create_group
from tenants.services.installation import update_installation_settings
from tenants.services.members import change_role
from tenants.services.projects import update_project
from tests.isolation.tables import KEPT_TABLES, SEALED_TABLES, TENANT_TABLES
from tests.people import Tenant
from tests.tenants.stage import events

# The log itself, its companion, what proves it, the responses that the API keeps for a day (repeating one changes
# nothing), recent SCIM requests, sign-ins and sign-outs, what SAML remembers of its messages, sessions and warnings,
# how far sinks are, and tokens that live minutes (issuing and revoking one is an event).
UNGOVERNED = {
    "audit_event",
    "audit_unattributedchange",
    "api_storedresponse",
    "accounts_scimrequest",
    "accounts_ssologin",
    "accounts_ssologout",
    "accounts_samlcertificatewarning",
    "accounts_samlmessage",
    "accounts_ssosession",
    "audit_deadletter",
    "audit_sinkcursor",
    "audit_sinkhour",
    "audit_alertcursor",
    "audit_alertnotice",
    "audit_sighting",
    "gateway_issuedtoken",
    "gateway_usagecounter",
    "gateway_usagehour",
    "gateway_usagenotice",
    "gateway_usageslot",
    "audit_witnessedorigin",
    *SEALED_TABLES,
}
GOVERNED = [table for table in TENANT_TABLES if table not in UNGOVERNED]
INSTALLATION = [
    "accounts_platformkey",
    "accounts_socialidentity",
    "accounts_user",
    "gateway_signingkey",
    "gateway_price",
    "mfa_authenticator",
    "tenants_installationsettings",
]


@contextmanager
def refused(tenant: Tenant | None) -> Iterator[None]:
    """Expect that the block's transaction is refused for want of an event."""
    scope = tenant_scope(tenant.organization) if tenant else nullcontext()
    with pytest.raises(DatabaseError, match="its transaction wrote no audit event"), scope:
        yield


def execute(statement: Any, *parameters: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def test_every_tenant_table_and_every_installation_table_is_governed(superuser) -> None:
    rows = superuser.execute(
        "SELECT tgrelid::regclass::text, array_agg(tgname::text ORDER BY tgname), array_agg(DISTINCT tgenabled::text)"
        " FROM pg_trigger WHERE tgname LIKE 'audit\\_capture\\_%' GROUP BY 1"
    ).fetchall()
    assert {row[0] for row in rows} == {*GOVERNED, *INSTALLATION}
    verbs = [f"audit_capture_{verb}" for verb in ("delete", "insert", "truncate", "update")]
    assert [row[1:] for row in rows] == [(verbs, ["A"])] * len(rows), "also while the session only replicates"
    judge = superuser.execute(
        "SELECT tgrelid::regclass::text, tgdeferrable AND tginitdeferred, tgenabled"
        " FROM pg_trigger WHERE tgname = 'audit_event_required'"
    ).fetchall()
    assert judge == [("audit_pendingchange", True, "A")]


@pytest.mark.parametrize("table", GOVERNED)
@pytest.mark.parametrize("verb", ["INSERT", "UPDATE", "DELETE"])
def test_a_raw_write_without_an_event_is_refused(verb: str, table: str, both: tuple[Tenant, Tenant], superuser) -> None:
    acme, _globex = both
    if table in KEPT_TABLES and verb != "INSERT":
        with pytest.raises(DatabaseError, match="permission denied"), tenant_scope(acme.organization):
            execute(
                sql.SQL("DELETE FROM {}" if verb == "DELETE" else "UPDATE {} SET id = id").format(sql.Identifier(table))
            )
        return
    name = sql.Identifier(table)
    column = "id" if table == "tenants_organization" else "organization_id"
    find = sql.SQL("SELECT to_jsonb(t) FROM {} t WHERE {} = %s LIMIT 1").format(name, sql.Identifier(column))
    (row,) = superuser.execute(find, [acme.organization.pk]).fetchone()
    everything = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(name)
    before = superuser.execute(everything).fetchall()
    if table == "audit_deletedlog":  # one for each organization, and the app deletes none
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM audit_deletedlog")
        superuser.execute("SET session_replication_role = origin")
        before = []
    if verb == "DELETE":  # what hangs on the row would be refused first, by its foreign key
        superuser.execute("SET session_replication_role = replica")
        for child in GOVERNED:
            if child != table:
                superuser.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(child)))
        superuser.execute("SET session_replication_role = origin")
    with refused(acme):
        if verb == "INSERT":
            row |= {"id": 999_999 if isinstance(row["id"], int) else str(uuid.uuid4())}
            texts = [key for key in ("slug", "key", "name", "email", "public_id") if key in row]
            row |= {key: f"other{row[key]}"[:60] for key in texts if not str(row[key]).startswith("\\x")}
            row |= {key: "\\x00" for key in ("digest", "token_digest") if key in row}
            target = acme.organization.pk if table != "tenants_organization" else uuid.UUID(row["id"])
            execute("SET CONSTRAINTS ALL DEFERRED")
            execute("SELECT set_config('app.organization', %s, true)", str(target))
            copy = sql.SQL("INSERT INTO {0} SELECT * FROM jsonb_populate_record(NULL::{0}, %s)").format(name)
            if unique := UNIQUE_PAIRS.get(table):
                execute(sql.SQL("DELETE FROM {} WHERE {} IS NOT NULL").format(name, sql.Identifier(unique)))
            assert execute(copy, json.dumps(row)) == 1
        elif verb == "UPDATE":
            change = WATCHED.get(table, sql.SQL("{0} = {0}").format(sql.Identifier(column)))
            assert execute(sql.SQL("UPDATE {} SET {}").format(name, change)) >= 1
        else:
            assert execute(sql.SQL("DELETE FROM {}").format(name)) >= 1
        execute("SET CONSTRAINTS audit_event_required IMMEDIATE")
    assert superuser.execute(everything).fetchall() == before


# Tables of which only some columns count, and only when they change.
WATCHED = {
    "accounts_apikey": sql.SQL("note = note || '!'"),
    "accounts_provisioneduser": sql.SQL("user_name = user_name || '!'"),
    "accounts_scimtoken": sql.SQL("name = name || '!'"),
    "accounts_ssoconnection": sql.SQL("name = name || '!'"),
    "accounts_ssoidentity": sql.SQL("subject = subject || '!'"),
    "audit_alert": sql.SQL("note = note || '!'"),
    "audit_evidenceexport": sql.SQL("reason = reason || '!'"),
    "gateway_providercredential": sql.SQL("name = name || '!'"),
    "tenants_domain": sql.SQL("reason = reason || '!'"),
}

# Tables in which a copied row would collide with itself: the original goes first.
UNIQUE_PAIRS = {
    "accounts_apikeysecret": "api_key_id",
    "accounts_provisionedgroup": "connection_id",
    "accounts_provisioneduser": "connection_id",
    "accounts_serviceaccountprojectrole": "account_id",
    "accounts_sessionend": "membership_id",
    "audit_redactionpolicy": "organization_id",
    "accounts_samlkey": "connection_id",
    "accounts_ssogroupmapping": "value",
    "accounts_ssoidentity": "subject",
    "accounts_signinexception": "membership_id",
    "accounts_signinpolicy": "sso_required",
    "accounts_waitinggroupmember": "provisioned_user_id",
    "audit_alert": "subject",
    "audit_alertchannel": "name",
    "audit_alertrule": "rule",
    "audit_cosigner": "name",
    "audit_cosigningkey": "organization_id",
    "audit_savedsearch": "maker_id",
    "gateway_proxysettings": "organization_id",
    "gateway_usagelimit": "subject_kind",
    "audit_witnessedlog": "name",
    "vault_datakey": "organization_id",
    "tenants_domain": "name",
    "tenants_membership": "user_id",
    "tenants_projectmembership": "membership_id",
    "tenants_groupmember": "membership_id",
    "tenants_grouprole": "group_id",
    "tenants_projectusergrant": "user_id",
    "tenants_projectgroupgrant": "group_id",
}


def test_the_orms_ways_around_a_service_are_refused(acme: Tenant) -> None:
    with refused(acme):
        Project.objects.update(name="Mine")
    with refused(acme):
        Project.objects.bulk_create([Project(organization=acme.organization, slug="a", name="A")])
    with refused(acme):
        project = Project.objects.get()
        project.name = "Mine"
        Project.objects.bulk_update([project], ["name"])
    with refused(acme):
        Project.objects.get().delete()
    with refused(acme):
        Role.objects.filter(is_builtin=False).get_or_create(
            organization=acme.organization, key="mine", defaults={"name": "Mine"}
        )
    with refused(acme):
        Membership.objects.filter(user=acme.viewer).update(role=acme.role("owner"))
    with refused(acme):
        acme.membership("viewer").save()
    with tenant_scope(acme.organization):
        assert [project.name for project in Project.objects.all()] == ["Chatbot"]


def test_the_installations_tables_are_governed_too(acme: Tenant) -> None:
    with refused(None):
        User.objects.filter(pk=acme.viewer.pk).update(is_operator=True)
    with refused(None):
        User.objects.create_user("new@example.org")
    with refused(None):
        InstallationSettings().save()
    acme.viewer.refresh_from_db()
    assert not acme.viewer.is_operator
    # Signing in touches last_login alone, which is an event of its own.
    User.objects.filter(pk=acme.viewer.pk).update(last_login=acme.viewer.date_joined)


def test_an_event_of_another_organization_does_not_count(acme: Tenant, globex: Tenant) -> None:
    with (
        pytest.raises(DatabaseError, match="its transaction wrote no audit event"),
        tenant_scope(acme.organization),
    ):
        with tenant_scope(globex.organization):
            create_group(organization=globex.organization, name="Crew", actor=SYSTEM)
        Project.objects.update(name="Mine")
    with tenant_scope(globex.organization):
        assert not Group.objects.exists()


def test_an_event_of_an_earlier_transaction_does_not_count(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        create_group(organization=acme.organization, name="Crew", actor=SYSTEM)
    with refused(acme):
        Project.objects.update(name="Mine")


def test_an_event_that_was_rolled_back_does_not_count(acme: Tenant) -> None:
    with refused(acme):
        with pytest.raises(KeyError), transaction.atomic():
            create_group(organization=acme.organization, name="Crew", actor=SYSTEM)
            execute("SET CONSTRAINTS ALL IMMEDIATE")  # the guard has seen and accepted it
            raise KeyError
        execute("SET CONSTRAINTS ALL DEFERRED")
        Project.objects.update(name="Mine")


def fail(*args: object, **kwargs: object) -> None:
    raise OSError("disk full")


@pytest.mark.parametrize("at", ["audit.recorder.changes", "audit.recorder.record", "audit.models.Event.save"])
def test_when_the_event_cannot_be_written_the_change_is_rolled_back(at: str, acme: Tenant, monkeypatch) -> None:
    before = len(events(acme))
    monkeypatch.setattr(at, fail)
    attempts = [
        lambda actor: update_project(project=acme.project, name="Mine", environment="staging", actor=actor),
        lambda actor: change_role(membership=acme.membership("viewer"), role=acme.role("admin"), actor=actor),
        lambda actor: create_group(organization=acme.organization, name="Crew", actor=actor),
    ]
    for attempt in attempts:
        with pytest.raises(OSError, match="disk full"), acme.acting("owner") as actor:
            attempt(actor)
    with pytest.raises(OSError, match="disk full"):
        update_installation_settings(actor=SYSTEM, signup_enabled=False)
    with tenant_scope(acme.organization):
        assert Project.objects.get().name == "Chatbot"
        assert acme.membership("viewer").role.key == "viewer"
        assert not Group.objects.exists()
    assert InstallationSettings.load().signup_enabled
    assert len(events(acme)) == before


def test_an_event_of_an_unknown_action_is_refused(acme: Tenant) -> None:
    with tenant_scope(acme.organization), pytest.raises(UnknownAction):
        record(Action("nobody.registered", "?"), actor=SYSTEM, organization_id=acme.organization.pk)
    with tenant_scope(acme.organization):
        assert not Event.objects.filter(action="nobody.registered").exists()
