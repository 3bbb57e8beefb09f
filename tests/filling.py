"""A row in each table of an organization: made by the services, and past them where there is none."""

import uuid
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.key_format import KeyKind
from accounts.models import ScimConnection, ScimRequest
from accounts.services.api_keys import create_api_key
from accounts.services.connection_actor import connection_actor
from accounts.services.provisioned_groups import change_group_members, provision_group
from accounts.services.provisioned_users import UserValues, provision_user
from accounts.services.scim_connections import create_scim_connection
from accounts.services.scim_tokens import create_scim_token
from accounts.services.service_accounts import create_service_account, set_service_account_project_role
from accounts.services.sessions import end_member_sessions
from accounts.services.sign_in_policy import add_sign_in_exception, update_sign_in_policy
from api.models import StoredResponse
from audit import signals
from audit.alerts.actions import ALERT_RAISED
from audit.alerts.models import Alert, AlertChannel, AlertCursor, AlertNotice, Sighting
from audit.models import (
    Cosigner,
    CosigningKey,
    DeadLetter,
    DeletedLog,
    Sink,
    SinkHour,
    WitnessedLog,
    WitnessedOrigin,
)
from audit.recorder import ACCESS_DENIED, record
from audit.redaction import snapshot
from audit.sealing.sealer import seal
from audit.services.alert_channels import create_channel
from audit.services.alert_rules import rule_named, update_rule
from audit.services.deleted_logs import keep_name, open_log
from audit.services.erasures import request_erasure
from audit.services.exports import request_export
from audit.services.holds import set_hold
from audit.services.redaction import set_redaction
from audit.services.retention import change_retention
from audit.services.saved_searches import save_search
from audit.services.sinks import create_sink, set_sink_active
from audit.watching import watch
from gateway.models import (
    IssuedToken,
    RevocationKind,
    UsageCounter,
    UsageHour,
    UsageLimit,
    UsageNotice,
    UsageSlot,
)
from gateway.services.provider_credentials import create_provider_credential
from gateway.services.proxy_settings import update_proxy_settings
from gateway.services.signing_keys import settle_signing_keys
from gateway.services.token_revocations import revoke_tokens
from gateway.services.tokens import Asked, issue_token
from gateway.services.usage_limits import create_usage_limit
from isolation.actor import SYSTEM, Actor, ActorKind
from isolation.context import acting_as
from tenants.services.domains import claim_domain
from tenants.services.exceptions import grant_to_group, grant_to_member
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.invitations import invite_member
from tenants.services.members import set_project_role
from tests.audit.sealing.stage import write_many, writer
from tests.people import Cast, Tenant
from tests.sso.stored import stored_connection
from vault.data_keys import hold_active

LEFT = "left@acme.example"


def fill(tenant: Tenant) -> None:
    """Give the tenant a row in each table."""
    settle_signing_keys()
    with tenant.acting("owner") as actor:
        hold_active(tenant.organization.pk)
        StoredResponse.objects.create(
            organization_id=tenant.organization.pk,
            credential="user:1",
            key="k",
            fingerprint=b"f",
            status=201,
            body="{}",
        )
        save_search(organization_id=tenant.organization.pk, name="Refused", query="outcome:denied", actor=actor)
        fill_sink(tenant, actor)
        fill_cosigning(tenant)
        set_redaction(organization_id=tenant.organization.pk, rules={"fields": {"ip": "mask"}}, actor=actor)
        change_retention(organization_id=tenant.organization.pk, months=24, actor=actor)
        set_hold(
            organization_id=tenant.organization.pk, name="Case", reason="Court", subject=tenant.owner.email, actor=actor
        )
        keep_name(organization_id=tenant.organization.pk, slug="former", name="Former")
        open_log(log=DeletedLog.objects.get(), reason="Test", actor=SYSTEM)
        record(ACCESS_DENIED, actor=Actor(ActorKind.USER, uuid.uuid4(), LEFT), organization_id=tenant.organization.pk)
        fill_alerts(tenant, actor)
        viewer = tenant.role("viewer")
        membership = tenant.membership("owner")
        group = create_group(organization=tenant.organization, name="Crew", actor=actor)
        add_group_member(group=group, membership=membership, actor=actor)
        set_group_role(group=group, role=viewer, project=tenant.project, actor=actor)
        set_project_role(membership=membership, project=tenant.project, role=tenant.role("owner"), actor=actor)
        grant_to_member(project=tenant.project, membership=membership, permission="traces:read", actor=actor)
        grant_to_group(project=tenant.project, group=group, permission="traces:read", actor=actor)
        invite_member(
            organization=tenant.organization,
            email="new@example.org",
            role=viewer,
            project=tenant.project,
            project_role=viewer,
            actor=actor,
        )
        claim_domain(organization=tenant.organization, name=f"{tenant.organization.slug}.example", actor=actor)
        create_provider_credential(
            organization=tenant.organization,
            project=tenant.project,
            name="OpenAI",
            provider="openai",
            secret="sk-kept-by-the-vault",
            actor=actor,
        )
        account = create_service_account(
            organization=tenant.organization, name="Nightly judge", kind="evaluator", role=viewer, actor=actor
        )
        set_service_account_project_role(account=account, project=tenant.project, role=viewer, actor=actor)
        shared: dict[str, Any] = {"organization": tenant.organization, "scopes": ["traces:read"], "actor": actor}
        create_api_key(kind=KeyKind.SERVICE_ACCOUNT, name="Judge", service_account=account, **shared)
        create_api_key(kind=KeyKind.PROJECT, name="Ingestion", project=tenant.project, **shared)
        connection = create_scim_connection(organization=tenant.organization, name="Okta", role=viewer, actor=actor)
        create_scim_token(connection=connection, name="Okta", actor=actor)
        _provision(connection, tenant.owner.email)
        stored_connection(tenant, tenant.membership("owner"), viewer, actor)
        update_sign_in_policy(organization=tenant.organization, session_hours=24, actor=actor)
        add_sign_in_exception(membership=membership, reason="Shared by programs", actor=actor)
        end_member_sessions(membership=membership, actor=actor)
        fill_token(tenant, actor)
        everything: dict[str, Any] = {"kind": RevocationKind.ORGANIZATION, "subject": "", "reason": "Test"}
        revoke_tokens(organization=tenant.organization, actor=actor, **everything)
        fill_usage(tenant, actor)
    _seal(tenant.organization.pk)
    with tenant.acting("owner") as actor:
        request_erasure(organization_id=tenant.organization.pk, person=LEFT, reason="Article 17", actor=actor)
        request_export(organization_id=tenant.organization.pk, format="csv", actor=SYSTEM, reason="Yearly")


def fill_token(tenant: Tenant, actor: Actor) -> IssuedToken:
    """Return a token of somebody who acts by a session, where the proxy is on; signing keys are there."""
    update_proxy_settings(organization=tenant.organization, actor=actor, is_enabled=True)
    asked = Asked(project=tenant.project.slug)
    return issue_token(organization=tenant.organization, actor=actor, key=None, asked=asked).row


def fill_sink(tenant: Tenant, actor: Actor) -> Sink:
    """Return a new sink that delivers nothing, with a refused event and an hour; the scope must be open."""
    organization_id = tenant.organization.pk
    sink = create_sink(
        organization_id=organization_id,
        kind="webhook",
        name=f"{tenant.organization.name} SIEM",
        options={"url": "https://siem.example/events"},
        actor=actor,
    ).sink
    set_sink_active(sink=sink, is_active=False, actor=actor)
    DeadLetter.objects.create(
        organization_id=organization_id,
        sink=sink,
        log=organization_id,
        seq=0,
        event_id=uuid.uuid4(),
        action="member.invited",
        reason="The receiver answered with status 400.",
    )
    SinkHour.objects.create(organization_id=organization_id, sink=sink, hour=timezone.now(), delivered=3, refused=1)
    return sink


def fill_cosigning(tenant: Tenant) -> None:
    """Let there be what only the installation has: no service makes it for an organization."""
    log = tenant.organization.pk
    own: dict[str, Any] = {"organization_id": log, "name": "witness.example/w", "public_key": "A" * 43 + "="}
    witnessed = WitnessedLog.objects.create(**own, added_by="nobody")
    WitnessedOrigin.objects.create(organization_id=log, witnessed_log=witnessed, origin="witness.example/w")
    cosigner = Cosigner.objects.create(**own, url="https://witness.example/w", added_by="nobody")
    key = CosigningKey.objects.create(**own, seed="a secret")
    for row, signal in (
        (witnessed, signals.witnessed_log_added),
        (cosigner, signals.cosigner_added),
        (key, signals.cosigning_key_created),
    ):
        signal.announce(row, actor=SYSTEM, after=snapshot(row))


def fill_alerts(tenant: Tenant, actor: Actor) -> tuple[Alert, AlertChannel]:
    """Return an alert that an address names, and a channel, with everything that hangs on them; the scope is open."""
    log = tenant.organization.pk
    options = {"url": "https://alerts.example/here"}
    name = f"{tenant.organization.name} room"
    channel, _secret = create_channel(organization_id=log, kind="webhook", name=name, options=options, actor=actor)
    update_rule(organization_id=log, rule=rule_named("mass_export"), threshold=9, actor=actor)
    now, rule = timezone.now(), rule_named("sign_in_burst")
    alert = Alert.objects.create(
        organization_id=log,
        rule=rule.key,
        subject="ada",
        subject_label=f"ada@{tenant.organization.slug}.example",
        severity=rule.severity,
        started_at=now,
        last_time=now,
        first_seq=0,
        last_seq=0,
        count=1,
        numbers=[0],
        raised_at=now,
    )
    record(ALERT_RAISED, actor=SYSTEM, organization_id=log, target_type="alert", target_id=str(alert.pk))
    AlertNotice.objects.create(organization_id=log, alert=alert, channel=channel, sent_at=now)
    AlertCursor.objects.create(organization_id=log, head=0)
    Sighting.objects.create(organization_id=log, rule=rule.key, subject="ada", seq=0, time=now, expires_at=now)
    return alert, channel


def fill_usage(tenant: Tenant, actor: Actor) -> UsageLimit:
    """Return a limit that has been counted and told of, with an hour of usage; the scope must be open."""
    organization = tenant.organization
    limit = create_usage_limit(
        organization=organization,
        subject_kind="project",
        subject=str(tenant.project.pk),
        metric="cost",
        window="month",
        amount=5_000_000,
        actor=actor,
    )
    now, counted = timezone.now(), {"organization_id": organization.pk, "limit_id": limit.pk, "subject": limit.subject}
    UsageHour.objects.create(organization=organization, hour=now, project_id=tenant.project.pk, outcome="allowed")
    UsageCounter.objects.create(**counted, started_at=now, used=3)
    UsageSlot.objects.create(**counted, slot="a-1", expires_at=now)
    UsageNotice.objects.create(**counted, started_at=now, percent=80)
    return limit


def _seal(organization_id: uuid.UUID) -> None:
    """Let there be a change without its event, enough events for an inner node of the tree, and a verification."""
    with writer() as other:
        write_many(other, organization_id, 256)
        other.execute(
            "UPDATE tenants_project SET description = 'By hand' WHERE organization_id = %s", [organization_id]
        )
    seal()
    watch()
    with writer() as other:
        other.execute(
            "INSERT INTO audit_receipt (organization_id, month, first, last, events, note, time)"
            " VALUES (%s, '2020-01-01', 0, 0, 1, '', now())",
            [organization_id],
        )
        other.execute(
            "INSERT INTO audit_cosignature (organization_id, size, name, line, time) VALUES (%s, 1, 'w', '', now())",
            [organization_id],
        )
        other.execute(
            "INSERT INTO audit_cosigning (organization_id, cosigner_id, name) VALUES (%s, gen_random_uuid(), 'w')",
            [organization_id],
        )


def _provision(connection: ScimConnection, email: str) -> None:
    """Let the identity provider tell of a member, of somebody who waits, and of a group with a place for both."""
    ScimRequest.objects.create(
        organization=connection.organization,
        connection=connection,
        method="GET",
        path="/Users",
        status=200,
        duration_ms=1,
        request_id="r",
    )
    with acting_as(connection_actor(connection)) as told:
        people = [
            provision_user(
                connection=connection,
                values=UserValues(user_name=name, user_name_key=name, email=name, active=active),
                actor=told,
            )
            for name, active in ((email, True), ("later@example.org", False))
        ]
        crew = provision_group(
            connection=connection, display_name="Staff", display_name_key="staff", external_id="", actor=told
        )
        change_group_members(group=crew, add=[user.pk for user in people], actor=told)


@pytest.fixture(scope="session")
def full_cast(cast: Cast, django_db_blocker: DjangoDbBlocker) -> Cast:
    """Return the worker's cast, which knows both organizations with a row in each table."""

    def both() -> tuple[Tenant, Tenant]:
        acme, globex = cast.enter("acme"), cast.enter("globex")
        fill(acme)
        fill(globex)
        return acme, globex

    with django_db_blocker.unblock():
        cast.learn("both", both)
    return cast


@pytest.fixture
def both(full_cast: Cast, db: None) -> tuple[Tenant, Tenant]:
    """Return two organizations that have a row in each table."""
    acme, globex = full_cast.enter("both")
    return acme, globex
