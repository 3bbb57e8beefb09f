"""People sign in, sign up and join with accounts at social providers."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.models import User
from accounts.services.users import set_user_active
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Membership
from tenants.services.installation import update_installation_settings
from tenants.services.invitations import SentInvitation, invite_member, revoke_invitation
from tests.accounts.log import of_installation
from tests.accounts.test_signup import confirm
from tests.people import PASSWORD, Tenant, make_user, signed_in
from tests.social.github import GitHub
from tests.social.stage import Social, connected, identities, user_of
from tests.sso.hostile import Hostile
from tests.sso.stage import connect, verify_domain
from tests.tenants.stage import events

pytestmark = pytest.mark.django_db
GRACE = "grace@example.org"


@pytest.fixture
def invitation(acme: Tenant) -> SentInvitation:
    with acme.acting("owner") as actor:
        return invite_member(
            organization=acme.organization, email="guest@acme.example", role=acme.role("viewer"), actor=actor
        )


@pytest.fixture
def sso_of_acme(acme: Tenant, idp: Hostile) -> None:
    verify_domain(acme)
    connect(acme, idp)


def replace_subject(social: Social, subject: str) -> Social:
    social.authorize.__self__.claims |= {"sub": subject}
    return social


def test_an_equal_address_connects_nothing(google: Social, idp: Hostile) -> None:
    """Whoever gets the address of a login at a provider, or the address itself, is not its person."""
    make_user("grace@gmail.com")
    idp.claims |= {"email": "grace@gmail.com"}
    response = google.sign_in()
    assert (response.status_code, user_of(response)) == (403, None)
    assert "sign in as you do otherwise, then connect Google on your profile page" in response.text
    assert identities() == []
    (refused,) = of_installation("social.sign_in_refused")
    assert (refused.outcome, refused.target_label, refused.after) == ("failed", "Google", {"who": "grace@gmail.com"})


@pytest.mark.parametrize("is_known", [True, False])
def test_where_sign_up_is_closed_nobody_learns_who_has_a_login(google: Social, is_known: bool) -> None:
    update_installation_settings(actor=SYSTEM, signup_enabled=False)
    if is_known:
        make_user(GRACE)
    response = google.sign_in()
    assert response.status_code == 403
    assert "No account here is connected with this account of Google" in response.text
    assert "grace" not in response.text.lower()


def test_a_further_proven_address_is_somebodys_too(google: Social, acme: Tenant) -> None:
    EmailAddress.objects.create(user=acme.viewer, email=GRACE, verified=True, primary=False)
    assert google.sign_in().status_code == 403
    assert not User.objects.filter(email=GRACE).exists()


@pytest.mark.parametrize("claims", [{"email": "grace@gmail.com"}, {"email": GRACE, "hd": "example.org"}])
def test_google_speaks_for_the_mailboxes_that_it_runs(google: Social, idp: Hostile, claims: dict[str, Any]) -> None:
    idp.claims |= claims
    response = google.sign_in(next="/organizations/new/")
    assert (response["Location"], user_of(response)) == ("/organizations/new/", claims["email"])
    assert EmailAddress.objects.get(user__email=claims["email"]).verified
    assert mail.outbox == []
    user = User.objects.get(email=claims["email"])
    assert (user.name, user.has_usable_password()) == ("Grace Hopper", False)
    assert [event.action for event in of_installation(actor_id=user.pk)] == [
        "user.created",
        "social_identity.linked",
        "user.signed_in",
        "user.device_added",
    ]
    assert of_installation("user.signed_in")[0].after == {"methods": ["Google"]}


@pytest.mark.parametrize("hosted", [None, "other.example", "example.org.evil.example", ["example.org"]])
def test_another_address_takes_a_mail_of_ours(google: Social, idp: Hostile, hosted: Any) -> None:
    idp.claims |= {"hd": hosted}
    browser = Client()
    response = google.sign_in(browser)
    assert (response["Location"], user_of(response)) == ("/accounts/confirm-email/", None)
    assert not EmailAddress.objects.get(user__email=GRACE).verified
    assert google.sign_in(Client())["Location"] == "/accounts/confirm-email/", "not before it is confirmed"
    (held_up,) = of_installation("user.sign_in_failed")
    assert held_up.reason == "The e-mail address is not confirmed yet"
    google.sign_in(browser)
    confirm(browser)
    assert browser.session["_auth_user_id"] == str(User.objects.get(email=GRACE).pk)
    assert user_of(google.sign_in()) == GRACE


def test_gitlab_and_github_speak_for_no_mailbox(gitlab: Social, github: Social, idp: Hostile) -> None:
    idp.claims |= {"email": "grace@gmail.com", "hd": "gmail.com"}
    for social in (gitlab, github):
        assert social.sign_in()["Location"] == "/accounts/confirm-email/"
    assert not EmailAddress.objects.filter(verified=True).exists()
    assert [email for email, _, _ in identities()] == ["grace@gmail.com", "octo@example.org"]


def test_a_newcomer_joins_the_default_organization_once_their_address_is_proven(google: Social, acme: Tenant) -> None:
    update_installation_settings(actor=SYSTEM, default_organization_id=acme.organization.pk, default_role="viewer")
    browser = Client()
    google.sign_in(browser)
    assert not User.objects.get(email=GRACE).has_usable_password()
    with tenant_scope(acme.organization):
        assert not Membership.objects.filter(user__email=GRACE).exists()
    confirm(browser)
    with tenant_scope(acme.organization):
        assert Membership.objects.filter(user__email=GRACE).exists()


@pytest.mark.parametrize("verified", [False, None, "false", 1])
def test_an_address_that_the_provider_has_not_confirmed_makes_no_login(
    google: Social, idp: Hostile, verified: Any
) -> None:
    idp.claims |= {"email_verified": verified}
    response = google.sign_in()
    assert response.status_code == 403
    assert "Confirm your primary address there" in response.text
    assert not User.objects.filter(email=GRACE).exists()


@pytest.mark.parametrize(
    "emails",
    [
        [{"email": "octo@example.org", "primary": True, "verified": False}],
        [{"email": "octo@example.org", "primary": False, "verified": True}],
        [{"email": "octo@example.org", "primary": "true", "verified": "true"}],
        [{"email": "octo@localhost", "primary": True, "verified": True}],
        [{"email": '"octo@evil"@example.org', "primary": True, "verified": True}],
        [{"email": ["octo@example.org"], "primary": True, "verified": True}],
        ["octo@example.org"],
        {"message": "no"},
        [],
    ],
)
def test_at_github_the_primary_address_counts_when_it_is_confirmed(github: Social, octo: GitHub, emails: Any) -> None:
    octo.emails = emails
    assert github.sign_in().status_code == 403
    assert User.objects.count() == 0


def test_the_subject_counts_not_the_address(google: Social, idp: Hostile, acme: Tenant) -> None:
    connected(google, acme.viewer)
    idp.claims |= {"email": "owner@acme.example", "email_verified": True, "hd": "acme.example"}
    assert user_of(google.sign_in()) == "viewer@acme.example"


def test_a_session_reaches_everything_of_its_person(google: Social, operator: User, acme: Tenant) -> None:
    connected(google, operator)
    response = google.sign_in()
    assert response.client.get("/admin/").status_code == 200
    assert response.client.get("/accounts/profile/").status_code == 200
    assert (
        response.client.session["account_authentication_methods"][-1].items()
        >= {
            "method": "social",
            "provider": "google",
        }.items()
    )
    connected(replace_subject(google, "g-2"), acme.viewer)
    assert user_of(google.sign_in()) == "viewer@acme.example"
    (came,) = events(acme, "user.signed_in")[-1:]
    assert came.after == {"methods": ["Google"]}


def test_a_deactivated_login_stays_shut(google: Social, operator: User, acme: Tenant) -> None:
    connected(google, acme.viewer)
    set_user_active(user=acme.viewer, active=False, actor=SYSTEM)
    response = google.sign_in()
    assert (response["Location"], user_of(response)) == ("/accounts/inactive/", None)


def test_somebody_invited_joins_without_a_mail(google: Social, acme: Tenant, invitation: SentInvitation) -> None:
    update_installation_settings(actor=SYSTEM, signup_enabled=False)
    browser = Client()
    page = browser.get(f"/invitations/{invitation.token}/")
    assert "Join with Google" in page.text
    begun = browser.get(f"/invitations/{invitation.token}/with/google/")
    response = browser.get(google.back(begun["Location"]))
    assert (response["Location"], user_of(response)) == ("/o/acme/", "guest@acme.example")
    assert identities() == [("guest@acme.example", "google", "g-1")]
    assert EmailAddress.objects.get(user__email="guest@acme.example").verified
    with acme.acting("owner"):
        assert Membership.objects.get(user__email="guest@acme.example").role.key == "viewer"
    assert invitation.token not in str(dict(browser.session.items()))


def test_an_invitation_that_was_revoked_meanwhile_makes_no_login(
    google: Social, acme: Tenant, invitation: SentInvitation
) -> None:
    browser = Client()
    back = google.back(browser.get(f"/invitations/{invitation.token}/with/google/")["Location"])
    with acme.acting("owner") as actor:
        revoke_invitation(invitation=invitation.invitation, actor=actor)
    response = browser.get(back)
    assert (response.status_code, user_of(response)) == (403, None)
    assert User.objects.filter(email__startswith="guest").count() == len(identities()) == 0


def test_an_invited_address_with_a_login_is_not_joined_by_an_account(
    google: Social, acme: Tenant, invitation: SentInvitation
) -> None:
    browser = Client()
    back = google.back(browser.get(f"/invitations/{invitation.token}/with/google/")["Location"])
    make_user("guest@acme.example")
    assert browser.get(back).status_code == 403
    assert (
        browser.get(f"/invitations/{invitation.token}/with/google/")["Location"] == f"/invitations/{invitation.token}/"
    )
    assert Client().get("/invitations/made-up/with/google/").status_code == 404
    assert identities() == []


def test_whoever_is_known_signs_in_on_the_way_to_an_invitation(
    google: Social, acme: Tenant, stranger: User, invitation: SentInvitation
) -> None:
    connected(google, stranger)
    browser = Client()
    response = browser.get(google.back(browser.get(f"/invitations/{invitation.token}/with/google/")["Location"]))
    assert user_of(response) == stranger.email
    with acme.acting("owner"):
        assert not Membership.objects.filter(user=stranger).exists()


def test_who_made_a_login_with_a_foreign_address_is_out_once_its_owner_resets_the_password(
    github: Social, octo: GitHub
) -> None:
    github.sign_in()
    assert identities() == [("octo@example.org", "github", "583231")]
    victim = Client()
    victim.post("/accounts/password/reset/", {"email": "octo@example.org"})
    (link,) = re.findall(r"http://testserver(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    form = victim.get(link)["Location"]
    victim.post(form, {"password1": PASSWORD, "password2": PASSWORD})
    assert User.objects.get(email="octo@example.org").has_usable_password()
    assert identities() == []
    (ended,) = of_installation("social_identity.unlinked")
    assert ended.reason == "Connected before anybody had proved the address"


def test_a_reset_takes_nothing_that_was_connected_later(google: Social, acme: Tenant) -> None:
    connected(google, acme.viewer)
    browser = Client()
    browser.post("/accounts/password/reset/", {"email": acme.viewer.email})
    (link,) = re.findall(r"http://testserver(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    browser.post(browser.get(link)["Location"], {"password1": PASSWORD, "password2": PASSWORD})
    assert identities() == [(acme.viewer.email, "google", "g-1")]


def test_buttons_stand_where_a_provider_is_configured(google: Social, offered: dict[str, Any], acme: Tenant) -> None:
    link = "/accounts/social/google/start/"
    assert f'href="{link}?next=/o/acme/"' in Client().get("/accounts/login/?next=/o/acme/").text
    assert f'href="{link}"' in Client().get("/accounts/signup/").text
    assert "Connect Google" in signed_in(acme.viewer).get("/accounts/profile/").text
    del offered["google"]
    for page in (Client().get("/accounts/login/"), signed_in(acme.viewer).get("/accounts/profile/")):
        assert "social" not in page.text
    assert Client().get(link).status_code == 404


def test_the_list_of_providers_tells_nothing_of_organizations(google: Social, sso_of_acme: None) -> None:
    page = Client().get("/accounts/login/").text
    assert "acme" not in page.lower()
    assert "Corporate" not in page
