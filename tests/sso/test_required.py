"""Single sign-on that is required: at every door, for whom, and who is excepted."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.models import Session, SignInPolicy, SsoRequired, User
from accounts.services.sign_in_policy import (
    add_sign_in_exception,
    remove_sign_in_exception,
    update_sign_in_policy,
)
from accounts.services.sso_connections import delete_sso_connection, set_sso_enabled, update_sso_connection
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError, MissingPermission
from tenants.models import Membership
from tenants.services.invitations import invite_member
from tenants.services.members import change_role, leave_organization, remove_member, set_member_active
from tests.accounts.factors import give_totp, prove_totp
from tests.accounts.mfa.authenticator import Passkey
from tests.people import PASSWORD, Tenant, make_user, signed_in
from tests.sso.hostile import Hostile
from tests.sso.keys import personal_key
from tests.sso.logout_tokens import tell
from tests.sso.stage import Sso, connect, verify_domain
from tests.sso.test_strangers import join
from tests.tenants.stage import events


def by_password(user: User) -> tuple[Client, Any]:
    """Return a browser that has sent somebody's password, and the answer."""
    browser = Client()
    return browser, browser.post("/accounts/login/", {"login": user.email, "password": PASSWORD})


def require(sso: Sso, whom: str = SsoRequired.EVERYBODY, **values: Any) -> SignInPolicy:
    """Require single sign-on in acme, whose owner is the break-glass owner."""
    with sso.tenant.acting("owner") as actor:
        guard = sso.tenant.membership("owner")
        return update_sign_in_policy(
            organization=sso.tenant.organization, sso_required=whom, break_glass=guard, actor=actor, **values
        )


@pytest.fixture
def proven(sso: Sso) -> Sso:
    """Return acme's connection, by which its member has come in; acme's owner has a second step."""
    sso.sign_in()
    give_totp(sso.tenant.owner)
    return sso


@pytest.fixture
def required(proven: Sso) -> Sso:
    """Return acme's connection, which every member has to come by."""
    require(proven)
    return proven


# What another organization cannot do ------------------------------------------------------------------


def test_a_policy_holds_in_its_organization_only(required: Sso, globex: Tenant, stranger: User) -> None:
    assert signed_in(stranger).get("/o/globex/").status_code == 200
    join(globex, required.tenant.admin)
    browser = signed_in(required.tenant.admin)
    assert browser.get("/o/globex/").status_code == 200
    assert browser.get("/o/acme/").status_code == 403


def test_a_domain_of_another_organization_holds_nobody(required: Sso, globex: Tenant) -> None:
    _, response = by_password(globex.owner)
    assert response.status_code == 302


def test_a_connection_of_another_organization_is_no_way_in(required: Sso, globex: Tenant, other_idp: Hostile) -> None:
    both = make_user("both@globex.example")
    join(globex, both, "viewer")
    join(required.tenant, both, "viewer")
    verify_domain(globex)
    other_idp.claims |= {"sub": "x", "email": both.email}
    browser = signed_in(both)
    connect(globex, other_idp).sign_in(browser)
    assert browser.get("/o/globex/").status_code == 200
    assert browser.get("/accounts/profile/").status_code == 200, "a whole session, with globex's provider in it"
    assert browser.get("/o/acme/").status_code == 403


# Every member ------------------------------------------------------------------------------------------


def test_a_password_opens_the_login_and_not_the_organization(proven: Sso) -> None:
    """A guest's address is of no verified domain: nobody but themselves decides about the login."""
    guest = make_user("guest@elsewhere.example")
    join(proven.tenant, guest, "viewer")
    require(proven)
    browser, response = by_password(guest)
    assert response.status_code == 302
    page = browser.get("/o/acme/", follow=True)
    assert page.status_code == 403
    assert f"/sso/{proven.connection.pk}/start/?next=/o/acme/" in page.content.decode()
    assert browser.post("/o/acme/settings/", {"name": "Mine"}).status_code == 403


def test_the_api_with_a_session_is_held_as_well(required: Sso) -> None:
    browser = signed_in(required.tenant.admin)
    for method, path in (("get", ""), ("patch", ""), ("get", "/members"), ("post", "/api-keys")):
        answer = getattr(browser, method)(f"/api/v1/organizations/acme{path}", content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "sso_required"), path


def test_single_sign_on_opens_it(required: Sso) -> None:
    visit = required.sign_in()
    assert visit.browser.get("/o/acme/").status_code == 200
    assert visit.browser.get("/api/v1/organizations/acme").status_code == 200


def test_a_session_by_password_gets_in_by_coming_through_the_provider_too(required: Sso, idp: Hostile) -> None:
    admin = required.tenant.admin
    browser = signed_in(admin)
    idp.claims |= {"sub": "u-admin", "email": admin.email}
    assert browser.get("/o/acme/").status_code == 403
    required.sign_in(browser)
    assert browser.get("/o/acme/").status_code == 200
    assert browser.get("/accounts/profile/").status_code == 200, "the session is still a whole one"


def test_signing_out_at_the_provider_closes_the_organization_to_a_session_by_password(
    required: Sso, idp: Hostile
) -> None:
    admin = required.tenant.admin
    browser = signed_in(admin)
    idp.claims |= {"sub": "u-admin", "email": admin.email}
    required.sign_in(browser)
    assert tell(required, sub="u-2").status_code == 200
    assert browser.get("/o/acme/").status_code == 200, "somebody else signed out"
    assert tell(required, sub="u-admin").status_code == 200
    assert browser.get("/o/acme/").status_code == 403
    assert browser.get("/accounts/profile/").status_code == 200, "the session is the person's own"


def test_personal_keys_need_their_owner_to_have_come(required: Sso, settings: Any) -> None:
    mine, members = personal_key(required.tenant, "admin"), personal_key(required.tenant, "member")
    asked = Client().get("/api/v1/organizations/acme", headers={"Authorization": f"Bearer {mine}"})
    assert (asked.status_code, asked.json()["code"]) == (403, "sso_required")
    asked = Client().get("/api/v1/organizations/acme", headers={"Authorization": f"Bearer {members}"})
    assert asked.status_code == 200, "the member came by single sign-on once"
    with required.tenant.acting("owner") as actor:
        add_sign_in_exception(membership=required.tenant.membership("admin"), reason="Scripts", actor=actor)
    asked = Client().get("/api/v1/organizations/acme", headers={"Authorization": f"Bearer {mine}"})
    assert asked.status_code == 200


# Addresses of a verified domain ------------------------------------------------------------------------


@pytest.mark.parametrize("whom", [SsoRequired.DOMAINS, SsoRequired.EVERYBODY])
def test_the_password_opens_nothing_for_an_address_of_the_domain(proven: Sso, whom: str) -> None:
    require(proven, whom)
    browser, response = by_password(proven.tenant.member)
    assert response.status_code == 403
    assert f"/sso/{proven.connection.pk}/start/" in response.content.decode()
    assert "_auth_user_id" not in browser.session
    assert browser.get("/accounts/profile/").status_code == 302
    (failed,) = events(proven.tenant, "user.sign_in_failed")
    assert (failed.outcome, failed.reason) == ("failed", "Acme requires single sign-on")


def test_a_passkey_opens_nothing_for_an_address_of_the_domain(proven: Sso) -> None:
    passkey = Passkey(proven.tenant.member)
    assert passkey.sign_in(Client()).status_code == 302, "it does where nobody holds the login"
    require(proven)
    browser = Client()
    answer = passkey.sign_in(browser)
    assert answer.status_code == 403
    assert f"/sso/{proven.connection.pk}/start/" in answer.text
    assert "_auth_user_id" not in browser.session


def test_nobody_asks_for_a_code_to_sign_in_with(required: Sso) -> None:
    assert Client().post("/accounts/login/code/", {"email": required.tenant.viewer.email}).status_code == 404


def test_a_mailed_code_would_open_nothing_either(required: Sso, settings: Any) -> None:
    """Whatever else allauth lets people sign in by comes to the same door."""
    settings.ROOT_URLCONF, settings.ACCOUNT_LOGIN_BY_CODE_ENABLED = "tests.sso.code_urls", True
    browser, answer = by_mailed_code(required.tenant.viewer)
    assert answer.status_code == 403
    assert f"/sso/{required.connection.pk}/start/" in answer.text
    assert "_auth_user_id" not in browser.session
    browser, answer = by_mailed_code(make_user("guest@elsewhere.example"))
    assert "_auth_user_id" in browser.session, "it does where nobody holds the login"


def by_mailed_code(user: User) -> tuple[Client, Any]:
    """Return a browser that has sent the code of a mail, and the answer."""
    browser = Client()
    browser.post("/by-code/", {"email": user.email})
    assert mail.outbox[-1].to == [user.email]
    code = re.findall(r"^([A-Z0-9-]{4,12})$", str(mail.outbox[-1].body), re.MULTILINE)[0]
    return browser, browser.post("/by-code/confirm/", {"code": code})


def test_a_wrong_password_tells_nothing_of_the_organization(required: Sso) -> None:
    answer = Client().post("/accounts/login/", {"login": required.tenant.member.email, "password": "no"})
    unknown = Client().post("/accounts/login/", {"login": "nobody@acme.example", "password": "no"})
    assert answer.status_code == unknown.status_code == 200
    assert "Acme" not in answer.content.decode()


def test_domains_leave_guests_alone(proven: Sso) -> None:
    guest = make_user("guest@elsewhere.example")
    join(proven.tenant, guest, "viewer")
    require(proven, SsoRequired.DOMAINS)
    assert signed_in(guest).get("/o/acme/").status_code == 200
    assert signed_in(proven.tenant.viewer).get("/o/acme/").status_code == 403


def test_another_address_of_the_domain_holds_as_well(proven: Sso) -> None:
    """Making another address the first one is no way around it; the login itself stays the person's own."""
    guest = make_user("guest@elsewhere.example")
    EmailAddress.objects.create(user=guest, email="guest@acme.example", verified=False)
    join(proven.tenant, guest, "viewer")
    require(proven, SsoRequired.DOMAINS)
    proven.tenant.people["guest"] = guest
    bearer = {"Authorization": f"Bearer {personal_key(proven.tenant, 'guest')}"}
    browser, _ = by_password(guest)
    assert browser.get("/o/acme/").status_code == 200, "nobody has proved that address"
    assert Client().get("/api/v1/organizations/acme", headers=bearer).status_code == 200
    EmailAddress.objects.filter(user=guest).update(verified=True)
    assert browser.get("/o/acme/").status_code == 403
    assert browser.get("/accounts/profile/").status_code == 200
    assert Client().get("/api/v1/organizations/acme", headers=bearer).json()["code"] == "sso_required"
    proven.idp.claims |= {"sub": "u-guest", "email": "guest@acme.example"}
    visit = proven.sign_in()
    assert visit.user_id == str(guest.pk), "they are found by it too"
    assert visit.browser.get("/o/acme/").status_code == 200


def test_sessions_opened_by_password_end_when_it_is_switched_on(proven: Sso) -> None:
    acme = proven.tenant
    guest = make_user("guest@elsewhere.example")
    join(acme, guest, "viewer")
    held, stays, free = signed_in(acme.admin), proven.sign_in().browser, signed_in(guest)
    owner = signed_in(acme.owner)
    require(proven)
    assert held.get("/accounts/profile/").status_code == 302
    assert stays.get("/o/acme/").status_code == 200
    assert free.get("/accounts/profile/").status_code == 200, "elsewhere their session is their own"
    assert owner.get("/accounts/profile/").status_code == 200, "the break-glass owner's"
    assert not Session.objects.filter(user=acme.admin).exists()
    (ended,) = [event for event in events(acme, "user.sessions_ended") if event.target_label == acme.admin.email]
    assert ended.reason == "Single sign-on is required now"


def test_a_forgotten_password_leads_to_the_provider(required: Sso) -> None:
    answer = Client().post("/accounts/password/reset/", {"email": required.tenant.member.email})
    assert answer.status_code == 302
    message = mail.outbox[-1]
    assert f"/sso/{required.connection.pk}/start/" in message.body
    assert "/accounts/password/reset/key/" not in message.body


def test_a_link_from_before_sets_no_password(proven: Sso) -> None:
    browser = Client()
    browser.post("/accounts/password/reset/", {"email": proven.tenant.member.email})
    link = next(word for word in mail.outbox[-1].body.split() if "/accounts/password/reset/key/" in word)
    require(proven)
    page = browser.get(link[link.index("/accounts/") :], follow=True)
    form = page.request["PATH_INFO"]
    answer = browser.post(form, {"password1": "a new one, long enough", "password2": "a new one, long enough"})
    assert answer.status_code == 403
    assert User.objects.get(pk=proven.tenant.member.pk).check_password(PASSWORD)


def test_nobody_signs_up_with_an_address_of_the_domain(required: Sso) -> None:
    chosen = {"password1": "a new one, long enough", "password2": "a new one, long enough"}
    answer = Client().post("/accounts/signup/", {"email": "new@acme.example", **chosen})
    assert "sign in through Acme" in answer.content.decode()
    assert not User.objects.filter(email="new@acme.example").exists()


def test_an_invitation_is_not_accepted_with_a_password(required: Sso) -> None:
    with required.tenant.acting("owner") as actor:
        sent = invite_member(
            organization=required.tenant.organization,
            email="new@acme.example",
            role=required.tenant.role("viewer"),
            actor=actor,
        )
    answer = Client().post(
        f"/invitations/{sent.token}/",
        {"name": "New", "password1": "a new one, long enough", "password2": "a new one, long enough"},
    )
    assert "sign in through Acme" in answer.content.decode()
    assert not User.objects.filter(email="new@acme.example").exists()


def test_addresses_stay_as_they_are(required: Sso, stranger: User) -> None:
    with required.tenant.acting("owner") as actor:
        add_sign_in_exception(membership=required.tenant.membership("admin"), reason="Scripts", actor=actor)
    browser = signed_in(required.tenant.member)
    page = browser.post("/accounts/email/", {"action_add": "", "email": "me@home.example"})
    assert page.status_code == 403
    assert "Acme requires single sign-on" in page.content.decode()
    taken = signed_in(stranger).post("/accounts/email/", {"action_add": "", "email": "ceo@acme.example"})
    assert "sign in through Acme" in taken.content.decode()


def test_operators_are_held_by_no_organization(required: Sso) -> None:
    """An organization could keep them out of the installation otherwise."""
    runs_it = make_user("ops@acme.example", is_operator=True)
    join(required.tenant, runs_it, "viewer")
    browser, response = by_password(runs_it)
    assert response.status_code == 302
    assert browser.get("/o/acme/").status_code == 403, "as a member they are held like the others"


# Exceptions and break-glass ----------------------------------------------------------------------------


def test_an_exception_comes_by_password(required: Sso) -> None:
    with required.tenant.acting("owner") as actor:
        exception = add_sign_in_exception(
            membership=required.tenant.membership("viewer"), reason="The wallboard", actor=actor
        )
    browser, response = by_password(required.tenant.viewer)
    assert response.status_code == 302
    assert browser.get("/o/acme/").status_code == 200
    with required.tenant.acting("owner") as actor:
        remove_sign_in_exception(exception=exception, actor=actor)
    assert browser.get("/o/acme/").status_code == 403
    assert [event.action for event in events(required.tenant, "sign_in_exception.added")]


def test_break_glass_is_loud_and_takes_two_steps(required: Sso) -> None:
    acme = required.tenant
    second = make_user("second@acme.example")
    join(acme, second, "owner")
    mail.outbox.clear()
    browser = signed_in(acme.owner)
    page = browser.get("/o/acme/")
    assert page.status_code == 302
    assert page.headers["Location"].startswith("/accounts/second-step/"), "the password alone is not enough"
    assert not events(acme, "sign_in_policy.break_glass_used")
    prove_totp(browser, acme.owner)
    for _ in range(2):
        assert browser.get("/o/acme/").status_code == 200
    (used,) = events(acme, "sign_in_policy.break_glass_used")
    assert used.actor_label == acme.owner.email
    told = [message for message in mail.outbox if "break-glass" in message.subject]
    assert sorted(address for message in told for address in message.to) == [acme.owner.email, second.email]


def test_the_break_glass_owner_stays(required: Sso) -> None:
    acme = required.tenant
    second = make_user("second@acme.example")
    join(acme, second, "owner")
    with acme.acting("owner") as actor:
        guard = acme.membership("owner")
        for attempt in (
            lambda: remove_member(membership=guard, actor=SYSTEM),
            lambda: set_member_active(membership=guard, active=False, actor=SYSTEM),
            lambda: change_role(membership=guard, role=acme.role("viewer"), actor=SYSTEM),
            lambda: leave_organization(membership=guard, actor=actor),
        ):
            with pytest.raises(DomainError, match="break-glass owner"):
                attempt()
        assert Membership.objects.get(pk=guard.pk).role.is_owner
        update_sign_in_policy(organization=acme.organization, sso_required=SsoRequired.NOBODY, actor=actor)
        change_role(membership=guard, role=acme.role("viewer"), actor=SYSTEM)


# What would lock people out ----------------------------------------------------------------------------


def test_an_owner_who_has_never_come_is_not_locked_out(proven: Sso) -> None:
    """The first time takes the password, which opens the login no more from then on."""
    second = make_user("second@acme.example")
    join(proven.tenant, second, "owner")
    with pytest.raises(DomainError, match=r"second@acme\.example.* has never come through"):
        require(proven, SsoRequired.DOMAINS)
    proven.idp.claims |= {"sub": "u-2", "email": second.email}
    assert proven.sign_in(signed_in(second)).user_id == str(second.pk)
    require(proven, SsoRequired.DOMAINS)
    assert proven.sign_in().browser.get("/o/acme/").status_code == 200


def test_an_owner_who_comes_later_comes_by_an_exception(required: Sso) -> None:
    second = make_user("second@acme.example")
    join(required.tenant, second, "owner")
    required.idp.claims |= {"sub": "u-2", "email": second.email}
    refused = required.sign_in()
    assert "ask another owner for an exception" in refused.response.content.decode()
    with required.tenant.acting("owner") as actor:
        membership = Membership.objects.get(user=second)
        exception = add_sign_in_exception(membership=membership, reason="Until they are known", actor=actor)
    browser, _ = by_password(second)
    assert required.sign_in(browser).user_id == str(second.pk)
    with required.tenant.acting("owner") as actor:
        remove_sign_in_exception(exception=exception, actor=actor)
    assert required.sign_in().browser.get("/o/acme/").status_code == 200


def test_it_takes_a_provider_that_has_let_somebody_in(sso: Sso) -> None:
    give_totp(sso.tenant.owner)
    with pytest.raises(DomainError, match="Nobody has come in"):
        require(sso)


def test_it_takes_a_break_glass_owner_with_a_second_step(sso: Sso) -> None:
    sso.sign_in()
    with pytest.raises(DomainError, match="no second step yet"):
        require(sso)
    with sso.tenant.acting("owner") as actor:
        organization = sso.tenant.organization
        with pytest.raises(DomainError, match="Choose the break-glass owner"):
            update_sign_in_policy(organization=organization, sso_required="everybody", actor=actor)
        with pytest.raises(DomainError, match="no active owner"):
            update_sign_in_policy(organization=organization, break_glass=sso.tenant.membership("viewer"), actor=actor)


def test_the_last_way_in_stays(required: Sso) -> None:
    with required.tenant.acting("owner") as actor:
        for attempt in (
            lambda: set_sso_enabled(connection=required.connection, enabled=False, actor=actor),
            lambda: delete_sso_connection(connection=required.connection, actor=actor),
            lambda: update_sso_connection(
                connection=required.connection, issuer="https://other.example", client_secret="x", actor=actor
            ),
        ):
            with pytest.raises(DomainError, match="requires single sign-on"):
                attempt()
    assert required.sign_in().browser.get("/o/acme/").status_code == 200


def test_only_who_manages_the_policy_changes_it(proven: Sso) -> None:
    for role in ("admin", "member", "viewer", "auditor"):
        with proven.tenant.acting(role) as actor:
            with pytest.raises(MissingPermission):
                update_sign_in_policy(organization=proven.tenant.organization, actor=actor, session_hours=1)
            with pytest.raises(MissingPermission):
                add_sign_in_exception(membership=proven.tenant.membership("viewer"), reason="Because", actor=actor)
