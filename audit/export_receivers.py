"""Starts the work on an export as soon as it is asked for; a lost start is made up by the sweep."""

from functools import partial
from typing import Any

from django.db import transaction
from django.dispatch import receiver

from isolation.scope import APP

from .models import EvidenceExport
from .signals import evidence_export_requested
from .tasks import make_export


@receiver(evidence_export_requested, dispatch_uid="audit:make_export")
def start(sender: object, *, target: EvidenceExport, **kwargs: Any) -> None:
    """Send the task once the request is committed."""
    begin = partial(make_export.delay, str(target.organization_id), str(target.pk))
    transaction.on_commit(begin, using=APP, robust=True)
