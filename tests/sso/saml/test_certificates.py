"""People are told in time that a certificate expires, once for each day-mark."""

import pytest
from django.core import mail

from accounts.tasks import watch_certificates
from tests.people import Tenant
from tests.sso.saml.provider import SamlIdp, key_pair
from tests.sso.saml.stage import Saml, connect_saml
from tests.tenants.stage import events


def told() -> list[str]:
    return sorted(address for message in mail.outbox for address in message.to)


@pytest.mark.parametrize(("days", "expected"), [(400, 0), (31, 0), (29, 1), (6, 1), (0, 1), (-2, 1)])
def test_who_manages_single_sign_on_is_told_once(acme: Tenant, idp: SamlIdp, days: int, expected: int) -> None:
    idp.keys = [key_pair(f"lasts {days}", days=days)]
    connect_saml(acme, idp)
    watch_certificates()
    watch_certificates()
    assert told() == (["admin@acme.example", "owner@acme.example"] if expected else [])
    assert len(events(acme, "sso_connection.certificate_expires")) == expected


def test_other_organizations_hear_nothing(acme: Tenant, globex: Tenant, idp: SamlIdp) -> None:
    idp.keys = [key_pair("lasts 6", days=6)]
    connect_saml(acme, idp)
    watch_certificates()
    assert events(globex, "sso_connection.certificate_expires") == []
    assert not [address for address in told() if "globex" in address]


def test_the_mail_says_what_to_do(saml: Saml, idp: SamlIdp) -> None:
    idp.keys = [key_pair("lasts 6", days=6)]
    connect_saml(saml.tenant, idp, name="Contractors")
    watch_certificates()
    (message, *_) = mail.outbox
    assert message.subject == "Acme: a certificate of Contractors expires in 6 days"
    assert "give its new metadata to the connection" in message.body
