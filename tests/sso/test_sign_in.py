"""People sign in through their organization's identity provider."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import SsoConnection, SsoIdentity, SsoLogin, User
from accounts.services.sso_connections import set_sso_enabled, unlink_identity, update_sso_connection
from accounts.services.users import set_user_active
from accounts.tasks import forget_requests, refresh_sso_connections
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Membership, Source
from tenants.services.invitations import invite_member
from tenants.services.members import add_member, remove_member, set_member_active
from tests.people import Tenant, make_user, signed_in
from tests.scim.stage import Scim, connection_of, token_of
from tests.sso.hostile import Hostile
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET, Sso, connect, verify_domain
from tests.tenants.stage import events


def membership(tenant: Tenant, email: str) -> Membership:
    with tenant_scope(tenant.organization):
        found: Membership = Membership.objects.select_related("role", "user").get(user__email=email)
        return found


def test_a_member_signs_in_and_comes_again(sso: Sso, idp: Hostile) -> None:
    visit = sso.sign_in()
    assert visit.response.headers["Location"] == "/o/acme/"
    assert visit.user_id == str(sso.tenant.member.pk)
    assert sso.identities() == ["u-1"]
    idp.claims |= {"email": "changed@acme.example"}
    assert sso.sign_in().user_id == str(sso.tenant.member.pk), "the subject counts, not the address"
    assert [login.succeeded for login in sso.logins()] == [True, True]


def test_it_is_in_the_audit_log(sso: Sso) -> None:
    sso.sign_in()
    (linked,) = events(sso.tenant, "sso_identity.linked")
    assert (linked.actor_kind, linked.actor_label) == ("identity_provider", "Corporate (single sign-on)")
    (came,) = events(sso.tenant, "user.signed_in")
    assert (came.target_label, came.reason, came.via) == ("member@acme.example", "Single sign-on", "sso")


def test_the_request_has_pkce_nonce_and_state(sso: Sso, idp: Hostile) -> None:
    sso.sign_in()
    (asked,) = idp.requested("/authorize")
    assert asked.form["code_challenge_method"] == "S256"
    assert min(len(asked.form[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    (exchange,) = idp.requested("/token")
    assert exchange.client_authentication == "client_secret_basic"


def test_a_provider_that_takes_no_basic_gets_the_secret_in_the_form(sso: Sso, idp: Hostile) -> None:
    with tenant_scope(sso.tenant.organization):
        connection = SsoConnection.objects.get()
        metadata = connection.metadata | {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        SsoConnection.objects.update(metadata=metadata)
    assert sso.sign_in().user_id
    assert idp.requested("/token")[0].client_authentication == "client_secret_post"


def test_an_address_leads_to_the_provider(sso: Sso) -> None:
    browser = Client()
    page = browser.post("/sso/", {"email": "Grace@ACME.example", "next": "/o/acme/tenants/project/"})
    assert "Your organization's identity provider opens now." in page.content.decode()
    start = page.context["start_url"]
    assert start.startswith(sso.start)
    visit = browser.get(sso.leave(browser, start))
    assert visit.headers["Location"] == "/o/acme/tenants/project/"
    assert sso.idp.requested("/authorize")[0].form["login_hint"] == "grace@acme.example"


def test_several_connections_are_a_choice(sso: Sso) -> None:
    other = connect(sso.tenant, sso.idp, name="Contractors")
    page = Client().post("/sso/", {"email": "grace@acme.example"}).content.decode()
    assert f"/sso/{sso.connection.pk}/start/" in page
    assert f"/sso/{other.connection.pk}/start/" in page


@pytest.mark.parametrize(
    "next_url",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/o/globex/",
        "/o/acme/../../admin/",
        "/o/acme/%2e%2E/globex/",
        "/o/acme/.%2e/globex/",
        "/o/acme/..\\globex/",
        "",
    ],
)
def test_the_way_back_stays_inside_the_organization(sso: Sso, next_url: str) -> None:
    location = sso.sign_in(next=next_url).response.headers["Location"]
    assert location == "/o/acme/"


def test_somebody_unknown_stays_outside(sso: Sso, idp: Hostile) -> None:
    idp.claims |= {"sub": "u-2", "email": "grace@acme.example"}
    visit = sso.sign_in()
    assert (visit.user_id, visit.response.status_code) == (None, 403)
    assert "nobody has invited you" in visit.response.content.decode()
    assert "neither provisioned nor invited" in sso.logins()[-1].reason
    assert not User.objects.filter(email="grace@acme.example").exists()
    (refused,) = events(sso.tenant, "sso.sign_in_refused")
    assert (refused.outcome, refused.after) == ("failed", {"who": "grace@acme.example"})


def test_anybody_joins_where_that_is_chosen(acme: Tenant, idp: Hostile) -> None:
    verify_domain(acme)
    with tenant_scope(acme.organization):
        viewer = acme.role("viewer")
    sso = connect(acme, idp, joining="anybody", role=viewer)
    visit = sso.sign_in()
    grace = membership(acme, "grace@acme.example")
    assert (visit.user_id, grace.role.key, grace.source) == (str(grace.user_id), "viewer", "sso")
    assert (grace.user.name, grace.user.has_usable_password()) == ("Grace Hopper", False)
    assert visit.browser.get("/o/acme/").status_code == 200


def test_an_invited_person_joins_with_the_role_of_the_invitation(sso: Sso, idp: Hostile) -> None:
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        admin = sso.tenant.role("admin")
        invite_member(organization=sso.tenant.organization, email="grace@acme.example", role=admin, actor=SYSTEM)
    idp.claims |= {"sub": "u-2", "email": "grace@acme.example"}
    assert sso.sign_in().user_id
    assert membership(sso.tenant, "grace@acme.example").role.key == "admin"
    assert len(events(sso.tenant, "invitation.accepted")) == 1


def test_whom_scim_provisioned_is_known_by_the_external_id(acme: Tenant, idp: Hostile) -> None:
    verify_domain(acme)
    scim = Scim(token_of(acme, connection_of(acme)).secret)
    scim.user("grace", externalId="00u-grace")
    sso = connect(acme, idp, external_id_claim="employee")
    idp.claims |= {"sub": "u-2", "email": "g.hopper@elsewhere.example", "employee": "00u-grace"}
    assert sso.sign_in().user_id == str(membership(acme, "grace@acme.example").user_id)


def test_whom_scim_deactivated_stays_outside(acme: Tenant, idp: Hostile) -> None:
    verify_domain(acme)
    scim = Scim(token_of(acme, connection_of(acme)).secret)
    grace = scim.user("grace")
    sso = connect(acme, idp)
    assert sso.sign_in().user_id
    scim.replaced(scim.read(grace) | {"active": False})
    visit = sso.sign_in()
    assert (visit.user_id, visit.response.status_code) == (None, 403)
    assert "has ended" in visit.response.content.decode()


def test_a_deactivated_member_stays_outside(sso: Sso) -> None:
    browser = sso.sign_in().browser
    with sso.tenant.acting("owner") as actor:
        set_member_active(membership=sso.tenant.membership("member"), active=False, actor=actor)
    assert browser.get("/o/acme/").status_code == 404
    assert sso.sign_in().user_id is None


def test_a_removed_member_is_forgotten(sso: Sso) -> None:
    sso.sign_in()
    with sso.tenant.acting("owner") as actor:
        remove_member(membership=sso.tenant.membership("member"), actor=actor)
    assert sso.identities() == []
    assert sso.sign_in().user_id is None


def test_a_second_account_is_not_the_same_person(sso: Sso, idp: Hostile) -> None:
    sso.sign_in()
    idp.claims |= {"sub": "u-2"}
    assert sso.sign_in().user_id is None
    assert "another account" in sso.logins()[-1].reason


def test_another_issuer_is_another_name_space(sso: Sso, other_idp: Hostile) -> None:
    sso.sign_in()
    other_idp.claims |= {"sub": "u-1", "email": "viewer@acme.example"}
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        update_sso_connection(
            connection=sso.connection, issuer=other_idp.issuer, client_secret=CLIENT_SECRET, actor=SYSTEM
        )
    visit = Sso(sso.tenant, other_idp, sso.connection).sign_in()
    assert visit.user_id == str(sso.tenant.viewer.pk)


def test_sessions_end_when_the_connection_is_switched_off(sso: Sso) -> None:
    browser = sso.sign_in().browser
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        set_sso_enabled(connection=sso.connection, enabled=False, actor=SYSTEM)
    assert browser.get("/api/v1/organizations/acme").status_code == 401
    assert browser.get("/o/acme/").headers["Location"] == "/accounts/login/"
    assert browser.session.get("_auth_user_id") is None
    assert Client().get(sso.start).status_code == 404


def change(sso: Sso, **values: Any) -> None:
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        update_sso_connection(connection=sso.connection, actor=SYSTEM, **values)


def ended(browser: Client) -> bool:
    """Return whether a session opens nothing any more, neither to a program nor to a person."""
    api = browser.get("/api/v1/organizations/acme").status_code == 401
    return api and browser.get("/o/acme/").headers.get("Location") == "/accounts/login/"


def test_sessions_stay_closed_when_the_connection_is_on_again(sso: Sso) -> None:
    browser = sso.sign_in().browser
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        for enabled in (False, True):
            set_sso_enabled(connection=sso.connection, enabled=enabled, actor=SYSTEM)
    assert ended(browser)
    assert not ended(sso.sign_in().browser)


def test_sessions_end_with_the_issuer_that_opened_them(sso: Sso, other_idp: Hostile) -> None:
    browser = sso.sign_in().browser
    change(sso, name="Renamed", client_id=CLIENT_ID)
    assert not ended(browser)
    change(sso, issuer=other_idp.issuer, client_secret=CLIENT_SECRET)
    assert ended(browser)


def test_a_session_ends_when_its_identity_is_forgotten(sso: Sso) -> None:
    browser = sso.sign_in().browser
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        unlink_identity(identity=SsoIdentity.objects.get(), actor=SYSTEM)
    assert ended(browser)


def test_whose_login_is_deactivated_stays_outside(sso: Sso) -> None:
    sso.sign_in()
    set_user_active(user=sso.tenant.member, active=False, actor=SYSTEM)
    visit = sso.sign_in()
    assert (visit.user_id, visit.response.status_code) == (None, 403)
    assert "has ended" in visit.response.content.decode()
    assert not sso.logins()[-1].succeeded
    assert "deactivated as a user" in sso.logins()[-1].reason
    assert len(events(sso.tenant, "sso.sign_in_refused")) == 1


def test_a_test_signs_nobody_in_and_shows_every_check(acme: Tenant, idp: Hostile) -> None:
    verify_domain(acme)
    sso = connect(acme, idp, enabled=False, joining="anybody")
    owner = signed_in(acme.owner)
    back = owner.get(sso.leave(owner, f"/o/acme/sso/{sso.connection.pk}/test/"))
    (login,) = sso.logins()
    assert back.headers["Location"] == f"/o/acme/accounts/ssologin/{login.pk}/change/"
    assert owner.session["_auth_user_id"] == str(acme.owner.pk)
    assert (login.is_test, login.succeeded, login.email) == (True, True, "grace@acme.example")
    assert all(check["passed"] for check in login.checks)
    assert len(login.checks) == 7
    assert login.claims["name"] == "Grace Hopper"
    assert sso.identities() == []
    assert not User.objects.filter(email="grace@acme.example").exists()
    page = owner.get(back.headers["Location"]).content.decode()
    assert "The ID token is signed, for this client, and of this sign-in" in page
    assert "Grace Hopper" in page


def test_a_failed_test_says_why(sso: Sso, idp: Hostile) -> None:
    idp.claims |= {"email": "grace@elsewhere.example", "sub": "u-7"}
    owner = signed_in(sso.tenant.owner)
    back = owner.get(sso.leave(owner, f"/o/acme/sso/{sso.connection.pk}/test/"))
    page = owner.get(back.headers["Location"]).content.decode()
    assert "grace@elsewhere.example is in no domain that this organization has verified" in page
    assert events(sso.tenant, "sso.sign_in_refused") == [], "a test is no sign-in"


def test_rotated_keys_are_fetched(sso: Sso, idp: Hostile) -> None:
    sso.sign_in()
    idp.rotate_keys()
    with tenant_scope(sso.tenant.organization):
        SsoConnection.objects.update(keys_at=timezone.now() - timedelta(minutes=1))
    assert sso.sign_in().user_id
    assert len(idp.requested("/jwks")) == 2


def test_a_sign_in_asks_for_no_discovery(sso: Sso, idp: Hostile) -> None:
    before = len(idp.requested("/.well-known/openid-configuration"))
    sso.sign_in()
    assert len(idp.requested("/.well-known/openid-configuration")) == before
    assert len(idp.requested("/jwks")) == 1


def test_the_daily_task_refreshes_and_the_weekly_one_forgets(sso: Sso, idp: Hostile) -> None:
    sso.sign_in()
    idp.rotate_keys()
    assert refresh_sso_connections() == 1
    with tenant_scope(sso.tenant.organization):
        assert {key["kid"] for key in SsoConnection.objects.get().keys["keys"]} >= {idp.keys.rsa.kid}
        SsoLogin.objects.update(time=timezone.now() - timedelta(days=15))
    forget_requests()
    assert sso.logins() == []


def test_the_secret_is_nowhere(sso: Sso, caplog: Any) -> None:
    owner = signed_in(sso.tenant.owner)
    page = owner.get(f"/o/acme/accounts/ssoconnection/{sso.connection.pk}/change/").content.decode()
    told = owner.get(f"/api/v1/organizations/acme/sso/connections/{sso.connection.pk}").content.decode()
    written = str([event.after for event in events(sso.tenant, "sso_connection.created")])
    for text in (page, told, written, repr(sso.connection), caplog.text):
        assert "s3cret" not in text


def test_a_sign_in_takes_the_same_statements_however_many_people_there_are(sso: Sso) -> None:
    def statements() -> int:
        browser = Client()
        back = sso.leave(browser)
        with CaptureQueriesContext(database) as queries:
            assert browser.get(back).status_code == 302
        return len(queries)

    sso.sign_in()
    few = statements()
    for number in range(20):
        user = make_user(f"more{number}@acme.example")
        with tenant_scope(sso.tenant.organization):
            role = sso.tenant.role("viewer")
            add_member(organization=sso.tenant.organization, user=user, role=role, source=Source.MANUAL, actor=SYSTEM)
    connect(sso.tenant, sso.idp, name="Contractors")
    assert statements() == few
