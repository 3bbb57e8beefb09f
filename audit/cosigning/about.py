"""What people are shown of cosigning: what others need to know of this installation, and how everything stands."""

from typing import Any

from django.conf import settings
from django.db import connections

from audit import notes
from audit.models import Cosigner, CosigningKey, WitnessedLog
from audit.sealing.keys import key_history
from isolation.scope import APP, INSTALLATION

PREFIX = "/api/v1/audit/witness"
"""What C2SP calls the submission prefix, below the address of this installation."""


def log_key() -> str:
    """Return the key that a witness of this installation's logs needs; "" before anything is sealed."""
    with connections[APP].cursor() as cursor:
        history = key_history(cursor)
        cursor.execute("SELECT installation FROM audit_sealer")
        (installation,) = cursor.fetchone()
    if not history:
        return ""
    return notes.verifier_key(notes.installation_name(installation), history[-1].public)


def witness_url() -> str:
    """Return where others have their checkpoints cosigned."""
    return f"{settings.PUBLIC_URL}{PREFIX}"


def witness_key() -> str:
    """Return what verifies the cosignatures of this installation; "" before it is needed."""
    key = CosigningKey.objects.filter(organization_id=INSTALLATION).first()
    return str(key.verifier_key) if key is not None else ""


def own_witness() -> dict[str, Any]:
    """Return all of it as JSON values; the installation's scope is open."""
    return {
        "log_key": log_key(),
        "witness_url": witness_url(),
        "witness_key": witness_key(),
        "cosigners": [
            {"name": each.name, "url": each.url, "key": str(each.verifier_key), "added_by": each.added_by}
            for each in Cosigner.objects.all()
        ],
        "witnessed": [
            {
                "name": log.name,
                "public_key": log.public_key,
                "added_by": log.added_by,
                "logs": [
                    {
                        "origin": each.origin,
                        "size": each.size,
                        "cosigned_at": each.cosigned_at,
                        "refusal": each.refusal,
                    }
                    for each in log.origins.all()
                ],
            }
            for log in WitnessedLog.objects.prefetch_related("origins")
        ],
    }
