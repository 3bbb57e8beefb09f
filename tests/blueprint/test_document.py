"""docs/blueprint.md: its example is applied as it stands, and its tables name every field of the schema."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.key_format import new_secret
from accounts.models import ApiKey, ServiceAccount, User
from isolation.scope import tenant_scope
from portal.blueprint.schema import published
from tenants.lookups import organization_id_of
from tenants.models import Group, Invitation, Project, Role
from tests.blueprint.conftest import File, exported
from tests.running import ROOT

TEXT = (ROOT / "docs" / "blueprint.md").read_text(encoding="utf-8")


def example() -> str:
    (found,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    # The only thing that does not stay true for ever.
    soon = (timezone.now() + timedelta(days=90)).isoformat()
    return re.sub(r"expires_at: \S+", f"expires_at: {soon}", found)


def test_the_example_is_true_of_an_empty_installation(db: None, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADA_PASSWORD", "correct horse battery staple")
    monkeypatch.setenv("COLLECTOR_KEY", new_secret("project", "production"))
    (file.path.parent / "nightly.key").write_text(new_secret("service_account", "production"), encoding="utf-8")
    file.write(example())
    assert "Applied: 14 added, 1 changed, 0 removed." in file.apply()
    assert file.plan() == (0, "No changes: everything is as the blueprint says.\n")
    assert User.objects.get().email == "ada@acme.example"
    assert [message.to for message in mail.outbox] == [["ben@acme.example"]]
    organization_id = organization_id_of("acme")
    assert organization_id
    with tenant_scope(organization_id):
        counted = [Project, Group, ServiceAccount, ApiKey, Invitation, Role.objects.filter(is_builtin=False)]
        assert [getattr(each, "objects", each).count() for each in counted] == [2, 1, 1, 2, 1, 1]
    file.write(exported("acme"))
    assert file.plan()[0] == 0


def test_every_field_is_in_the_reference() -> None:
    reference = TEXT.split("## Reference")[1]
    fields = {name for each in published()["$defs"].values() for name in each.get("properties", {})}
    fields |= set(published()["properties"])
    missing = {name for name in fields if not re.search(rf"`[^`]*\b{name}\b[^`]*`", reference)}
    assert not missing
