"""Data keys: one for each organization, made once, gone with it; a missing or wrong key is named, nothing changes."""

import base64
import threading
from uuid import uuid4

import pytest
from django.core import serializers
from django.db import DatabaseError, close_old_connections, connections

from audit.models import Event
from audit.redaction import snapshot
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from portal.startup import prepare_process
from tenants.models import Organization
from tenants.tasks import purge_due
from tests.people import Tenant
from tests.tenants.stage import events
from tests.tenants.test_deletion import age, schedule
from tests.vault.conftest import Keys, material
from tests.vault.notes import Note
from tests.vault.stage import PLAIN, attributed, execute, load, make_note, overwrite, raw, reveal
from vault.cache import unwrapped
from vault.checks import check_keyring
from vault.data_keys import hold_active, shred
from vault.exceptions import CannotDecrypt, MissingKey, WrongKey
from vault.models import DataKey
from vault.sealed import Ciphertext, Sealed

pytestmark = pytest.mark.usefixtures("notes")


def test_a_stranger_sees_takes_and_makes_no_data_key_of_another(acme: Tenant, globex: Tenant) -> None:
    make_note(acme)
    with tenant_scope(globex.organization):
        assert not DataKey.objects.exists()
        execute("UPDATE vault_datakey SET version = 9")
        execute("DELETE FROM vault_datakey")
    with pytest.raises(DatabaseError, match="row-level security"), tenant_scope(globex.organization):
        foreign = DataKey(organization_id=acme.organization.pk, version=2, wrapped=b"x", wrapped_by=1)
        foreign.save(force_insert=True)
    with tenant_scope(acme.organization):
        assert DataKey.objects.get().version == 1


def test_each_organization_has_its_own_and_one_event_tells_of_it(acme: Tenant, globex: Tenant) -> None:
    for tenant in (acme, globex):
        make_note(tenant)
        make_note(tenant)
        with tenant_scope(tenant.organization):
            data_key = DataKey.objects.get()
        (event,) = events(tenant, "data_key.created")
        assert (event.target_id, event.target_label) == (str(data_key.pk), "Data key 1")
        assert event.after == {"key_encryption_key": 1}


def test_a_data_key_does_not_change_without_an_event(acme: Tenant) -> None:
    make_note(acme)
    with pytest.raises(DatabaseError, match="wrote no audit event"), tenant_scope(acme.organization):
        DataKey.objects.update(wrapped=b"x")
    with pytest.raises(DatabaseError, match="wrote no audit event"), tenant_scope(acme.organization):
        DataKey.objects.all().delete()


def test_two_first_writers_make_one_data_key(acme: Tenant) -> None:
    barrier = threading.Barrier(6)
    problems: list[Exception] = []

    def write(number: int) -> None:
        try:
            barrier.wait(timeout=30)
            with tenant_scope(acme.organization):
                attributed(acme)
                Note(organization_id=acme.organization.pk, secret=f"s{number}").save()
        except Exception as error:  # noqa: BLE001 - handed to the test below
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    close_old_connections()
    assert problems == []
    with tenant_scope(acme.organization):
        assert DataKey.objects.count() == 1
        unwrapped.forget()
        assert sorted(note.secret.reveal() for note in Note.objects.all()) == [f"s{n}" for n in range(6)]
    assert len(events(acme, "data_key.created")) == 1


def test_a_data_key_of_a_failed_transaction_is_not_left_in_memory(acme: Tenant) -> None:
    with pytest.raises(KeyError), tenant_scope(acme.organization):
        hold_active(acme.organization.pk)
        raise KeyError
    note = make_note(acme)
    assert reveal(acme, note) == PLAIN
    with tenant_scope(acme.organization):
        assert DataKey.objects.count() == 1


def test_a_missing_key_is_named_and_nothing_is_overwritten(acme: Tenant, keys: Keys, superuser) -> None:
    keys(f"1:{material('a')}")
    note = make_note(acme)
    stored = raw(superuser, note)
    keys(f"2:{material('b')}")
    with pytest.raises(MissingKey, match="key-encryption key 1 is not in the keyring"):
        reveal(acme, note)
    loaded = load(acme, note)
    with pytest.raises(MissingKey, match="key 1 "), tenant_scope(acme.organization):
        attributed(acme)
        loaded.secret = "other"
        loaded.save()
    assert raw(superuser, note) == stored
    keys(f"1:{material('a')},2:{material('b')}")
    assert reveal(acme, note) == PLAIN


def test_a_wrong_key_is_named_and_nothing_is_overwritten(acme: Tenant, keys: Keys, superuser) -> None:
    keys(f"1:{material('a')}")
    note = make_note(acme)
    stored = raw(superuser, note)
    keys(f"1:{material('b')}")
    with pytest.raises(WrongKey, match=r"key 1 does not open .* Put the former key 1 back into KEYRING_KEYS"):
        reveal(acme, note)
    loaded = load(acme, note)
    with pytest.raises(WrongKey, match="key 1 "), tenant_scope(acme.organization):
        attributed(acme)
        loaded.secret = "other"
        loaded.save()
    assert raw(superuser, note) == stored


def test_the_check_names_a_missing_and_a_wrong_key(acme: Tenant, keys: Keys) -> None:
    keys(f"1:{material('a')}")
    assert check_keyring(databases=["default"]) == []
    make_note(acme)
    assert check_keyring(databases=["default"]) == []
    assert check_keyring() == []
    for text, said in ((f"2:{material('a')}", "key 1 is not in"), (f"1:{material('b')}", "key 1 does not open")):
        keys(text)
        (error,) = check_keyring(databases=["default"])
        assert error.id == "vault.E004"
        assert said in error.msg
        assert "1 data keys" in str(error.hint)


def test_a_process_does_not_start_without_a_key_in_use(acme: Tenant, keys: Keys) -> None:
    keys(f"1:{material('a')}")
    make_note(acme)
    prepare_process()
    keys(f"2:{material('b')}")
    with pytest.raises(SystemExit, match=r"^Gatehouse: KEYRING_KEYS: The key-encryption key 1 is not in"):
        prepare_process()


def test_a_shredded_organizations_secrets_do_not_open_from_a_backup(acme: Tenant, globex: Tenant, superuser) -> None:
    note, theirs = make_note(acme), make_note(globex)
    backup = raw(superuser, note)
    with tenant_scope(acme.organization):
        assert shred(organization_id=acme.organization.pk, actor=SYSTEM) == 1
    overwrite(superuser, note, backup)
    for _ in range(2):
        with pytest.raises(CannotDecrypt):
            reveal(acme, note)
        make_note(acme, "a new data key does not open it either")
    assert reveal(globex, theirs) == PLAIN
    (event,) = events(acme, "data_key.destroyed")
    assert event.before == {"version": 1, "key_encryption_key": 1}


def test_a_rolled_back_shredding_loses_nothing(acme: Tenant) -> None:
    note = make_note(acme)
    with pytest.raises(KeyError), tenant_scope(acme.organization):
        shred(organization_id=acme.organization.pk, actor=SYSTEM)
        raise KeyError
    assert reveal(acme, note) == PLAIN
    assert events(acme, "data_key.destroyed") == []


def test_a_purge_destroys_the_data_keys_and_says_so(acme: Tenant, globex: Tenant, superuser) -> None:
    place = load(acme, make_note(acme)).secret.place
    (backup,) = superuser.execute("SELECT secret FROM vaulttest_note").fetchone()
    theirs = make_note(globex)
    schedule(acme, "organization")
    age(superuser, "organization", acme)
    assert purge_due() == 1
    with tenant_scope(acme.organization):
        assert not Organization.objects.exists()
        assert not DataKey.objects.exists()
        names = list(Event.objects.order_by("time", "id").values_list("action", flat=True))[-2:]
        with pytest.raises(CannotDecrypt):
            Sealed(ciphertext=Ciphertext(backup), place=place).reveal()
    assert names == ["data_key.destroyed", "organization.purged"]
    assert reveal(globex, theirs) == PLAIN


def test_nothing_stays_in_memory_when_that_is_switched_off(acme: Tenant, keys: Keys) -> None:
    keys(f"1:{material('a')}", cache_seconds=0)
    assert reveal(acme, make_note(acme)) == PLAIN
    assert len(unwrapped) == 0


def test_an_unknown_data_key_cannot_be_opened(acme: Tenant, superuser) -> None:
    note = make_note(acme)
    stored = raw(superuser, note)
    overwrite(superuser, note, stored[:1] + uuid4().bytes + stored[17:])
    with pytest.raises(CannotDecrypt):
        reveal(acme, note)


def test_a_serialized_data_key_is_wrapped(acme: Tenant) -> None:
    make_note(acme)
    with tenant_scope(acme.organization):
        data_key = DataKey.objects.get()
        written = serializers.serialize("json", [data_key])
    key = unwrapped.get(acme.organization.pk, data_key.pk)
    assert key is not None
    assert base64.b64encode(data_key.wrapped).decode() in written
    assert base64.b64encode(key.expose()).decode() not in written
    assert snapshot(data_key)["wrapped"] != data_key.wrapped, "the audit log would say that it changed, and no more"
