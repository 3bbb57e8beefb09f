"""Who cosigns the logs of this installation, and whose logs it cosigns.

All of it is the installation's own: `organization_id` is `INSTALLATION`. What the sealer writes (`Cosignature`,
`Cosigning`) is of the log that it is about.
"""

import uuid
from base64 import b64decode
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import models

from audit.notes import ED25519
from isolation.managers import TenantManager
from vault.fields import EncryptedField

from .signatures import COSIGNATURE, VerifierKey

KEY_LENGTH = 44
"""Of 32 bytes in base64."""
NAME_LENGTH = 200


class _Own(models.Model):
    """A row of the installation."""

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    name = models.CharField(max_length=NAME_LENGTH)
    public_key = models.CharField(max_length=KEY_LENGTH)

    objects: Any = TenantManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class CosigningKey(_Own):
    """The key by which this installation cosigns the logs of others: one row, made when it is first needed."""

    seed = EncryptedField()
    """The private key, in base64."""
    created_at = models.DateTimeField(auto_now_add=True)

    audit_exclude = frozenset({"created_at", "organization_id"})

    class Meta(_Own.Meta):
        verbose_name = "cosigning key"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id"], name="audit_cosigningkey_one"),
        ]

    @property
    def verifier_key(self) -> VerifierKey:
        """Return what verifies its cosignatures."""
        return VerifierKey(self.name, COSIGNATURE, b64decode(self.public_key))

    def private(self) -> Ed25519PrivateKey:
        """Return the private key, inside the installation's scope."""
        return Ed25519PrivateKey.from_private_bytes(b64decode(self.seed.reveal()))


class Cosigner(_Own):
    """Another installation that is asked to cosign the checkpoints of this one."""

    url = models.CharField("address", max_length=500)
    """Below it is ``add-checkpoint``."""
    added_by = models.CharField(max_length=320, editable=False)
    added_at = models.DateTimeField("added", auto_now_add=True)

    audit_exclude = frozenset({"added_at", "organization_id"})

    class Meta(_Own.Meta):
        verbose_name = "cosigner"
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "name"], name="audit_cosigner_name"),
        ]

    @property
    def verifier_key(self) -> VerifierKey:
        """Return what verifies its cosignatures."""
        return VerifierKey(self.name, COSIGNATURE, b64decode(self.public_key))


class WitnessedLog(_Own):
    """A log, or every log of another installation, that is cosigned here: by the origin, or by its beginning."""

    added_by = models.CharField(max_length=320, editable=False)
    added_at = models.DateTimeField("added", auto_now_add=True)

    audit_exclude = frozenset({"added_at", "organization_id"})

    class Meta(_Own.Meta):
        verbose_name = "witnessed log"
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "name"], name="audit_witnessedlog_name"),
            models.UniqueConstraint(fields=["organization_id", "id"], name="audit_witnessedlog_same_organization"),
        ]

    def key_for(self, origin: str) -> VerifierKey:
        """Return the key that signs the log of an origin."""
        return VerifierKey(origin, ED25519, b64decode(self.public_key))


class WitnessedOrigin(models.Model):
    """The newest checkpoint of one log that was cosigned here; nothing that contradicts it is cosigned."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    witnessed_log = models.ForeignKey(
        WitnessedLog, on_delete=models.CASCADE, related_name="origins", db_constraint=False
    )
    origin = models.CharField(max_length=NAME_LENGTH)
    size = models.BigIntegerField(default=0)
    root = models.BinaryField(default=b"")
    signed_at = models.DateTimeField(null=True)
    """The time that the checkpoint itself says, where it says one."""
    cosigned_at = models.DateTimeField(null=True)
    refusal = models.TextField(blank=True)
    """Why a checkpoint was refused that the log's key signed; "" once another one was cosigned."""
    refused_at = models.DateTimeField(null=True)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["origin"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "origin"], name="audit_witnessedorigin_one"),
        ]

    def __str__(self) -> str:
        return self.origin


class Cosignature(models.Model):
    """A line that another installation wrote below a checkpoint of a log. The sealer alone writes it."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField()
    size = models.BigIntegerField()
    name = models.TextField()
    line = models.TextField()
    time = models.DateTimeField()

    objects: Any = TenantManager()

    class Meta:
        managed = False
        db_table = "audit_cosignature"
        default_permissions = ()
        base_manager_name = "objects"
        ordering: ClassVar[list[str]] = ["-size", "name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.size}"


class Cosigning(models.Model):
    """How asking one cosigner about one log stands. The sealer alone writes it."""

    tenant_column = "organization_id"
    audit_exempt = True

    pk = models.CompositePrimaryKey("organization_id", "cosigner_id")
    organization_id = models.UUIDField()
    cosigner_id = models.UUIDField()
    name = models.TextField()
    size = models.BigIntegerField(default=0)
    asked_at = models.DateTimeField(null=True)
    failure = models.TextField(default="")
    """Why it could not be asked, or could not answer, the last time."""
    refusal = models.TextField(default="")
    """Why it refuses this log; "" once it cosigned again."""
    refused_at = models.DateTimeField(null=True)

    objects: Any = TenantManager()

    class Meta:
        managed = False
        db_table = "audit_cosigning"
        default_permissions = ()
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"{self.name}: {self.size}"
