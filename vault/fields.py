"""`EncryptedField`: a column that holds ciphertext only.

class Connection(TenantModel):
client_secret = EncryptedField(null=True)

connection.client_secret = "s3cret"; connection.save()
connection.client_secret             # [sealed]
connection.client_secret.reveal()    # inside the organization's tenant_scope
"""

import base64
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core import checks
from django.core.exceptions import FieldError, ValidationError
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from isolation.managers import tenant_column
from isolation.scope import APP

from . import data_keys, envelope
from .envelope import Place
from .exceptions import CannotDecrypt
from .hidden import Hidden
from .sealed import Ciphertext, Sealed

LONGEST = 1024 * 1024

if TYPE_CHECKING:  # Django's classes take type arguments in the stubs only
    BaseField = models.Field[Any, Any]
else:
    BaseField = models.Field


class SealedAttribute(DeferredAttribute):
    """Turns what is assigned into `Sealed` at once: no plain text lies in the instance's `__dict__`."""

    field: "EncryptedField"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Return the value, which knows its row from the first look on."""
        value = super().__get__(instance, owner)
        if isinstance(value, Sealed) and value.place is None and value.ciphertext is not None:
            value = Sealed(
                ciphertext=value.ciphertext,
                place=self.field.place_of(instance),
                restored=value.restored,
                reread=partial(self.field.stored, instance.pk),
            )
            instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        """Take text, None, or what was read from the database."""
        instance.__dict__[self.field.attname] = _sealed(value) if value is not None else None


class EncryptedField(BaseField):
    """A text, encrypted with its organization's data key and bound to its row.

    It cannot be searched, shown in a form or written by `QuerySet.update`. Saving a row whose secret was not assigned
    leaves the column alone, so that a row read before a rotation does not bring an old ciphertext back. A migration
    that renames the table or the column makes its ciphertexts unreadable: keep both names (`db_table`, `db_column`).
    Do not name it in the `update_fields` of `bulk_create(update_conflicts=True)`: its ciphertext is bound to the row
    that was not inserted, and would not open in the other.
    """

    description = "An encrypted text"
    descriptor_class = SealedAttribute
    empty_strings_allowed = False
    audit_secret = True  # audit.redaction: events say that it changed

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Return how a migration writes it."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, path, args, kwargs

    def get_internal_type(self) -> str:
        """Return the column type's name: bytea."""
        return "BinaryField"

    def db_check(self, connection: Any) -> str:
        """Return the condition that keeps plain text out of the column, whoever writes it."""
        column = connection.ops.quote_name(self.column)
        return f"octet_length({column}) >= {envelope.SHORTEST} AND get_byte({column}, 0) = {envelope.VERSION}"

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Return what keeps a secret from being bound to its organization and row."""
        errors = super().check(**kwargs)
        name = f"{self.model._meta.label}.{self.name}"
        if tenant_column(self.model) is None:
            hint = "Derive the model from TenantModel: secrets are encrypted with their organization's key."
            errors.append(
                checks.Error(
                    f"{name} is encrypted, but its rows belong to no organization.",
                    hint=hint,
                    obj=self,
                    id="vault.E001",
                )
            )
        if isinstance(self.model._meta.pk, models.AutoField):
            hint = "Use a UUID primary key: the ciphertext is bound to it and made before the row is inserted."
            errors.append(
                checks.Error(
                    f"{name} is encrypted, but its row's key is not known before the insert.",
                    hint=hint,
                    obj=self,
                    id="vault.E002",
                )
            )
        if self.unique or getattr(self, "db_index", False) or self.has_default():
            errors.append(
                checks.Error(
                    f"{name} is encrypted: it takes no index, uniqueness or default.", obj=self, id="vault.E003"
                )
            )
        return errors

    def place_of(self, instance: Any) -> Place:
        """Return where the instance's ciphertext stands."""
        organization_id = getattr(instance, str(tenant_column(type(instance))))
        if not isinstance(organization_id, UUID):
            organization_id = UUID(str(organization_id))
        return self.place(organization_id, instance.pk)

    def place(self, organization_id: UUID, row: Any) -> Place:
        """Return where the ciphertext of a row stands."""
        return Place(organization_id, self.model._meta.db_table, str(self.column), str(row))

    def stored(self, row: Any) -> bytes | None:
        """Return the ciphertext that a row of the current organization holds now, None without one."""
        manager: Any = self.model._base_manager
        value = manager.using(APP).filter(pk=row).values_list(self.attname, flat=True).first()
        return value.ciphertext if value is not None else None

    def pre_save(self, model_instance: Any, add: bool) -> Any:  # noqa: FBT001 - Django's signature
        """Return what the column gets: a new ciphertext, or itself when nothing was assigned.

        Raises:
            CannotDecrypt: a ciphertext of another row is about to be inserted.
            VaultError: the data key cannot be had.
        """
        value = getattr(model_instance, self.attname)
        if value is None:
            return None
        place = self.place_of(model_instance)
        if value.pending is None and not add:
            return models.F(self.attname)
        if value.pending is not None:
            # The text stays with this instance: when the transaction fails and the row is saved again, it is written.
            ciphertext = Ciphertext(data_keys.seal(place, value.pending))
            setattr(model_instance, self.attname, Sealed(ciphertext=ciphertext, place=place, text=value.pending))
            return ciphertext
        data_keys.unseal(place, value.ciphertext)  # a copied row: its secret is assigned anew or not at all
        return value.ciphertext

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Sealed | None:
        """Return the stored value; it learns its row when the row is looked at."""
        return None if value is None else Sealed(ciphertext=Ciphertext(value))

    def get_prep_value(self, value: Any) -> Any:
        """Return the ciphertext for the database.

        Raises:
            FieldError: anything else: `update()`, `bulk_update()` and lookups have no row to bind to.
        """
        if value is None or isinstance(value, Ciphertext):
            return value
        if isinstance(value, Sealed) and value.restored:
            return value.ciphertext
        del value
        raise self._refused("is encrypted for one row: assign it and save the row")

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return what the driver gets."""
        value = value if prepared else self.get_prep_value(value)
        return None if value is None else connection.Database.Binary(value)

    def get_lookup(self, lookup_name: str) -> Any:
        """Return the lookup `isnull`.

        Raises:
            FieldError: any other lookup.
        """
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise self._refused(f"is encrypted: rows cannot be found by its value ({lookup_name}), only by isnull")

    def get_transform(self, lookup_name: str) -> Any:
        """Refuse every transform.

        Raises:
            FieldError: always.
        """
        raise self._refused(f"is encrypted and has no {lookup_name}")

    def value_to_string(self, obj: Any) -> Any:
        """Return the stored ciphertext in base64: what `dumpdata` writes.

        Raises:
            FieldError: it was assigned and is not saved yet.
        """
        value = self.value_from_object(obj)
        if value is None:
            return None
        if value.ciphertext is None:
            raise self._refused("is not saved yet and is never written out in plain text")
        return base64.b64encode(value.ciphertext).decode("ascii")

    def to_python(self, value: Any) -> Any:
        """Return a ciphertext from its base64 form, as `loaddata` reads it.

        Raises:
            ValidationError: it is none.
        """
        if value is None or isinstance(value, Sealed):
            return value
        try:
            ciphertext = Ciphertext(base64.b64decode(value, validate=True))
            envelope.data_key_of(ciphertext)
        except (ValueError, TypeError, CannotDecrypt):
            del value
            raise ValidationError("This is no ciphertext.", code="invalid") from None
        return Sealed(ciphertext=ciphertext, restored=True)

    def formfield(self, *args: Any, **kwargs: Any) -> None:
        """Return None: no form shows or takes it."""
        return

    def _refused(self, why: str) -> FieldError:
        return FieldError(f"{self.model._meta.label}.{self.name} {why}.")


def _sealed(value: Any) -> Sealed:
    if isinstance(value, Sealed):
        return value
    kind = type(value).__name__
    if isinstance(value, str):
        hidden = Hidden(value.encode())
        del value
        if len(hidden.expose()) > LONGEST:
            raise ValidationError(f"A secret has at most {LONGEST} bytes.", code="too_long")
        return Sealed(text=hidden)
    del value
    raise TypeError(f"An encrypted field takes text, not {kind}.")
