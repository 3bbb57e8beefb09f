"""Service accounts and keys: imported once by reference, never shown, never brought back."""

import pytest
from django.core.management import call_command

from accounts.key_format import new_public_id, new_secret
from accounts.models import ApiKey, ApiKeySecret, ServiceAccount, ServiceAccountProjectRole
from accounts.services.api_keys import create_api_key, revoke_api_key, rotate_api_key
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests.blueprint.conftest import File, exported
from tests.people import Tenant
from tests.tenants.stage import events

pytestmark = pytest.mark.django_db

SECRET = new_secret("project", "development")
KEYS = """
version: 1
organizations:
  acme:
    service_accounts:
      evaluator:
        description: Judges answers.
        kind: evaluator
        role: none
        projects: {chatbot: viewer}
    keys:
      ingest:
        kind: project
        project: chatbot
        scopes: [traces:write]
        allowed_networks: [10.0.0.0/8, 192.0.2.7]
        expires_at: 2099-01-01T00:00:00Z
        note: For the collector.
        secret: {env: INGEST_KEY}
      nightly:
        kind: service_account
        service_account: Evaluator
        environment: staging
        scopes: [scores:write]
        secret: {file: nightly.key}
"""


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch, file: File) -> None:
    monkeypatch.setenv("INGEST_KEY", SECRET)
    secret = new_secret("service_account", "staging")
    (file.path.parent / "nightly.key").write_text(f"{secret}\n", encoding="utf-8")


def the_key(tenant: Tenant, name: str = "ingest") -> ApiKey:
    with tenant_scope(tenant.organization):
        key: ApiKey = ApiKey.objects.select_related("project", "service_account").get(name=name)
        return key


def test_accounts_and_keys_are_made_once(acme: Tenant, file: File) -> None:
    file.write(KEYS)
    assert file.changes() == [
        ("create", "service account", "evaluator"),
        ("create", "project role", "evaluator in chatbot"),
        ("create", "key", "ingest"),
        ("create", "key", "nightly"),
    ]
    file.apply()
    with tenant_scope(acme.organization):
        account = ServiceAccount.objects.select_related("role").get()
        assert (account.name, account.kind, account.role.key) == ("evaluator", "evaluator", "none")
        assert ServiceAccountProjectRole.objects.get().role.key == "viewer"
        assert ApiKeySecret.objects.get(api_key__name="ingest").last_four == SECRET.rsplit("_", 2)[-2][-4:]
    key = the_key(acme)
    assert (key.project.slug, key.scopes, key.note) == ("chatbot", ["traces:write"], "For the collector.")
    assert key.allowed_networks == ["10.0.0.0/8", "192.0.2.7/32"]
    assert the_key(acme, "nightly").service_account.name == "evaluator"
    assert file.plan() == (0, "No changes: everything is as the blueprint says.\n")


def test_the_secret_is_nowhere(acme: Tenant, file: File, caplog: pytest.LogCaptureFixture) -> None:
    file.write(KEYS)
    printed = [file.plan()[1], file.plan("--json")[1], file.apply(), file.plan()[1], exported("acme")]
    assert "secret: env:INGEST_KEY" in printed[0]
    assert not [text for text in [*printed, caplog.text] if "gatesk_" in text]
    assert "gatesk_" not in str([(event.before, event.after, event.reason) for event in events(acme)])


def test_a_key_changes_but_not_what_it_is_for(acme: Tenant, file: File) -> None:
    file.write(KEYS).apply()
    file.write(KEYS.replace("[traces:write]", "[traces:write, traces:read]").replace("note: For the collector.", ""))
    assert file.changes() == [("update", "key", "ingest")]
    file.apply()
    assert the_key(acme).scopes == ["traces:read", "traces:write"]
    assert the_key(acme).note == "For the collector."
    file.write(KEYS.replace("environment: staging", "environment: production"))
    (line,) = file.refused()
    assert line.startswith(
        "22:22: organizations.acme.keys.nightly.environment: The environment of a key never changes."
    )


def test_a_rotated_key_keeps_its_secret(acme: Tenant, file: File) -> None:
    file.write(KEYS).apply()
    with tenant_scope(acme.organization):
        rotate_api_key(key=ApiKey.objects.get(name="ingest"), actor=SYSTEM)
    code, printed = file.plan()
    assert code == 2  # its life began anew; the file still says until when
    assert "! " in printed
    assert "organizations.acme.keys.ingest.secret: This is not the key's secret" in printed
    file.apply()
    assert file.plan()[0] == 0
    with tenant_scope(acme.organization):
        assert ApiKeySecret.objects.get(api_key__name="ingest").last_four != SECRET.rsplit("_", 2)[-2][-4:]


def test_a_revoked_key_stays_revoked(acme: Tenant, file: File) -> None:
    file.write(KEYS).apply()
    with tenant_scope(acme.organization):
        revoke_api_key(key=ApiKey.objects.get(name="ingest"), actor=SYSTEM, reason="Leaked")
    code, printed = file.plan()
    assert code == 0
    assert "was revoked and stays so" in printed
    file.apply()
    assert the_key(acme).revoked_at


def test_without_the_secret_behind_it_a_new_key_is_refused(
    acme: Tenant, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INGEST_KEY")
    file.write(KEYS)
    assert file.refused() == ["18:23: organizations.acme.keys.ingest.secret.env: The variable INGEST_KEY is not set."]
    monkeypatch.setenv("INGEST_KEY", SECRET)
    file.apply()
    monkeypatch.delenv("INGEST_KEY")
    assert file.plan()[0] == 0


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (None, "The predefined secret is malformed"),
        ("organization", "The predefined secret says “organization, development”"),
    ],
)
def test_a_wrong_secret_is_refused_unseen(
    acme: Tenant, file: File, monkeypatch: pytest.MonkeyPatch, kind: str | None, said: str
) -> None:
    secret = new_secret(kind, "development") if kind else "nonsense"
    monkeypatch.setenv("INGEST_KEY", secret)
    (line,) = file.write(KEYS).refused()
    assert line.startswith(f"18:9: organizations.acme.keys.ingest.secret: {said}")
    assert secret not in line
    with tenant_scope(acme.organization):
        assert not ServiceAccount.objects.exists()


def test_a_secret_of_another_organization_is_refused(acme: Tenant, globex: Tenant, file: File) -> None:
    with tenant_scope(globex.organization):
        create_api_key(
            organization=globex.organization,
            kind="project",
            name="theirs",
            scopes=["traces:read"],
            project=globex.project,
            secret=SECRET,
            actor=SYSTEM,
        )
    (line,) = file.write(KEYS).refused()
    assert line.endswith("This secret belongs to a key already.")
    assert "theirs" not in line


def test_two_keys_of_one_name_are_told_apart_by_public_id(acme: Tenant, file: File) -> None:
    for _ in range(2):
        with tenant_scope(acme.organization):
            create_api_key(
                organization=acme.organization, kind="organization", name="twin", scopes=["traces:read"], actor=SYSTEM
            )
    file.write(
        """
        version: 1
        organizations:
          acme:
            keys:
              twin: {kind: organization, scopes: [traces:read]}
        """
    )
    (line,) = file.refused()
    assert "2 keys are called twin. Say which by its public_id." in line
    file.write(exported("acme"))
    assert file.plan() == (0, "No changes: everything is as the blueprint says.\n")


def test_pruning_revokes_keys_and_deletes_accounts(acme: Tenant, file: File) -> None:
    file.write(KEYS).apply()
    file.write(
        """
        version: 1
        organizations:
          acme:
            prune: true
            service_accounts: {}
            keys: {}
        """
    )
    assert file.changes() == [
        ("remove", "key", "ingest"),
        ("remove", "key", "nightly"),
        ("remove", "service account", "evaluator"),
    ]
    file.apply()
    assert the_key(acme).revocation_reason == "Not in the blueprint"
    with tenant_scope(acme.organization):
        assert not ServiceAccount.objects.exists()


def test_a_predefined_public_id_is_kept(acme: Tenant, file: File) -> None:
    public_id = new_public_id("project", "development")
    file.write(KEYS.replace("note: For the collector.", f"public_id: {public_id}")).apply()
    assert the_key(acme).public_id == public_id


def test_personal_keys_are_not_its_business(acme: Tenant, file: File) -> None:
    with acme.acting("owner") as actor:
        create_api_key(
            organization=acme.organization, kind="personal", name="mine", scopes=["traces:read"], actor=actor
        )
    file.write("version: 1\norganizations:\n  acme:\n    prune: [keys]\n    keys: {}\n")
    assert file.plan()[0] == 0
    assert "mine" not in exported("acme")


def test_export_names_no_secret_and_plans_empty(acme: Tenant, file: File) -> None:
    file.write(KEYS).apply()
    text = exported("acme")
    assert "secret" not in text
    assert file.write(text).plan() == (0, "No changes: everything is as the blueprint says.\n")
    assert call_command("blueprint", "export", "acme") == text
