"""What the tests of exports share: sealed events, an export from request to file, and the auditor's program."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from audit.models import EvidenceExport
from audit.package import VERIFIER
from audit.sealing.sealer import seal
from audit.services.exports import request_export, take_export
from isolation.actor import Actor, ActorKind, FullAuthority
from isolation.scope import tenant_scope
from tests.audit.events import write

SHELL = Actor(ActorKind.SYSTEM, None, "tests", authority=FullAuthority())
BATCHES = (3, 5, 4, 9, 2)


@dataclass
class Found:
    """What the auditor's program said."""

    status: int
    report: dict[str, Any]

    @property
    def kinds(self) -> list[str]:
        return [each["kind"] for each in self.report["problems"]]


def sealed(organization_id: UUID, batches: tuple[int, ...] = BATCHES, **values: Any) -> int:
    """Write and seal events in batches; return how many."""
    number = 0
    for size in batches:
        for _ in range(size):
            before, after = {"role": "Viewer", "count": number}, {"role": "Member", "list": ["a", {"b": 1.5}]}
            defaults = {"reason": f"line {number}", "before": before, "after": after, "ip": "203.0.113.7"}
            write(organization_id, **{**defaults, **values})
            number += 1
        seal()
    return number


def export_of(organization_id: UUID, kind: str = "package", *, actor: Actor = SHELL, **wanted: Any) -> EvidenceExport:
    """Return an export that was asked for, and made as far as the worker makes it at once."""
    with tenant_scope(organization_id):
        wanted = {"reason": "Yearly audit", **wanted}
        export = request_export(organization_id=organization_id, format=kind, actor=actor, **wanted)
    return stored(export)


def stored(export: EvidenceExport) -> EvidenceExport:
    with tenant_scope(export.organization_id):
        found: EvidenceExport = EvidenceExport.objects.get(pk=export.pk)
        return found


def taken(export: EvidenceExport, actor: Actor = SHELL) -> bytes:
    """Return the file."""
    with tenant_scope(export.organization_id):
        download = take_export(export=export, actor=actor)
    return b"".join(download.blocks)


def verified(path: Path, *more: str) -> Found:
    """Run the auditor's program as a process of its own."""
    run = subprocess.run(
        [sys.executable, str(VERIFIER), "--json", "--quiet", *more, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode in {0, 1}, run.stderr
    return Found(run.returncode, json.loads(run.stdout))
