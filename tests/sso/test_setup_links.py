"""A link that lets somebody who is no member set up one connection, and nothing else."""

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import SsoConnection, SsoIdentity, SsoSetupLink
from accounts.services.sso_connections import (
    delete_sso_connection,
    set_sso_enabled,
    unlink_identity,
    update_sso_connection,
)
from accounts.services.sso_groups import add_group_mapping
from accounts.services.sso_setup import (
    IssuedSetupLink,
    create_setup_link,
    holder_of,
    revoke_setup_link,
    set_up_connection,
)
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from portal.logs import LinkTokenFilter
from tenants.models import Group, Membership
from tenants.permissions import PERMISSIONS, P
from tenants.services.groups import create_group
from tests.people import Tenant, signed_in
from tests.sso.hostile import Hostile
from tests.sso.saml.provider import SamlIdp
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET, Sso, connect
from tests.tenants.stage import events

RECIPIENT = "it@partner.example"
AGO = {
    "expired": "UPDATE accounts_ssosetuplink SET expires_at = now() - interval '1 second'",
    "suspended": "UPDATE tenants_organization SET suspended_at = now() - interval '1 second'",
}


def made(tenant: Tenant, **values: Any) -> IssuedSetupLink:
    """Return a new link of the tenant's owner."""
    with tenant.acting("owner") as actor:
        return create_setup_link(organization=tenant.organization, recipient=RECIPIENT, actor=actor, **values)


def path_of(issued: IssuedSetupLink) -> str:
    """Return the path of the link's address."""
    return f"/sso/setup/{issued.token}/"


def opened(issued: IssuedSetupLink, browser: Client | None = None) -> Client:
    """Return a browser that has opened the link."""
    browser = browser or Client()
    response = browser.get(path_of(issued))
    assert response.status_code == 302, response.content.decode()
    assert response.headers["Location"] == home_of(issued)
    return browser


def home_of(issued: IssuedSetupLink) -> str:
    return f"/sso/setup/{issued.link.pk}/"


def answers(idp: Hostile, **values: str) -> dict[str, str]:
    """Return what the provider gave."""
    given = {"issuer": idp.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    names = {"scopes": "openid email profile", "email_claim": "email", "name_claim": "name", "external_id_claim": "sub"}
    return {**given, **names, **values}


def filled_in(browser: Client, issued: IssuedSetupLink, idp: Hostile, **values: str) -> Any:
    """Return the answer to the form of an OpenID connection."""
    return browser.post(f"{home_of(issued)}connection/?provider=okta&protocol=oidc", answers(idp, **values))


def stored(tenant: Tenant) -> SsoConnection:
    with tenant_scope(tenant.organization):
        connection: SsoConnection = SsoConnection.objects.get()
        return connection


def stored_link(tenant: Tenant) -> SsoSetupLink:
    with tenant_scope(tenant.organization):
        link: SsoSetupLink = SsoSetupLink.objects.select_related("organization", "connection").get()
        return link


@pytest.fixture
def issued(acme: Tenant) -> IssuedSetupLink:
    return made(acme)


@pytest.fixture
def holder(issued: IssuedSetupLink) -> Client:
    return opened(issued)


def test_another_organizations_link_reaches_nothing_here(
    issued: IssuedSetupLink, globex: Tenant, idp: Hostile, other_idp: Hostile
) -> None:
    theirs = made(globex)
    browser = opened(theirs)
    for page in ("", "connection/", "test/"):
        assert browser.get(f"{home_of(issued)}{page}").status_code == 404, page
    for page in ("connection/?provider=okta&protocol=oidc", "refresh/", "finish/"):
        assert browser.post(f"{home_of(issued)}{page}", answers(other_idp)).status_code == 404, page
    assert filled_in(browser, theirs, other_idp).status_code == 302
    assert stored(globex).issuer == other_idp.issuer
    with tenant_scope(issued.link.organization):
        assert not SsoConnection.objects.exists()
    with tenant_scope(issued.link.organization), pytest.raises(DomainError):
        set_up_connection(link=theirs.link, protocol="oidc", provider="okta")


def test_a_handle_without_the_token_opens_nothing(issued: IssuedSetupLink, holder: Client) -> None:
    assert holder.get(home_of(issued)).status_code == 200
    stranger = Client()
    for page in ("", "connection/", "test/", f"tests/{issued.link.pk}/"):
        assert stranger.get(f"{home_of(issued)}{page}").status_code == 404, page
    assert stranger.post(f"{home_of(issued)}finish/").status_code == 404


def test_guesses_look_alike(issued: IssuedSetupLink) -> None:
    guess = issued.token[:-1] + ("A" if issued.token[-1] != "A" else "B")
    pages = [Client().get(f"/sso/setup/{token}/") for token in (guess, "x", "ü" * 43, str(SYSTEM))]
    assert [page.status_code for page in pages] == [404] * 4
    shown = {re.sub(r'(nonce|csrf\w*)="[^"]+"', "", page.content.decode()) for page in pages}
    assert len(shown) == 1
    assert "acme" not in shown.pop().lower()


def test_guessing_is_limited_by_address(issued: IssuedSetupLink, settings: Any) -> None:
    settings.API_RATE_PER_ADDRESS = 2
    assert [Client().get("/sso/setup/guess/").status_code for _ in range(3)] == [404, 404, 429]
    assert Client().get(path_of(issued)).status_code == 429


def test_the_authority_is_one_connection(acme: Tenant, idp: Hostile, issued: IssuedSetupLink) -> None:
    other = connect(acme, idp, name="Another", enabled=False).connection
    with tenant_scope(acme.organization):
        before = holder_of(issued.link)
        assert before.can(P.SSO_MANAGE, acme.organization), "to make it"
        connection = set_up_connection(
            link=issued.link, protocol="oidc", provider="okta", issuer=idp.issuer, client_id="c", client_secret=""
        )
        actor = holder_of(SsoSetupLink.objects.get())
        held = {name for name in PERMISSIONS if actor.can(name, connection)}
        assert held == {P.SSO_MANAGE}
        elsewhere: list[Any] = [None, acme.organization, acme.project, other, acme.membership("owner")]
        for obj in elsewhere:
            assert not [name for name in PERMISSIONS if actor.can(name, obj)], obj
        assert not [name for name in PERMISSIONS if actor.authority.allows_somewhere(name)]
        assert not [name for name in PERMISSIONS if actor.authority.allows_everywhere(name)]
        assert not Membership.objects.filter(actor.authority.projects_where(P.SSO_MANAGE)).exists()


def test_the_services_refuse_the_holder_everything_else(acme: Tenant, idp: Hostile, issued: IssuedSetupLink) -> None:
    other = connect(acme, idp, name="Another", enabled=False).connection
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        create_group(organization=acme.organization, name="Crew", actor=SYSTEM)
        set_up_connection(
            link=issued.link, protocol="oidc", provider="okta", issuer=idp.issuer, client_id="c", client_secret=""
        )
        link = SsoSetupLink.objects.get()
        actor, connection = holder_of(link), link.connection
        refused: list[Any] = [
            lambda: set_sso_enabled(connection=connection, enabled=True, actor=actor),
            lambda: set_sso_enabled(connection=other, enabled=True, actor=actor),
            lambda: delete_sso_connection(connection=connection, actor=actor),
            lambda: update_sso_connection(connection=other, actor=actor, name_claim="x"),
            lambda: add_group_mapping(connection=connection, value="x", group=Group.objects.get(), actor=actor),
            lambda: create_setup_link(organization=acme.organization, recipient="x", actor=actor),
            lambda: revoke_setup_link(link=link, actor=actor),
        ]
        for attempt in refused:
            with pytest.raises(MissingPermission):
                attempt()
        for name in ("name", "joining", "role", "groups_claim", "allows_idp_initiated", "is_enabled"):
            with pytest.raises(TypeError):
                set_up_connection(link=link, protocol="oidc", **{name: "x"})
        assert not SsoConnection.objects.filter(is_enabled=True).exists()


def test_an_identity_is_not_the_holders_to_forget(acme: Tenant, sso: Sso, issued: IssuedSetupLink) -> None:
    sso.sign_in()
    with tenant_scope(acme.organization), pytest.raises(MissingPermission):
        unlink_identity(identity=SsoIdentity.objects.get(), actor=holder_of(issued.link))


def test_the_holder_has_no_session_of_anybody(
    acme: Tenant, issued: IssuedSetupLink, holder: Client, idp: Hostile
) -> None:
    filled_in(holder, issued, idp)
    connection = stored(acme)
    for path in ("/o/acme/", f"/o/acme/accounts/ssoconnection/{connection.pk}/change/", "/accounts/profile/"):
        assert holder.get(path).status_code == 302, path
    assert holder.get("/api/v1/organizations/acme/sso/connections").status_code == 401
    assert "_auth_user_id" not in holder.session


def test_a_link_from_the_first_opening_to_the_mail(
    acme: Tenant, idp: Hostile, issued: IssuedSetupLink, django_capture_on_commit_callbacks: Any
) -> None:
    idp.claims |= {"sub": "c-1", "email": "contact@partner.example", "name": "Con Tact"}
    browser = opened(issued)
    assert "Set up single sign-on for Acme" in browser.get(home_of(issued)).content.decode()
    chosen = browser.get(home_of(issued), {"provider": "okta", "protocol": "oidc"})
    assert chosen.headers["Location"] == f"{home_of(issued)}connection/?provider=okta&protocol=oidc"
    page = browser.get(chosen.headers["Location"]).content.decode()
    assert f"/sso/{issued.link.reserved_id}/callback/" in page
    assert "In the Admin Console open Applications" in page
    assert filled_in(browser, issued, idp).status_code == 302
    connection = stored(acme)
    assert (connection.pk, connection.name, connection.is_enabled) == (issued.link.reserved_id, "Okta", False)
    assert (connection.joining, connection.role_id, connection.created_by) == (
        "known",
        None,
        f"Set-up link for {RECIPIENT}",
    )

    stage = Sso(acme, idp, connection)
    back = browser.get(stage.leave(browser, start=f"{home_of(issued)}test/"))
    (login,) = stage.logins()
    assert back.headers["Location"] == f"{home_of(issued)}tests/{login.pk}/"
    shown = browser.get(back.headers["Location"]).content.decode()
    assert "Test passed" in shown
    assert "contact@partner.example" in shown
    assert login.is_test
    assert login.succeeded
    assert "_auth_user_id" not in browser.session
    assert stage.identities() == []

    with django_capture_on_commit_callbacks(execute=True):
        assert "ready to be switched on" in browser.post(f"{home_of(issued)}finish/").content.decode()
    to = {message.to[0] for message in mail.outbox}
    assert to == {acme.owner.email, acme.admin.email}
    assert "Its last test passed." in mail.outbox[0].body
    assert idp.issuer in mail.outbox[0].body
    assert browser.get(home_of(issued)).status_code == 410
    told = [event for event in events(acme) if event.action.startswith(("sso_setup_link.", "sso_connection."))]
    assert [event.action for event in told] == [
        "sso_setup_link.created",
        "sso_setup_link.opened",
        "sso_connection.created",
        "sso_setup_link.finished",
    ]
    assert {event.actor_label for event in told[1:]} == {f"Set-up link for {RECIPIENT}"}
    assert {event.actor_id for event in told[1:]} == {issued.link.pk}
    assert told[1].ip == "127.0.0.1"


def test_a_test_tells_nothing_of_who_is_a_member(
    acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client
) -> None:
    filled_in(holder, issued, idp)
    stage = Sso(acme, idp, stored(acme))
    pages = []
    for email in (acme.owner.email, acme.member.email, "nobody@acme.example"):
        idp.claims |= {"sub": "x", "email": email}
        back = holder.get(stage.leave(holder, start=f"{home_of(issued)}test/"))
        page = holder.get(back.headers["Location"]).content.decode()
        page = page[page.index("<h1>") : page.index("<form")].replace(email, "SOMEBODY")
        pages.append(re.sub(r"\b\d{10}\b", "a second", page))
    assert "Test passed" in pages[0]
    assert len(set(pages)) == 1


def test_a_failed_test_says_why(acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client) -> None:
    filled_in(holder, issued, idp, email_claim="mail")
    stage = Sso(acme, idp, stored(acme))
    back = holder.get(stage.leave(holder, start=f"{home_of(issued)}test/"))
    page = holder.get(back.headers["Location"]).content.decode()
    assert "Test failed" in page
    assert "There is no e-mail address in “mail”." in page


def test_only_the_browser_that_tested_sees_the_outcome(
    acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client
) -> None:
    filled_in(holder, issued, idp)
    stage = Sso(acme, idp, stored(acme))
    owner = signed_in(acme.owner)
    owner.get(stage.leave(owner, start=f"/o/acme/sso/{stage.connection.pk}/test/"))
    (login,) = stage.logins()
    assert holder.get(f"{home_of(issued)}tests/{login.pk}/").status_code == 404


def test_the_secret_is_never_shown(acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client) -> None:
    refused = filled_in(holder, issued, idp, issuer="https://elsewhere.invalid")
    assert refused.status_code == 422
    filled_in(holder, issued, idp)
    page = holder.get(f"{home_of(issued)}connection/")
    for response in (refused, page):
        assert CLIENT_SECRET not in response.content.decode()
        assert "s3cret" not in response.content.decode()
    filled_in(holder, issued, idp, client_secret="", name_claim="display")
    with tenant_scope(acme.organization):
        kept = SsoConnection.objects.get()
        assert (kept.client_secret.reveal(), kept.name_claim) == (CLIENT_SECRET, "display")
    again = filled_in(holder, issued, idp, client_secret="", issuer=f"{idp.issuer}/x")
    assert again.status_code == 422
    assert stored(acme).issuer == idp.issuer
    assert not [event for event in events(acme) if "s3cret" in str((event.before, event.after))]


def test_the_token_is_nowhere_afterwards(
    acme: Tenant, idp: Hostile, issued: IssuedSetupLink, superuser: Any, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Client()
    entry = browser.get(path_of(issued))
    assert entry.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in entry.headers["Cache-Control"]
    assert issued.token not in entry.headers["Location"]
    assert issued.token not in str(dict(browser.session))
    filled_in(browser, issued, idp)
    for page in ("", "connection/"):
        response = browser.get(f"{home_of(issued)}{page}", follow=True)
        assert issued.token not in response.content.decode()
        assert "no-store" in response.headers["Cache-Control"]
    rows = superuser.execute("SELECT t::text FROM audit_event t UNION ALL SELECT t::text FROM accounts_ssosetuplink t")
    assert issued.token not in "".join(text for (text,) in rows.fetchall())
    digest = bytes(stored_link(acme).token_digest).hex()
    assert digest not in "".join(str((event.before, event.after)) for event in events(acme))
    assert issued.token not in repr(issued)
    record = logging.LogRecord("granian.access", logging.INFO, "", 0, f"GET {path_of(issued)} 302", None, None)
    LinkTokenFilter().filter(record)
    assert record.getMessage() == "GET /sso/setup/***/ 302"
    assert issued.token not in caplog.text


def test_a_form_of_another_site_changes_nothing(acme: Tenant, idp: Hostile, issued: IssuedSetupLink) -> None:
    browser = opened(issued, Client(enforce_csrf_checks=True))
    for page in ("connection/?provider=okta&protocol=oidc", "refresh/", "finish/"):
        assert browser.post(f"{home_of(issued)}{page}", answers(idp)).status_code == 403, page
    assert stored_link(acme).state == "open"
    assert stored_link(acme).connection is None
    for page in ("refresh/", "finish/"):
        assert browser.get(f"{home_of(issued)}{page}").status_code == 405, page


@pytest.mark.parametrize("state", ["expired", "revoked", "finished", "suspended"])
def test_a_closed_link_opens_nothing(
    acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client, superuser: Any, state: str
) -> None:
    filled_in(holder, issued, idp)
    if state == "revoked":
        with acme.acting("owner") as actor:
            revoke_setup_link(link=issued.link, actor=actor)
    elif state == "finished":
        holder.post(f"{home_of(issued)}finish/")
    else:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(AGO[state])
        superuser.execute("SET session_replication_role = origin")
    before = len(events(acme, "sso_setup_link.opened"))
    page = Client().get(path_of(issued))
    assert page.status_code == 410
    assert "opens nothing any more" in page.content.decode()
    assert "Acme" not in page.content.decode()
    for path in ("", "connection/", "test/"):
        assert holder.get(f"{home_of(issued)}{path}").status_code == 410, path
    changed = filled_in(holder, issued, idp, name_claim="x")
    assert (changed.status_code, stored(acme).name_claim) == (410, "name")
    assert len(events(acme, "sso_setup_link.opened")) == before


def test_a_connection_that_was_switched_on_is_out_of_reach(
    acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client, other_idp: Hostile
) -> None:
    filled_in(holder, issued, idp)
    for enabled in (True, False):
        with acme.acting("owner") as actor:
            set_sso_enabled(connection=stored(acme), enabled=enabled, actor=actor)
        page = filled_in(holder, issued, other_idp)
        assert page.status_code == 410
        assert "has been switched on" in page.content.decode()
        assert stored(acme).issuer == idp.issuer
        with tenant_scope(acme.organization), pytest.raises(DomainError, match="switched on"):
            set_up_connection(link=issued.link, protocol="oidc", issuer=other_idp.issuer, client_secret="")


def test_it_goes_on_in_another_browser_and_each_opening_is_told(
    acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client
) -> None:
    filled_in(holder, issued, idp)
    second = opened(issued, Client(REMOTE_ADDR="192.0.2.7"))
    assert idp.issuer in second.get(f"{home_of(issued)}connection/").content.decode()
    assert [event.ip for event in events(acme, "sso_setup_link.opened")] == ["127.0.0.1", "192.0.2.7"]


def test_a_link_makes_one_connection(acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client) -> None:
    filled_in(holder, issued, idp)
    filled_in(holder, issued, idp, name_claim="display")
    assert stored(acme).name_claim == "display"
    assert holder.get(home_of(issued)).headers["Location"] == f"{home_of(issued)}connection/"


def test_a_taken_name_is_not_told(acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client) -> None:
    connect(acme, idp, name="okta", enabled=False)
    assert filled_in(holder, issued, idp).status_code == 302
    with tenant_scope(acme.organization):
        assert sorted(SsoConnection.objects.values_list("name", flat=True)) == ["Okta 2", "okta"]


def test_nothing_is_finished_or_tested_before_it_is_there(
    issued: IssuedSetupLink, holder: Client, acme: Tenant
) -> None:
    for response in (
        holder.post(f"{home_of(issued)}finish/", follow=True),
        holder.post(f"{home_of(issued)}refresh/", follow=True),
        holder.get(f"{home_of(issued)}test/", follow=True),
    ):
        assert "first." in response.content.decode()
    assert stored_link(acme).state == "open"


def test_the_link_goes_with_its_connection(acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client) -> None:
    filled_in(holder, issued, idp)
    with acme.acting("owner") as actor:
        delete_sso_connection(connection=stored(acme), actor=actor)
    assert holder.get(home_of(issued)).status_code == 404
    assert Client().get(path_of(issued)).status_code == 404


def test_the_provider_is_asked_again(acme: Tenant, idp: Hostile, issued: IssuedSetupLink, holder: Client) -> None:
    filled_in(holder, issued, idp)
    before = stored(acme).metadata_at
    page = holder.post(f"{home_of(issued)}refresh/", follow=True).content.decode()
    assert "up to date" in page
    after = stored(acme).metadata_at
    assert before
    assert after
    assert after > before


def test_saml_by_a_link(acme: Tenant, issued: IssuedSetupLink, holder: Client) -> None:
    idp = SamlIdp("https://idp.example/saml")
    form = f"{home_of(issued)}connection/?provider=entra&protocol=saml"
    page = holder.get(form).content.decode()
    assert f"/sso/{issued.link.reserved_id}/saml/acs/" in page
    names = {"email_claim": "mail", "name_claim": "name", "external_id_claim": "sub"}
    assert holder.post(form, names).status_code == 422
    assert holder.post(form, {**names, "metadata_xml": idp.metadata()}).status_code == 302
    connection = stored(acme)
    assert (connection.protocol, connection.issuer, connection.email_claim) == ("saml", idp.entity_id, "mail")
    assert "Download metadata" in holder.get(f"{home_of(issued)}connection/").content.decode()
    changed = holder.post(f"{home_of(issued)}connection/?provider=okta&protocol=oidc", {**names, "name_claim": "cn"})
    assert changed.status_code == 302
    assert (stored(acme).protocol, stored(acme).name_claim, stored(acme).provider) == ("saml", "cn", "entra")


@pytest.mark.parametrize("role", ["member", "viewer", "auditor", "none"])
def test_a_link_is_made_by_who_manages_single_sign_on(acme: Tenant, role: str, issued: IssuedSetupLink) -> None:
    with acme.acting(role) as actor:
        with pytest.raises(MissingPermission):
            create_setup_link(organization=acme.organization, recipient=RECIPIENT, actor=actor)
        with pytest.raises(MissingPermission):
            revoke_setup_link(link=issued.link, actor=actor)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"days": 0}, "invalid"),
        ({"days": 8}, "invalid"),
        ({"recipient": "  "}, "required"),
        ({"recipient": "x" * 255}, "too_long"),
    ],
)
def test_values_that_are_refused(acme: Tenant, values: dict[str, Any], code: str) -> None:
    with acme.acting("owner") as actor, pytest.raises(DomainError) as refused:
        create_setup_link(**{"organization": acme.organization, "recipient": RECIPIENT, "actor": actor, **values})
    assert refused.value.code == code


def test_a_link_counts_for_days(acme: Tenant) -> None:
    left = made(acme).link.expires_at - timezone.now()
    assert timedelta(days=2, hours=23) < left <= timedelta(days=3)
    left = made(acme, days=7).link.expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)


def test_there_are_so_many_open_links_at_most(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.services.sso_setup.MOST_OPEN", 1)
    first = made(acme)
    with pytest.raises(DomainError, match="at most"):
        made(acme)
    with acme.acting("owner") as actor:
        revoke_setup_link(link=first.link, actor=actor)
        with pytest.raises(DomainError, match="revoked already"):
            revoke_setup_link(link=first.link, actor=actor)
    made(acme)
