"""The sign-in policy in a blueprint: set, changed, exported, and refused where it would lock people out."""

import pytest
import yaml

from accounts.models import SignInException, SignInPolicy
from isolation.scope import tenant_scope
from tests.blueprint.conftest import File, exported
from tests.people import Tenant

pytestmark = pytest.mark.django_db

POLICY = """
version: 1
organizations:
  acme:
    sign_in_policy:
      second_factor_required: true
      sso_as_second_factor: when_said
      session_hours: 12
      allowed_networks: [10.0.0.0/8, 203.0.113.7]
      exceptions:
        Viewer@acme.example: The wallboard
"""


def test_a_policy_is_set_once(acme: Tenant, file: File) -> None:
    blueprint = file.write(POLICY)
    assert blueprint.changes() == [
        ("update", "sign-in policy", "acme"),
        ("create", "exception to single sign-on", "viewer@acme.example"),
    ]
    blueprint.apply()
    assert blueprint.changes() == []
    with tenant_scope(acme.organization):
        policy = SignInPolicy.objects.get()
        assert (policy.second_factor_required, policy.session_hours) == (True, 12)
        assert policy.allowed_networks == ["10.0.0.0/8", "203.0.113.7/32"]
        assert SignInException.objects.get().reason == "The wallboard"
    written = yaml.safe_load(exported("acme"))["organizations"]["acme"]["sign_in_policy"]
    assert written["exceptions"] == {"viewer@acme.example": "The wallboard"}
    assert written["sso_as_second_factor"] == "when_said"
    assert "concurrent_sessions" not in written


def test_exceptions_are_pruned_where_they_are_written(acme: Tenant, file: File) -> None:
    file.write(POLICY).apply()
    changed = POLICY.replace("Viewer@acme.example: The wallboard", "member@acme.example: Scripts")
    blueprint = file.write(changed.replace("    sign_in_policy:", "    prune: [sign_in_policy]\n    sign_in_policy:"))
    assert blueprint.changes() == [
        ("create", "exception to single sign-on", "member@acme.example"),
        ("remove", "exception to single sign-on", "viewer@acme.example"),
    ]


def test_what_would_lock_people_out_is_refused_with_its_line(acme: Tenant, file: File) -> None:
    blueprint = file.write("""
version: 1
organizations:
  acme:
    sign_in_policy:
      sso_required: everybody
      break_glass: owner@acme.example
""")
    (line,) = blueprint.refused()
    assert line.startswith("6:7: organizations.acme.sign_in_policy.break_glass: owner@acme.example has no second step")
    with tenant_scope(acme.organization):
        assert not SignInPolicy.objects.exists()


def test_a_stranger_is_no_member(acme: Tenant, globex: Tenant, file: File) -> None:
    blueprint = file.write(POLICY.replace("Viewer@acme.example", globex.owner.email))
    (line,) = blueprint.refused()
    assert "There is no member owner@globex.example." in line
