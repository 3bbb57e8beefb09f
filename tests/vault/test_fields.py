"""The encrypted field: opens for its own row only, and shows its text nowhere."""

import copy
import pickle
import pprint
import sys
import uuid

import pytest
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.db import DatabaseError, models, transaction
from django.db.models import F, Value
from django.forms import modelform_factory
from django.views.debug import ExceptionReporter

from audit.redaction import REDACTED, changes, snapshot
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import NoTenant
from isolation.scope import operator_scope, tenant_scope
from tests.people import Tenant
from tests.tenants.stage import events
from tests.vault.notes import Note
from tests.vault.stage import PLAIN, attributed, load, make_note, overwrite, raw, reveal
from vault.exceptions import CannotDecrypt
from vault.fields import LONGEST, EncryptedField
from vault.models import DataKey

pytestmark = pytest.mark.usefixtures("notes")


def test_a_stranger_cannot_open_what_was_copied_into_the_own_row(acme: Tenant, globex: Tenant, superuser) -> None:
    mine, theirs = make_note(globex, "mine"), make_note(acme)
    overwrite(superuser, mine, raw(superuser, theirs))
    with pytest.raises(CannotDecrypt) as refused:
        reveal(globex, mine)
    assert PLAIN not in str(refused.value)
    assert reveal(acme, theirs) == PLAIN


def test_a_stranger_cannot_open_a_value_that_another_scope_left_behind(acme: Tenant, globex: Tenant) -> None:
    value = load(acme, make_note(acme)).secret
    make_note(globex)
    with tenant_scope(globex.organization), pytest.raises(NoTenant):
        value.reveal()
    with pytest.raises(NoTenant):
        value.reveal()
    with acting_as(SYSTEM), operator_scope("test"), pytest.raises(NoTenant):
        value.reveal()
    with tenant_scope(acme.organization):
        assert value.reveal() == PLAIN, "in its own scope, now from memory"


def test_a_copy_in_another_row_or_column_does_not_open(acme: Tenant, superuser) -> None:
    one, two = make_note(acme, "one", other="other"), make_note(acme, "two")
    overwrite(superuser, two, raw(superuser, one))
    overwrite(superuser, one, raw(superuser, one), "other")
    for read in (lambda: load(acme, two).secret, lambda: load(acme, one).other):
        value = read()
        with tenant_scope(acme.organization), pytest.raises(CannotDecrypt):
            value.reveal()
    assert reveal(acme, one) == "one"


def test_what_is_stored_names_format_and_data_key_and_never_the_text(acme: Tenant, superuser) -> None:
    note = make_note(acme)
    again = make_note(acme)
    with tenant_scope(acme.organization):
        data_key = DataKey.objects.get()
    stored = raw(superuser, note)
    assert stored[0] == 1
    assert stored[1:17] == data_key.pk.bytes
    assert PLAIN.encode() not in stored
    assert stored[17:] != raw(superuser, again)[17:]


@pytest.mark.parametrize("text", ["", "x", "ключ 🔑", "a\x00b", "x" * LONGEST])
def test_every_text_comes_back(text: str, acme: Tenant) -> None:
    note = make_note(acme, text)
    assert bool(load(acme, note).secret)
    assert reveal(acme, note) == text


def test_no_secret_is_none(acme: Tenant) -> None:
    note = make_note(acme, None)
    assert load(acme, note).secret is None
    with tenant_scope(acme.organization):
        assert list(Note.objects.filter(secret__isnull=True)) == [note]
        assert not DataKey.objects.exists(), "a data key is made for the first secret, not before"


@pytest.mark.parametrize("value", [b"bytes", 7, ["x"], "x" * (LONGEST + 1)])
def test_only_text_of_some_length_is_taken(value: object) -> None:
    with pytest.raises((TypeError, ValidationError)) as refused:
        Note(organization_id=uuid.uuid4(), secret=value)
    assert "bytes" not in str(refused.value) or not isinstance(value, bytes) or "b'bytes'" not in str(refused.value)


def test_bulk_create_encrypts_each_row_for_itself(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        attributed(acme)
        made = Note.objects.bulk_create([Note(organization_id=acme.organization.pk, secret=f"s{n}") for n in range(5)])
    assert [reveal(acme, note) for note in made] == [f"s{n}" for n in range(5)]


def test_saving_what_was_not_assigned_leaves_the_column_alone(acme: Tenant, superuser) -> None:
    note = make_note(acme)
    stale = load(acme, note)
    with tenant_scope(acme.organization):
        attributed(acme)
        fresh = Note.objects.get()
        fresh.secret = "newer"
        fresh.save()
        stale.title = "Renamed"
        stale.save()
    assert reveal(acme, note) == "newer"
    assert load(acme, note).title == "Renamed"


def test_an_assignment_whose_transaction_failed_is_stored_by_the_next_save(acme: Tenant) -> None:
    note = load(acme, make_note(acme))
    with tenant_scope(acme.organization):
        attributed(acme)
        note.secret = "second"
        with pytest.raises(KeyError), transaction.atomic():
            note.save()
            raise KeyError
        note.save()
    assert reveal(acme, note) == "second"


def test_a_copied_row_does_not_take_the_secret_along(acme: Tenant) -> None:
    note = load(acme, make_note(acme))
    with tenant_scope(acme.organization):
        attributed(acme)
        text = note.secret.reveal()
        note.pk, note._state.adding = uuid.uuid4(), True
        with pytest.raises(CannotDecrypt), transaction.atomic():
            note.save()
        note.secret = text
        note.save()
    assert reveal(acme, note) == PLAIN


def test_update_and_bulk_update_are_refused(acme: Tenant) -> None:
    note = load(acme, make_note(acme))
    with tenant_scope(acme.organization):
        attributed(acme)
        for value in ("plain", note.secret, b"\x01" * 60):
            with pytest.raises(FieldError, match="assign it and save the row"), transaction.atomic():
                Note.objects.update(secret=value)
        with pytest.raises(FieldError, match="assign it and save the row"), transaction.atomic():
            Note.objects.bulk_update([note], ["secret"])
        assert Note.objects.update(other=None) == 1
    assert reveal(acme, note) == PLAIN


def test_the_database_takes_no_plain_text_whoever_writes_it(acme: Tenant) -> None:
    note = make_note(acme)
    for expression in (Value("plain"), Value("plain " * 20)):
        with pytest.raises(DatabaseError), tenant_scope(acme.organization):
            attributed(acme)
            Note.objects.update(secret=expression)
    assert reveal(acme, note) == PLAIN


@pytest.mark.parametrize("lookup", ["", "__exact", "__in", "__startswith", "__gt", "__contains", "__length"])
def test_rows_are_not_found_by_a_secret(lookup: str, acme: Tenant) -> None:
    make_note(acme)
    value = [PLAIN] if lookup == "__in" else PLAIN
    with tenant_scope(acme.organization), pytest.raises(FieldError) as refused:
        list(Note.objects.filter(**{f"secret{lookup}": value}))
    assert PLAIN not in str(refused.value)


def test_values_show_nothing_and_open_nothing(acme: Tenant) -> None:
    make_note(acme)
    with tenant_scope(acme.organization):
        (row,) = Note.objects.values("secret", again=F("secret"))
        assert str(row) == "{'secret': [sealed], 'again': [sealed]}"
        with pytest.raises(CannotDecrypt):
            row["secret"].reveal()


def test_no_form_has_it(acme: Tenant) -> None:
    assert "secret" not in modelform_factory(Note, fields="__all__").base_fields
    assert Note._meta.get_field("secret").editable is False


def everything_shown(value: object) -> str:
    return f"{value} {value!r} {value:>20} {pprint.pformat(value)} {[value]}"


def test_no_repr_shows_the_text_before_and_after_it_is_stored(acme: Tenant) -> None:
    note = Note(organization_id=acme.organization.pk, secret=PLAIN)
    with tenant_scope(acme.organization):
        attributed(acme)
        for state in ("new", "saved", "loaded"):
            shown = everything_shown(note.secret) + repr(vars(note)) + repr(copy.deepcopy(vars(note)))
            assert PLAIN not in shown, state
            if state == "new":
                note.save()
            note = note if state == "new" else Note.objects.get()
            assert note.secret.reveal() == PLAIN


def test_no_pickle_holds_the_text(acme: Tenant) -> None:
    note = Note(organization_id=acme.organization.pk, secret=PLAIN)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(note.secret)
    for stored in (make_note(acme), load(acme, make_note(acme))):
        pickled = pickle.dumps(stored.secret)
        assert PLAIN.encode() not in pickled
        with tenant_scope(acme.organization):
            assert pickle.loads(pickled).reveal() == PLAIN  # noqa: S301 - what this test pickled


@pytest.mark.parametrize("format_name", ["json", "xml", "python"])
def test_fixtures_hold_ciphertext_and_load_into_the_same_row(format_name: str, acme: Tenant) -> None:
    note = make_note(acme)
    with tenant_scope(acme.organization):
        written = serializers.serialize(format_name, Note.objects.all())
        assert PLAIN not in str(written)
        field = Note._meta.get_field("secret")
        restored = field.to_python(field.value_to_string(Note.objects.get()))
        attributed(acme)
        Note.objects.all().delete()
        again = Note(pk=note.pk, organization_id=note.organization_id, secret=restored)
        again.save_base(raw=True, force_insert=True)
    assert reveal(acme, note) == PLAIN
    with pytest.raises(ValidationError):
        field.to_python(PLAIN)
    with pytest.raises(FieldError, match="never written out in plain text"):
        field.value_to_string(Note(organization_id=uuid.uuid4(), secret=PLAIN))


def test_the_audit_log_says_that_it_changed_and_nothing_more(acme: Tenant) -> None:
    note = load(acme, make_note(acme))
    before = snapshot(note)
    with tenant_scope(acme.organization):
        attributed(acme)
        note.secret = "another"
        note.save()
    old, new = changes(before, snapshot(note))
    assert (old, new) == ({"secret": REDACTED}, {"secret": REDACTED})
    assert changes(snapshot(note), snapshot(note)) == ({}, {})
    created = changes(None, snapshot(note))[1]
    assert (created["secret"], created["other"]) == (REDACTED, None)
    assert "another" not in repr(events(acme))


def test_a_crash_report_does_not_show_the_text(acme: Tenant, settings, monkeypatch) -> None:
    """With DEBUG, Django's page shows every local variable of every frame."""
    settings.DEBUG = True

    def fail(*args: object) -> None:
        raise OSError("out of order")

    def crash() -> None:
        note = Note(organization_id=acme.organization.pk)
        note.secret = PLAIN
        note.save()

    for at in ("vault.envelope.secrets.token_bytes", "vault.data_keys.open_key", "vault.envelope.AESGCM"):
        monkeypatch.setattr(at, fail)
        with tenant_scope(acme.organization):
            try:
                crash()
            except OSError:
                report = ExceptionReporter(None, *sys.exc_info()).get_traceback_html()
            else:
                pytest.fail("nothing failed")
            finally:
                transaction.set_rollback(True)
        assert "out of order" in report
        assert "model_instance" in report, "the local variables are there"
        assert PLAIN not in report
        monkeypatch.undo()


def test_deferred_and_refreshed_values(acme: Tenant) -> None:
    note = make_note(acme)
    with tenant_scope(acme.organization):
        lean = Note.objects.defer("secret").get()
        assert "secret" not in lean.__dict__
        assert lean.secret.reveal() == PLAIN
        attributed(acme)
        lean.secret = "third"
        lean.save(update_fields=["secret"])
        note.refresh_from_db()
        assert note.secret.reveal() == "third"


def test_a_model_without_organization_or_with_a_late_key_is_an_error() -> None:
    class Loose(models.Model):
        secret = EncryptedField(unique=True)

        class Meta:
            apps = Note._meta.apps
            app_label = "vaulttest"

        def __str__(self) -> str:
            return "loose"

    assert {error.id for error in Loose._meta.get_field("secret").check()} == {"vault.E001", "vault.E002", "vault.E003"}
    assert Note._meta.get_field("secret").check() == []


def test_a_migration_writes_the_field_as_it_is_declared() -> None:
    name, path, args, kwargs = Note._meta.get_field("secret").deconstruct()
    assert (name, path, args, kwargs) == ("secret", "vault.fields.EncryptedField", [], {"null": True})
