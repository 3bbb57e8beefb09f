"""Secrets of second factors at rest: sealed, bound to their person and kind, and carried along by rotations."""

import json
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt
from django.core.management import call_command
from django.db import DatabaseError, connections, transaction

from accounts.mfa.sealing import StoredSecret
from isolation.scope import INSTALLATION, tenant_scope
from tests.accounts.mfa.stage import code_of, is_signed_in, second_step, sign_in, with_app
from tests.people import Tenant
from vault.cache import unwrapped
from vault.exceptions import CannotDecrypt
from vault.models import DataKey


def stored(superuser: Any, user: Any, kind: str) -> dict[str, Any]:
    query = "SELECT data FROM mfa_authenticator WHERE user_id = %s AND type = %s"
    data: dict[str, Any] = superuser.execute(query, [user.pk, kind]).fetchone()[0]
    return data


def put(superuser: Any, user: Any, kind: str, data: dict[str, Any]) -> None:
    superuser.execute("SET session_replication_role = replica")
    query = "UPDATE mfa_authenticator SET data = %s WHERE user_id = %s AND type = %s"
    superuser.execute(query, [json.dumps(data), user.pk, kind])
    superuser.execute("SET session_replication_role = origin")


def factor(user: Any, kind: str) -> Authenticator:
    found: Authenticator = Authenticator.objects.get(user=user, type=kind)
    return found


def test_nothing_readable_is_in_the_database(acme: Tenant, superuser: Any) -> None:
    _, secret, codes = with_app(acme.member)
    seed = factor(acme.member, "recovery_codes").wrap()
    assert seed.generate_codes() == [code.replace(" ", "") for code in codes]
    for table in ("mfa_authenticator", "audit_event", "portal_cache"):
        text = "\n".join(row[0] for row in superuser.execute(f"SELECT t::text FROM {table} t").fetchall())  # noqa: S608
        for told in (secret, *codes, *(code.replace(" ", "") for code in codes)):
            assert told not in text, table
    assert stored(superuser, acme.member, "totp")["secret"].startswith("sealed:")


@pytest.mark.parametrize("kind", ["totp", "recovery_codes"])
def test_a_secret_that_was_moved_to_somebody_else_does_not_open(acme: Tenant, superuser: Any, kind: str) -> None:
    _, secret, _ = with_app(acme.member)
    with_app(acme.viewer)
    put(superuser, acme.viewer, kind, stored(superuser, acme.member, kind))
    with pytest.raises(CannotDecrypt):
        decrypt(factor(acme.viewer, kind).data["secret" if kind == "totp" else "seed"])
    browser, _ = sign_in(acme.viewer)
    answer = second_step(browser, code_of(secret))
    assert (answer.status_code, is_signed_in(browser)) == (200, False)
    assert "cannot be checked at the moment" in answer.text


def test_a_secret_does_not_open_as_one_of_another_kind(acme: Tenant, superuser: Any) -> None:
    with_app(acme.member)
    moved = stored(superuser, acme.member, "recovery_codes") | {
        "seed": stored(superuser, acme.member, "totp")["secret"]
    }
    put(superuser, acme.member, "recovery_codes", moved)
    with pytest.raises(CannotDecrypt):
        factor(acme.member, "recovery_codes").wrap().generate_codes()


@pytest.mark.parametrize(
    "data", [{"secret": "JBSWY3DPEHPK3PXP"}, {"seed": "abc"}, {"migrated_codes": ["sealed:x", "12345678"]}]
)
def test_the_database_takes_no_plain_secret(acme: Tenant, data: dict[str, Any]) -> None:
    with_app(acme.member)
    with pytest.raises(DatabaseError, match="mfa_authenticator_sealed"), transaction.atomic():
        Authenticator.objects.update(data=data)


def test_the_operators_role_reads_no_secret(acme: Tenant) -> None:
    with_app(acme.member)
    with connections["operator"].cursor() as cursor:
        cursor.execute("SELECT user_id, type, created_at FROM mfa_authenticator")
        assert len(cursor.fetchall()) == 2
    for statement in ("SELECT data FROM mfa_authenticator", "SELECT * FROM portal_cache"):
        with pytest.raises(Exception, match="permission denied"), connections["operator"].cursor() as cursor:
            cursor.execute(statement)


def data_keys() -> set[Any]:
    with tenant_scope(INSTALLATION):
        return set(DataKey.objects.values_list("pk", flat=True))


@pytest.mark.parametrize("options", [[], ["--data-keys"]])
def test_rotations_carry_the_secrets_along(acme: Tenant, superuser: Any, options: list[str]) -> None:
    _, secret, codes = with_app(acme.member)
    before, keys = stored(superuser, acme.member, "totp")["secret"], data_keys()
    out = StringIO()
    call_command("rotate_keys", *options, "--json", stdout=out, stderr=StringIO())
    report = json.loads(out.getvalue())
    assert report["columns"]["mfa_authenticator.data"] == {"current": 2, "retired": 0, "lost": 0}
    if options:
        assert stored(superuser, acme.member, "totp")["secret"] != before
        assert not keys & data_keys(), "the former data key is destroyed"
    unwrapped.forget()
    browser, _ = sign_in(acme.member)
    assert second_step(browser, code_of(secret)).status_code == 302
    other, _ = sign_in(acme.member)
    assert second_step(other, codes[0]).status_code == 302


def test_a_row_that_was_read_before_a_rotation_brings_no_old_ciphertext_back(acme: Tenant, superuser: Any) -> None:
    with_app(acme.member)
    old = factor(acme.member, "recovery_codes")
    codes = old.wrap().generate_codes()
    call_command("rotate_keys", "--data-keys", stdout=StringIO(), stderr=StringIO())
    with pytest.raises(CannotDecrypt), transaction.atomic():
        old.save()
    assert factor(acme.member, "recovery_codes").wrap().generate_codes() == codes


def test_a_secret_says_nothing_of_itself_in_a_message(acme: Tenant) -> None:
    _, secret, _ = with_app(acme.member)
    value = factor(acme.member, "totp").data["secret"]
    assert isinstance(value, StoredSecret)
    assert secret not in f"{value} {value!r}"
