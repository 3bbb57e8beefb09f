"""Each rule raises when it should, and does not when it should not; real sealed events, default settings."""

from typing import Any
from uuid import UUID

import pytest

from audit.alerts.locations import Location
from audit.alerts.registry import RULES
from audit.alerts.trouble import UNATTRIBUTED
from audit.catalogue import catalogue
from audit.models import AlertState
from audit.services.alert_rules import rule_named, update_rule
from tenants.services.exceptions import grant_to_member
from tenants.services.members import change_role, remove_member
from tenants.services.roles import create_role, update_role
from tests.audit.alerts.stage import ADA, BERLIN, GRACE, HOME, TOKYO, failed_from, happened, raised, signed_in_from
from tests.people import Tenant

KEY: dict[str, Any] = {"actor_kind": "api_key", "actor_id": UUID(int=7), "actor_label": "gatepk_prod_1", "via": "api"}
DAY = 24 * 60


class Atlas:
    """Knows a few addresses, as databases of addresses would."""

    places = {
        BERLIN: Location("DE", "Berlin, Germany", (52.52, 13.4), "AS3320 Telekom"),
        TOKYO: Location("JP", "Tokyo, Japan", (35.68, 139.69), "AS2516 KDDI"),
        HOME: Location("DE", "Potsdam, Germany", (52.4, 13.06), "AS3320 Telekom"),
    }

    def find(self, ip: str) -> Location:
        return self.places.get(ip, Location())


@pytest.fixture
def atlas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.alerts.evaluation.locator", Atlas)


def test_every_action_that_a_rule_names_exists() -> None:
    known = {action.name for action in catalogue}
    for rule in RULES.values():
        assert (rule.actions or frozenset()) <= known, rule.key


def test_every_rule_says_what_it_is(db: None) -> None:
    assert len(RULES) == 21
    for key, rule in RULES.items():
        assert key == rule.key
        assert rule.what.endswith(".")
        assert rule.why.endswith(".")
        assert 1 <= rule.threshold <= rule.kind.most
        assert rule.counts or rule.kind.most == 1


def test_a_burst_of_failed_sign_ins(acme: Tenant) -> None:
    for number in range(9):
        failed_from(acme, HOME, ago=9 - number)
    assert raised(acme, "sign_in_burst") == []
    failed_from(acme, HOME)
    (alert,) = raised(acme, "sign_in_burst")
    assert (alert.count, alert.subject, alert.severity, alert.state) == (10, str(ADA), "medium", AlertState.OPEN)
    assert len(alert.numbers) == 10


def test_failed_sign_ins_of_different_people_or_far_apart_are_no_burst(acme: Tenant) -> None:
    for number in range(12):
        failed_from(acme, HOME, ago=3 * number)
    for number in range(7):
        failed_from(acme, HOME, who=UUID(int=10 + number))
    assert raised(acme, "sign_in_burst") == []


def test_a_password_spray(acme: Tenant) -> None:
    for number in range(8):
        failed_from(acme, f"203.0.113.{number}", ago=number, who=UUID(int=10 + number))
    (alert,) = raised(acme, "password_spray")
    assert (alert.subject, alert.count) == ("203.0.113.0/24", 8)


def test_one_person_who_forgot_their_password_is_no_spray(acme: Tenant) -> None:
    for number in range(60):
        failed_from(acme, HOME, ago=number, who=UUID(int=10 + number % 7))
    assert raised(acme, "password_spray") == []


def test_a_spray_over_people_of_many_organizations_shows_in_the_installation_s_log(acme: Tenant) -> None:
    for number in range(8):
        failed_from(None, HOME, who=UUID(int=10 + number))
    (alert,) = raised(None, "password_spray")
    assert alert.count == 8
    assert raised(acme, "password_spray") == []


def test_a_sign_in_from_a_new_network(acme: Tenant) -> None:
    signed_in_from(acme, BERLIN, ago=30)
    signed_in_from(acme, "203.0.113.200", ago=20)
    signed_in_from(acme, TOKYO, ago=10, who=GRACE)
    assert raised(acme, "new_network") == []
    signed_in_from(acme, TOKYO)
    (alert,) = raised(acme, "new_network")
    assert alert.told == ["Signed in from 198.51.100.0/24 (198.51.100.9)."]
    assert alert.severity == "low"


def test_a_provider_counts_where_it_is_known(acme: Tenant, atlas: None) -> None:
    signed_in_from(acme, BERLIN, ago=30)
    signed_in_from(acme, HOME, ago=20)
    assert raised(acme, "new_network") == []
    signed_in_from(acme, TOKYO)
    (alert,) = raised(acme, "new_network")
    assert "AS2516 KDDI" in alert.told[0]


def test_a_sign_in_from_a_new_country(acme: Tenant, atlas: None) -> None:
    signed_in_from(acme, BERLIN, ago=30)
    signed_in_from(acme, HOME, ago=20)
    signed_in_from(acme, "192.0.2.99", ago=10)
    assert raised(acme, "new_country") == []
    signed_in_from(acme, TOKYO)
    (alert,) = raised(acme, "new_country")
    assert alert.told == ["Signed in from Tokyo, Japan (198.51.100.9)."]


def test_without_a_database_nobody_travels(acme: Tenant) -> None:
    signed_in_from(acme, BERLIN, ago=30)
    signed_in_from(acme, TOKYO)
    assert raised(acme, "new_country") == raised(acme, "impossible_travel") == []
    assert "GEOIP_DATABASE" in RULES["impossible_travel"].missing()


def test_impossible_travel(acme: Tenant, atlas: None) -> None:
    signed_in_from(acme, BERLIN, ago=40)
    signed_in_from(acme, HOME, ago=35)
    assert raised(acme, "impossible_travel") == []
    signed_in_from(acme, TOKYO)
    (alert,) = raised(acme, "impossible_travel")
    assert alert.told == ["Potsdam, Germany and Tokyo, Japan: 8,942 km within 35 minutes."]


def test_impossible_travel_is_found_as_well_when_the_first_event_comes_last(acme: Tenant, atlas: None) -> None:
    signed_in_from(acme, TOKYO)
    assert raised(acme, "impossible_travel") == []
    signed_in_from(acme, BERLIN, ago=40)
    assert len(raised(acme, "impossible_travel")) == 1


def test_a_flight_is_possible(acme: Tenant, atlas: None) -> None:
    signed_in_from(acme, BERLIN, ago=12 * 60)
    signed_in_from(acme, TOKYO)
    assert raised(acme, "impossible_travel") == []


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:{0}) Gecko/20100101 Firefox/{0}"
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4 Safari/605.1.15"
)


def test_a_new_kind_of_browser(acme: Tenant) -> None:
    signed_in_from(acme, HOME, ago=30, user_agent=FIREFOX.format("130.0"))
    signed_in_from(acme, HOME, ago=20, user_agent=FIREFOX.format("131.0"))
    signed_in_from(acme, HOME, ago=10)
    assert raised(acme, "new_device") == []
    signed_in_from(acme, HOME, user_agent=SAFARI)
    (alert,) = raised(acme, "new_device")
    assert alert.told == ["Signed in with Safari on Mac OS X."]


def test_operators_are_not_told_of_everybody_s_networks(acme: Tenant) -> None:
    signed_in_from(None, BERLIN, ago=10)
    signed_in_from(None, TOKYO)
    assert raised(None, "new_network") == []


def test_privilege_that_is_granted(acme: Tenant) -> None:
    raised(acme, "privilege_granted")
    before = len(raised(acme, "privilege_granted"))
    with acme.acting("owner") as actor:
        change_role(membership=acme.membership("viewer"), role=acme.role("admin"), actor=actor)
        role = create_role(organization=acme.organization, name="Writers", permissions=["traces:write"], actor=actor)
        update_role(role=role, name="Writers", permissions=["traces:write", "members:manage"], actor=actor)
        grant_to_member(
            project=acme.project, membership=acme.membership("member"), permission="audit_log:read", actor=actor
        )
    told = {sentence for alert in raised(acme, "privilege_granted")[before:] for sentence in alert.told}
    assert "The role Writers allows more now: members:manage." in told
    assert any("has the role Admin now." in sentence for sentence in told)
    assert any("was given audit_log:read." in sentence for sentence in told)


def test_lesser_roles_and_the_founder_are_no_privilege(globex: Tenant) -> None:
    assert raised(globex, "privilege_granted") == []  # its founder was made owner
    with globex.acting("owner") as actor:
        role = create_role(organization=globex.organization, name="Writers", permissions=["traces:write"], actor=actor)
        update_role(role=role, name="Readers", permissions=["traces:read"], actor=actor)
        update_role(role=role, name="Nobody", permissions=[], actor=actor)
    happened(globex, "member.role_changed", before={"role": "Owner"}, after={"role": "Admin"})
    happened(globex, "member.role_changed", before={"role": "Viewer"}, after={"role": "Member"})
    (alert,) = raised(globex, "privilege_granted")
    assert alert.told == ["The role Readers allows more now: traces:read."]


def test_an_operator_who_is_made(db: None) -> None:
    for _ in range(5):
        happened(None, "user.updated", after={"name": "Ada"})
    assert raised(None, "privilege_granted") == []
    happened(None, "user.updated", before={"is_operator": False}, after={"is_operator": True})
    assert len(raised(None, "privilege_granted")) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"sso_required": "everybody"}, {"sso_required": "domains"}),
        ({"second_factor_required": True}, {"second_factor_required": False}),
        ({"sso_as_second_factor": "never"}, {"sso_as_second_factor": "always"}),
        ({"session_hours": 8}, {"session_hours": None}),
        ({"idle_minutes": 10}, {"idle_minutes": 60}),
        ({"concurrent_sessions": 2}, {"concurrent_sessions": 9}),
        ({"allowed_networks": ["192.0.2.0/24"]}, {"allowed_networks": []}),
        ({"allowed_networks": ["192.0.2.0/24"]}, {"allowed_networks": ["0.0.0.0/0"]}),
    ],
)
def test_a_policy_that_asks_less(acme: Tenant, before: dict[str, Any], after: dict[str, Any]) -> None:
    happened(acme, "sign_in_policy.updated", ago=5, before=after, after=before)
    assert raised(acme, "sign_in_weakened") == []
    happened(acme, "sign_in_policy.updated", before=before, after=after)
    (alert,) = raised(acme, "sign_in_weakened")
    assert len(alert.told) == 1


def test_a_first_policy_weakens_nothing(acme: Tenant) -> None:
    after = {"sso_required": "nobody", "second_factor_required": False, "session_hours": 24, "allowed_networks": []}
    happened(acme, "sign_in_policy.updated", after=after)
    assert raised(acme, "sign_in_weakened") == []


@pytest.mark.parametrize(
    "action", ["sso_connection.disabled", "sso_connection.deleted", "sign_in_exception.added", "second_factor.reset"]
)
def test_single_sign_on_or_second_steps_that_go(acme: Tenant, action: str) -> None:
    happened(acme, "sso_connection.enabled")
    assert raised(acme, "sign_in_weakened") == []
    happened(acme, action, target_label="Okta")
    (alert,) = raised(acme, "sign_in_weakened")
    assert alert.told[0].endswith(": Okta.")


@pytest.mark.parametrize(
    ("rule", "action", "severity"),
    [
        ("break_glass_used", "sign_in_policy.break_glass_used", "critical"),
        ("key_leaked", "api_key.leaked", "critical"),
        ("key_leaked", "scim_token.leaked", "critical"),
        ("unattributed_change", UNATTRIBUTED, "critical"),
        ("verification_failed", "audit_log.verification_failed", "critical"),
        ("sink_failing", "sink.failing", "medium"),
        ("sink_failing", "sink.missed_events", "medium"),
        ("cosigning_refused", "witnessed_log.refused", "critical"),
    ],
)
def test_what_is_told_each_time(acme: Tenant, rule: str, action: str, severity: str) -> None:
    happened(acme, "api_key.revoked", ago=1)
    happened(acme, "sink.recovered", ago=1)
    assert raised(acme, rule) == []
    happened(acme, action, target_id="7", target_label="Ingestion")
    (alert,) = raised(acme, rule)
    assert (alert.severity, alert.count) == (severity, 1)


def test_a_key_from_a_new_network(acme: Tenant) -> None:
    happened(acme, "project.updated", ago=30, ip=BERLIN, **KEY)
    happened(acme, "project.updated", ago=20, ip=TOKYO)
    happened(acme, "project.updated", ago=10, ip=BERLIN, **KEY)
    assert raised(acme, "key_new_network") == []
    happened(acme, "project.updated", ip=TOKYO, **KEY)
    (alert,) = raised(acme, "key_new_network")
    assert (alert.subject_label, alert.told) == ("gatepk_prod_1", ["Used from 198.51.100.0/24 (198.51.100.9)."])


def test_a_key_after_a_long_silence(acme: Tenant) -> None:
    happened(acme, "project.updated", ago=20 * DAY, **KEY)
    happened(acme, "project.updated", ago=10 * DAY, **KEY)
    assert raised(acme, "key_after_silence") == []
    with acme.acting("owner") as actor:
        rule = rule_named("key_after_silence")
        update_rule(organization_id=acme.organization.pk, rule=rule, threshold=10, actor=actor)
    happened(acme, "project.updated", **KEY)
    (alert,) = raised(acme, "key_after_silence")
    assert alert.told == ["It had not been seen for 10 days."]


def test_many_refusals_of_one_key(acme: Tenant) -> None:
    for _ in range(30):
        happened(acme, "access.denied", outcome="denied")
        happened(acme, "project.updated", **KEY)
    for _ in range(29):
        happened(acme, "access.denied", outcome="denied", **KEY)
    assert raised(acme, "key_errors") == []
    happened(acme, "access.denied", outcome="denied", **KEY)
    (alert,) = raised(acme, "key_errors")
    assert alert.count == 30


def test_mass_deletion(acme: Tenant) -> None:
    for number in range(9):
        happened(acme, "group.deleted", ago=number / 10, actor_id=ADA)
    happened(acme, "group.deleted", actor_id=GRACE)
    for _ in range(20):
        happened(acme, "member.removed", actor_kind="scim_connection", actor_id=GRACE)
        happened(acme, "api_key.revoked", actor_kind="system", actor_label="System")
    assert raised(acme, "mass_deletion") == []
    with acme.acting("owner") as actor:
        remove_member(membership=acme.membership("viewer"), actor=actor)
    happened(acme, "role.deleted", actor_id=ADA)
    (alert,) = raised(acme, "mass_deletion")
    assert (alert.subject, alert.count) == (str(ADA), 10)


def test_mass_export(acme: Tenant) -> None:
    happened(acme, "audit_log.exported", ago=30, actor_id=ADA, after={"events": 30_000})
    happened(acme, "audit_log.exported", ago=20, actor_id=GRACE, after={"events": 30_000})
    assert raised(acme, "mass_export") == []
    happened(acme, "evidence_export.downloaded", actor_id=ADA, after={"events": 20_000})
    (alert,) = raised(acme, "mass_export")
    assert alert.count == 50_000


def test_mass_deactivation_by_a_directory(acme: Tenant) -> None:
    by: dict[str, Any] = {
        "actor_kind": "scim_connection",
        "actor_id": UUID(int=9),
        "actor_label": "Okta",
        "via": "scim",
    }
    for number in range(9):
        happened(acme, "member.deactivated", target_id=str(number), **by)
        happened(acme, "member.deactivated", target_id="0", **by)
    for number in range(20):
        happened(acme, "member.deactivated", target_id=str(number))
    assert raised(acme, "mass_deprovisioning") == []
    happened(acme, "member.removed", target_id="9", **by)
    (alert,) = raised(acme, "mass_deprovisioning")
    assert (alert.subject_label, alert.count) == ("Okta", 10)


def test_an_alert_never_raises_another(acme: Tenant) -> None:
    happened(acme, "alert.raised", outcome="failed", **KEY)
    for _ in range(40):
        happened(acme, "alert.raised", outcome="failed", ip=BERLIN, **KEY)
    assert raised(acme, "key_errors") == []
