"""One shape of row, audited in five ways."""

import uuid
from typing import Any

import pghistory
from auditlog.registry import auditlog
from django.db import models
from simple_history.models import HistoricalRecords


class Thing(models.Model):
    """What the tables have in common: about what a project has."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    organization_id = models.UUIDField(db_index=True)
    name = models.CharField(max_length=200)
    slug = models.CharField(max_length=63)
    environment = models.CharField(max_length=20, default="production")
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Bare(Thing):
    """No audit."""


class Governed(Thing):
    """Gatehouse: an event by the recorder, and the database's own watch."""

    tenant_column = "organization_id"


class Batch(Governed):
    """Stands for the organization in the one event of a bulk write: it names what all the rows refer to."""

    class Meta:
        proxy = True
        verbose_name = "organization"


class Auditlogged(Thing):
    """django-auditlog."""


@pghistory.track()
class Tracked(Thing):
    """django-pghistory."""


class Historical(Thing):
    """django-simple-history."""

    history: Any = HistoricalRecords()


auditlog.register(Auditlogged)
