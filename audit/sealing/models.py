"""What sealing writes, to be read: every row is made by the role `gatehouse_sealer`.

`organization_id` is never None here: the nil UUID stands for the log of the installation itself.
"""

from base64 import b64encode
from typing import Any, ClassVar

from django.db import models

from audit.notes import INSTALLATION, verifier_key
from isolation.managers import TenantManager


class Leaf(models.Model):
    """An event's place in its log: `seq` counts from 0 without a gap."""

    tenant_column = "organization_id"
    audit_exempt = True

    pk = models.CompositePrimaryKey("organization_id", "seq")
    organization_id = models.UUIDField()
    seq = models.BigIntegerField()
    event_id = models.UUIDField()
    event_time = models.DateTimeField()
    hash = models.BinaryField()

    objects: Any = TenantManager()

    class Meta:
        managed = False
        db_table = "audit_leaf"
        default_permissions = ()
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"Leaf {self.seq}"


class LeafText(models.Model):
    """What was hashed, and the salts that open its commitments; by month of the event."""

    tenant_column = "organization_id"
    audit_exempt = True

    pk = models.CompositePrimaryKey("organization_id", "seq", "event_time")
    organization_id = models.UUIDField()
    seq = models.BigIntegerField()
    event_time = models.DateTimeField()
    body = models.TextField()
    salts = models.BinaryField()

    objects: Any = TenantManager()

    class Meta:
        managed = False
        db_table = "audit_leaftext"
        default_permissions = ()
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"Text of leaf {self.seq}"


class Node(models.Model):
    """An inner node of the tree, of every eighth level."""

    tenant_column = "organization_id"
    audit_exempt = True

    pk = models.CompositePrimaryKey("organization_id", "level", "place")
    organization_id = models.UUIDField()
    level = models.SmallIntegerField()
    place = models.BigIntegerField()
    hash = models.BinaryField()

    objects: Any = TenantManager()

    class Meta:
        managed = False
        db_table = "audit_node"
        default_permissions = ()
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"Node {self.level}.{self.place}"


class SignedCheckpoint(models.Model):
    """A signed statement over a log up to a size, with the right edge of its tree."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField()
    start = models.BigIntegerField()
    size = models.BigIntegerField()
    root = models.BinaryField()
    edge = models.BinaryField()
    note = models.TextField()
    key_number = models.SmallIntegerField()
    time = models.DateTimeField()

    objects: Any = TenantManager()

    class Meta:
        managed = False
        db_table = "audit_checkpoint"
        default_permissions = ()
        base_manager_name = "objects"
        ordering: ClassVar[list[str]] = ["-size"]

    def __str__(self) -> str:
        return f"Checkpoint {self.size}"

    @property
    def root_text(self) -> str:
        """Return the root as the checkpoint's text has it."""
        return b64encode(self.root).decode()

    @property
    def origin(self) -> str:
        """Return the origin that the checkpoint's text begins with."""
        return self.note.partition("\n")[0]

    def verifier_key(self, public: bytes) -> str:
        """Return the key that signed it, as tools for signed notes take it."""
        return verifier_key(self.origin, public)


class Verification(models.Model):
    """How far the background verification of a log has come, and what it found."""

    tenant_column = "organization_id"
    audit_exempt = True

    organization_id = models.UUIDField(primary_key=True)
    size = models.BigIntegerField(default=0)
    verified_at = models.DateTimeField(null=True)
    again = models.BigIntegerField(default=0)
    began_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    problems = models.JSONField(default=list)
    failing_since = models.DateTimeField(null=True)

    objects: Any = TenantManager()

    class Meta:
        managed = False
        db_table = "audit_verification"
        default_permissions = ()
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"Verification of {self.organization_id}"

    @property
    def is_installation(self) -> bool:
        """Return whether this is the log of the installation itself."""
        return bool(self.organization_id == INSTALLATION)
