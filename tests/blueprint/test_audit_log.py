"""The audit log's retention in a blueprint: announced once, exported, refused below the minimum."""

import pytest
import yaml

from audit.models import RetentionChange
from isolation.scope import tenant_scope
from tests.blueprint.conftest import File, exported
from tests.people import Tenant

pytestmark = pytest.mark.django_db

RETENTION = """
version: 1
organizations:
  acme:
    audit_log:
      retention_months: {months}
"""


def test_a_retention_is_announced_once(acme: Tenant, file: File) -> None:
    assert "audit_log" not in yaml.safe_load(exported("acme"))["organizations"]["acme"]
    blueprint = file.write(RETENTION.format(months=24))
    assert blueprint.changes() == [("update", "retention of the audit log", "acme")]
    blueprint.apply()
    assert blueprint.changes() == []
    with tenant_scope(acme.organization):
        assert RetentionChange.objects.get().months == 24
    assert yaml.safe_load(exported("acme"))["organizations"]["acme"]["audit_log"] == {"retention_months": 24}
    file.write(RETENTION.format(months="null")).apply()
    with tenant_scope(acme.organization):
        assert RetentionChange.objects.first().months is None


def test_less_than_the_installations_minimum_is_refused_with_its_line(acme: Tenant, file: File) -> None:
    (line,) = file.write(RETENTION.format(months=3)).refused()
    assert "organizations.acme.audit_log" in line
    assert "Choose 12 to 1200 months" in line
