"""Claiming, vouching, removing: who may, which names, and what a stranger notices."""

import pytest
from django.db import DatabaseError, connection

from isolation.actor import SYSTEM, Actor, ActorKind, FullAuthority
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.models import Domain
from tenants.selectors import is_verified_domain
from tenants.services import domains
from tenants.services.domains import claim_domain, confirm_domain, remove_domain, verify_domain, withdraw_domain
from tests.people import Tenant
from tests.tenants.domains.stage import claim, proven, stored
from tests.tenants.stage import events

OPERATOR = Actor(ActorKind.OPERATOR, None, "operator@gatehouse.example", authority=FullAuthority())


def test_a_stranger_sees_and_changes_nothing(acme: Tenant, globex: Tenant, zone):
    domain = proven(acme, zone)
    with globex.acting("owner") as actor:
        assert not Domain.objects.exists()
        assert not is_verified_domain("ada@acme.example")
        for verb in (remove_domain, verify_domain):
            with pytest.raises((DomainError, MissingPermission)):
                verb(domain=domain, actor=actor)
        with pytest.raises(MissingPermission):
            claim_domain(organization=acme.organization, name="other.example", actor=actor)
    with pytest.raises(DatabaseError), tenant_scope(globex.organization), connection.cursor() as cursor:
        cursor.execute("INSERT INTO tenants_domain SELECT * FROM tenants_domain")
        cursor.execute(
            "INSERT INTO tenants_domain (id, organization_id, name, token, method, reason, problem, created_at)"
            " VALUES (gen_random_uuid(), %s, 'x.example', 't', '', '', '', now())",
            [acme.organization.pk],
        )
    assert stored(acme, domain).is_verified


@pytest.mark.parametrize("role", ["member", "viewer", "auditor", "none"])
def test_only_who_manages_domains_changes_them(acme: Tenant, zone, role: str):
    domain = claim(acme)
    zone.publish(domain)
    with acme.acting(role) as actor:
        for verb in (remove_domain, verify_domain):
            with pytest.raises(MissingPermission):
                verb(domain=domain, actor=actor)
        with pytest.raises(MissingPermission):
            claim_domain(organization=acme.organization, name="other.example", actor=actor)
        with pytest.raises(DomainError, match="operator"):
            confirm_domain(organization=acme.organization, name="other.example", reason="x", actor=actor)
        with pytest.raises(DomainError, match="operator"):
            withdraw_domain(domain=domain, reason="x", actor=actor)


def test_an_owner_cannot_vouch_for_a_domain(acme: Tenant):
    with acme.acting("owner") as actor, pytest.raises(DomainError) as refusal:
        confirm_domain(organization=acme.organization, name="acme.example", reason="It is ours", actor=actor)
    assert refusal.value.code == "operators_only"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("acme.example", "acme.example"),
        ("  ACME.Example. ", "acme.example"),
        ("mail.acme.example", "mail.acme.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("\u0430cme.example", "xn--cme-5cd.example"),  # a Cyrillic a stays one
        ("acme.co.uk", "acme.co.uk"),
        ("acme.github.io", "acme.github.io"),
        ("gmail.acme.example", "gmail.acme.example"),
    ],
)
def test_a_name_has_one_spelling(acme: Tenant, written: str, name: str):
    assert claim(acme, written).name == name
    with pytest.raises(DomainError) as refusal:
        claim(acme, written)
    assert refusal.value.code == "duplicate"


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("", "required"),
        ("  . ", "required"),
        ("acme", "invalid"),
        ("localhost", "invalid"),
        ("10.0.0.1", "invalid"),
        ("[10.0.0.1]", "invalid"),
        ("::1", "invalid"),
        ("acme.123", "invalid"),
        ("ada@acme.example", "invalid"),
        ("https://acme.example/", "invalid"),
        ("acme..example", "invalid"),
        (".acme.example", "invalid"),
        ("acme.example..", "invalid"),
        ("-acme.example", "invalid"),
        ("acme_.example", "invalid"),
        ("ac me.example", "invalid"),
        ("acme.example\n.x", "invalid"),
        ("acme\x00.example", "invalid"),
        ("*.acme.example", "invalid"),
        ("\uff41cme.example", "invalid"),  # full width
        ("acme\u3002example", "invalid"),  # an ideographic full stop
        ("\u212aelvin.example", "invalid"),  # the Kelvin sign lowers to a k
        ("xn--zzzz.example", "invalid"),
        (f"{'a' * 64}.example", "invalid"),
        (f"{'a.' * 130}example", "invalid"),
        ("com", "invalid"),
        ("co.uk", "public_suffix"),
        ("github.io", "public_suffix"),
        ("s3.amazonaws.com", "public_suffix"),
        ("gmail.com", "public_mail_domain"),
        ("Googlemail.com", "public_mail_domain"),
        ("outlook.com", "public_mail_domain"),
        ("hotmail.co.uk", "public_mail_domain"),
        ("live.nl", "public_mail_domain"),
        ("yahoo.com", "public_mail_domain"),
        ("yahoo.com.br", "public_mail_domain"),
        ("yahoo.co.jp", "public_mail_domain"),
        ("icloud.com", "public_mail_domain"),
        ("proton.me", "public_mail_domain"),
        ("protonmail.ch", "public_mail_domain"),
        ("gmx.net", "public_mail_domain"),
        ("gmx.at", "public_mail_domain"),
        ("web.de", "public_mail_domain"),
        ("t-online.de", "public_mail_domain"),
        ("qq.com", "public_mail_domain"),
        ("163.com", "public_mail_domain"),
        ("mail.ru", "public_mail_domain"),
        ("yandex.kz", "public_mail_domain"),
    ],
)
def test_what_nobody_can_have_is_refused_with_a_reason(acme: Tenant, written: str, code: str):
    with pytest.raises(DomainError) as refusal:
        claim(acme, written)
    assert (refusal.value.code, refusal.value.field) == (code, "name")
    with tenant_scope(acme.organization), pytest.raises(DomainError) as refusal:
        confirm_domain(organization=acme.organization, name=written, reason="They asked", actor=OPERATOR)
    assert refusal.value.code == code


def test_there_is_a_limit(acme: Tenant, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(domains, "MOST_DOMAINS", 2)
    claim(acme, "one.example")
    claim(acme, "two.example")
    with pytest.raises(DomainError) as refusal:
        claim(acme, "three.example")
    assert refusal.value.code == "too_many"


def test_an_operator_vouches_with_a_reason(acme: Tenant, globex: Tenant, zone):
    with tenant_scope(acme.organization):
        with pytest.raises(DomainError) as refusal:
            confirm_domain(organization=acme.organization, name="acme.example", reason=" ", actor=OPERATOR)
        assert refusal.value.code == "reason_missing"
        domain = confirm_domain(
            organization=acme.organization, name="ACME.example", reason="Contract 12", actor=OPERATOR
        )
        assert (domain.state, domain.method, domain.reason) == ("verified", "operator", "Contract 12")
        assert is_verified_domain("ada@acme.example")
    [event] = events(acme, "domain.verified")
    assert (event.actor_kind, event.reason) == ("operator", "Contract 12")
    # Nothing is looked for, and nobody else can have it.
    with acme.acting("owner") as actor:
        assert verify_domain(domain=domain, actor=actor).method == "operator"
    assert not zone.asked
    with tenant_scope(globex.organization), pytest.raises(DomainError, match="verified by another organization"):
        confirm_domain(organization=globex.organization, name="acme.example", reason="Contract 13", actor=OPERATOR)


def test_vouching_for_a_claim_keeps_it(acme: Tenant):
    claimed = claim(acme)
    with tenant_scope(acme.organization):
        domain = confirm_domain(organization=acme.organization, name="acme.example", reason="Contract 12", actor=SYSTEM)
    assert (domain.pk, domain.token) == (claimed.pk, claimed.token)


def test_an_operator_takes_a_verification_back(acme: Tenant, zone, mailoutbox):
    domain = proven(acme, zone)
    with tenant_scope(acme.organization):
        with pytest.raises(DomainError) as refusal:
            withdraw_domain(domain=domain, reason="", actor=OPERATOR)
        assert refusal.value.code == "reason_missing"
        withdraw_domain(domain=domain, reason="Sold to Globex", actor=OPERATOR)
        assert not is_verified_domain("ada@acme.example")
        with pytest.raises(DomainError) as refusal:
            withdraw_domain(domain=domain, reason="Again", actor=OPERATOR)
        assert refusal.value.code == "not_verified"
    [event] = events(acme, "domain.lost")
    assert (event.actor_kind, event.reason) == ("operator", "Sold to Globex")
    [mail] = mailoutbox
    assert mail.to == ["owner@acme.example"]
    assert "Sold to Globex" in mail.body


def test_removing_gives_the_name_free(acme: Tenant, globex: Tenant, zone):
    domain = proven(acme, zone)
    with acme.acting("owner") as actor:
        remove_domain(domain=domain, actor=actor)
        assert not is_verified_domain("ada@acme.example")
        with pytest.raises(DomainError) as refusal:
            remove_domain(domain=domain, actor=actor)
        assert refusal.value.code == "gone"
    assert [event.action for event in events(acme) if event.action.startswith("domain.")] == [
        "domain.claimed",
        "domain.verified",
        "domain.removed",
    ]
    assert proven(globex, zone).is_verified


def test_no_change_without_an_event(acme: Tenant):
    domain = claim(acme)
    with pytest.raises(DatabaseError), tenant_scope(acme.organization):
        Domain.objects.filter(pk=domain.pk).update(token="0" * 40)
    with tenant_scope(acme.organization):
        Domain.objects.filter(pk=domain.pk).update(problem="What a check found is no change")
