"""Secrets are left out of events because their field says so."""

import json
from datetime import UTC, datetime

from django.apps import apps
from django.db import models

from accounts.models import User
from accounts.services.users import update_user
from audit.redaction import REDACTED, changes, secret, snapshot
from isolation.actor import SYSTEM
from tenants.models import Invitation, Organization, Project, Role
from tenants.services.invitations import invite_member, resend_invitation
from tests.people import Tenant, make_user
from tests.tenants.stage import events

SECRET_FIELDS = {
    ("accounts.ApiKeySecret", "digest"),
    ("accounts.Device", "cookie_digest"),
    ("accounts.PlatformKey", "digest"),
    ("accounts.SamlKey", "private_key"),
    ("accounts.ScimToken", "digest"),
    ("accounts.Session", "key_digest"),
    ("accounts.SsoConnection", "client_secret"),
    ("accounts.SsoSetupLink", "token_digest"),
    ("accounts.User", "password"),
    ("api.StoredResponse", "body"),
    ("audit.CosigningKey", "seed"),
    ("audit.EvidenceExport", "file_key"),
    ("audit.RedactionPolicy", "key"),
    ("audit.Sink", "secrets"),
    ("audit.AlertChannel", "secrets"),
    ("tenants.Invitation", "token_digest"),
    ("gateway.ProviderCredential", "previous_secret"),
    ("gateway.ProviderCredential", "secret"),
    ("gateway.SigningKey", "wrapped"),
    ("vault.DataKey", "wrapped"),
}
# Hashes that everybody may see, and salts that are given with the value that they open.
NO_SECRETS = {
    ("audit.Leaf", "hash"),
    ("audit.LeafText", "salts"),
    ("audit.Node", "hash"),
    ("audit.SignedCheckpoint", "edge"),
    ("audit.SignedCheckpoint", "root"),
    ("audit.WitnessedOrigin", "root"),
}
OURS = {"accounts", "audit", "tenants", "vault"}


def test_the_declared_secrets_are_these() -> None:
    declared = {
        (model._meta.label, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if getattr(field, "audit_secret", False)
    }
    assert declared == SECRET_FIELDS


def test_what_is_stored_as_bytes_is_declared_a_secret() -> None:
    """Digests and ciphertexts are binary: a new one that nobody declared fails here."""
    binary = {
        (model._meta.label, field.name)
        for model in apps.get_models()
        if model._meta.app_label in OURS
        for field in model._meta.concrete_fields
        if isinstance(field, models.BinaryField)
    }
    assert binary <= SECRET_FIELDS | NO_SECRETS


def test_a_changed_secret_is_said_and_not_shown() -> None:
    before, after = User(email="a@example.org"), User(email="a@example.org")
    before.set_password("one")
    after.set_password("two")
    old, new = changes(snapshot(before), snapshot(after))
    assert (old, new) == ({"password": REDACTED}, {"password": REDACTED})
    assert "scrypt" not in repr(snapshot(after))
    assert before.password not in repr(snapshot(before))
    assert changes(snapshot(before), snapshot(before)) == ({}, {})


def test_a_secret_that_is_not_set_is_none() -> None:
    assert changes(None, snapshot(User(email="a@example.org")))[1]["password"] is None
    field = secret(models.CharField())
    assert field.audit_secret is True


def test_no_event_ever_holds_a_secret(acme: Tenant, superuser) -> None:
    with acme.acting("owner") as actor:
        sent = invite_member(organization=acme.organization, email="x@example.org", role=None, actor=actor)
        resend_invitation(invitation=sent.invitation, actor=actor)
        digests = [bytes(invitation.token_digest) for invitation in Invitation.objects.all()]
    update_user(user=acme.viewer, actor=SYSTEM, name="Vera")
    text = "\n".join(row[0] for row in superuser.execute("SELECT t::text FROM audit_event t").fetchall())
    for user in User.objects.all():
        assert user.password
        assert user.password not in text
    for digest in digests:
        assert digest.hex() not in text
    (resent,) = events(acme, "invitation.resent")
    assert resent.before["token_digest"] == resent.after["token_digest"] == REDACTED


def test_a_snapshot_is_readable_and_json(acme: Tenant) -> None:
    with acme.acting("owner"):
        membership = acme.membership("viewer")
        shown = snapshot(membership)
        assert shown["user"] == "viewer@acme.example"
        assert shown["role"] == "Viewer"
        assert shown["organization"] == "Acme"
        assert "id" not in shown
        for row in (membership, acme.project, acme.organization, acme.role("owner")):
            json.dumps(changes(None, snapshot(row))[1])


def test_values_of_every_kind_become_json() -> None:
    organization = Organization(name="Acme")
    time = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert snapshot(Project(organization=organization, purge_at=time))["purge_at"] == "2026-01-02T03:04:00+00:00"
    assert snapshot(Role(organization=organization, custom_permissions=["b", "a"]))["custom_permissions"] == ["a", "b"]


def test_an_object_is_told_as_json() -> None:
    project = Project(organization=Organization(name="Acme"), metadata={"team": "Größe", "n": [1, None, True]})
    assert snapshot(project)["metadata"] == '{"n": [1, null, true], "team": "Größe"}'


def test_only_what_differs_is_kept() -> None:
    assert changes({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ({"b": 2}, {"b": 3})
    assert changes(None, {"a": 1}) == ({}, {"a": 1})
    assert changes({"a": 1}, None) == ({"a": 1}, {})
    assert changes(None, None) == ({}, {})


def test_excluded_fields_stay_out(db: None) -> None:
    user = make_user("a@example.org")
    assert not {"last_login", "date_joined"} & snapshot(user).keys()
