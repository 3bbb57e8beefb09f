"""SAML connections: metadata, our keys, what belongs to which protocol, and strangers."""

import base64
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from lxml import etree

from accounts.models import SamlKey, SsoConnection
from accounts.services.saml_keys import add_saml_key, remove_saml_key, use_saml_key
from accounts.services.sign_in_policy import update_sign_in_policy
from accounts.services.sso_connections import create_saml_connection, refresh_sso_connection, update_sso_connection
from accounts.sso.saml.xml import check_schema
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tests.accounts.admin.conftest import ONCE
from tests.accounts.factors import give_totp, prove_totp
from tests.people import Tenant, signed_in
from tests.sso.saml.provider import KeyPair, SamlIdp, Wrong, encrypt, key_pair
from tests.sso.saml.stage import Saml, connect_saml
from tests.tenants.stage import events

LIST = "/o/acme/accounts/ssoconnection/"
MD = {"md": "urn:oasis:names:tc:SAML:2.0:metadata", "ds": "http://www.w3.org/2000/09/xmldsig#"}


def change(saml: Saml, **values: Any) -> None:
    with tenant_scope(saml.tenant.organization), acting_as(SYSTEM):
        update_sso_connection(connection=saml.connection, actor=SYSTEM, **values)


def metadata_of(saml: Saml) -> Any:
    response = Client().get(saml.path("metadata"))
    assert response.headers["Content-Type"] == "application/samlmetadata+xml"
    return etree.fromstring(response.content)


def test_our_metadata_follow_the_schema(saml: Saml) -> None:
    root = metadata_of(saml)
    check_schema(root, "metadata")
    assert root.get("entityID").endswith(saml.path("metadata"))
    assert root.find("md:SPSSODescriptor", MD).get("WantAssertionsSigned") == "true"
    assert len(root.findall(".//md:KeyDescriptor", MD)) == 2


def unknown_curve() -> KeyPair:
    """Return a certificate whose key is on a curve that nobody knows."""
    pem = KeyPair("", ec_certificate()).body
    of_p256, of_none = (bytes.fromhex(f"06082a8648ce3d0301{last}") for last in ("07", "7f"))
    changed = base64.b64decode(pem).replace(of_p256, of_none)
    return KeyPair("", base64.b64encode(changed).decode())


def ec_certificate() -> str:
    """Return the certificate of a key on P-256, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=9))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


METADATA: dict[str, str] = {
    "nothing": "",
    "a page": "<html></html>",
    "an entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "a service provider": '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="x"/>',
    "no certificate": SamlIdp("https://idp.example", keys=[]).metadata(),
    "a weak key": SamlIdp("https://idp.example", keys=[key_pair("weak", bits=1024)]).metadata(),
    "an unknown curve": SamlIdp("https://idp.example", keys=[unknown_curve()]).metadata(),
    "no address": SamlIdp("https://idp.example", endpoints={}).metadata(),
    "a script as address": SamlIdp("https://idp.example").metadata().replace("https://idp.example/sso", "javascript:x"),
    "expired": SamlIdp("https://idp.example").metadata(validUntil="2020-01-01T00:00:00Z"),
    "no name": SamlIdp("").metadata(),
    "huge": "<a>" + " " * 2_000_000 + "</a>",
    "deep": "<a>" * 300 + "</a>" * 300,
}


@pytest.mark.parametrize("what", METADATA)
def test_metadata_that_cannot_be_used(acme: Tenant, what: str) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM), pytest.raises(DomainError) as error:
        create_saml_connection(organization=acme.organization, name="X", metadata_xml=METADATA[what], actor=SYSTEM)
    assert error.value.field in {"metadata_xml", "metadata_url"}
    with tenant_scope(acme.organization):
        assert not SsoConnection.objects.exists()


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/m", "https://169.254.169.254/", "file:///etc/passwd", "https://[::1]/"]
)
def test_metadata_are_fetched_from_outside_only(acme: Tenant, url: str, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    with tenant_scope(acme.organization), acting_as(SYSTEM), pytest.raises(DomainError) as error:
        create_saml_connection(organization=acme.organization, name="X", metadata_url=url, actor=SYSTEM)
    assert error.value.field == "metadata_url"


def test_a_value_of_the_other_protocol_is_refused(saml: Saml) -> None:
    for values in ({"client_id": "x"}, {"client_secret": "x"}, {"scopes": "openid"}, {"issuer": "https://x.example"}):
        with pytest.raises(DomainError):
            change(saml, **values)


def test_the_database_keeps_the_protocols_apart(saml: Saml) -> None:
    with pytest.raises(IntegrityError), tenant_scope(saml.tenant.organization), transaction.atomic():
        SsoConnection.objects.update(client_id="x")


def test_another_entity_id_is_another_name_space(saml: Saml) -> None:
    browser = saml.sign_in().browser
    other = SamlIdp("https://other.example", attributes={"email": "viewer@acme.example"})
    change(saml, metadata_xml=other.metadata())
    assert browser.get("/api/v1/organizations/acme").status_code == 401
    visit = Saml(saml.tenant, other, saml.connection).sign_in()
    assert visit.user_id == str(saml.tenant.viewer.pk)


def test_pasted_metadata_are_not_asked_for_again(saml: Saml) -> None:
    with tenant_scope(saml.tenant.organization), acting_as(SYSTEM), pytest.raises(DomainError, match="given as XML"):
        refresh_sso_connection(connection=saml.connection)


def test_our_keys_change_in_three_steps(saml: Saml) -> None:
    with tenant_scope(saml.tenant.organization), acting_as(SYSTEM):
        old = SamlKey.objects.get()
        new = add_saml_key(connection=saml.connection, actor=SYSTEM)
        with pytest.raises(DomainError, match="second key"):
            add_saml_key(connection=saml.connection, actor=SYSTEM)
        with pytest.raises(DomainError, match="signs"):
            remove_saml_key(key=old, actor=SYSTEM)
    assert len(metadata_of(saml).findall(".//md:KeyDescriptor[@use='signing']", MD)) == 2
    for key in (old, new):
        certificate = key.certificate
        assert saml.sign_in(wrong=Wrong(after=partial(encrypt, certificate=certificate))).user_id
    with tenant_scope(saml.tenant.organization), acting_as(SYSTEM):
        use_saml_key(key=new, actor=SYSTEM)
        remove_saml_key(key=old, actor=SYSTEM)
        assert list(SamlKey.objects.values_list("pk", "is_signing")) == [(new.pk, True)]
    assert saml.sign_in(wrong=Wrong(after=lambda root: encrypt(root, old.certificate))).user_id is None
    names = [len(events(saml.tenant, f"saml_key.{verb}")) for verb in ("added", "used", "removed")]
    assert names == [2, 1, 1]


def test_the_private_key_is_nowhere(saml: Saml) -> None:
    owner = signed_in(saml.tenant.owner)
    page = owner.get(f"{LIST}{saml.connection.pk}/change/").content.decode()
    told = owner.get(f"/api/v1/organizations/acme/sso/connections/{saml.connection.pk}").content.decode()
    written = str([(event.before, event.after) for event in events(saml.tenant)])
    with tenant_scope(saml.tenant.organization):
        body = SamlKey.objects.get().private_key.reveal().splitlines()[-3]  # the first lines are the public modulus
    assert not [text for text in (page, told, written) if body in text]


def test_the_subject_may_be_an_attribute(saml: Saml, idp: SamlIdp) -> None:
    change(saml, subject_attribute="employee")
    idp.attributes |= {"employee": "e-7"}
    transient = Wrong(name_format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient", name_id="any")
    assert saml.sign_in(wrong=transient).user_id
    assert saml.identities() == ["e-7"]
    del idp.attributes["employee"]
    assert saml.sign_in().user_id is None


def test_a_test_changes_nothing(acme: Tenant, idp: SamlIdp) -> None:
    from tests.sso.stage import verify_domain  # noqa: PLC0415 - only here

    verify_domain(acme)
    saml = connect_saml(acme, idp, enabled=False, joining="anybody")
    owner = signed_in(acme.owner)
    asked = saml.leave(owner, f"/o/acme/sso/{saml.connection.pk}/test/")
    back = saml.bring(owner, idp.response(asked))
    (login,) = saml.logins()
    assert back.headers["Location"] == f"/o/acme/accounts/ssologin/{login.pk}/change/"
    assert (login.is_test, login.succeeded) == (True, True)
    assert saml.identities() == []


@pytest.mark.parametrize("verb", [add_saml_key])
def test_strangers_change_nothing(saml: Saml, globex: Tenant, verb: Any) -> None:
    with globex.acting("owner") as actor, pytest.raises((MissingPermission, SsoConnection.DoesNotExist)):
        verb(connection=saml.connection, actor=actor)
    for page in ("add_key", "use_key", "remove_key", "change"):
        address = f"{LIST.replace('acme', 'globex')}{saml.connection.pk}/{page}/"
        assert signed_in(globex.owner).get(address).status_code in {302, 404}


def test_the_console_asks_for_the_protocol_first(acme: Tenant, idp: SamlIdp) -> None:
    owner = signed_in(acme.owner)
    choice = owner.get(f"{LIST}add/").content.decode()
    assert "SAML 2.0" in choice
    assert "OpenID Connect" in choice
    form = owner.get(f"{LIST}add/?protocol=saml").content.decode()
    token = ONCE.search(form)
    assert token
    assert "ACS URL" in form
    values = {
        "name": "Okta",
        "provider": "okta",
        "metadata_url": "",
        "metadata_xml": "",
        "metadata_file": SimpleUploadedFile("m.xml", idp.metadata().encode()),
        "joining": "known",
        "role": "",
        "signs_requests": "on",
        "email_claim": "email",
        "name_claim": "name",
        "external_id_claim": "sub",
        "once": token[1],
    }
    made = owner.post(f"{LIST}add/?protocol=saml", values)
    assert made.status_code == 302, made.content.decode()
    with tenant_scope(acme.organization):
        connection = SsoConnection.objects.get()
    assert (connection.protocol, connection.issuer, connection.signs_requests) == ("saml", idp.entity_id, True)
    page = owner.get(made.headers["Location"]).content.decode()
    assert "Audience URI (SP Entity ID)" in page
    assert "days left" in page


def test_the_console_begins_with_what_the_chosen_provider_sends(acme: Tenant, idp: SamlIdp) -> None:
    owner = signed_in(acme.owner)
    begun = f"{LIST}add/?protocol=saml&provider=entra"
    assert begun.replace("&", "&amp;") in owner.get(f"{LIST}add/").text
    form = owner.get(begun)
    assert "Identifier (Entity ID) and Reply URL of this page" in form.text
    assert "JumpCloud" not in form.text.partition("</details>")[2].partition("<select")[0], "no other's instructions"
    shown = form.context["adminform"].form.initial
    assert (shown["provider"], shown["email_claim"].rpartition("/")[2]) == ("entra", "emailaddress")
    token = ONCE.search(form.text)
    assert token
    typed = {"email_claim": "email", "name_claim": shown["name_claim"], "external_id_claim": "sub"}
    values = {"name": "Entra", "provider": "entra", "metadata_xml": idp.metadata(), "joining": "known", "role": ""}
    made = owner.post(begun, {**values, **typed, "once": token[1]})
    assert made.status_code == 302, made.text
    with tenant_scope(acme.organization):
        connection = SsoConnection.objects.get()
    assert {name: getattr(connection, name) for name in typed} == typed, "what was typed counts"


def test_the_page_says_what_is_still_to_do(saml: Saml) -> None:
    owner = signed_in(saml.tenant.owner)
    page = f"{LIST}{saml.connection.pk}/change/"
    steps = {step["title"]: step["done"] for step in owner.get(page).context["steps"]}
    assert list(steps.values()) == [True, True, False, True, False], steps
    saml.sign_in()
    steps = {step["title"]: step["done"] for step in owner.get(page).context["steps"]}
    assert list(steps.values()) == [True, True, True, True, False], steps
    give_totp(saml.tenant.owner)
    with saml.tenant.acting("owner") as actor:
        guard = saml.tenant.membership("owner")
        update_sign_in_policy(
            organization=saml.tenant.organization, sso_required="everybody", break_glass=guard, actor=actor
        )
    prove_totp(owner, saml.tenant.owner)
    assert owner.get(page).context["steps"] == []


def test_the_api_makes_and_shows_it(acme: Tenant, idp: SamlIdp) -> None:
    owner = signed_in(acme.owner)
    body = {"name": "SAML", "protocol": "saml", "metadata_xml": idp.metadata()}
    made = owner.post("/api/v1/organizations/acme/sso/connections", body, content_type="application/json")
    assert made.status_code == 201, made.content
    told = made.json()
    assert (told["protocol"], told["issuer"], told["redirect_uri"]) == ("saml", idp.entity_id, None)
    assert told["acs_url"].endswith(f"/sso/{told['id']}/saml/acs/")
    mixed = owner.post(
        "/api/v1/organizations/acme/sso/connections", {**body, "client_id": "x"}, content_type="application/json"
    )
    assert mixed.status_code == 422
